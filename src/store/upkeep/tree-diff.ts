/** What differs between two trees. Looks only into directories that differ. */
import type { Directory } from "../../castore/directory.ts";
import type { Name } from "../../castore/name.ts";
import { compareBytes } from "../../castore/name.ts";
import type { DirectoryNode, Node } from "../../castore/node.ts";
import type { DirectoryService } from "../services.ts";
import { requireDirectory } from "../tree-walk.ts";

export type Change = "type" | "content" | "executable" | "target";

/** Something that only one of two trees has, or that they have differently. */
export interface Difference {
  /** Names on the way from the roots; none for these themselves. */
  readonly path: readonly Name[];
  /** Undefined: added. */
  readonly before: Node | undefined;
  /** Undefined: removed. */
  readonly after: Node | undefined;
  /** In which ways an entry that both have has changed; of a directory, only that it was none. */
  readonly changes: readonly Change[];
}

/** An entry that differs, or two directories to look into. */
interface Step {
  /** The name; with a slash at its end for what lies below it: so paths come in byte order. */
  readonly key: Uint8Array;
  readonly name: Name;
  readonly entry: Difference | undefined;
  readonly before: DirectoryNode | undefined;
  readonly after: DirectoryNode | undefined;
}

interface Frame {
  readonly path: readonly Name[];
  readonly steps: readonly Step[];
  next: number;
}

const SLASH = Uint8Array.of(0x2f);

/**
 * Differences in byte order of their paths. Directories that both trees have are none, whatever is
 * in them.
 * @throws MissingObject, CorruptObject, SourceUnavailable
 */
export async function* diffTrees(
  directories: DirectoryService,
  before: Node,
  after: Node,
): AsyncGenerator<Difference> {
  const entry = differenceOf([], before, after);
  if (entry !== undefined) yield entry;
  const roots = below(before, after);
  if (roots === undefined) return;
  const stack = [{ path: [], steps: await stepsOf(directories, [], roots), next: 0 } as Frame];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const step = frame.steps[frame.next];
    frame.next += 1;
    if (step === undefined) {
      stack.pop();
    } else if (step.entry !== undefined) {
      yield step.entry;
    } else {
      const path = [...frame.path, step.name];
      stack.push({ path, steps: await stepsOf(directories, path, step), next: 0 });
    }
  }
}

interface Pair {
  readonly before: DirectoryNode | undefined;
  readonly after: DirectoryNode | undefined;
}

/** The directories to look into; undefined: none, or the same twice. */
function below(before: Node | undefined, after: Node | undefined): Pair | undefined {
  const a = before?.kind === "directory" ? before : undefined;
  const b = after?.kind === "directory" ? after : undefined;
  if (a === undefined && b === undefined) return undefined;
  if (a !== undefined && b?.digest.equals(a.digest) === true) return undefined;
  return { before: a, after: b };
}

async function stepsOf(
  directories: DirectoryService,
  path: readonly Name[],
  { before, after }: Pair,
): Promise<Step[]> {
  const a = before && (await requireDirectory(directories, before.digest));
  const b = after && (await requireDirectory(directories, after.digest));
  const steps: Step[] = [];
  for (const [name, inA, inB] of merged(a, b)) {
    const entry = differenceOf([...path, name], inA, inB);
    const nothing = { before: undefined, after: undefined };
    if (entry !== undefined) steps.push({ key: name, name, entry, ...nothing });
    const pair = below(inA, inB);
    if (pair === undefined) continue;
    steps.push({ key: Buffer.concat([name, SLASH]), name, entry: undefined, ...pair });
  }
  return steps.sort((x, y) => order(x.key, y.key));
}

/** Names that either directory has, in byte order, with what they name there. */
function* merged(
  a: Directory | undefined,
  b: Directory | undefined,
): Generator<[name: Name, before: Node | undefined, after: Node | undefined]> {
  const before = a?.entries ?? [];
  const after = b?.entries ?? [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    const x = before[i];
    const y = after[j];
    const which = x === undefined ? 1 : y === undefined ? -1 : order(x.name, y.name);
    if (which <= 0) i += 1;
    if (which >= 0) j += 1;
    const { name } = (which <= 0 ? x : y)!;
    yield [name, which <= 0 ? x?.node : undefined, which >= 0 ? y?.node : undefined];
  }
}

function differenceOf(
  path: readonly Name[],
  before: Node | undefined,
  after: Node | undefined,
): Difference | undefined {
  if (before === undefined || after === undefined) return { path, before, after, changes: [] };
  const changes = changesOf(before, after);
  return changes.length === 0 ? undefined : { path, before, after, changes };
}

function changesOf(before: Node, after: Node): Change[] {
  if (before.kind === "file" && after.kind === "file") {
    const changes: Change[] = before.digest.equals(after.digest) ? [] : ["content"];
    return before.executable === after.executable ? changes : [...changes, "executable"];
  }
  if (before.kind === "symlink" && after.kind === "symlink") {
    return Buffer.compare(before.target, after.target) === 0 ? [] : ["target"];
  }
  return before.kind === after.kind ? [] : ["type"];
}

function order(a: Uint8Array, b: Uint8Array): number {
  return compareBytes(a, 0, a.length, b, 0, b.length);
}
