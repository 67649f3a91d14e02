import type { Command } from "commander";
import { parseName } from "../../castore/name.ts";
import type { Context } from "../context.ts";
import { examples } from "../help-text.ts";
import { nameParts, nodeColumns } from "../node-text.ts";
import { withStore } from "../open-store.ts";
import { resolve } from "../resolve.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { parseTarget } from "../target.ts";

interface TagOptions {
  readonly store?: string;
}

export function addTag(program: Command, context: Context): void {
  program
    .command("tag")
    .summary("give a root a name")
    .description(
      "Gives a name to what is stored: an imported or uploaded tree, or a part of one. castorefs " +
        "gc keeps what has a name. A tree that is only partly here gets none: castorefs pull " +
        "completes it.",
    )
    .argument("<root[/path]|digest[/path]>", "what gets the name")
    .argument("<name>", "the name; what it named before loses it")
    .addOption(storeOption())
    .addHelpText(
      "after",
      examples(
        "castorefs tag --store ~/store blake3-... debian",
        "castorefs tag --store ~/store debian/etc debian-etc",
      ),
    )
    .action((target: string, name: string, options: TagOptions) =>
      tag(target, name, options, context),
    );
}

async function tag(
  targetText: string,
  nameText: string,
  options: TagOptions,
  { args, out }: Context,
): Promise<void> {
  const target = parseTarget(args.of(targetText));
  const name = parseName(args.of(nameText));
  await withStore(requiredStore(options.store), {}, async (store) => {
    const node = await resolve(store, target);
    await store.roots.put(name, node);
    await out.line(`${nodeColumns(node)}  `, ...nameParts(out, name, node));
  });
}
