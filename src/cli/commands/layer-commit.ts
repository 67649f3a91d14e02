/** `castorefs layer commit`: the tree that a layer shows becomes a root of the store. */
import type { Command } from "commander";
import type { LayerLosses } from "../../layer/commit/losses.ts";
import type { StoreCommitOptions, StoreCommitResult } from "../../layer/commit/store-commit.ts";
import type { LayerSnapshot } from "../../layer/tree/layer-snapshot.ts";
import { MissingObject } from "../../store/errors.ts";
import type { Store } from "../../store/services.ts";
import type { Fetcher } from "../../store/tiers/tier-fetcher.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesFigure, countFigure, durationFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { interruptible } from "../import-interruption.ts";
import { layerStore, layerStoreOption } from "../layer-option.ts";
import { escapedName, jsonName } from "../name-text.ts";
import { nodeJson } from "../node-text.ts";
import { withReadStore } from "../open-store.ts";
import type { Output } from "../output.ts";
import { Progress } from "../progress.ts";
import { SOURCES_HELP, sourceOption } from "../source-option.ts";
import { parseTarget } from "../target.ts";

interface CommitCommandOptions {
  readonly store?: string;
  readonly source?: readonly string[];
  readonly name?: string;
  readonly strict?: true;
  readonly manifest?: string;
  readonly json?: true;
}

export function addLayerCommit(layer: Command, context: Context): void {
  layer
    .command("commit")
    .summary("store the tree that a layer shows as a new root")
    .description(
      "Stores the tree that a layer shows, and prints its digest. Only files that were written to " +
        "are read, and only chunks that the store lacks are added. The layer stays as it is, and " +
        "may be in use: what is stored is the tree at one moment; the machine goes on meanwhile. " +
        "castore has no times, owners, permissions beyond the executable bit, extended attributes, " +
        "devices, FIFOs, sockets and hard links: what is not kept is counted, and --manifest " +
        "writes it to a file. Files are executable when their owner may execute them.",
    )
    .argument("<layer>", "directory of the layer")
    .option("--name <name>", "name of the new root; without one castorefs gc removes it again")
    .option("--strict", "refuse if anything but times would not be kept")
    .option("--manifest <file>", "write what castore does not keep to this file, as JSON lines")
    .addOption(layerStoreOption())
    .addOption(sourceOption())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        "castorefs layer commit /var/lib/vm1/layer --name debian-with-nginx",
        "castorefs layer commit /var/lib/vm1/layer --name app --manifest app.jsonl",
      ),
    )
    .addHelpText("after", SOURCES_HELP)
    .action((directory: string, options: CommitCommandOptions) =>
      commit(directory, options, context),
    );
}

async function commit(
  directory: string,
  options: CommitCommandOptions,
  context: Context,
): Promise<void> {
  const { out, err, args } = context;
  const name = options.name === undefined ? undefined : rootName(args.of(options.name));
  const { LayerSnapshot } = await import("../../layer/tree/layer-snapshot.ts");
  const begun = performance.now();
  const progress = new Progress(err, "committing");
  const result = await interruptible(async (signal) => {
    using snapshot = await LayerSnapshot.open(directory);
    const reading = { ...options, store: layerStore(options.store, snapshot.meta) };
    const commitOptions: StoreCommitOptions = {
      ...(name === undefined ? {} : { name }),
      ...(options.manifest === undefined ? {} : { manifestPath: options.manifest }),
      strict: options.strict ?? false,
      signal,
      onProgress: (state) => progress.update(state),
    };
    return await withReadStore(reading, [], err, (store, fetcher) =>
      commitWhole(snapshot, store, fetcher, reading.store, commitOptions),
    );
  }, "committing it again goes on with what is stored already").catch(refused);
  progress.clear();
  const milliseconds = performance.now() - begun;
  if (options.json) await out.json(commitJson(name, result, milliseconds));
  else await print(out, name, result, milliseconds);
  if (name !== undefined || options.json) return;
  await err.line("castorefs: it has no name, so castorefs gc will remove it; --name gives one");
  await err.flush();
}

/** Fetches what the store lacks of the base, if there is where to fetch it from. */
async function commitWhole(
  snapshot: LayerSnapshot,
  store: Store,
  fetcher: Fetcher | undefined,
  directory: string,
  options: StoreCommitOptions,
): Promise<StoreCommitResult> {
  const { commitLayer } = await import("../../layer/commit/store-commit.ts");
  try {
    return await commitLayer(snapshot, store, options);
  } catch (error) {
    if (!(error instanceof MissingObject)) throw error;
    if (fetcher === undefined) {
      throw new CommandError(EXIT.failed, `the base is here in part only: ${error.message}`, {
        hint: "give --source ADDRESS, or have castorefs pull complete the base",
        cause: error,
      });
    }
  }
  const { openDiskStore } = await import("../../store/disk-store.ts");
  const { pullTree } = await import("../../store/tiers/pull-tree.ts");
  using local = openDiskStore(directory);
  const { signal } = options;
  await pullTree(local, fetcher, snapshot.base, signal === undefined ? {} : { signal });
  return await commitLayer(snapshot, store, options);
}

/** @throws CommandError */
async function refused(error: unknown): Promise<never> {
  const { LayerLoss } = await import("../../layer/commit/store-commit.ts");
  if (!(error instanceof LayerLoss)) throw error;
  const { times: _, ...lost } = error.lost;
  const what = lossesText({ ...lost, times: 0 });
  throw new CommandError(EXIT.failed, `castore cannot keep ${what}: nothing was committed`, {
    hint: "without --strict they are left out; --manifest FILE writes them to a file",
    cause: error,
  });
}

function rootName(bytes: Uint8Array) {
  const { start, path } = parseTarget(bytes);
  if (start.kind === "root" && path.length === 0) return start.name;
  throw new CommandError(EXIT.usage, `${escapedName(bytes)} cannot be the name of a root`, {
    hint: "a name has no slash in it, and is no digest",
  });
}

function commitJson(
  name: Uint8Array | undefined,
  { node, pause, ...figures }: StoreCommitResult,
  milliseconds: number,
) {
  return {
    ...(name === undefined ? {} : jsonName(name)),
    ...nodeJson(node),
    ...figures,
    ...(pause === undefined ? {} : pause),
    milliseconds: Math.round(milliseconds),
  };
}

async function print(
  out: Output,
  name: Uint8Array | undefined,
  result: StoreCommitResult,
  milliseconds: number,
): Promise<void> {
  const digest = result.node.digest.toString();
  if (name === undefined) await out.line(digest);
  else await out.line(out.name(name, "bold"), `  ${digest}`);
  const read = `${countFigure(result.files, "file")} read (${bytesFigure(result.bytes)})`;
  const made = `${countFigure(result.directories, "directory", "directories")} made anew`;
  await out.line(`  ${read}, ${made}; ${bytesFigure(result.newBytes)} new to the store`);
  const { pause } = result;
  const cost =
    pause === undefined
      ? ""
      : `; the machine's writes waited ${pause.pauseMilliseconds.toFixed(1)} ms, after ` +
        `${pause.flushMilliseconds.toFixed(1)} ms of writing back`;
  await out.line(`  ${durationFigure(milliseconds)}${cost}`);
  const lost = lossesText(result.lost);
  if (lost !== "") await out.line(out.styled("dim", `  not kept: ${lost}`));
}

const LOSS_TEXTS: Readonly<Record<keyof LayerLosses, (count: number) => string>> = {
  owners: (count) => `owners of ${countFigure(count, "entry", "entries")}`,
  permissions: (count) => `permissions of ${countFigure(count, "entry", "entries")}`,
  xattrs: (count) => `extended attributes of ${countFigure(count, "entry", "entries")}`,
  devices: (count) => countFigure(count, "device"),
  fifos: (count) => countFigure(count, "FIFO"),
  sockets: (count) => countFigure(count, "socket"),
  hardLinks: (count) => `hard links of ${countFigure(count, "file")}`,
  times: (count) => `times of ${countFigure(count, "entry", "entries")}`,
};

function lossesText(lost: Readonly<LayerLosses>): string {
  const parts: string[] = [];
  for (const [kind, text] of Object.entries(LOSS_TEXTS)) {
    const count = lost[kind as keyof LayerLosses];
    if (count > 0) parts.push(text(count));
  }
  return parts.join(", ");
}
