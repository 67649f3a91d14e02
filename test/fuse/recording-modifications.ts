/** Modifications that write down what they were asked, byte by byte, and answer as they are told. */
import type { NodeId } from "../../src/base/brands.ts";
import type { SyncTicket } from "../../src/base/waiting.ts";
import type { Attributes, Entry, NameBytes } from "../../src/fuse/file-system.ts";
import type {
  AttributeChanges,
  ByteSource,
  Modifications,
  NewInode,
} from "../../src/fuse/modifications.ts";
import { HELLO, StubFileSystem } from "./stub-file-system.ts";

type Call = readonly [operation: string, ...parameters: unknown[]];

/** The nodeid of whatever is made. */
export const MADE = 77;

const textOf = ({ bytes, start, end }: NameBytes) =>
  Buffer.from(bytes.slice(start, end)).toString("latin1");

/** All bytes of a source, in pieces. */
function bytesOf(source: ByteSource): Buffer {
  const target = Buffer.alloc(source.length + 16, 0xaa);
  const half = source.length >>> 1;
  const first = source.copy(0, target, 0, half);
  // More is asked for than there is.
  const second = source.copy(half, target, half, source.length - half + 16);
  if (first !== half || second !== source.length - half) throw new Error("a source that is short");
  if (source.copy(source.length, target, 0, 1) !== 0) throw new Error("a source without an end");
  return target.subarray(0, source.length);
}

export class RecordingModifications implements Modifications {
  kernelKeepsTimes = false;
  readonly ticket: SyncTicket = { last: 0 };
  readonly calls: Call[] = [];
  /** What every operation returns. */
  result = 0;
  onProgress: ((ticket: number, errno: number) => void) | undefined;
  readonly #fs: StubFileSystem;

  constructor(fs: StubFileSystem) {
    this.#fs = fs;
  }

  setattr(node: NodeId, changes: AttributeChanges, attributes: Attributes): number {
    this.#fs.getattr(HELLO as NodeId, attributes);
    return this.#record("setattr", node, { ...changes });
  }

  create(parent: NodeId, name: NameBytes, inode: NewInode, flags: number, entry: Entry): number {
    this.#make(entry);
    return this.#record("create", parent, textOf(name), { ...inode }, flags);
  }

  tmpfile(parent: NodeId, inode: NewInode, entry: Entry): number {
    this.#make(entry);
    return this.#record("tmpfile", parent, { ...inode });
  }

  mknod(parent: NodeId, name: NameBytes, inode: NewInode, entry: Entry): number {
    this.#make(entry);
    return this.#record("mknod", parent, textOf(name), { ...inode });
  }

  mkdir(parent: NodeId, name: NameBytes, inode: NewInode, entry: Entry): number {
    this.#make(entry);
    return this.#record("mkdir", parent, textOf(name), { ...inode });
  }

  symlink(
    parent: NodeId,
    name: NameBytes,
    target: NameBytes,
    inode: NewInode,
    entry: Entry,
  ): number {
    this.#make(entry);
    return this.#record("symlink", parent, textOf(name), textOf(target), { ...inode });
  }

  link(node: NodeId, parent: NodeId, name: NameBytes, entry: Entry): number {
    this.#make(entry);
    return this.#record("link", node, parent, textOf(name));
  }

  unlink(parent: NodeId, name: NameBytes): number {
    return this.#record("unlink", parent, textOf(name));
  }

  rmdir(parent: NodeId, name: NameBytes): number {
    return this.#record("rmdir", parent, textOf(name));
  }

  rename(
    parent: NodeId,
    name: NameBytes,
    newParent: NodeId,
    newName: NameBytes,
    flags: number,
  ): number {
    return this.#record("rename", parent, textOf(name), newParent, textOf(newName), flags);
  }

  write(node: NodeId, offset: number, source: ByteSource, flags: number): number {
    const status = this.#record("write", node, offset, bytesOf(source), flags);
    return status === 0 ? source.length : status;
  }

  fallocate(node: NodeId, offset: number, length: number, mode: number): number {
    return this.#record("fallocate", node, offset, length, mode);
  }

  copyFileRange(
    from: NodeId,
    fromOffset: number,
    to: NodeId,
    toOffset: number,
    length: number,
  ): number {
    const status = this.#record("copyFileRange", from, fromOffset, to, toOffset, length);
    return status === 0 ? length : status;
  }

  setxattr(
    node: NodeId,
    name: NameBytes,
    value: ByteSource,
    flags: number,
    killSgid: boolean,
  ): number {
    return this.#record("setxattr", node, textOf(name), bytesOf(value), flags, killSgid);
  }

  removexattr(node: NodeId, name: NameBytes): number {
    return this.#record("removexattr", node, textOf(name));
  }

  fsync(node: NodeId, dataOnly: boolean): number {
    return this.#record("fsync", node, dataOnly);
  }

  syncfs(): number {
    return this.#record("syncfs");
  }

  layerChanged(): void {}

  tick(): number {
    return -1;
  }

  #make(entry: Entry): void {
    this.#fs.getattr(HELLO as NodeId, entry.attributes);
    entry.node[0] = MADE;
    entry.validSeconds = 5;
  }

  #record(...call: Call): number {
    this.calls.push(call);
    return this.result;
  }
}

export class RecordingFileSystem extends StubFileSystem {
  readonly modifications: RecordingModifications = new RecordingModifications(this);
}
