/** What a layer has changed of its base. Looks only into directories that differ. */
import { compareBytes, type Name } from "../../castore/name.ts";
import type { Node } from "../../castore/node.ts";
import type { InodeRow } from "../rows.ts";
import { FileContents } from "./file-contents.ts";
import { castorePermissions, isExecutable, permissions } from "./inode-type.ts";
import type { LayerTree, Shown, ShownEntry } from "./layer-tree.ts";

/** In which ways something that both have has changed. */
export type LayerChange =
  | "type"
  /** Written to, or cut off, whether or not other bytes are there now. */
  | "content"
  | "executable"
  | "target"
  | "mode"
  | "owner"
  | "xattrs"
  /** Its time of change, and nothing else; of a directory that is not said. */
  | "times";

export interface LayerDifference {
  /** Names on the way from the root; none for the root itself. */
  readonly path: readonly Name[];
  /** In the base. Undefined: added. */
  readonly before: Node | undefined;
  /** Undefined: deleted. */
  readonly after: Shown | undefined;
  /** Empty for what was added or deleted. */
  readonly changes: readonly LayerChange[];
}

/** Two things of the same name, of which one may be missing. */
interface Pair {
  readonly path: readonly Name[];
  readonly before: Node | undefined;
  readonly after: Shown | undefined;
}

/** What to say, or two directories to look into. */
interface Step extends Pair {
  /** The name; with a slash at its end for what lies below it: so paths come in byte order. */
  readonly key: Uint8Array;
  readonly difference: LayerDifference | undefined;
}

const SLASH = Buffer.from("/");

/**
 * Differences in byte order of their paths; of a directory that is new or gone all that is in it,
 * too. What was moved is deleted in one place and added in another.
 * @throws LayerError, MissingObject, CorruptObject, SourceUnavailable
 */
export async function* diffLayer(tree: LayerTree): AsyncGenerator<LayerDifference> {
  const stack = [stepsOf(tree, { path: [], before: tree.base, after: tree.root })];
  for (let steps = stack.at(-1); steps !== undefined; steps = stack.at(-1)) {
    const step = steps.pop();
    if (step === undefined) {
      stack.pop();
    } else if (step.difference !== undefined) {
      yield step.difference;
    } else {
      const pairs = await children(tree, step);
      const below = pairs.flatMap((pair) => stepsOf(tree, pair));
      stack.push(below.sort((a, b) => order(b.key, a.key)));
    }
  }
}

/** The next last. */
function stepsOf(tree: LayerTree, pair: Pair): Step[] {
  const name = pair.path.at(-1) ?? new Uint8Array(0);
  const steps: Step[] = [];
  if (isDirectory(pair.before) || isShownDirectory(pair.after)) {
    if (!isSame(pair)) {
      steps.push({ ...pair, key: Buffer.concat([name, SLASH]), difference: undefined });
    }
  }
  const difference = differenceOf(tree, pair);
  if (difference !== undefined) steps.push({ ...pair, key: name, difference });
  return steps;
}

/** The same directory of the base, with all that is in it. */
function isSame({ before, after }: Pair): boolean {
  if (before?.kind !== "directory" || after === undefined) return false;
  if (after.kind === "layer") return false;
  return after.node.kind === "directory" && after.node.digest.equals(before.digest);
}

async function children(tree: LayerTree, { path, before, after }: Pair): Promise<Pair[]> {
  const old = isDirectory(before) ? await tree.list({ kind: "base", node: before! }) : [];
  const now = isShownDirectory(after) ? await tree.list(after!) : [];
  return merged(old, now).map(([name, x, y]) => ({
    path: [...path, name],
    before: x?.kind === "base" ? x.node : undefined,
    after: y,
  }));
}

/** Names that either has, in byte order. */
function merged(
  old: readonly ShownEntry[],
  now: readonly ShownEntry[],
): [name: Name, old: Shown | undefined, now: Shown | undefined][] {
  const all: [Name, Shown | undefined, Shown | undefined][] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < now.length) {
    const x = old[i];
    const y = now[j];
    const which = x === undefined ? 1 : y === undefined ? -1 : order(x.name, y.name);
    if (which <= 0) i += 1;
    if (which >= 0) j += 1;
    const { name } = (which <= 0 ? x : y)!;
    all.push([name, which <= 0 ? x?.shown : undefined, which >= 0 ? y?.shown : undefined]);
  }
  return all;
}

function differenceOf(tree: LayerTree, pair: Pair): LayerDifference | undefined {
  const { before, after } = pair;
  if (before === undefined || after === undefined) return { ...pair, changes: [] };
  const changes =
    after.kind === "base" ? nodeChanges(before, after.node) : changesOf(tree, before, after);
  return changes.length === 0 ? undefined : { ...pair, changes };
}

function nodeChanges(before: Node, after: Node): LayerChange[] {
  if (before.kind === "file" && after.kind === "file") {
    const changes: LayerChange[] = before.digest.equals(after.digest) ? [] : ["content"];
    return before.executable === after.executable ? changes : [...changes, "executable"];
  }
  if (before.kind === "symlink" && after.kind === "symlink") {
    return Buffer.compare(before.target, after.target) === 0 ? [] : ["target"];
  }
  return before.kind === after.kind ? [] : ["type"];
}

function changesOf(
  tree: LayerTree,
  before: Node,
  { inode, type }: Extract<Shown, { kind: "layer" }>,
): LayerChange[] {
  if (before.kind !== type) return ["type"];
  const changes: LayerChange[] = [];
  const wasExecutable = before.kind === "file" && before.executable;
  if (before.kind === "file") {
    const { blob } = new FileContents(inode, tree.rows.pieces(inode.id));
    const isOriginal =
      blob !== undefined ? before.digest.equalsAt(blob.digest, 0) : isEmpty(before, inode);
    if (!isOriginal) changes.push("content");
    if (isExecutable(inode) !== wasExecutable) changes.push("executable");
  }
  if (before.kind === "symlink" && Buffer.compare(before.target, inode.target ?? SLASH) !== 0) {
    changes.push("target");
  }
  // The owner's bit is said already.
  const mode = permissions(inode);
  const usual = [false, true].map((executable) => castorePermissions(type, executable));
  const expected = before.kind === "file" ? usual : [castorePermissions(type, false)];
  if (!expected.includes(mode)) changes.push("mode");
  if (inode.uid !== 0 || inode.gid !== 0) changes.push("owner");
  if (tree.rows.xattrs(inode.id).length > 0) changes.push("xattrs");
  if (changes.length > 0 || type === "directory") return changes;
  const { seconds, nanoseconds } = inode.mtime;
  return seconds === 0 && nanoseconds === 0 ? [] : ["times"];
}

function isEmpty(before: Node, inode: InodeRow): boolean {
  return before.kind === "file" && before.size === 0 && inode.size === 0;
}

function isDirectory(node: Node | undefined): boolean {
  return node?.kind === "directory";
}

function isShownDirectory(shown: Shown | undefined): boolean {
  if (shown === undefined) return false;
  return shown.kind === "layer" ? shown.type === "directory" : isDirectory(shown.node);
}

function order(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}
