/**
 * Putting a layer upon another base, in three ways: what only the new base changed shows through,
 * what only the layer changed stays, and what both changed is a conflict. Looks into directories that
 * the layer has changed, and into no others; contents are not compared.
 */
import { Digest } from "../../castore/digest.ts";
import { Directory } from "../../castore/directory.ts";
import { type Name, parseName } from "../../castore/name.ts";
import type { DirectoryNode, FileNode, Node } from "../../castore/node.ts";
import type { DirectoryService } from "../../store/services.ts";
import { requireDirectory } from "../../store/tree-walk.ts";
import type { LayerReader } from "../layer-port.ts";
import { type EntryRow, type InodeRow, LINKS_UNCOUNTED, type Origin, ROOT_ID } from "../rows.ts";
import { FileContents } from "../tree/file-contents.ts";
import { type InodeType, inodeType, isExecutable } from "../tree/inode-type.ts";
import { nameKey } from "../tree/layer-tree.ts";
import type { RowEdits } from "./layer-editor.ts";

/** What one side did to an entry of the old base. */
export type SideChange = "added" | "changed" | "deleted";

export interface Conflict {
  /** Names on the way from the root. */
  readonly path: readonly Name[];
  readonly layer: SideChange;
  readonly base: SideChange;
}

/** An entry as all three have it; `inode` undefined: the layer has deleted it. */
interface Meeting {
  readonly path: readonly Name[];
  readonly before: Node | undefined;
  readonly theirs: Node | undefined;
  readonly row: EntryRow;
  readonly inode: InodeRow | undefined;
  readonly type: InodeType | undefined;
}

/** A directory of the layer that is one of the new base as well. */
interface Shared {
  readonly path: readonly Name[];
  readonly inode: InodeRow;
  readonly before: DirectoryNode | undefined;
  readonly theirs: DirectoryNode;
}

const EXECUTABLE_BITS = 0o111;

export class Rebase {
  /** In the order in which they were found. With conflicts, `edits` keep the layer's side of each. */
  readonly conflicts: Conflict[] = [];
  readonly #rows: LayerReader;
  readonly #directories: DirectoryService;
  readonly #edits: RowEdits;
  readonly #pending: Shared[] = [];

  /** Adds to `edits`, which the caller applies. */
  constructor(rows: LayerReader, directories: DirectoryService, edits: RowEdits) {
    this.#rows = rows;
    this.#directories = directories;
    this.#edits = edits;
  }

  /** @throws LayerError, MissingObject, CorruptObject */
  async run(before: DirectoryNode, theirs: DirectoryNode): Promise<void> {
    const root = this.#rows.inode(ROOT_ID);
    if (root === undefined) return;
    this.#pending.push({ path: [], inode: root, before, theirs });
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      await this.#directory(next);
    }
  }

  async #directory({ path, inode, before, theirs }: Shared): Promise<void> {
    if (before?.digest.equals(theirs.digest) === true) return;
    this.#edits.inodes.push({ ...inode, links: LINKS_UNCOUNTED, origin: originOf(theirs) });
    const nothing = Directory.of([]);
    const old = before === undefined ? nothing : await this.#directoryOf(before);
    const now = await this.#directoryOf(theirs);
    const places = new Map(now.entries.map(({ name }, index) => [nameKey(name), index]));
    let beyond = now.entries.length;
    for (const row of this.#rows.entries(inode.id)) {
      const child = row.inode === undefined ? undefined : this.#rows.inode(row.inode);
      const kept = this.#meet({
        path: [...path, parseName(row.name)],
        before: old.get(row.name),
        theirs: now.get(row.name),
        row,
        inode: child,
        type: child && inodeType(child),
      });
      if (!kept) {
        this.#edits.removedEntries.push({ parent: row.parent, name: row.name });
        continue;
      }
      const position = places.get(nameKey(row.name)) ?? beyond++;
      this.#edits.entries.push({ ...row, position });
    }
  }

  /** False: the layer's entry says nothing any more. */
  #meet(meeting: Meeting): boolean {
    const { path, before, theirs, inode, type } = meeting;
    if (inode === undefined) {
      if (theirs === undefined) return false;
      if (!isSame(before, theirs)) this.#conflict(meeting);
      return true;
    }
    if (isSame(before, theirs)) return true;
    if (type === "directory" && theirs?.kind === "directory") {
      const origin = isUpon(inode, before) ? (before as DirectoryNode) : undefined;
      // Or both have made a directory there: it has what either put into it.
      if (origin !== undefined || (before === undefined && inode.origin === undefined)) {
        this.#pending.push({ path, inode, before: origin, theirs });
        return true;
      }
    }
    if (this.#isAs(inode, type, theirs)) return true;
    if (this.#isUntouched(inode, type, before) && theirs?.kind === before?.kind) {
      this.#take(inode, before!, theirs!);
      return true;
    }
    this.#conflict(meeting);
    return true;
  }

  #conflict({ path, before, theirs, inode }: Meeting): void {
    const side = (now: unknown): SideChange => {
      if (before === undefined) return "added";
      return now === undefined ? "deleted" : "changed";
    };
    this.conflicts.push({ path, layer: side(inode), base: side(theirs) });
  }

  /** Takes the new base's content for an inode of which the layer has changed attributes only. */
  #take(inode: InodeRow, before: Node, theirs: Node): void {
    if (theirs.kind === "symlink") {
      this.#edits.inodes.push({ ...inode, target: theirs.target });
      return;
    }
    if (theirs.kind !== "file") return;
    for (const { piece } of this.#rows.pieces(inode.id)) {
      this.#edits.pieces.push({ inode: inode.id, piece, extents: undefined });
    }
    const { mode } = inode;
    const wasExecutable = before.kind === "file" && before.executable;
    const isTheirs = isExecutable(inode) === wasExecutable && theirs.executable !== wasExecutable;
    // Whoever may read it may execute it now, or nobody may any more.
    const bits = theirs.executable ? mode | ((mode & 0o444) >>> 2) : mode & ~EXECUTABLE_BITS;
    this.#edits.inodes.push({
      ...inode,
      mode: isTheirs ? bits : mode,
      size: theirs.size,
      origin: originOf(theirs),
    });
  }

  /** True when both came to the same by themselves, as far as that is known without reading. */
  #isAs(inode: InodeRow, type: InodeType | undefined, theirs: Node | undefined): boolean {
    if (theirs?.kind === "symlink" && type === "symlink") {
      return Buffer.compare(theirs.target, inode.target ?? theirs.target) === 0;
    }
    if (theirs?.kind !== "file" || type !== "file") return false;
    return this.#hasContent(inode, theirs) && isExecutable(inode) === theirs.executable;
  }

  /** True when only attributes of what the old base has were changed. */
  #isUntouched(inode: InodeRow, type: InodeType | undefined, before: Node | undefined): boolean {
    if (before?.kind === "file" && type === "file") return this.#hasContent(inode, before);
    if (before?.kind !== "symlink" || type !== "symlink") return false;
    return Buffer.compare(before.target, inode.target ?? before.target) === 0;
  }

  #hasContent(inode: InodeRow, { digest, size }: FileNode): boolean {
    const { blob } = new FileContents(inode, this.#rows.pieces(inode.id));
    if (blob !== undefined) return digest.equalsAt(blob.digest, 0);
    return size === 0 && inode.size === 0;
  }

  #directoryOf({ digest }: DirectoryNode): Promise<Directory> {
    return requireDirectory(this.#directories, digest);
  }
}

/** True when a directory of the layer lies upon the one that the old base has in its place. */
function isUpon({ origin }: InodeRow, before: Node | undefined): boolean {
  if (origin?.kind !== "directory" || before?.kind !== "directory") return false;
  return before.digest.equals(Digest.from(origin.digest));
}

function isSame(a: Node | undefined, b: Node | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.kind === "symlink" || b.kind === "symlink") {
    if (a.kind !== "symlink" || b.kind !== "symlink") return false;
    return Buffer.compare(a.target, b.target) === 0;
  }
  if (a.kind !== b.kind || !a.digest.equals(b.digest)) return false;
  return a.kind === "directory" || a.executable === (b as FileNode).executable;
}

function originOf(node: DirectoryNode | FileNode): Origin {
  const { kind, size } = node;
  const executable = kind === "file" && node.executable;
  return { kind, digest: node.digest.bytes, size, executable };
}
