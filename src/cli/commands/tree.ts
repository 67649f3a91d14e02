import { type Command, Option } from "commander";
import type { Node } from "../../castore/node.ts";
import type { Store } from "../../store/services.ts";
import { requireDirectory } from "../../store/tree-walk.ts";
import type { Context } from "../context.ts";
import { bytesFigure, countFigure } from "../figures.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { jsonName } from "../name-text.ts";
import { nameParts, nodeJson } from "../node-text.ts";
import { type ReadOptions, withReadStore } from "../open-store.ts";
import { wholeNumber } from "../option-values.ts";
import type { Output } from "../output.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { storeOption } from "../store-option.ts";
import { parseTarget } from "../target.ts";

/** Linux's PATH_MAX allows no deeper path. */
const DEPTH_MAX = 2048;

interface TreeOptions extends ReadOptions {
  readonly depth: number;
  readonly json?: true;
}

interface Totals {
  directories: number;
  files: number;
  symlinks: number;
  bytes: number;
}

export function addTree(program: Command, context: Context): void {
  program
    .command("tree")
    .summary("show a whole tree")
    .description(`Shows a directory and everything below it.\n\n${TARGET_HELP}`)
    .argument("<target>", "ROOT[/path] or DIGEST[/path]")
    .addOption(storeOption())
    .addOption(sourceOption())
    .addOption(
      new Option("-d, --depth <number>", "go no deeper than this")
        .default(DEPTH_MAX, "no limit")
        .argParser(wholeNumber(1, DEPTH_MAX)),
    )
    .option("--json", "print JSON, one object a line, each with its path")
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs tree --store ~/store --depth 2 debian",
        "castorefs tree --store ~/store --json debian | jq -r 'select(.executable).path'",
      ),
    )
    .action((target: string, options: TreeOptions) => tree(target, options, context));
}

async function tree(
  text: string,
  options: TreeOptions,
  { out, err, args }: Context,
): Promise<void> {
  const target = parseTarget(args.of(text));
  await withReadStore(options, [target], err, async (store) => {
    const node = await resolve(store, target);
    if (options.json) return jsonLines(out, store, node, [], options.depth);
    const totals: Totals = { directories: 0, files: 0, symlinks: 0, bytes: 0 };
    await out.line(...nameParts(out, args.of(text), node));
    if (node.kind === "directory") await branches(out, store, node, "", options.depth, totals);
    await out.line();
    const directories = countFigure(totals.directories, "directory", "directories");
    const files = countFigure(totals.files, "file");
    const symlinks = countFigure(totals.symlinks, "symlink");
    await out.line(`${directories}, ${files} (${bytesFigure(totals.bytes)}), ${symlinks}`);
  });
}

async function branches(
  out: Output,
  store: Store,
  parent: Node & { kind: "directory" },
  indent: string,
  depth: number,
  totals: Totals,
): Promise<void> {
  const { entries } = await requireDirectory(store.directories, parent.digest);
  for (const [index, { name, node }] of entries.entries()) {
    const last = index === entries.length - 1;
    await out.line(indent, last ? "└── " : "├── ", ...nameParts(out, name, node));
    if (node.kind === "directory") {
      totals.directories += 1;
      const inner = `${indent}${last ? "    " : "│   "}`;
      if (depth > 1) await branches(out, store, node, inner, depth - 1, totals);
    } else if (node.kind === "file") {
      totals.files += 1;
      totals.bytes += node.size;
    } else {
      totals.symlinks += 1;
    }
  }
}

async function jsonLines(
  out: Output,
  store: Store,
  node: Node,
  path: readonly Uint8Array[],
  depth: number,
): Promise<void> {
  const { name, nameBase64 } = jsonName(joined(path));
  const exact = nameBase64 === undefined ? {} : { pathBase64: nameBase64 };
  await out.line(JSON.stringify({ path: name, ...exact, ...nodeJson(node) }));
  if (node.kind !== "directory" || path.length >= depth) return;
  for (const entry of (await requireDirectory(store.directories, node.digest)).entries) {
    await jsonLines(out, store, entry.node, [...path, entry.name], depth);
  }
}

function joined(path: readonly Uint8Array[]): Uint8Array {
  const slash = Buffer.from("/");
  return Buffer.concat(path.flatMap((name, index) => (index === 0 ? [name] : [slash, name])));
}
