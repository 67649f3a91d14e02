/** All that changes a writable share, for the server: each operation is where its kind is. */
import type { NodeId } from "../../base/brands.ts";
import { E2BIG, ESTALE } from "../../base/errno.ts";
import type { SyncTicket } from "../../base/waiting.ts";
import type { Attributes, Entry, NameBytes } from "../../fuse/file-system.ts";
import type {
  AttributeChanges,
  ByteSource,
  Modifications,
  NewInode,
} from "../../fuse/modifications.ts";
import type { FileOperations } from "./file-operations.ts";
import type { LayerState } from "./layer-state.ts";
import { Links } from "./links.ts";
import { textOf } from "./name-table.ts";
import { NewInodes } from "./new-inodes.ts";
import { SetAttributes } from "./set-attributes.ts";
import { VALUE_BYTES_MAX } from "./xattrs.ts";

export class LayerModifications implements Modifications {
  readonly ticket: SyncTicket;
  readonly #state: LayerState;
  readonly #files: FileOperations;
  readonly #made: NewInodes;
  readonly #links: Links;
  readonly #attributes: SetAttributes;

  constructor(state: LayerState, files: FileOperations) {
    this.ticket = state.journal.ticket;
    this.#state = state;
    this.#files = files;
    this.#made = new NewInodes(state, files);
    this.#links = new Links(state);
    this.#attributes = new SetAttributes(state, files);
  }

  get kernelKeepsTimes(): boolean {
    return this.#files.kernelKeepsTimes;
  }

  set kernelKeepsTimes(keeps: boolean) {
    this.#files.kernelKeepsTimes = keeps;
  }

  setattr(node: NodeId, changes: AttributeChanges, attributes: Attributes): number {
    return this.#attributes.setattr(node, changes, attributes);
  }

  create(parent: NodeId, name: NameBytes, inode: NewInode, flags: number, entry: Entry): number {
    return this.#made.create(parent, name, inode, flags, entry);
  }

  tmpfile(parent: NodeId, inode: NewInode, entry: Entry): number {
    return this.#made.tmpfile(parent, inode, entry);
  }

  mknod(parent: NodeId, name: NameBytes, inode: NewInode, entry: Entry): number {
    return this.#made.mknod(parent, name, inode, entry);
  }

  mkdir(parent: NodeId, name: NameBytes, inode: NewInode, entry: Entry): number {
    return this.#made.mkdir(parent, name, inode, entry);
  }

  symlink(
    parent: NodeId,
    name: NameBytes,
    target: NameBytes,
    inode: NewInode,
    entry: Entry,
  ): number {
    return this.#made.symlink(parent, name, target, inode, entry);
  }

  link(node: NodeId, parent: NodeId, name: NameBytes, entry: Entry): number {
    return this.#links.link(node, parent, name, entry);
  }

  unlink(parent: NodeId, name: NameBytes): number {
    return this.#links.unlink(parent, name);
  }

  rmdir(parent: NodeId, name: NameBytes): number {
    return this.#links.rmdir(parent, name);
  }

  rename(
    parent: NodeId,
    name: NameBytes,
    newParent: NodeId,
    newName: NameBytes,
    flags: number,
  ): number {
    return this.#links.rename(parent, name, newParent, newName, flags);
  }

  write(node: NodeId, offset: number, source: ByteSource, flags: number): number {
    return this.#files.write(node, offset, source, flags);
  }

  fallocate(node: NodeId, offset: number, length: number, mode: number): number {
    return this.#files.fallocate(node, offset, length, mode);
  }

  copyFileRange(
    from: NodeId,
    fromOffset: number,
    to: NodeId,
    toOffset: number,
    length: number,
  ): number {
    return this.#files.copyFileRange(from, fromOffset, to, toOffset, length);
  }

  setxattr(
    node: NodeId,
    name: NameBytes,
    value: ByteSource,
    flags: number,
    killSgid: boolean,
  ): number {
    const inode = this.#state.inodes.get(node);
    if (inode === undefined) return -ESTALE;
    if (value.length > VALUE_BYTES_MAX) return -E2BIG;
    const status = this.#state.begin(true);
    if (status < 0) return status;
    const bytes = new Uint8Array(value.length);
    value.copy(0, bytes, 0, bytes.length);
    const text = textOf(name.bytes, name.start, name.end);
    const result = this.#state.xattrs.set(inode, text, bytes, flags, killSgid);
    if (result === 0) this.#changed(node);
    return result;
  }

  removexattr(node: NodeId, name: NameBytes): number {
    const inode = this.#state.inodes.get(node);
    if (inode === undefined) return -ESTALE;
    const status = this.#state.begin(false);
    if (status < 0) return status;
    const result = this.#state.xattrs.remove(inode, textOf(name.bytes, name.start, name.end));
    if (result === 0) this.#changed(node);
    return result;
  }

  #changed(node: NodeId): void {
    const inode = this.#state.inodes.get(node);
    if (inode === undefined) return;
    this.#state.clock.changed(inode);
    this.#state.changes.inode(inode);
    this.#state.journal.relieve();
  }

  fsync(node: NodeId): number {
    const inode = this.#state.inodes.get(node);
    return inode === undefined ? -ESTALE : this.#state.journal.sync(inode);
  }

  syncfs(): number {
    return this.#state.journal.syncAll();
  }

  layerChanged(): void {
    this.#state.journal.take();
  }

  tick(now: number): number {
    return this.#state.journal.tick(now);
  }

  get onProgress(): Modifications["onProgress"] {
    return this.#state.journal.onProgress;
  }

  set onProgress(progress: Modifications["onProgress"]) {
    this.#state.journal.onProgress = progress;
  }
}
