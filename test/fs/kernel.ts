/** Plays the kernel: calls a FileSystem and keeps what it answers. */
import type { NodeId } from "../../src/base/brands.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import {
  type Attributes,
  type DirectoryPlusSink,
  type DirectorySink,
  type Entry,
  type FileSystem,
  type NameBytes,
  newEntry,
} from "../../src/fuse/file-system.ts";

export const ROOT = 1 as NodeId;

export interface Listed {
  readonly name: string;
  readonly inoLow: number;
  readonly inoHigh: number;
  readonly type: number;
  readonly next: number;
  /** READDIRPLUS only. */
  readonly entry: Found | undefined;
}

/** Collects bytes that are appended. */
export class Bytes implements ByteSink {
  content = Buffer.alloc(0);

  append(source: Uint8Array, start: number, length: number): number {
    this.content = Buffer.concat([this.content, source.slice(start, start + length)]);
    return 0;
  }

  appendMapped(): number {
    throw new Error("the fake store maps nothing");
  }
}

/** An entry as it was, for it is filled in again and again. */
export type Found = Pick<Entry, "nodeid" | "attributes" | "validSeconds">;

export function copyOf({ nodeid, attributes, validSeconds }: Entry): Found {
  return { nodeid, attributes: { ...attributes }, validSeconds };
}

/** Names as latin1 text, so that every byte string has one. */
export class Kernel {
  readonly fs: FileSystem;
  readonly entry = newEntry();

  constructor(fs: FileSystem) {
    this.fs = fs;
  }

  /** The status and, when it is 0, `this.entry`. */
  lookup(parent: NodeId, name: string): number {
    this.entry.validSeconds = 0;
    this.entry.attributes.validSeconds = 0;
    return this.fs.lookup(parent, nameOf(name), this.entry);
  }

  /** The entry at the end of a path. */
  walk(path: string, from: NodeId = ROOT): Found {
    let node = from;
    for (const name of path.split("/")) {
      const status = this.lookup(node, name);
      if (status !== 0) throw new Error(`lookup of ${name} in ${path}: ${status}`);
      node = this.entry.nodeid;
    }
    return copyOf(this.entry);
  }

  attributes(node: NodeId): Attributes {
    const { attributes } = newEntry();
    const status = this.fs.getattr(node, attributes);
    if (status !== 0) throw new Error(`getattr of ${node}: ${status}`);
    return attributes;
  }

  read(node: NodeId, offset: number, length: number): Buffer | number {
    const sink = new Bytes();
    const status = this.fs.read(node, offset, length, sink, 0);
    return status === 0 ? sink.content : status;
  }

  readlink(node: NodeId): Buffer | number {
    const sink = new Bytes();
    const status = this.fs.readlink(node, sink);
    return status === 0 ? sink.content : status;
  }

  xattr(node: NodeId, name: string): string | number {
    const sink = new Bytes();
    const status = this.fs.getxattr(node, nameOf(name), sink);
    return status === 0 ? sink.content.toString() : status;
  }

  xattrs(node: NodeId, uid = 0): string[] | number {
    const sink = new Bytes();
    const status = this.fs.listxattr(node, sink, uid);
    return status === 0 ? sink.content.toString().split("\0").slice(0, -1) : status;
  }

  /** One READDIR with room for `room` entries. */
  readdir(node: NodeId, offset = 0, room = Number.POSITIVE_INFINITY): Listed[] | number {
    const listed: Listed[] = [];
    const sink: DirectorySink = {
      entry(inoLow, inoHigh, next, type, bytes, start, end) {
        if (listed.length >= room) return false;
        const name = textOf(bytes, start, end);
        listed.push({ name, inoLow, inoHigh, type, next, entry: undefined });
        return true;
      },
    };
    const status = this.fs.readdir(node, offset, sink);
    return status === 0 ? listed : status;
  }

  /** One READDIRPLUS with room for `room` entries. */
  readdirplus(node: NodeId, offset = 0, room = Number.POSITIVE_INFINITY): Listed[] | number {
    const listed: Listed[] = [];
    const sink: DirectoryPlusSink = {
      hasRoom: () => listed.length < room,
      entry(entry, next, bytes, start, end) {
        const { inoLow, inoHigh, mode } = entry.attributes;
        const name = textOf(bytes, start, end);
        const copy = copyOf(entry);
        listed.push({ name, inoLow, inoHigh, type: mode >>> 12, next, entry: copy });
      },
    };
    const status = this.fs.readdirplus(node, offset, sink);
    return status === 0 ? listed : status;
  }
}

function nameOf(text: string): NameBytes {
  const bytes = Buffer.from(`/${text}\0`, "latin1");
  return { bytes, start: 1, end: bytes.length - 1 };
}

export function inoOf({ inoLow, inoHigh }: { inoLow: number; inoHigh: number }): string {
  return `${inoHigh.toString(16)}:${inoLow.toString(16)}`;
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.slice(start, end)).toString("latin1");
}
