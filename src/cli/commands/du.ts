/** `castorefs du`: what roots take up. */
import type { Command } from "commander";
import type { NamedUsage, StoreUsage } from "../../store/upkeep/disk-usage.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { escapedName, jsonName } from "../name-text.ts";
import type { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface DuOptions {
  readonly store?: string;
  readonly json?: true;
}

export function addDu(program: Command, context: Context): void {
  program
    .command("du")
    .summary("show what roots take up, and share")
    .description(
      "Shows what each root holds and what is stored for it: bytes of all its files; bytes stored, " +
        "each chunk once; and of these its own, which no other root reaches, and those it shares. " +
        "The total counts what roots share once. Looks through all roots, whichever are shown.",
    )
    .argument("[root...]", "names of roots (default: all)")
    .addOption(storeOption())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples("castorefs du --store ~/store", "castorefs du --store ~/store --json debian"),
    )
    .action((roots: string[], options: DuOptions) => du(roots, options, context));
}

async function du(texts: readonly string[], options: DuOptions, context: Context): Promise<void> {
  const { out, err, args } = context;
  const directory = requiredStore(options.store);
  const { measureUsage } = await import("../../store/upkeep/disk-usage.ts");
  const progress = new Progress(err, "looking");
  const usage = await measureUsage(directory, {
    onProgress: (looked) => progress.say(`looking: ${looked.toLocaleString("en-US")} objects`),
  }).finally(() => progress.clear());
  const shown = wanted(
    usage,
    texts.map((text) => args.of(text)),
  );
  if (options.json) {
    return out.json({ roots: shown.map(rootJson), stored: usage.stored });
  }
  await print(out, shown, usage);
}

/** The roots with these names, or all. */
function wanted({ roots }: StoreUsage, names: readonly Uint8Array[]): NamedUsage[] {
  const isNamed = (name: Uint8Array) => (root: NamedUsage) => Buffer.compare(root.name, name) === 0;
  const absent = names.filter((name) => !roots.some(isNamed(name)));
  if (absent.length > 0) {
    throw new CommandError(
      EXIT.failed,
      `no root is named ${absent.map((name) => escapedName(name)).join(", ")}`,
      { hint: "castorefs roots lists them" },
    );
  }
  if (names.length === 0) return [...roots];
  return roots.filter((root) => names.some((name) => isNamed(name)(root)));
}

function rootJson({ name, files, directories, symlinks, bytes, stored, own }: NamedUsage) {
  return {
    ...jsonName(name),
    files,
    directories,
    symlinks,
    bytes,
    stored,
    own,
    shared: stored - own,
  };
}

const HEADINGS = ["files", "directories", "bytes", "stored", "own", "shared"] as const;

async function print(out: Output, roots: readonly NamedUsage[], usage: StoreUsage): Promise<void> {
  const rows = roots.map(({ files, directories, bytes, stored, own }) => [
    files.toLocaleString("en-US"),
    directories.toLocaleString("en-US"),
    ...[bytes, stored, own, stored - own].map(bytesFigure),
  ]);
  const all = roots.length === usage.roots.length;
  const sum = usage.roots.reduce((bytes, root) => bytes + root.bytes, 0);
  const totals = ["", "", bytesFigure(sum), bytesFigure(usage.stored), "", ""];
  const table = [[...HEADINGS], ...rows, ...(all ? [totals] : [])];
  const widths = HEADINGS.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const columns = (row: readonly string[]) =>
    row.map((text, i) => text.padStart(widths[i]!)).join("  ");
  await out.line(out.styled("bold", `${columns(table[0]!)}  root`));
  for (const [i, { name }] of roots.entries()) {
    await out.line(`${columns(rows[i]!)}  `, out.name(name));
  }
  if (all) await out.line(`${columns(totals)}  all roots`);
}
