/** `castorefs push`: a tree from the store to another host's store, or to object storage. */
import type { Command } from "commander";
import type { Name } from "../../castore/name.ts";
import type { Node } from "../../castore/node.ts";
import type { Source } from "../../store/source.ts";
import { parseSourceAddress } from "../../store/source-address.ts";
import type { PushResult } from "../../store/tiers/push-tree.ts";
import type { Context } from "../context.ts";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "../figures.ts";
import { examples, TARGET_HELP } from "../help-text.ts";
import { nodeJson } from "../node-text.ts";
import { withStore } from "../open-store.ts";
import { Progress } from "../progress.ts";
import { resolve } from "../resolve.ts";
import { SOURCE_TIMEOUT_MILLISECONDS, SOURCES_HELP, toOption } from "../source-option.ts";
import { requiredStore, storeOption } from "../store-option.ts";
import { parseTarget, type Target } from "../target.ts";

interface PushCommandOptions {
  readonly store?: string;
  readonly to: string;
  readonly json?: true;
}

export function addPush(program: Command, context: Context): void {
  program
    .command("push")
    .summary("copy a tree to another store or to object storage")
    .description(
      "Copies a directory with all below it, or a file, to where --to says, and prints its digest. " +
        "What is there already is not sent again, so that a copy that was cut short can be begun " +
        `anew. Another castorefs store is made when there is none, and gets the root's name, too.\n\n${TARGET_HELP}`,
    )
    .argument("<target>", "ROOT[/path] or DIGEST[/path]")
    .addOption(storeOption())
    .addOption(toOption())
    .option("--json", "print JSON")
    .addHelpText("after", SOURCES_HELP)
    .addHelpText(
      "after",
      examples(
        "castorefs push --store ~/store debian --to grpc+http://store.example:8000",
        "castorefs push --store ~/store debian --to 's3://images/castore?region=eu-west-1'",
      ),
    )
    .action((target: string, options: PushCommandOptions) => push(target, options, context));
}

async function push(
  text: string,
  options: PushCommandOptions,
  { out, err, args }: Context,
): Promise<void> {
  const target = parseTarget(args.of(text));
  const { openSource } = await import("../../store/open-source.ts");
  const { pushTree } = await import("../../store/tiers/push-tree.ts");
  const progress = new Progress(err, "sending");
  const begun = performance.now();
  await withStore(requiredStore(options.store), {}, async (store) => {
    const node = await resolve(store, target);
    await makeStore(options.to);
    await using to = await openSource(options.to, {
      timeoutMilliseconds: SOURCE_TIMEOUT_MILLISECONDS,
    });
    const result = await pushTree(store, node, to, {
      onProgress: (state) => {
        progress.expect(state.expected);
        progress.update(state);
      },
    }).finally(() => progress.clear());
    await nameThere(to, target, node);
    const milliseconds = performance.now() - begun;
    if (options.json) {
      await out.json({ ...nodeJson(node), ...result, milliseconds: Math.round(milliseconds) });
    } else {
      await out.line(out.name(args.of(text), "bold"), `  ${digestText(node)}`);
      await out.line(summary(result, milliseconds));
    }
  });
}

/** Another castorefs store is made when there is none, as an import makes it. */
async function makeStore(address: string): Promise<void> {
  const parsed = parseSourceAddress(address);
  if (parsed.kind === "store") await withStore(parsed.path, { create: true }, async () => {});
}

/** A root keeps its name where there are names. */
async function nameThere(to: Source, { start, path }: Target, node: Node): Promise<void> {
  const name: Name | undefined =
    start.kind === "root" && path.length === 0 ? start.name : undefined;
  if (name !== undefined) await to.roots?.put(name, node);
}

function digestText(node: Node): string {
  return node.kind === "symlink" ? "" : node.digest.toString();
}

function summary(result: PushResult, milliseconds: number): string {
  const files = countFigure(result.files, "different file");
  const directories = countFigure(result.directories, "directory", "directories");
  const sent = `${countFigure(result.sentFiles, "file")} sent, ${bytesFigure(result.sentBytes)}`;
  const time = `${durationFigure(milliseconds)}, ${speedFigure(result.sentBytes, milliseconds)}`;
  return `  ${directories}, ${files} (${bytesFigure(result.bytes)}); ${sent}; ${time}`;
}
