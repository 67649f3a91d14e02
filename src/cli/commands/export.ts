import type { Command } from "commander";
import type { Node } from "../../castore/node.ts";
import type { Fetcher } from "../../store/tiers/tier-fetcher.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { type ReadOptions, warnings, withReadStore } from "../open-store.ts";
import type { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import { resolve } from "../resolve.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { writeArchiveFile } from "../tar-file.ts";
import { parseTarget } from "../target.ts";

interface ExportCommandOptions extends ReadOptions {
  readonly tar?: string;
}

export function addExport(program: Command, context: Context): void {
  program
    .command("export")
    .summary("write a tree out of the store, or make a tar archive of it")
    .description(
      "Writes a directory, file or symlink to a path where nothing is yet; or with --tar a " +
        `directory as a tar archive. Every byte is verified on the way.\n\n${TARGET_HELP}`,
    )
    .argument("<target>", "ROOT[/path] or DIGEST[/path]")
    .argument("[path]", "where to: a new path")
    .addOption(storeOption())
    .addOption(sourceOption())
    .option("--tar <file>", "write a tar archive to this file, or - for standard output")
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs export --store ~/store debian /tmp/debian",
        "castorefs export --store ~/store --tar etc.tar debian/etc",
        "castorefs export --store ~/store --tar - debian | ssh host tar -xf - -C /srv",
      ),
    )
    .action((target: string, path: string | undefined, options: ExportCommandOptions) =>
      run(target, path, options, context),
    );
}

async function run(
  text: string,
  path: string | undefined,
  options: ExportCommandOptions,
  { out, err, args }: Context,
): Promise<void> {
  const { tar } = options;
  if ((path === undefined) === (tar === undefined)) {
    const message =
      path === undefined ? "nowhere to export to" : "a path and --tar exclude one another";
    throw usage(message, "give a path where nothing is yet, or --tar FILE");
  }
  if (tar === "-" && out.isTerminal) {
    throw usage("an archive would spoil the terminal", "redirect the output, or give --tar FILE");
  }
  const target = parseTarget(args.of(text));
  const progress = new Progress(err, "exporting");
  const onProgress = progress.update.bind(progress);
  await withReadStore(options, [target], err, async (store, fetcher) => {
    const node = await resolve(store, target);
    using _lease = await spared(requiredStore(options.store), node);
    using _ahead = fetcher && (await fetchAhead(fetcher, node, err));
    if (path !== undefined) {
      const { exportTree } = await import("../../store/export-tree.ts");
      await exportTree(store, node, args.of(path), { onProgress });
      return;
    }
    const { exportTar } = await import("../../store/export-tar.ts");
    const archive = exportTar(store, node, { onProgress });
    if (tar !== undefined && tar !== "-") return writeArchiveFile(archive, args.of(tar));
    // Pieces are borrowed until the next one is asked for.
    for await (const piece of archive) await out.write(Uint8Array.from(piece));
  }).finally(() => progress.clear());
}

/**
 * A collection spares what is being exported, even if it loses its name meanwhile. But a store that
 * no lease can be taken on, since its disk is full, is exported all the same.
 */
async function spared(directory: string, node: Node): Promise<Disposable | undefined> {
  const { takeLease } = await import("../../store/upkeep/lease.ts");
  const { StoreError } = await import("../../store/errors.ts");
  try {
    return takeLease(directory, { roots: [node] });
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

/** An export alone would ask for one file after another. */
async function fetchAhead(fetcher: Fetcher, node: Node, err: Output): Promise<Disposable> {
  const { startPrefetch } = await import("../../store/tiers/prefetch.ts");
  const root = node.kind === "directory" ? node.digest : undefined;
  return startPrefetch(fetcher, "all", root, { logger: warnings(err), priority: "foreground" });
}

function usage(message: string, hint: string): CommandError {
  return new CommandError(EXIT.usage, message, { hint });
}
