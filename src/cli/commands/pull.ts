/** `castorefs pull`: a whole tree from sources into the store. */
import { type Command, Option } from "commander";
import type { Digest } from "../../castore/digest.ts";
import type { Name } from "../../castore/name.ts";
import type { Node } from "../../castore/node.ts";
import type { Fetcher } from "../../store/tiers/tier-fetcher.ts";
import { CommandError } from "../command-error.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "../figures.ts";
import { examples } from "../help-text.ts";
import { escapedName, jsonName } from "../name-text.ts";
import { nodeJson } from "../node-text.ts";
import { withFetcher } from "../open-store.ts";
import { Progress } from "../progress.ts";
import { SOURCE_TIMEOUT_MILLISECONDS, SOURCES_HELP, sourceOption } from "../source-option.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { parseTarget, type Target } from "../target.ts";

interface PullCommandOptions {
  readonly store?: string;
  readonly source?: readonly string[];
  readonly name?: string;
  readonly json?: true;
}

export function addPull(program: Command, context: Context): void {
  program
    .command("pull")
    .summary("fetch a whole tree into the store")
    .description(
      "Fetches a directory with all below it, or a file, from the sources, and gives it a name. " +
        "The store is made when there is none; what is in it already is not fetched again, so " +
        "that a pull that was cut short can be begun anew. A root can be called by its name where " +
        "a source is another castorefs store.",
    )
    .argument("<root>", "digest of a directory or file, or name of a root")
    .addOption(storeOption())
    .addOption(sourceOption())
    .addOption(new Option("--name <name>", "name of the root (default: the one it has there)"))
    .option("--json", "print JSON")
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs pull --store ~/store debian --source /mnt/other/store",
        "castorefs pull --store ~/store --source grpc+http://store.example:8000 --name debian \\\n" +
          "      blake3-r0lJufX5oaag0AgKaHh+...",
      ),
    )
    .action((root: string, options: PullCommandOptions) => pull(root, options, context));
}

async function pull(text: string, options: PullCommandOptions, context: Context): Promise<void> {
  const { out, err, args } = context;
  const sources = requiredSources(options.source);
  const root = parseRoot(args.of(text));
  const name = options.name === undefined ? root.name : rootName(args.of(options.name));
  const directory = requiredStore(options.store);
  const progress = new Progress(err, "fetching");
  const begun = performance.now();
  await withFetcher(directory, sources, err, async (fetcher) => {
    const { pullTree } = await import("../../store/tiers/pull-tree.ts");
    const { openDiskStore } = await import("../../store/disk-store.ts");
    const node = await nodeThere(fetcher, root, sources);
    using store = openDiskStore(directory);
    const result = await pullTree(store, fetcher, node, {
      ...(name === undefined ? {} : { name }),
      onProgress: (state) => {
        progress.expect(state.expected);
        progress.update(state);
      },
    }).finally(() => progress.clear());
    const milliseconds = performance.now() - begun;
    const { node: _, ...counts } = result;
    if (options.json) {
      const named = name === undefined ? {} : jsonName(name);
      const rounded = Math.round(milliseconds);
      return out.json({ ...named, ...nodeJson(node), ...counts, milliseconds: rounded });
    }
    const digest = node.kind === "symlink" ? "" : node.digest.toString();
    if (name === undefined) await out.line(digest);
    else await out.line(out.name(name, "bold"), `  ${digest}`);
    const files = `${countFigure(result.files, "different file")} (${bytesFigure(result.bytes)})`;
    const fetched = `${bytesFigure(result.fetchedBytes)} fetched`;
    const time = `${durationFigure(milliseconds)}, ${speedFigure(result.fetchedBytes, milliseconds)}`;
    const directories = countFigure(result.directories, "directory", "directories");
    await out.line(`  ${directories}, ${files}; ${fetched}; ${time}`);
    if (name === undefined) {
      await err.line("castorefs: it has no name, so castorefs gc will remove it; --name gives one");
      await err.flush();
    }
  });
}

/** What is asked for: a digest, or a name that it has at a source. */
type WantedRoot =
  | { readonly digest: Digest; readonly name: undefined }
  | { readonly digest: undefined; readonly name: Name };

function parseRoot(bytes: Uint8Array): WantedRoot {
  const { start, path }: Target = parseTarget(bytes);
  if (path.length > 0) {
    throw new CommandError(EXIT.usage, "a whole root is pulled, not a part of it", {
      hint: "give the digest of the directory that you want",
    });
  }
  if (start.kind === "digest") return { digest: start.digest, name: undefined };
  return { digest: undefined, name: start.name };
}

function rootName(bytes: Uint8Array): Name {
  const { start, path } = parseTarget(bytes);
  if (start.kind === "root" && path.length === 0) return start.name;
  throw new CommandError(EXIT.usage, `${escapedName(bytes)} cannot be the name of a root`);
}

async function nodeThere(
  fetcher: Fetcher,
  { digest, name }: WantedRoot,
  sources: readonly string[],
): Promise<Node> {
  if (digest !== undefined) {
    const { findNode } = await import("../../store/tiers/pull-tree.ts");
    return await findNode(fetcher, digest);
  }
  const { openSource } = await import("../../store/open-source.ts");
  for (const address of sources) {
    await using source = await openSource(address, {
      timeoutMilliseconds: SOURCE_TIMEOUT_MILLISECONDS,
    });
    const node = await source.roots?.get(name);
    if (node !== undefined) return node;
  }
  throw new CommandError(EXIT.failed, `no source has a root named ${escapedName(name)}`, {
    hint: "only other castorefs stores have names; elsewhere a digest says what to fetch",
  });
}

function requiredSources(sources: readonly string[] | undefined): readonly string[] {
  if (sources !== undefined) return sources;
  throw new CommandError(EXIT.usage, "nothing to fetch from", { hint: "give --source ADDRESS" });
}
