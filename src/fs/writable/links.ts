/** Names of inodes that are there: LINK, UNLINK, RMDIR, RENAME, RENAME2. */
import type { NodeId } from "../../base/brands.ts";
import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  ESTALE,
} from "../../base/errno.ts";
import type { Entry, NameBytes } from "../../fuse/file-system.ts";
import { describeEntry } from "./describe.ts";
import { type Inode, S_IFCHR } from "./inode.ts";
import type { LayerState } from "./layer-state.ts";
import type { NameEntry } from "./name-table.ts";
import { nameStatus } from "./new-inodes.ts";
import { Found } from "./tree.ts";

/** renameat2(2): `flags`. */
const RENAME_NOREPLACE = 1;
const RENAME_EXCHANGE = 2;
const RENAME_WHITEOUT = 4;
const RENAME_FLAGS = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;

/** Names of one inode. */
const LINKS_MAX = 0x7fff_ffff;

export class Links {
  readonly #state: LayerState;
  readonly #found = new Found();
  readonly #target = new Found();

  constructor(state: LayerState) {
    this.#state = state;
  }

  link(node: NodeId, parent: NodeId, name: NameBytes, entry: Entry): number {
    const state = this.#state;
    const inode = state.inodes.get(node);
    const directory = state.directory(parent);
    if (inode === undefined) return -ESTALE;
    if (typeof directory === "number") return directory;
    if (inode.isDirectory) return -EPERM;
    if (inode.links >= LINKS_MAX) return -EMLINK;
    const found = this.#find(directory, name, this.#found);
    if (found !== -ENOENT) return found === 0 ? -EEXIST : found;
    const status = state.begin(true);
    if (status < 0) return status;
    state.edits.materialise(inode);
    state.edits.materialise(directory);
    state.edits.setName(directory, name, inode);
    inode.links += 1;
    state.clock.changed(inode);
    state.clock.modified(directory);
    state.changes.inode(inode);
    describeEntry(state, inode, entry);
    state.journal.relieve();
    return 0;
  }

  unlink(parent: NodeId, name: NameBytes): number {
    const directory = this.#state.directory(parent);
    if (typeof directory === "number") return directory;
    const inode = this.#enter(directory, name, this.#found);
    if (typeof inode === "number") return inode;
    const status = inode.isDirectory ? -EISDIR : this.#state.begin(false);
    return this.#remove(directory, name, inode, status);
  }

  rmdir(parent: NodeId, name: NameBytes): number {
    const directory = this.#state.directory(parent);
    if (typeof directory === "number") return directory;
    const inode = this.#enter(directory, name, this.#found);
    if (typeof inode === "number") return inode;
    return this.#remove(directory, name, inode, this.#rmdirStatus(inode));
  }

  #rmdirStatus(inode: Inode): number {
    const status = this.#emptyStatus(inode);
    return status < 0 ? status : this.#state.begin(false);
  }

  /** 0 when `inode` is a directory without names. */
  #emptyStatus(inode: Inode): number {
    if (!inode.isDirectory) return -ENOTDIR;
    if (inode === this.#state.inodes.root) return -EBUSY;
    const { tree } = this.#state;
    const status = tree.loadNames(inode);
    if (status < 0) return status;
    const visible = inode.names?.visible ?? inode.baseCount;
    return visible === 0 ? 0 : -ENOTEMPTY;
  }

  /** Takes `name` off `inode`, unless `status` says that it cannot be. */
  #remove(directory: Inode, name: NameBytes, inode: Inode, status: number): number {
    const state = this.#state;
    if (status < 0) {
      state.tree.dropUnused(inode);
      return status;
    }
    state.edits.materialise(inode);
    state.changes.inode(directory);
    state.edits.clearName(this.#entryOf(directory, name));
    this.#lose(directory, inode);
    state.clock.modified(directory);
    state.journal.relieve();
    return 0;
  }

  /** `inode` in `directory` has a name less. */
  #lose(directory: Inode, inode: Inode): void {
    const { clock, edits } = this.#state;
    if (inode.isDirectory) directory.links -= 1;
    clock.changed(inode);
    edits.dropLink(inode);
  }

  rename(
    parent: NodeId,
    name: NameBytes,
    newParent: NodeId,
    newName: NameBytes,
    flags: number,
  ): number {
    const state = this.#state;
    const from = state.directory(parent);
    const to = state.directory(newParent);
    if (typeof from === "number") return from;
    if (typeof to === "number") return to;
    if (!areRenameFlags(flags)) return -EINVAL;
    const inode = this.#enter(from, name, this.#found);
    if (typeof inode === "number") return inode;
    // The first may be nobody's yet: it must not go while the second is looked for.
    inode.lookups += 1;
    const target = this.#targetOf(to, newName);
    const status = this.#renameStatus(from, inode, to, target, flags);
    inode.lookups -= 1;
    if (status !== 0 || inode === target) {
      state.tree.dropUnused(inode);
      if (typeof target === "object") state.tree.dropUnused(target);
      return status;
    }
    const whiteout = (flags & RENAME_WHITEOUT) !== 0 ? this.#makeWhiteout() : undefined;
    if (typeof whiteout === "number") return whiteout;
    state.edits.materialise(inode);
    if (target === undefined || typeof target === "number") {
      this.#move(from, name, to, newName, inode, undefined);
    } else {
      state.edits.materialise(target);
      if ((flags & RENAME_EXCHANGE) !== 0) this.#exchange(from, name, to, newName, inode, target);
      else this.#move(from, name, to, newName, inode, target);
    }
    if (whiteout !== undefined) state.edits.setName(from, name, whiteout);
    state.journal.relieve();
    return 0;
  }

  /** What has the new name now; undefined: nothing; or a status. */
  #targetOf(to: Inode, newName: NameBytes): Inode | number | undefined {
    const target = this.#enter(to, newName, this.#target);
    return target === -ENOENT ? undefined : target;
  }

  /** 0 when a rename can be made, or nothing is to be done (both are one inode). */
  #renameStatus(
    from: Inode,
    inode: Inode,
    to: Inode,
    target: Inode | number | undefined,
    flags: number,
  ): number {
    if (typeof target === "number") return target;
    if (inode.isDirectory && this.#isWithin(to, inode)) return -EINVAL;
    const exchange = (flags & RENAME_EXCHANGE) !== 0;
    if (target === undefined) return exchange ? -ENOENT : this.#state.begin(from !== to);
    if ((flags & RENAME_NOREPLACE) !== 0) return -EEXIST;
    if (exchange) {
      if (target.isDirectory && this.#isWithin(from, target)) return -EINVAL;
    } else if (inode !== target) {
      if (!inode.isDirectory && target.isDirectory) return -EISDIR;
      const status = inode.isDirectory ? this.#emptyStatus(target) : 0;
      if (status < 0) return status;
    }
    return this.#state.begin(false);
  }

  /** Whether `directory` is `ancestor` or in it at any depth. */
  #isWithin(directory: Inode, ancestor: Inode): boolean {
    for (let at: Inode | undefined = directory; at !== undefined; at = at.entry?.directory) {
      if (at === ancestor) return true;
    }
    return false;
  }

  #move(
    from: Inode,
    name: NameBytes,
    to: Inode,
    newName: NameBytes,
    inode: Inode,
    target: Inode | undefined,
  ): void {
    const { edits, clock, changes } = this.#state;
    edits.materialise(to);
    // Neither may go for being clean while inodes move between them.
    changes.inode(from);
    changes.inode(to);
    const left = this.#entryOf(from, name);
    if (target !== undefined) this.#lose(to, target);
    // Before the old name goes, so that nothing takes the inode for nameless in between.
    edits.setName(to, newName, inode);
    edits.clearName(left);
    if (inode.isDirectory) {
      from.links -= 1;
      to.links += 1;
    }
    clock.modified(from);
    clock.modified(to);
    clock.changed(inode);
    changes.inode(inode);
  }

  #exchange(
    from: Inode,
    name: NameBytes,
    to: Inode,
    newName: NameBytes,
    inode: Inode,
    target: Inode,
  ): void {
    const { edits, clock, changes } = this.#state;
    changes.inode(from);
    changes.inode(to);
    edits.setName(to, newName, inode);
    edits.setName(from, name, target);
    const change = (target.isDirectory ? 1 : 0) - (inode.isDirectory ? 1 : 0);
    from.links += change;
    to.links -= change;
    clock.modified(from);
    clock.modified(to);
    clock.changed(inode);
    clock.changed(target);
    changes.inode(inode);
    changes.inode(target);
  }

  /** What overlayfs asks for in the place of what it moves away: a device 0:0. Or -ENFILE. */
  #makeWhiteout(): Inode | number {
    const { edits, clock, changes } = this.#state;
    const whiteout = edits.makeInode();
    if (typeof whiteout === "number") return whiteout;
    whiteout.mode = S_IFCHR;
    clock.begin(whiteout);
    changes.inode(whiteout);
    return whiteout;
  }

  #find(directory: Inode, name: NameBytes, found: Found): number {
    const status = nameStatus(name);
    return status < 0 ? status : this.#state.tree.find(directory, name, found);
  }

  #enter(directory: Inode, name: NameBytes, found: Found): Inode | number {
    const status = this.#find(directory, name, found);
    return status < 0 ? status : this.#state.tree.enter(directory, found);
  }

  /** The name in a directory that an inode of the layer was found at. */
  #entryOf(directory: Inode, name: NameBytes): NameEntry {
    const { tree } = this.#state;
    // It may have been let go while the other directory was looked into.
    tree.loadNames(directory);
    return tree.names.find(directory, name) as NameEntry;
  }
}

function areRenameFlags(flags: number): boolean {
  if ((flags & ~RENAME_FLAGS) !== 0) return false;
  return (flags & RENAME_EXCHANGE) === 0 || flags === RENAME_EXCHANGE;
}
