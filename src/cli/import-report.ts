/** What `import` says of a finished import. */
import type { Name } from "../castore/name.ts";
import type { ImportResult } from "../store/import-session.ts";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "./figures.ts";
import { jsonName } from "./name-text.ts";
import { type NodeJson, nodeJson } from "./node-text.ts";
import type { Output } from "./output.ts";

/** Special files that are named one by one; of more only the number is said. */
const SKIPPED_LINES_MAX = 20;

export type ImportJson = NodeJson & {
  readonly name: string;
  readonly nameBase64?: string;
} & Pick<
    ImportResult,
    "files" | "directories" | "symlinks" | "bytes" | "newBytes" | "skipped" | "lost"
  > & {
    /** Bytes of files that were there already, or twice in this import. */
    readonly deduplicatedBytes: number;
    readonly milliseconds: number;
  };

export function importJson(name: Name, result: ImportResult, milliseconds: number): ImportJson {
  const { node, ...figures } = result;
  return {
    ...jsonName(name),
    ...nodeJson(node),
    ...figures,
    deduplicatedBytes: deduplicated(result),
    milliseconds: Math.round(milliseconds),
  };
}

export async function printImport(
  out: Output,
  name: Name,
  result: ImportResult,
  milliseconds: number,
): Promise<void> {
  const { node, files, directories, symlinks, bytes, newBytes } = result;
  const digest = node.kind === "symlink" ? "(a symlink has no digest)" : node.digest.toString();
  const saved = deduplicated(result);
  const share = bytes === 0 ? 0 : Math.round((saved / bytes) * 100);
  await out.line(out.name(name, "bold"), `  ${digest}`);
  const counts = [
    countFigure(files, "file"),
    countFigure(directories, "directory", "directories"),
    countFigure(symlinks, "symlink"),
  ];
  await out.line(`  ${counts.join(", ")}; ${bytesFigure(bytes)} of content`);
  await out.line(
    `  ${bytesFigure(newBytes)} new to the store, ${bytesFigure(saved)} deduplicated (${share}%)`,
  );
  await out.line(`  ${durationFigure(milliseconds)}, ${speedFigure(bytes, milliseconds)}`);
  const lost = lossesText(result);
  if (lost !== "") await out.line(out.styled("dim", `  not kept: ${lost}`));
  await printSkipped(out, result);
}

async function printSkipped(out: Output, { skipped }: ImportResult): Promise<void> {
  if (skipped.length === 0) return;
  await out.line(`  skipped ${countFigure(skipped.length, "special file")}:`);
  for (const { path, kind } of skipped.slice(0, SKIPPED_LINES_MAX)) {
    await out.line(`    ${path} (${kind})`);
  }
  const more = skipped.length - SKIPPED_LINES_MAX;
  if (more > 0)
    await out.line(`    and ${more.toLocaleString("en-US")} more; --json lists them all`);
}

/** New bytes count directories as well, content does not. */
function deduplicated({ bytes, newBytes }: ImportResult): number {
  return Math.max(0, bytes - newBytes);
}

function lossesText({ lost }: ImportResult): string {
  const entry = (count: number) => countFigure(count, "entry", "entries");
  const parts: string[] = [];
  if (lost.foreignOwners > 0) parts.push(`owners of ${entry(lost.foreignOwners)}`);
  if (lost.permissions > 0) parts.push(`permissions of ${entry(lost.permissions)}`);
  if (lost.specialBits > 0) parts.push(`set-ID or sticky bits of ${entry(lost.specialBits)}`);
  if (lost.hardLinks > 0) parts.push(`hard links of ${countFigure(lost.hardLinks, "file")}`);
  return parts.join(", ");
}
