/** All commands, put together. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addCat } from "./commands/cat.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDiff } from "./commands/diff.ts";
import { addDu } from "./commands/du.ts";
import { addExport } from "./commands/export.ts";
import { addGc } from "./commands/gc.ts";
import { addImport } from "./commands/import.ts";
import { addLayer } from "./commands/layer.ts";
import { addLs } from "./commands/ls.ts";
import { addPull } from "./commands/pull.ts";
import { addPush } from "./commands/push.ts";
import { addRm } from "./commands/rm.ts";
import { addRoots } from "./commands/roots.ts";
import { addServe } from "./commands/serve.ts";
import { addStat } from "./commands/stat.ts";
import { addStats } from "./commands/stats.ts";
import { addStoreServe } from "./commands/store-serve.ts";
import { addTag } from "./commands/tag.ts";
import { addTree } from "./commands/tree.ts";
import { addVerify } from "./commands/verify.ts";
import type { Context } from "./context.ts";
import { EXIT, EXIT_CODES_HELP } from "./exit-codes.ts";
import { examples } from "./help-text.ts";

export function makeProgram(context: Context): Command {
  const program = new Command("castorefs")
    .description(
      "Keeps directory trees in a content-addressed store and serves them to virtual machines " +
        "as a virtio-fs device.",
    )
    .version(packageVersion(), "--version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .configureOutput({
      writeOut: (text) => void context.out.write(text),
      // What went wrong is reported in one place, by main.ts.
      writeErr: () => {},
      getOutHelpWidth: () => Math.min(context.out.columns, 100),
    })
    .exitOverride()
    .addHelpText("after", EXIT_CODES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs import --store ~/store /etc",
        "castorefs ls --store ~/store etc/apt",
        "castorefs serve --store ~/store --socket-path /run/vm1.sock --root etc",
      ),
    );
  addImport(program, context);
  addServe(program, context);
  addLayer(program, context);
  addLs(program, context);
  addTree(program, context);
  addCat(program, context);
  addStat(program, context);
  addRoots(program, context);
  addTag(program, context);
  addRm(program, context);
  addVerify(program, context);
  addGc(program, context);
  addDu(program, context);
  addDiff(program, context);
  addStats(program, context);
  addExport(program, context);
  addPush(program, context);
  addPull(program, context);
  addStoreServe(program, context);
  addCompletion(program, context);
  return program;
}

/** Help and version end the parsing by a throw, too. */
export function isCleanEnd(error: unknown): boolean {
  return error instanceof CommanderError && error.exitCode === EXIT.ok;
}

/** The command that these arguments ask for, when it is one: `ls`, `store serve`. */
export function namedCommand(program: Command, args: readonly string[]): string | undefined {
  const names = program.commands.map((command) => command.name());
  const at = args.findIndex((arg) => names.includes(arg));
  const command = program.commands[names.indexOf(args[at] ?? "")];
  if (command === undefined) return undefined;
  const below = namedCommand(command, args.slice(at + 1));
  return below === undefined ? command.name() : `${command.name()} ${below}`;
}

function packageVersion(): string {
  // As far up from src/cli/ as from dist/cli/.
  const manifest = new URL("../../package.json", import.meta.url);
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}
