/**
 * The tree that a layer shows, as commands see it: rows over the directories of the base. What the
 * layer never touched is a node of the base, with all that is below it; so whoever looks for changes
 * looks into directories that have some, and into no others.
 */
import { Digest } from "../../castore/digest.ts";
import { compareBytes, type Name, parseName } from "../../castore/name.ts";
import type { DirectoryNode, FileNode, Node } from "../../castore/node.ts";
import { directoryNode, fileNode } from "../../castore/node.ts";
import type { DirectoryService } from "../../store/services.ts";
import { requireDirectory } from "../../store/tree-walk.ts";
import { LayerError } from "../errors.ts";
import type { LayerReader } from "../layer-port.ts";
import { type EntryRow, type InodeRow, type Origin, ROOT_ID } from "../rows.ts";
import { type InodeType, inodeType } from "./inode-type.ts";

/** What a name stands for: a node of the base as it is, or an inode of the layer. */
export type Shown =
  | { readonly kind: "base"; readonly node: Node }
  | { readonly kind: "layer"; readonly inode: InodeRow; readonly type: InodeType };

export interface ShownEntry {
  readonly name: Name;
  readonly shown: Shown;
}

/** An inode of the layer under one of its names. */
export interface LayerStep {
  /** Names on the way from the root; none for the root itself. */
  readonly path: readonly Name[];
  readonly inode: InodeRow;
  readonly type: InodeType;
}

export class LayerTree {
  readonly rows: LayerReader;
  readonly base: DirectoryNode;
  readonly directories: DirectoryService;

  /** The base's directories come from `directories`. */
  constructor(rows: LayerReader, base: DirectoryNode, directories: DirectoryService) {
    this.rows = rows;
    this.base = base;
    this.directories = directories;
  }

  get root(): Shown {
    const inode = this.rows.inode(ROOT_ID);
    return inode === undefined
      ? { kind: "base", node: this.base }
      : { kind: "layer", inode, type: "directory" };
  }

  /**
   * Everything in a directory, in byte order of the names.
   * @throws LayerError, MissingObject, CorruptObject
   */
  async list(shown: Shown): Promise<readonly ShownEntry[]> {
    if (shown.kind === "base") {
      if (shown.node.kind !== "directory") return [];
      const { entries } = await requireDirectory(this.directories, shown.node.digest);
      return entries.map(({ name, node }) => ({ name, shown: { kind: "base", node } }));
    }
    const { id, origin } = shown.inode;
    const rows = new Map<string, EntryRow>();
    for (const row of this.rows.entries(id)) rows.set(nameKey(row.name), row);
    const found: ShownEntry[] = [];
    if (origin?.kind === "directory") {
      const base = await requireDirectory(this.directories, Digest.from(origin.digest));
      for (const { name, node } of base.entries) {
        if (!rows.has(nameKey(name))) found.push({ name, shown: { kind: "base", node } });
      }
    }
    for (const { name, inode } of rows.values()) {
      if (inode !== undefined) found.push({ name: parseName(name), shown: this.shownInode(inode) });
    }
    return found.sort((a, b) => compareBytes(a.name, 0, a.name.length, b.name, 0, b.name.length));
  }

  /**
   * Every inode of the layer that has a name, once for each name, parents first, entries in byte
   * order. Looks at rows only.
   * @throws LayerError
   */
  *steps(): Generator<LayerStep> {
    const { root } = this;
    if (root.kind === "base") return;
    const stack: LayerStep[] = [{ path: [], inode: root.inode, type: root.type }];
    const seen = new Set<number>();
    for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
      yield step;
      if (step.type !== "directory") continue;
      enter(seen, step.inode.id);
      const below = this.rows.entries(step.inode.id).filter((row) => row.inode !== undefined);
      below.sort((a, b) => compareBytes(b.name, 0, b.name.length, a.name, 0, a.name.length));
      for (const { name, inode } of below) {
        const shown = this.shownInode(inode!);
        stack.push({ path: [...step.path, parseName(name)], ...shown });
      }
    }
  }

  /** @throws LayerError */
  shownInode(id: number): Extract<Shown, { kind: "layer" }> {
    const inode = this.rows.inode(id);
    if (inode === undefined) throw damaged("a name has no inode");
    const type = inodeType(inode);
    if (type === undefined) throw damaged("an inode has no type");
    return { kind: "layer", inode, type };
  }
}

/** Notes that a directory was come to. @throws LayerError when it was before: it is in itself. */
export function enter(seen: Set<number>, directory: number): void {
  if (seen.has(directory)) throw damaged("a directory has two names");
  seen.add(directory);
}

/** The node of the base that an inode was at first. */
export function originNode(origin: Origin): DirectoryNode | FileNode {
  const digest = Digest.from(origin.digest);
  return origin.kind === "directory"
    ? directoryNode(digest, origin.size)
    : fileNode(digest, origin.size, origin.executable);
}

export function nameKey(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString("latin1");
}

function damaged(what: string): LayerError {
  return new LayerError(`the layer is damaged: ${what}`, {
    remedy: "check the disk; castorefs layer discard begins anew",
  });
}
