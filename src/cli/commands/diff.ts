/** `castorefs diff`: what differs between two trees. Ends as diff(1) does. */
import type { Command } from "commander";
import type { Node } from "../../castore/node.ts";
import type { Store } from "../../store/services.ts";
import type { Difference } from "../../store/upkeep/tree-diff.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { describeFailure } from "../failures.ts";
import { countFigure } from "../figures.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { jsonName } from "../name-text.ts";
import { nodeJson, nodeStyle } from "../node-text.ts";
import { type ReadOptions, withReadStore } from "../open-store.ts";
import type { Output, Style } from "../output.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { storeOption } from "../store-option.ts";
import { parseTarget } from "../target.ts";

interface DiffOptions extends ReadOptions {
  readonly summary?: true;
  readonly json?: true;
}

interface Counts {
  added: number;
  removed: number;
  changed: number;
}

export function addDiff(program: Command, context: Context): void {
  program
    .command("diff")
    .summary("show what differs between two trees")
    .description(
      "Lists what the second tree has and the first has not (+), the other way round (-), and what " +
        "has changed (~): its content, its executable bit, the target of a symlink, or what kind " +
        "of entry it is. Only directories that differ are looked at. Ends with 0 when the trees " +
        `are the same, with 1 when they differ, with 2 or more when it cannot say.\n\n${TARGET_HELP}`,
    )
    .argument("<before>", "ROOT[/path] or DIGEST[/path]")
    .argument("<after>", "ROOT[/path] or DIGEST[/path]")
    .addOption(storeOption())
    .addOption(sourceOption())
    .option("--summary", "print only how much differs")
    .option("--json", "print JSON, one object a line")
    .addHelpText(
      "after",
      examples(
        "castorefs diff --store ~/store debian-12.1 debian-12.2",
        "castorefs diff --store ~/store --json old/etc new/etc | jq -r .path",
      ),
    )
    .addHelpText("after", SOURCES_HELP)
    .action((before: string, after: string, options: DiffOptions) =>
      diff(before, after, options, context),
    );
}

async function diff(
  before: string,
  after: string,
  options: DiffOptions,
  context: Context,
): Promise<void> {
  const targets = [before, after].map((text) => parseTarget(context.args.of(text)));
  const counts: Counts = { added: 0, removed: 0, changed: 0 };
  try {
    await withReadStore(options, targets, context.err, async (store) => {
      const [a, b] = await Promise.all(targets.map((target) => resolve(store, target)));
      await printDifferences(store, a!, b!, counts, options, context.out);
    });
  } catch (error) {
    throw asTrouble(error);
  }
  if (options.summary) await printSummary(counts, options, context.out);
  if (counts.added + counts.removed + counts.changed > 0) process.exitCode = EXIT.differs;
}

/** 1 says that the trees differ: what keeps us from knowing is 2, as with diff(1). */
function asTrouble(error: unknown): unknown {
  const { exitCode, message, hint } = describeFailure(error, "diff");
  if (exitCode !== EXIT.failed) return error;
  return new CommandError(EXIT.usage, message, { hint, cause: error });
}

async function printDifferences(
  store: Store,
  before: Node,
  after: Node,
  counts: Counts,
  options: DiffOptions,
  out: Output,
): Promise<void> {
  const { diffTrees } = await import("../../store/upkeep/tree-diff.ts");
  for await (const difference of diffTrees(store.directories, before, after)) {
    const kind = kindOf(difference);
    counts[kind] += 1;
    if (options.summary) continue;
    if (options.json) await out.line(JSON.stringify(differenceJson(difference, kind)));
    else await printDifference(difference, kind, out);
  }
}

function kindOf({ before, after }: Difference): keyof Counts {
  if (before === undefined) return "added";
  return after === undefined ? "removed" : "changed";
}

const SIGNS: Readonly<Record<keyof Counts, readonly [sign: string, style: Style]>> = {
  added: ["+", "green"],
  removed: ["-", "red"],
  changed: ["~", "cyan"],
};

async function printDifference(
  { path, before, after, changes }: Difference,
  kind: keyof Counts,
  out: Output,
): Promise<void> {
  const [sign, style] = SIGNS[kind];
  const node = (after ?? before)!;
  const slash = node.kind === "directory" ? "/" : "";
  const why = kind === "changed" ? ` (${changes.join(", ")})` : "";
  const name = out.name(joined(path), nodeStyle(node));
  await out.line(out.styled(style, sign), " ", name, `${slash}${why}`);
}

function differenceJson({ path, before, after, changes }: Difference, kind: keyof Counts) {
  const { name, nameBase64 } = jsonName(joined(path));
  return {
    change: kind,
    path: name,
    ...(nameBase64 === undefined ? {} : { pathBase64: nameBase64 }),
    ...(kind === "changed" ? { changes } : {}),
    ...(before === undefined ? {} : { before: nodeJson(before) }),
    ...(after === undefined ? {} : { after: nodeJson(after) }),
  };
}

async function printSummary(counts: Counts, options: DiffOptions, out: Output): Promise<void> {
  if (options.json) return out.line(JSON.stringify(counts));
  const { added, removed, changed } = counts;
  const entries = countFigure(added, "entry", "entries");
  await out.line(
    `${entries} added, ${removed.toLocaleString("en-US")} removed, ` +
      `${changed.toLocaleString("en-US")} changed`,
  );
}

/** The roots themselves are a dot. */
function joined(path: readonly Uint8Array[]): Uint8Array {
  if (path.length === 0) return Buffer.from(".");
  const slash = Buffer.from("/");
  return Buffer.concat(path.flatMap((name, i) => (i === 0 ? [name] : [slash, name])));
}
