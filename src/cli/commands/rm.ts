import type { Command } from "commander";
import { parseName } from "../../castore/name.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples } from "../help-text.ts";
import { escapedName } from "../name-text.ts";
import { withStore } from "../open-store.ts";
import { requiredStore, storeOption } from "../store-option.ts";

interface RmOptions {
  readonly store?: string;
  readonly force?: true;
}

export function addRm(program: Command, context: Context): void {
  program
    .command("rm")
    .summary("remove root nodes")
    .description(
      "Removes roots by name. Only the names go: what they named stays in the store, readable by " +
        "its digest.",
    )
    .argument("<root...>", "names of roots")
    .addOption(storeOption())
    .option("-f, --force", "do not mind names that are absent")
    .addHelpText("after", examples("castorefs rm --store ~/store debian"))
    .action((names: string[], options: RmOptions) => rm(names, options, context));
}

async function rm(texts: readonly string[], options: RmOptions, { args }: Context): Promise<void> {
  const names = texts.map((text) => parseName(args.of(text)));
  await withStore(requiredStore(options.store), {}, async (store) => {
    const absent: string[] = [];
    for (const name of names) {
      if (!(await store.roots.delete(name)) && !options.force) absent.push(escapedName(name));
    }
    if (absent.length > 0) {
      throw new CommandError(EXIT.failed, `no root is named ${absent.join(", ")}`, {
        hint: "castorefs roots lists them",
      });
    }
  });
}
