/** Extended attributes of a writable share, ACLs among them (xattr(7), acl(5)). */
import {
  E2BIG,
  EACCES,
  EEXIST,
  EINVAL,
  ENODATA,
  ENOSPC,
  EOPNOTSUPP,
  ERANGE,
} from "../../base/errno.ts";
import type { LayerReader } from "../../layer/layer-port.ts";
import { ACL_ACCESS, ACL_DEFAULT, Acl } from "./acl.ts";
import type { Changes } from "./changes.ts";
import type { Edits } from "./edits.ts";
import { type Inode, NO_ID, S_ISGID } from "./inode.ts";
import { textOf } from "./name-table.ts";
import type { Tree } from "./tree.ts";
import { XattrMemory } from "./xattr-memory.ts";

/** setxattr(2): `flags`. */
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

/** linux/limits.h. */
const NAME_BYTES_MAX = 255;
export const VALUE_BYTES_MAX = 64 * 1024;

/** Names and values of one inode, in bytes: names have to fit into one answer to listxattr(2). */
const ALL_NAMES_BYTES_MAX = 64 * 1024;
const ALL_VALUES_BYTES_MAX = 1024 * 1024;

const TRUSTED = "trusted.";
const PREFIXES = ["user.", TRUSTED, "security."];
const CAPABILITY = "security.capability";

const RWX_BITS = 0o777;

/** Of an inode that has none: `Inode.xattrs` of all of those, never written to. */
export const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

export class Xattrs {
  readonly #reader: LayerReader;
  readonly #changes: Changes;
  readonly #edits: Edits;
  readonly #tree: Tree;
  readonly #memory: XattrMemory;

  constructor(reader: LayerReader, changes: Changes, edits: Edits, tree: Tree, maxBytes?: number) {
    this.#memory = new XattrMemory(maxBytes);
    this.#tree = tree;
    this.#reader = reader;
    this.#changes = changes;
    this.#edits = edits;
  }

  /** The inode goes from memory. */
  forget(inode: Inode): void {
    if (inode.xattrBytes > 0) this.#memory.forget(inode);
  }

  get(inode: Inode, name: string): Uint8Array | undefined {
    return this.of(inode).get(name);
  }

  /** All of an inode. */
  of(inode: Inode): ReadonlyMap<string, Uint8Array> {
    return inode.id === NO_ID ? NO_XATTRS : this.#load(inode);
  }

  #load(inode: Inode): ReadonlyMap<string, Uint8Array> {
    if (inode.xattrs !== undefined) return inode.xattrs;
    const rows = inode.stored ? this.#reader.xattrs(inode.id) : [];
    if (rows.length === 0) {
      inode.xattrs = NO_XATTRS;
      return NO_XATTRS;
    }
    const xattrs = new Map<string, Uint8Array>();
    for (const { name, value } of rows) {
      if (value !== undefined) xattrs.set(textOf(name, 0, name.length), value);
    }
    inode.xattrs = xattrs;
    this.#memory.note(inode, this.#tree.settled);
    return xattrs;
  }

  /** Those of an inode, to be changed. */
  #own(inode: Inode): Map<string, Uint8Array> {
    const loaded = this.#load(inode);
    if (loaded !== NO_XATTRS) return loaded as Map<string, Uint8Array>;
    const own = new Map<string, Uint8Array>();
    inode.xattrs = own;
    return own;
  }

  /** setxattr(2). 0 or a negated errno. */
  set(inode: Inode, name: string, value: Uint8Array, flags: number, killSgid: boolean): number {
    const status = nameStatus(name);
    if (status < 0) return status;
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL;
    const present = this.of(inode).has(name);
    if (present && (flags & XATTR_CREATE) !== 0) return -EEXIST;
    if (!present && (flags & XATTR_REPLACE) !== 0) return -ENODATA;
    if (name === ACL_ACCESS) return this.#setAccess(inode, value, killSgid);
    if (name === ACL_DEFAULT && !inode.isDirectory) return -EACCES;
    if (name === ACL_DEFAULT && Acl.parse(value) === undefined) return -EINVAL;
    const room = this.#roomStatus(inode, name, value);
    if (room === 0) this.#put(inode, name, value);
    return room;
  }

  /** An access ACL sets the mode; one that says no more than that is not kept. */
  #setAccess(inode: Inode, value: Uint8Array, killSgid: boolean): number {
    const acl = Acl.parse(value);
    if (acl === undefined) return -EINVAL;
    if (inode.isSymlink) return -EOPNOTSUPP;
    const room = this.#roomStatus(inode, ACL_ACCESS, value);
    if (room < 0) return room;
    this.#edits.materialise(inode);
    inode.mode = (inode.mode & ~RWX_BITS) | acl.mode;
    if (killSgid) inode.mode &= ~S_ISGID;
    this.#changes.inode(inode);
    if (acl.isMinimal) this.#remove(inode, ACL_ACCESS);
    else this.#put(inode, ACL_ACCESS, acl.bytes);
    return 0;
  }

  /** removexattr(2). */
  remove(inode: Inode, name: string): number {
    const status = nameStatus(name);
    if (status < 0) return status;
    return this.#remove(inode, name) ? 0 : -ENODATA;
  }

  /** What chmod(2) leaves of the access ACL. */
  chmod(inode: Inode, mode: number): void {
    const value = this.get(inode, ACL_ACCESS);
    const acl = value && Acl.parse(value);
    if (acl !== undefined) this.#put(inode, ACL_ACCESS, acl.withMode(mode).bytes);
  }

  /** File capabilities do not survive writing, truncating and chown(2). */
  killCapability(inode: Inode): void {
    if (inode.id !== NO_ID) this.#remove(inode, CAPABILITY);
  }

  /** The parent's default ACL, which a new inode inherits. */
  defaultOf(directory: Inode): Acl | undefined {
    const value = this.get(directory, ACL_DEFAULT);
    return value && Acl.parse(value);
  }

  /** A new inode, whose mode is set already, inherits from its parent. */
  inherit(inode: Inode, acl: Acl): void {
    if (inode.isDirectory) this.#put(inode, ACL_DEFAULT, acl.bytes);
    if (!acl.isMinimal) this.#put(inode, ACL_ACCESS, acl.withMode(inode.mode).bytes);
  }

  #put(inode: Inode, name: string, value: Uint8Array): void {
    this.#edits.materialise(inode);
    this.#own(inode).set(name, value);
    this.#changes.xattr(inode, name, value);
    this.#memory.note(inode, this.#tree.settled);
  }

  #remove(inode: Inode, name: string): boolean {
    if (!this.of(inode).has(name)) return false;
    this.#own(inode).delete(name);
    this.#changes.xattr(inode, name, undefined);
    this.#memory.note(inode, this.#tree.settled);
    return true;
  }

  #roomStatus(inode: Inode, added: string, value: Uint8Array): number {
    if (value.length > VALUE_BYTES_MAX) return -E2BIG;
    let names = added.length + 1;
    let values = value.length;
    for (const [name, { length }] of this.of(inode)) {
      if (name === added) continue;
      names += name.length + 1;
      values += length;
    }
    return names > ALL_NAMES_BYTES_MAX || values > ALL_VALUES_BYTES_MAX ? -ENOSPC : 0;
  }
}

/** Only root gets to see it (xattr(7)); the kernel minds that but for listing. */
export function isTrusted(name: string): boolean {
  return name.startsWith(TRUSTED);
}

/** 0 when an inode can have an attribute of that name. */
export function nameStatus(name: string): number {
  if (name.length > NAME_BYTES_MAX) return -ERANGE;
  if (name === ACL_ACCESS || name === ACL_DEFAULT) return 0;
  const prefix = PREFIXES.find((known) => name.startsWith(known));
  if (prefix === undefined) return -EOPNOTSUPP;
  return name.length === prefix.length ? -EINVAL : 0;
}
