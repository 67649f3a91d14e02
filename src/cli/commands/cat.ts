import type { Command } from "commander";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { type ReadOptions, withReadStore } from "../open-store.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { storeOption } from "../store-option.ts";
import { parseTarget } from "../target.ts";

export function addCat(program: Command, context: Context): void {
  program
    .command("cat")
    .summary("write files of the store to standard output")
    .description(`Writes files to standard output, one after another.\n\n${TARGET_HELP}`)
    .argument("<target...>", "ROOT[/path] or DIGEST[/path]")
    .addOption(storeOption())
    .addOption(sourceOption())
    .addHelpText("after", SOURCES_HELP)
    .addHelpText("after", examples("castorefs cat --store ~/store debian/etc/os-release"))
    .action((targets: string[], options: ReadOptions) => cat(targets, options, context));
}

async function cat(
  texts: readonly string[],
  options: ReadOptions,
  { out, err, args }: Context,
): Promise<void> {
  const targets = texts.map((text) => parseTarget(args.of(text)));
  await withReadStore(options, targets, err, async (store) => {
    for (const [index, target] of targets.entries()) {
      const node = await resolve(store, target);
      if (node.kind !== "file") {
        throw new CommandError(EXIT.failed, `${texts[index]} is a ${node.kind}, not a file`, {
          hint:
            node.kind === "directory"
              ? "castorefs ls lists a directory"
              : "castorefs stat shows where it leads",
        });
      }
      for await (const piece of store.blobs.read(node.digest)) {
        await out.write(piece);
        // The piece is borrowed until the next one is asked for.
        await out.flush();
      }
    }
  });
}
