/** Plays a kernel that writes: calls the modifications of a file system with what tests say. */
import {
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_SIZE,
  FATTR_UID,
} from "../../../src/abi/fuse-constants.ts";
import type { HostAddress, NodeId } from "../../../src/base/brands.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import type { ByteSink } from "../../../src/base/segments.ts";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { WritableFileSystem } from "../../../src/fs/writable/writable-file-system.ts";
import type { WritableFileSystemOptions } from "../../../src/fs/writable/writable-options.ts";
import { type NameBytes, newEntry } from "../../../src/fuse/file-system.ts";
import type {
  AttributeChanges,
  ByteSource,
  Modifications,
  NewInode,
} from "../../../src/fuse/modifications.ts";
import type { FakeStore } from "../fake-store.ts";
import { Kernel, ROOT } from "../kernel.ts";
import { FakeLayer } from "./fake-layer.ts";

export const NO_CHANGES: AttributeChanges = {
  valid: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  atimeSeconds: 0,
  atimeNanoseconds: 0,
  mtimeSeconds: 0,
  mtimeNanoseconds: 0,
  ctimeSeconds: 0,
  ctimeNanoseconds: 0,
};

export function nameOf(text: string): NameBytes {
  const bytes = Buffer.from(`/${text}\0`, "latin1");
  return { bytes, start: 1, end: bytes.length - 1 };
}

export function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    length: bytes.length,
    copy: (offset, target, start, length) => {
      const part = bytes.subarray(offset, offset + length);
      target.set(part, start);
      return part.length;
    },
  };
}

class LayerSink implements ByteSink {
  readonly #layer: FakeLayer;
  readonly #parts: Uint8Array[] = [];

  constructor(layer: FakeLayer) {
    this.#layer = layer;
  }

  append(source: Uint8Array, start: number, length: number): number {
    this.#parts.push(Uint8Array.from(source.subarray(start, start + length)));
    return 0;
  }

  appendMapped(source: HostAddress, length: number): number {
    this.#parts.push(this.#layer.mapped(source, length));
    return 0;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }
}

export class WritingKernel extends Kernel {
  readonly layer: FakeLayer;
  readonly changes: Modifications;
  readonly init: NewInode = { mode: 0o644, umask: 0, uid: 0, gid: 0, rdev: 0 };

  constructor(fs: WritableFileSystem, layer: FakeLayer) {
    super(fs);
    this.layer = layer;
    this.changes = fs.modifications;
  }

  /** The nodeid that `operation` gives, which has to succeed. */
  #made(status: number): NodeId {
    if (status !== 0) throw new Error(`not made: ${status}`);
    return this.entry.nodeid;
  }

  create(parent: NodeId, name: string, init: Partial<NewInode> = {}, flags = 0o200): NodeId {
    const inode = { ...this.init, ...init };
    return this.#made(this.changes.create(parent, nameOf(name), inode, flags, this.entry));
  }

  mkdir(parent: NodeId, name: string, init: Partial<NewInode> = {}): NodeId {
    const inode = { ...this.init, mode: 0o755, ...init };
    return this.#made(this.changes.mkdir(parent, nameOf(name), inode, this.entry));
  }

  symlink(parent: NodeId, name: string, target: string): NodeId {
    const to = nameOf(target);
    return this.#made(this.changes.symlink(parent, nameOf(name), to, this.init, this.entry));
  }

  tmpfile(parent: NodeId): NodeId {
    return this.#made(this.changes.tmpfile(parent, this.init, this.entry));
  }

  link(node: NodeId, parent: NodeId, name: string): number {
    return this.changes.link(node, parent, nameOf(name), this.entry);
  }

  unlink(parent: NodeId, name: string): number {
    return this.changes.unlink(parent, nameOf(name));
  }

  rmdir(parent: NodeId, name: string): number {
    return this.changes.rmdir(parent, nameOf(name));
  }

  rename(from: NodeId, name: string, to: NodeId, newName: string, flags = 0): number {
    return this.changes.rename(from, nameOf(name), to, nameOf(newName), flags);
  }

  write(node: NodeId, offset: number, bytes: Uint8Array | string, flags = 0): number {
    const content = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    return this.changes.write(node, offset, sourceOf(content), flags);
  }

  /** `flags`: how it was opened. */
  contentOf(node: NodeId, flags = 0): Buffer {
    const sink = new LayerSink(this.layer);
    const status = this.fs.read(node, 0, this.attributes(node).size, sink, flags);
    if (status !== 0) throw new Error(`read of ${node}: ${status}`);
    return sink.bytes;
  }

  set(node: NodeId, changes: Partial<AttributeChanges>): number {
    const { attributes } = newEntry();
    return this.changes.setattr(node, { ...NO_CHANGES, ...changes }, attributes);
  }

  chmod(node: NodeId, mode: number): number {
    return this.set(node, { valid: FATTR_MODE, mode });
  }

  chown(node: NodeId, uid: number, gid: number): number {
    return this.set(node, { valid: FATTR_UID | FATTR_GID, uid, gid });
  }

  truncate(node: NodeId, size: number): number {
    return this.set(node, { valid: FATTR_SIZE, size });
  }

  setMtime(node: NodeId, mtimeSeconds: number, mtimeNanoseconds: number): number {
    return this.set(node, { valid: FATTR_MTIME, mtimeSeconds, mtimeNanoseconds });
  }

  setxattr(node: NodeId, name: string, value: Uint8Array | string, flags = 0): number {
    const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
    return this.changes.setxattr(node, nameOf(name), sourceOf(bytes), flags, false);
  }

  removexattr(node: NodeId, name: string): number {
    return this.changes.removexattr(node, nameOf(name));
  }

  /** Writes all that waits, as time does, and settles it. */
  flush(): void {
    this.changes.syncfs();
    this.settle();
  }

  settle(): void {
    while (this.layer.settleNext() !== undefined) this.changes.layerChanged();
  }

  namesIn(node: NodeId): string[] {
    const listed = this.readdir(node);
    if (typeof listed === "number") throw new Error(`readdir: ${listed}`);
    return listed.map(({ name }) => name).filter((name) => name !== "." && name !== "..");
  }
}

/** The time of day in tests: it goes on by a second when it is looked at. */
export class Time {
  milliseconds = 1_700_000_000_000;

  readonly now = (): number => {
    this.milliseconds += 1000;
    return this.milliseconds;
  };
}

export interface Share {
  readonly kernel: WritingKernel;
  readonly fs: WritableFileSystem;
  readonly layer: FakeLayer;
}

/** What tests set of a share besides; showXattr is false unless it is said. */
export type ShareOptions = Partial<Omit<WritableFileSystemOptions, "root" | "layer" | "logger">>;

/** A writable share of `root`, with what `layer` holds already. */
export function shareOf(
  store: FakeStore,
  root: DirectoryNode,
  layer: FakeLayer = new FakeLayer(),
  options: ShareOptions = {},
): Share {
  const base = { root, layer, logger: silentLogger, showXattr: false, now: new Time().now };
  const fs = new WritableFileSystem(store, { ...base, ...options });
  return { kernel: new WritingKernel(fs, layer), fs, layer };
}

/** The share as it is after a crash of its daemon: with what was settled. */
export function afterCrash(
  store: FakeStore,
  root: DirectoryNode,
  { layer }: Share,
  options: ShareOptions = {},
): Share {
  return shareOf(store, root, new FakeLayer(layer.disk), options);
}

export { ROOT };
