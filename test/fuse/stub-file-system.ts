/** A file system of five inodes that says what it was asked. */
import type { HostAddress, NodeId } from "../../src/base/brands.ts";
import {
  EINVAL,
  EISDIR,
  ENODATA,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  ESTALE,
} from "../../src/base/errno.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import {
  type Attributes,
  type DirectoryPlusSink,
  type DirectorySink,
  type Entry,
  type FileSystem,
  type FileSystemStatistics,
  FOREVER,
  LISTING_CHANGES,
  type NameBytes,
  newEntry,
} from "../../src/fuse/file-system.ts";

export const ROOT = 1;
export const HELLO = 2;
export const DIRECTORY = 3;
export const LINK = 4;
/** Its contents come from a mapping: `MAPPED_BYTES` bytes from address 0 on. */
export const MAPPED = 5;
export const MAPPED_BYTES = 5000;
/** Reading it throws. */
export const ROTTEN = 6;

export const CONTENT = Buffer.from("Hello World!");
export const TARGET = Buffer.from("../elsewhere");
export const ATTRIBUTE = Buffer.from("user.digest");
export const ATTRIBUTE_VALUE = Buffer.from("blake3-0123456789");

const MODES = new Map([
  [ROOT, 0o40555],
  [HELLO, 0o100444],
  [DIRECTORY, 0o40555],
  [LINK, 0o120777],
  [MAPPED, 0o100555],
  [ROTTEN, 0o100444],
]);

const CHILDREN = new Map([
  ["hello", HELLO],
  ["dir", DIRECTORY],
  ["link", LINK],
  ["mapped", MAPPED],
  ["rotten", ROTTEN],
]);

/** Names in DIRECTORY, in order: enough for several buffers. */
export const LISTING = [
  ".",
  "..",
  ...Array.from({ length: 300 }, (_, i) => `${"x".repeat(i % 256) || "y"}`),
];
const LISTING_BYTES = LISTING.map((name) => Buffer.from(name));

export class StubFileSystem implements FileSystem {
  resets = 0;
  readonly forgotten: [node: number, count: number][] = [];
  lookups = 0;
  failure: Error | undefined;
  /** Whether listings may change, as those of a share of all roots do. */
  asksOpendir = false;

  reset(): void {
    this.resets++;
  }

  lookup(parent: NodeId, name: NameBytes, entry: Entry): number {
    if (this.failure !== undefined) throw this.failure;
    const kind = this.#kind(parent);
    if (kind !== 0o4) return kind < 0 ? kind : -ENOTDIR;
    const text = Buffer.from(name.bytes.buffer, name.start, name.end - name.start).toString(
      "latin1",
    );
    const child = CHILDREN.get(text);
    if (parent !== ROOT || child === undefined) {
      if (text === "never") entry.validSeconds = FOREVER;
      return -ENOENT;
    }
    this.lookups++;
    entry.node[0] = child;
    entry.validSeconds = FOREVER;
    return this.getattr(child as NodeId, entry.attributes);
  }

  forget(node: NodeId, count: number): void {
    this.forgotten.push([node, count]);
  }

  getattr(node: NodeId, attributes: Attributes): number {
    const mode = MODES.get(node);
    if (mode === undefined) return -ESTALE;
    attributes.inoLow = node;
    attributes.inoHigh = 7;
    attributes.size = node === HELLO ? CONTENT.length : 2 ** 40 + node;
    attributes.blocks = 8;
    attributes.mode = mode;
    attributes.nlink = 1;
    attributes.uid = 10;
    attributes.gid = 20;
    attributes.blksize = 4096;
    attributes.validSeconds = FOREVER;
    return 0;
  }

  access(_node: NodeId, mask: number): number {
    return mask & 2 ? -EROFS : 0;
  }

  readlink(node: NodeId, sink: ByteSink): number {
    return node === LINK ? sink.append(TARGET, 0, TARGET.length) : -EINVAL;
  }

  open(node: NodeId, flags: number): number {
    if (flags & 3) return -EROFS;
    return this.#kind(node) === 0o4 ? -EISDIR : 0;
  }

  read(node: NodeId, offset: number, length: number, sink: ByteSink): number {
    if (node === ROTTEN) {
      sink.append(CONTENT, 0, Math.min(length, CONTENT.length));
      throw new Error("rotten blob");
    }
    if (node === MAPPED) {
      const bytes = Math.max(0, Math.min(length, MAPPED_BYTES - offset));
      const half = bytes >>> 1;
      const status = sink.appendMapped(offset as HostAddress, half);
      return status || sink.appendMapped((offset + half) as HostAddress, bytes - half);
    }
    if (node !== HELLO) return -EISDIR;
    const start = Math.min(offset, CONTENT.length);
    return sink.append(CONTENT, start, Math.min(length, CONTENT.length - start));
  }

  lseek(_node: NodeId, offset: number, whence: number): number {
    if (whence !== 3) return -EINVAL;
    return offset < 2 ** 40 ? offset : -ENXIO;
  }

  opendir(node: NodeId): number {
    if (node === ROOT) return -EPERM;
    return this.asksOpendir ? LISTING_CHANGES : 0;
  }

  readdir(node: NodeId, offset: number, sink: DirectorySink): number {
    if (node !== DIRECTORY) return -ENOTDIR;
    for (let index = offset; index < LISTING_BYTES.length; index++) {
      const name = LISTING_BYTES[index]!;
      if (!sink.entry(index, 1, index + 1, 8, name, 0, name.length)) break;
    }
    return 0;
  }

  readdirplus(node: NodeId, offset: number, sink: DirectoryPlusSink): number {
    if (node !== DIRECTORY) return -ENOTDIR;
    for (let index = offset; index < LISTING_BYTES.length; index++) {
      const name = LISTING_BYTES[index]!;
      if (!sink.hasRoom(name.length)) break;
      const entry = newEntry();
      entry.node[0] = index < 2 ? 0 : 100 + index;
      entry.validSeconds = FOREVER;
      this.getattr(HELLO as NodeId, entry.attributes);
      sink.entry(entry, index + 1, name, 0, name.length);
    }
    return 0;
  }

  statfs(_node: NodeId, statistics: FileSystemStatistics): number {
    statistics.blocks = 1000;
    statistics.files = 5;
    statistics.bsize = 4096;
    statistics.nameLength = 255;
    return 0;
  }

  getxattr(_node: NodeId, name: NameBytes, sink: ByteSink): number {
    const asked = Buffer.from(name.bytes.buffer, name.start, name.end - name.start);
    if (!asked.equals(ATTRIBUTE)) return -ENODATA;
    return sink.append(ATTRIBUTE_VALUE, 0, ATTRIBUTE_VALUE.length);
  }

  listxattr(_node: NodeId, sink: ByteSink): number {
    return sink.append(ATTRIBUTE, 0, ATTRIBUTE.length) || sink.append(new Uint8Array(1), 0, 1);
  }

  #kind(node: NodeId): number {
    const mode = MODES.get(node);
    return mode === undefined ? -ESTALE : mode >>> 12;
  }
}
