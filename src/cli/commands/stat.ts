import type { Command } from "commander";
import type { Node } from "../../castore/node.ts";
import type { Store } from "../../store/services.ts";
import { requireDirectory } from "../../store/tree-walk.ts";
import type { Context } from "../context.ts";
import { bytesFigure, countFigure } from "../figures.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { modeText, nodeJson } from "../node-text.ts";
import { type ReadOptions, withReadStore } from "../open-store.ts";
import type { Output } from "../output.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { storeOption } from "../store-option.ts";
import { parseTarget } from "../target.ts";

interface StatOptions extends ReadOptions {
  readonly json?: true;
}

export function addStat(program: Command, context: Context): void {
  program
    .command("stat")
    .summary("show what an entry is: kind, size, digest")
    .description(`Shows kind, mode, size and digest of an entry.\n\n${TARGET_HELP}`)
    .argument("<target>", "ROOT[/path] or DIGEST[/path]")
    .addOption(storeOption())
    .addOption(sourceOption())
    .option("--json", "print JSON")
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs stat --store ~/store debian/bin/bash",
        "castorefs stat --store ~/store --json debian | jq -r .digest",
      ),
    )
    .action((target: string, options: StatOptions) => stat(target, options, context));
}

async function stat(
  text: string,
  options: StatOptions,
  { out, err, args }: Context,
): Promise<void> {
  const target = parseTarget(args.of(text));
  await withReadStore(options, [target], err, async (store) => {
    const node = await resolve(store, target);
    const more = await details(store, node);
    if (options.json) return out.json({ ...nodeJson(node), ...more });
    await out.line(out.name(args.of(text)));
    await describe(out, node, more);
  });
}

/** What the node itself does not say. */
async function details(store: Store, node: Node): Promise<{ children?: number; chunks?: number }> {
  if (node.kind === "directory") {
    return { children: (await requireDirectory(store.directories, node.digest)).entries.length };
  }
  if (node.kind === "symlink") return {};
  const chunks = (await store.blobs.stat(node.digest))?.chunks.length;
  return chunks === undefined ? {} : { chunks };
}

async function describe(
  out: Output,
  node: Node,
  more: { children?: number; chunks?: number },
): Promise<void> {
  await out.line(`  kind    ${node.kind}, ${modeText(node)}`);
  if (node.kind === "symlink") return out.line("  target  ", out.name(node.target));
  if (node.kind === "directory") {
    const below = countFigure(node.size, "entry", "entries");
    await out.line(
      `  holds   ${(more.children ?? 0).toLocaleString("en-US")} of its own, ${below} in all`,
    );
  } else {
    const exact = node.size >= 1024 ? ` (${node.size} bytes)` : "";
    const chunks =
      more.chunks === undefined ? "contents are missing" : countFigure(more.chunks, "chunk");
    await out.line(`  size    ${bytesFigure(node.size)}${exact}, ${chunks}`);
  }
  await out.line(`  digest  ${node.digest}`);
  await out.line(`  hex     ${node.digest.hex}`);
}
