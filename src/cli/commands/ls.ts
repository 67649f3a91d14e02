import type { Command } from "commander";
import type { DirectoryEntry } from "../../castore/directory.ts";
import { requireDirectory } from "../../store/tree-walk.ts";
import type { Context } from "../context.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { jsonName } from "../name-text.ts";
import { nameParts, nodeColumns, nodeJson, nodeStyle } from "../node-text.ts";
import { type ReadOptions, withReadStore } from "../open-store.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { storeOption } from "../store-option.ts";
import { parseTarget } from "../target.ts";

interface LsOptions extends ReadOptions {
  readonly long?: true;
  readonly json?: true;
}

export function addLs(program: Command, context: Context): void {
  program
    .command("ls")
    .summary("list a directory in the store")
    .description(`Lists a directory, or the roots when no target is given.\n\n${TARGET_HELP}`)
    .argument("[target]", "ROOT[/path] or DIGEST[/path]")
    .addOption(storeOption())
    .addOption(sourceOption())
    .option("-l, --long", "show mode, size and digest")
    .option("--json", "print JSON")
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs ls --store ~/store",
        "castorefs ls --store ~/store -l debian/usr/bin",
        "castorefs ls --store ~/store --json debian/etc | jq -r '.[].name'",
      ),
    )
    .action((target: string | undefined, options: LsOptions) => ls(target, options, context));
}

async function ls(text: string | undefined, options: LsOptions, context: Context): Promise<void> {
  const { out, err, args } = context;
  const target = text === undefined ? undefined : parseTarget(args.of(text));
  await withReadStore(options, target === undefined ? [] : [target], err, async (store) => {
    let entries: readonly DirectoryEntry[];
    if (target === undefined) {
      entries = await store.roots.list();
    } else {
      const node = await resolve(store, target);
      const name = target.path.at(-1) ?? args.of(text ?? "");
      entries =
        node.kind === "directory"
          ? (await requireDirectory(store.directories, node.digest)).entries
          : [{ name: name as DirectoryEntry["name"], node }];
    }
    if (options.json) {
      return out.json(entries.map(({ name, node }) => ({ ...jsonName(name), ...nodeJson(node) })));
    }
    for (const { name, node } of entries) {
      if (options.long) await out.line(`${nodeColumns(node)}  `, ...nameParts(out, name, node));
      else if (out.isTerminal && node.kind === "directory")
        await out.line(out.name(name, "blue"), "/");
      else await out.line(out.name(name, nodeStyle(node)));
    }
  });
}
