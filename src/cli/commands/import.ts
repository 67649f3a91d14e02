/** `castorefs import`: paths and archives into the store, each as a root. */
import type { Command } from "commander";
import type { ImportOptions, ImportResult } from "../../store/import-session.ts";
import type { Store } from "../../store/services.ts";
import type { Context } from "../context.ts";
import { examples } from "../help-text.ts";
import { interruptible } from "../import-interruption.ts";
import { importJson, printImport } from "../import-report.ts";
import { type ImportSource, importSources } from "../import-sources.ts";
import { withStore } from "../open-store.ts";
import { Progress } from "../progress.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { treeSize } from "../tree-size.ts";

interface ImportCommandOptions {
  readonly store?: string;
  readonly name?: string;
  readonly skipSpecial?: true;
  readonly plain?: true;
  readonly json?: true;
}

export function addImport(program: Command, context: Context): void {
  program
    .command("import")
    .summary("store directories, files, symlinks and tar archives")
    .description(
      "Stores each path under a root named after it, and prints the root's digest. The store is " +
        "made when there is none. What ends in .tar, .tar.gz or .tar.zst is unpacked, and so is - " +
        "(standard input). " +
        "Times, owners, permissions beyond the executable bit, and hard links are not kept.",
    )
    .argument("<path...>", "directory, file, symlink, tar archive, or - for an archive from stdin")
    .addOption(storeOption())
    .option("--name <name>", "name of the root (default: the last part of the path)")
    .option("--skip-special", "leave out devices, FIFOs and sockets instead of refusing them")
    .option("--plain", "store archives as the files they are")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        "castorefs import --store ~/store /usr/share/doc",
        "castorefs import --store ~/store --name debian --skip-special /srv/debootstrap",
        "docker export box | castorefs import --store ~/store --name box --skip-special -",
      ),
    )
    .action((paths: string[], options: ImportCommandOptions) => run(paths, options, context));
}

async function run(
  paths: readonly string[],
  options: ImportCommandOptions,
  context: Context,
): Promise<void> {
  const directory = requiredStore(options.store);
  const sources = importSources(paths, options, context.args);
  await withStore(directory, { create: true }, async (store) => {
    const reports: unknown[] = [];
    for (const source of sources) {
      const begun = performance.now();
      const result = await interruptible((signal) =>
        importOne(store, source, options, signal, context),
      );
      const milliseconds = performance.now() - begun;
      if (options.json) reports.push(importJson(source.name, result, milliseconds));
      else await printImport(context.out, source.name, result, milliseconds);
    }
    if (options.json) await context.out.json(reports);
  });
}

async function importOne(
  store: Store,
  source: ImportSource,
  options: ImportCommandOptions,
  signal: AbortSignal,
  { err }: Context,
): Promise<ImportResult> {
  const progress = new Progress(err, "importing");
  if (err.isTerminal && source.kind === "tree") progress.expect(treeSize(source.path));
  const importOptions: ImportOptions = {
    name: source.name,
    skipSpecial: options.skipSpecial ?? false,
    signal,
    onProgress: (state) => progress.update(state),
  };
  try {
    if (source.kind === "tree") {
      const { importPath } = await import("../../store/import-tree.ts");
      return await importPath(store, source.path, importOptions);
    }
    const { importTar } = await import("../../store/import-tar.ts");
    const { createReadStream } = await import("node:fs");
    const stream = source.kind === "stdin" ? process.stdin : createReadStream(source.path);
    return await importTar(store, stream, importOptions);
  } finally {
    progress.clear();
  }
}
