/**
 * The steps that changes of the tree are made of. None of them fails: whatever may (finding, loading,
 * room) has been done before the first of them, so that a request changes all or nothing.
 */
import { assert } from "../../base/assert.ts";
import { ENFILE } from "../../base/errno.ts";
import type { NameBytes } from "../../fuse/file-system.ts";
import type { Changes } from "./changes.ts";
import { type Inode, NO_ID } from "./inode.ts";
import { LayerNames } from "./layer-names.ts";
import { type NameEntry, WHITEOUT } from "./name-table.ts";
import type { Tree } from "./tree.ts";

export class Edits {
  readonly #tree: Tree;
  readonly #changes: Changes;
  /** Gives back what the contents of an inode take. */
  readonly #discard: (inode: Inode) => void;
  /** The next inode id to be given out. */
  nextInode: number;

  constructor(tree: Tree, changes: Changes, nextInode: number, discard: (inode: Inode) => void) {
    this.#tree = tree;
    this.#changes = changes;
    this.#discard = discard;
    this.nextInode = nextInode;
  }

  /** A new inode of the layer without a name, or -ENFILE. Its type is to be set, then `dirty`. */
  makeInode(): Inode | number {
    const { inodes } = this.#tree;
    const inode = inodes.take();
    if (inode === undefined) return -ENFILE;
    this.#giveId(inode);
    inode.inoLow = inode.id | 0;
    inode.inoHigh = Math.floor(inode.id / 2 ** 32);
    return inode;
  }

  /** Gives an inode of the base a row in the layer, and so all directories above it. */
  materialise(inode: Inode): void {
    if (inode.id !== NO_ID) return;
    const chain: Inode[] = [];
    for (let at: Inode | undefined = inode; at?.id === NO_ID; at = at.entry?.directory) {
      chain.push(at);
    }
    for (let at = chain.pop(); at !== undefined; at = chain.pop()) this.#materialiseOne(at);
  }

  #materialiseOne(inode: Inode): void {
    const { entry } = inode;
    assert(entry !== undefined, "the base's inodes stand somewhere");
    const names = this.#namesOf(entry.directory);
    this.#giveId(inode);
    inode.allocated = inode.size;
    entry.id = inode.id;
    entry.node = undefined;
    names.add(entry);
    if (inode.isDirectory) this.#tree.setNames(inode, new LayerNames(inode.baseCount));
    else this.#tree.moveTo(inode, undefined);
    this.#changes.inode(inode);
    this.#changes.entry(entry);
  }

  #giveId(inode: Inode): void {
    this.#tree.inodes.setId(inode, this.nextInode);
    this.nextInode += 1;
  }

  /** `name` in `directory` (which has an id) stands for `inode` from now on. Links are not counted. */
  setName(directory: Inode, name: NameBytes, inode: Inode): void {
    const names = this.#namesOf(directory);
    let entry = this.#tree.names.find(directory, name);
    if (entry === undefined) {
      const { bytes, start, end } = name;
      const position = names.takePosition();
      entry = this.#tree.names.add(directory, bytes, start, end, position, inode.id);
      names.add(entry);
    } else {
      names.change(entry, inode.id);
    }
    if (inode.isDirectory) this.#tree.moveTo(inode, entry);
    this.#changes.entry(entry);
  }

  /** A name of the layer stands for nothing any more. */
  clearName(entry: NameEntry): void {
    const names = this.#namesOf(entry.directory);
    if (entry.position < names.baseCount) {
      names.change(entry, WHITEOUT);
    } else {
      this.#tree.names.remove(entry);
      names.removedOwn();
    }
    this.#changes.entry(entry);
  }

  /** An inode of the layer has a name less; with the last one it goes once nobody uses it. */
  dropLink(inode: Inode): void {
    if (inode.isDirectory) {
      inode.links = 0;
      this.#clearDirectory(inode);
      this.#tree.moveTo(inode, undefined);
    } else {
      inode.links -= 1;
    }
    this.#changes.inode(inode);
    this.dropIfGone(inode);
    this.#tree.dropUnused(inode);
  }

  /** Removes an inode that has neither a name nor a user. */
  dropIfGone(inode: Inode): void {
    if (inode.links > 0 || inode.lookups > 0 || inode.gone || inode.id === NO_ID) return;
    this.#discard(inode);
    inode.gone = true;
    this.#changes.gone(inode);
  }

  /** A directory that shows no names has whiteouts at most: they go with it. */
  #clearDirectory(directory: Inode): void {
    const names = this.#namesOf(directory);
    assert(names.visible === 0, "only empty directories are removed");
    for (const entry of names.over.values()) {
      this.#tree.names.remove(entry);
      this.#changes.entry(entry);
    }
    this.#tree.setNames(directory, new LayerNames(0));
    directory.origin = "";
    directory.baseCount = 0;
  }

  /**
   * The names of a directory of the layer which has been looked into for this request: at most they
   * were let go since, and are read again.
   */
  #namesOf(directory: Inode): LayerNames {
    const status = this.#tree.loadNames(directory);
    const { names } = directory;
    assert(status === 0 && names !== undefined, "a directory that changes was looked into");
    return names;
  }
}
