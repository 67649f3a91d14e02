import type { Command } from "commander";
import type { Context } from "../context.ts";
import { examples } from "../help-text.ts";
import { jsonName } from "../name-text.ts";
import { nameParts, nodeColumns, nodeJson } from "../node-text.ts";
import { withStore } from "../open-store.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface RootsOptions {
  readonly store?: string;
  readonly json?: true;
}

export function addRoots(program: Command, context: Context): void {
  program
    .command("roots")
    .summary("list the root nodes of a store")
    .description("Lists the roots: mode, size, digest and name of each.")
    .addOption(storeOption())
    .option("--json", "print JSON")
    .addHelpText("after", examples("castorefs roots --store ~/store"))
    .action((options: RootsOptions) => roots(options, context));
}

async function roots(options: RootsOptions, { out }: Context): Promise<void> {
  await withStore(requiredStore(options.store), {}, async (store) => {
    const all = await store.roots.list();
    if (options.json) {
      return out.json(all.map(({ name, node }) => ({ ...jsonName(name), ...nodeJson(node) })));
    }
    for (const { name, node } of all) {
      await out.line(`${nodeColumns(node)}  `, ...nameParts(out, name, node));
    }
  });
}
