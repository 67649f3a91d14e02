/** A FUSE kernel's side that changes a share, one method for each request. */
import {
  fuseAttrOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseFallocateIn,
  fuseFsyncIn,
  fuseLinkIn,
  fuseMkdirIn,
  fuseOpenOut,
  fuseRename2In,
  fuseSetattrIn,
  fuseSyncfsIn,
  fuseWriteIn,
  fuseWriteOut,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import type { PartialValues } from "../../src/abi/struct.ts";
import { FuseClient, LINUX_INIT_FLAGS } from "./fuse-client.ts";
import {
  type Attributes,
  decode,
  decodeAttributes,
  decodeEntry,
  type Entry,
  encode,
  nameBytes,
} from "./fuse-request.ts";
import type { SyntheticVmm } from "./synthetic-vmm.ts";

/** open(2): O_RDWR | O_CREAT | O_EXCL. */
const CREATE_FLAGS = 0o302;

/** What Linux offers besides, of what a share that can be written to has. */
export const WRITABLE_INIT_FLAGS =
  LINUX_INIT_FLAGS | op.FUSE_WRITEBACK_CACHE | op.FUSE_DONT_MASK | op.FUSE_HANDLE_KILLPRIV_V2;

type Name = string | Uint8Array;

export class WritableClient extends FuseClient {
  /** With a session begun, over the first request queue. */
  static over(vmm: SyntheticVmm): WritableClient {
    const client = new WritableClient(vmm.fuse().transport);
    client.init({ flags: WRITABLE_INIT_FLAGS });
    return client;
  }

  create(parent: number, name: Name, mode = 0o644): Entry {
    const args = encode(fuseCreateIn, { flags: CREATE_FLAGS, mode: 0o100000 | mode });
    const room = fuseEntryOut.size + fuseOpenOut.size;
    return decodeEntry(this.call(op.FUSE_CREATE, parent, [args, nameBytes(name)], room));
  }

  mkdir(parent: number, name: Name, mode = 0o755): Entry {
    const args = encode(fuseMkdirIn, { mode });
    return decodeEntry(
      this.call(op.FUSE_MKDIR, parent, [args, nameBytes(name)], fuseEntryOut.size),
    );
  }

  symlink(parent: number, name: Name, target: Name): Entry {
    const parts = [nameBytes(name), nameBytes(target)];
    return decodeEntry(this.call(op.FUSE_SYMLINK, parent, parts, fuseEntryOut.size));
  }

  link(nodeid: number, parent: number, name: Name): Entry {
    const args = encode(fuseLinkIn, { oldnodeid: nodeid });
    return decodeEntry(this.call(op.FUSE_LINK, parent, [args, nameBytes(name)], fuseEntryOut.size));
  }

  unlink(parent: number, name: Name): void {
    this.call(op.FUSE_UNLINK, parent, [nameBytes(name)], 0);
  }

  rmdir(parent: number, name: Name): void {
    this.call(op.FUSE_RMDIR, parent, [nameBytes(name)], 0);
  }

  rename(parent: number, name: Name, newParent: number, newName: Name, flags = 0): void {
    const args = encode(fuseRename2In, { newdir: newParent, flags });
    this.call(op.FUSE_RENAME2, parent, [args, nameBytes(name), nameBytes(newName)], 0);
  }

  /** Returns how many bytes were taken. */
  write(nodeid: number, offset: number, bytes: Uint8Array): number {
    const args = encode(fuseWriteIn, { offset, size: bytes.length });
    const body = this.call(op.FUSE_WRITE, nodeid, [args, bytes], fuseWriteOut.size);
    return decode(fuseWriteOut, body).size;
  }

  setattr(nodeid: number, fields: PartialValues<(typeof fuseSetattrIn)["fields"]>): Attributes {
    const args = encode(fuseSetattrIn, fields);
    const body = this.call(op.FUSE_SETATTR, nodeid, [args], fuseAttrOut.size);
    return decodeAttributes(body.subarray(fuseAttrOut.at.attr));
  }

  truncate(nodeid: number, size: number): void {
    this.setattr(nodeid, { valid: op.FATTR_SIZE, size });
  }

  fallocate(nodeid: number, offset: number, length: number, mode: number): void {
    this.call(op.FUSE_FALLOCATE, nodeid, [encode(fuseFallocateIn, { offset, length, mode })], 0);
  }

  fsync(nodeid: number): void {
    this.call(op.FUSE_FSYNC, nodeid, [encode(fuseFsyncIn, {})], 0);
  }

  syncfs(nodeid = 1): void {
    this.call(op.FUSE_SYNCFS, nodeid, [encode(fuseSyncfsIn, {})], 0);
  }
}
