/**
 * A FUSE kernel's side, one method for each request: for tests, so it allocates freely and throws.
 * It runs over any way of carrying a request (`Transport`): any chain shape, any queue.
 */

import {
  FUSE_ROOT_ID,
  fuseAccessIn,
  fuseAttrOut,
  fuseBatchForgetIn,
  fuseEntryOut,
  fuseForgetIn,
  fuseForgetOne,
  fuseGetattrIn,
  fuseGetxattrIn,
  fuseGetxattrOut,
  fuseInitIn,
  fuseInitOut,
  fuseLseekIn,
  fuseLseekOut,
  fuseOpenIn,
  fuseOpenOut,
  fuseOutHeader,
  fuseReadIn,
  fuseReleaseIn,
  fuseStatfsOut,
  fuseStatx,
  fuseStatxIn,
  fuseStatxOut,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { PartialValues, Values } from "../../src/abi/struct.ts";
import type { ChainReply } from "./chain-port.ts";
import {
  type Attributes,
  BadReply,
  type DirectoryEntry,
  type DirectoryPlusEntry,
  decode,
  decodeAttributes,
  decodeDirents,
  decodeDirentsPlus,
  decodeEntry,
  decodeReply,
  decodeWithIno,
  type Entry,
  encode,
  encodeRequest,
  type FuseReply,
  nameBytes,
  uniqueOf,
  type WithIno,
} from "./fuse-request.ts";
import { viewOf } from "./vhost-user-client.ts";

/** Carries one request; the reply has room for `replyRoom` bytes. */
export type Transport = (request: Uint8Array, replyRoom: number) => ChainReply;

/** What Linux 6.1 offers in INIT, as far as a read-only share cares. */
export const LINUX_INIT_FLAGS =
  op.FUSE_ASYNC_READ |
  op.FUSE_BIG_WRITES |
  op.FUSE_AUTO_INVAL_DATA |
  op.FUSE_DO_READDIRPLUS |
  op.FUSE_READDIRPLUS_AUTO |
  op.FUSE_ASYNC_DIO |
  op.FUSE_NO_OPEN_SUPPORT |
  op.FUSE_PARALLEL_DIROPS |
  op.FUSE_POSIX_ACL |
  op.FUSE_MAX_PAGES |
  op.FUSE_CACHE_SYMLINKS |
  op.FUSE_NO_OPENDIR_SUPPORT |
  op.FUSE_EXPLICIT_INVAL_DATA |
  op.FUSE_INIT_EXT;

/** Without the promises of a server that open and opendir need no round trip. */
export const OPEN_INIT_FLAGS =
  LINUX_INIT_FLAGS & ~(op.FUSE_NO_OPEN_SUPPORT | op.FUSE_NO_OPENDIR_SUPPORT);

/** The device answered with an errno. */
export class FuseError extends Error {
  override readonly name = "FuseError";
  readonly errno: number;

  constructor(opcode: number, errno: number) {
    super(`opcode ${opcode} was answered -${errno}`);
    this.errno = errno;
  }
}

/** The errno that `act` fails with; 0 when it succeeds. */
export function errnoOf(act: () => unknown): number {
  try {
    act();
    return 0;
  } catch (error) {
    if (error instanceof FuseError) return error.errno;
    throw error;
  }
}

export class FuseClient {
  readonly transport: Transport;
  #sequence = 0;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** Any request at all: its reply, taken apart and checked. */
  request(opcode: number, nodeid: number, parts: readonly Uint8Array[], room: number): FuseReply {
    const request = encodeRequest(opcode, nodeid, parts, { unique: uniqueOf(++this.#sequence) });
    const reply = this.transport(request, fuseOutHeader.size + room);
    const decoded = decodeReply(reply.room, reply.usedLength, request);
    // An error may have been found in the middle of building a reply in place.
    if (decoded.error === 0 && reply.scribbled)
      throw new BadReply("bytes behind the reply changed");
    return decoded;
  }

  /** As `request`, but an errno is thrown. @throws FuseError. */
  call(opcode: number, nodeid: number, parts: readonly Uint8Array[], room: number): Uint8Array {
    const { error, body } = this.request(opcode, nodeid, parts, room);
    if (error !== 0) throw new FuseError(opcode, -error);
    return body;
  }

  /** A request that no reply follows: FORGET and its kin. The chain must come back empty. */
  tell(opcode: number, nodeid: number, parts: readonly Uint8Array[]): void {
    const request = encodeRequest(opcode, nodeid, parts, { unique: uniqueOf(++this.#sequence) });
    const { usedLength } = this.transport(request, 0);
    if (usedLength !== 0) throw new FuseError(opcode, 0);
  }

  init(
    fields: PartialValues<(typeof fuseInitIn)["fields"]> = {},
  ): Values<(typeof fuseInitOut)["fields"]> {
    const wanted = { major: 7, minor: 38, max_readahead: 131072, flags: LINUX_INIT_FLAGS };
    const args = encode(fuseInitIn, { ...wanted, ...fields });
    return decode(fuseInitOut, this.call(op.FUSE_INIT, 0, [args], fuseInitOut.size));
  }

  destroy(): void {
    this.call(op.FUSE_DESTROY, 0, [], 0);
  }

  lookup(parent: number, name: string | Uint8Array): Entry {
    const body = this.call(op.FUSE_LOOKUP, parent, [nameBytes(name)], fuseEntryOut.size);
    return decodeEntry(body);
  }

  /** Looks up a path from the root, component by component. */
  walk(path: string): Entry {
    const names = path.split("/").filter((name) => name !== "");
    let nodeid = FUSE_ROOT_ID;
    let entry: Entry | undefined;
    for (const name of names) {
      entry = this.lookup(nodeid, name);
      nodeid = entry.nodeid;
    }
    if (entry === undefined) throw new RangeError("the root cannot be looked up");
    return entry;
  }

  forget(nodeid: number, count: number): void {
    this.tell(op.FUSE_FORGET, nodeid, [encode(fuseForgetIn, { nlookup: count })]);
  }

  batchForget(forgets: readonly { nodeid: number; nlookup: number }[]): void {
    const header = encode(fuseBatchForgetIn, { count: forgets.length });
    this.tell(op.FUSE_BATCH_FORGET, 0, [header, ...forgets.map((f) => encode(fuseForgetOne, f))]);
  }

  getattr(nodeid: number): Attributes {
    const body = this.call(
      op.FUSE_GETATTR,
      nodeid,
      [new Uint8Array(fuseGetattrIn.size)],
      fuseAttrOut.size,
    );
    return decodeAttributes(body.subarray(fuseAttrOut.at.attr));
  }

  statx(nodeid: number, mask = 0x7ff): WithIno<Values<(typeof fuseStatx)["fields"]>> {
    const args = encode(fuseStatxIn, { sx_mask: mask });
    const body = this.call(op.FUSE_STATX, nodeid, [args], fuseStatxOut.size);
    const stat = body.subarray(fuseStatxOut.at.stat);
    const { values, ino } = decodeWithIno(fuseStatx, stat, fuseStatx.at.ino);
    return { ...values, ino };
  }

  access(nodeid: number, mask: number): void {
    this.call(op.FUSE_ACCESS, nodeid, [encode(fuseAccessIn, { mask })], 0);
  }

  readlink(nodeid: number): Buffer {
    return Buffer.from(this.call(op.FUSE_READLINK, nodeid, [], 4096));
  }

  open(nodeid: number, flags = 0): Values<(typeof fuseOpenOut)["fields"]> {
    const body = this.call(op.FUSE_OPEN, nodeid, [encode(fuseOpenIn, { flags })], fuseOpenOut.size);
    return decode(fuseOpenOut, body);
  }

  opendir(nodeid: number): Values<(typeof fuseOpenOut)["fields"]> {
    const args = encode(fuseOpenIn, { flags: 0o200000 });
    return decode(fuseOpenOut, this.call(op.FUSE_OPENDIR, nodeid, [args], fuseOpenOut.size));
  }

  release(nodeid: number, fh = 0): void {
    this.call(op.FUSE_RELEASE, nodeid, [encode(fuseReleaseIn, { fh })], 0);
  }

  releasedir(nodeid: number, fh = 0): void {
    this.call(op.FUSE_RELEASEDIR, nodeid, [encode(fuseReleaseIn, { fh })], 0);
  }

  read(nodeid: number, offset: number, size: number, fh = 0): Buffer {
    const args = encode(fuseReadIn, { fh, offset, size });
    return Buffer.from(this.call(op.FUSE_READ, nodeid, [args], size));
  }

  /** Reads a whole file in requests of `step` bytes. */
  readAll(nodeid: number, step = 131072, fh = 0): Buffer {
    const parts: Buffer[] = [];
    for (let offset = 0; ; offset += step) {
      const part = this.read(nodeid, offset, step, fh);
      parts.push(part);
      if (part.length < step) return Buffer.concat(parts);
    }
  }

  readdirOnce(nodeid: number, offset: bigint, size: number, fh = 0): DirectoryEntry[] {
    const args = listArguments(fh, offset, size);
    return decodeDirents(this.call(op.FUSE_READDIR, nodeid, [args], size));
  }

  readdirplusOnce(nodeid: number, offset: bigint, size: number, fh = 0): DirectoryPlusEntry[] {
    const args = listArguments(fh, offset, size);
    return decodeDirentsPlus(this.call(op.FUSE_READDIRPLUS, nodeid, [args], size));
  }

  readdir(nodeid: number, size = 4096, fh = 0): DirectoryEntry[] {
    return wholeListing((offset) => this.readdirOnce(nodeid, offset, size, fh));
  }

  readdirplus(nodeid: number, size = 4096, fh = 0): DirectoryPlusEntry[] {
    return wholeListing((offset) => this.readdirplusOnce(nodeid, offset, size, fh));
  }

  statfs(nodeid = FUSE_ROOT_ID): Values<(typeof fuseStatfsOut)["fields"]>["st"] {
    return decode(fuseStatfsOut, this.call(op.FUSE_STATFS, nodeid, [], fuseStatfsOut.size)).st;
  }

  lseek(nodeid: number, offset: number, whence: number): number {
    const args = encode(fuseLseekIn, { offset, whence });
    return decode(fuseLseekOut, this.call(op.FUSE_LSEEK, nodeid, [args], fuseLseekOut.size)).offset;
  }

  getxattr(nodeid: number, name: string, size = 4096): Buffer {
    const parts = [encode(fuseGetxattrIn, { size }), nameBytes(name)];
    return Buffer.from(this.call(op.FUSE_GETXATTR, nodeid, parts, size));
  }

  getxattrSize(nodeid: number, name: string): number {
    const parts = [encode(fuseGetxattrIn, { size: 0 }), nameBytes(name)];
    const body = this.call(op.FUSE_GETXATTR, nodeid, parts, fuseGetxattrOut.size);
    return decode(fuseGetxattrOut, body).size;
  }

  listxattr(nodeid: number, size = 4096): string[] {
    const body = this.call(op.FUSE_LISTXATTR, nodeid, [encode(fuseGetxattrIn, { size })], size);
    return Buffer.from(body).toString().split("\0").slice(0, -1);
  }
}

/** READ's arguments with an opaque offset. */
function listArguments(fh: number, offset: bigint, size: number): Uint8Array {
  const args = encode(fuseReadIn, { fh, size });
  viewOf(args).setBigUint64(fuseReadIn.at.offset, offset, true);
  return args;
}

function wholeListing<E extends { next: bigint }>(page: (offset: bigint) => E[]): E[] {
  const entries: E[] = [];
  for (let offset = 0n; ; offset = entries.at(-1)!.next) {
    const more = page(offset);
    if (more.length === 0) return entries;
    entries.push(...more);
  }
}
