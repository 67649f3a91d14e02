/**
 * The table of opcodes: one record for each. To serve another one, write its handler and add its
 * record here.
 *
 * ENOSYS stands where the kernel then stops asking and does the right thing by itself: FLUSH (there
 * are no handles), FSYNC and SYNCFS of a read-only share, POLL (always ready), locks (local ones: a
 * share that can be written to has one guest), BMAP.
 */
import {
  fuseAccessIn,
  fuseAttrOut,
  fuseBatchForgetIn,
  fuseCopyFileRangeIn,
  fuseCopyFileRangeOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseFallocateIn,
  fuseForgetIn,
  fuseFsyncIn,
  fuseGetattrIn,
  fuseGetxattrIn,
  fuseInitOut,
  fuseLinkIn,
  fuseLseekIn,
  fuseLseekOut,
  fuseMkdirIn,
  fuseMknodIn,
  fuseOpenIn,
  fuseReadIn,
  fuseRename2In,
  fuseRenameIn,
  fuseSetattrIn,
  fuseStatfsOut,
  fuseStatxIn,
  fuseStatxOut,
  fuseSyncfsIn,
  fuseWriteIn,
  fuseWriteOut,
} from "../abi/fuse.ts";
import * as abi from "../abi/fuse-constants.ts";
import { ENOSYS, ENOTTY, EROFS } from "../base/errno.ts";
import {
  copyFileRange,
  copyFileRange64,
  fallocate,
  fsync,
  setattr,
  syncfs,
  write,
} from "./change-operations.ts";
import { opendir, readdir, readdirplus } from "./directory-operations.ts";
import { lseek, open, read } from "./file-operations.ts";
import {
  access,
  batchForget,
  forget,
  getattr,
  lookup,
  readlink,
  statfs,
  statx,
} from "./inode-operations.ts";
import type { Modifications } from "./modifications.ts";
import {
  CREATED_BYTES,
  create,
  link,
  mkdir,
  mknod,
  rename,
  rename2,
  rmdir,
  symlink,
  tmpfile,
  unlink,
} from "./name-operations.ts";
import { type Exchange, NO_REPLY, type Operation } from "./operation.ts";
import { INIT_IN_BYTES_MIN } from "./session.ts";
import {
  getxattr,
  listxattr,
  removexattr,
  SETXATTR_BYTES_MIN,
  setxattr,
} from "./xattr-operations.ts";

type ModifyingHandler = (exchange: Exchange, modifications: Modifications) => number;

const RECORDS: Readonly<Record<number, Operation>> = {
  [abi.FUSE_INIT]: operation("init", INIT_IN_BYTES_MIN, fuseInitOut.size, init),
  [abi.FUSE_DESTROY]: operation("destroy", 0, 0, destroy),

  [abi.FUSE_LOOKUP]: operation("lookup", 1, fuseEntryOut.size, lookup),
  [abi.FUSE_FORGET]: operation("forget", fuseForgetIn.size, NO_REPLY, forget),
  [abi.FUSE_BATCH_FORGET]: operation("batch_forget", fuseBatchForgetIn.size, NO_REPLY, batchForget),
  [abi.FUSE_GETATTR]: operation("getattr", fuseGetattrIn.size, fuseAttrOut.size, getattr),
  [abi.FUSE_STATX]: operation("statx", fuseStatxIn.size, fuseStatxOut.size, statx),
  [abi.FUSE_ACCESS]: operation("access", fuseAccessIn.size, 0, access),
  [abi.FUSE_READLINK]: operation("readlink", 0, 0, readlink),
  [abi.FUSE_STATFS]: operation("statfs", 0, fuseStatfsOut.size, statfs),

  [abi.FUSE_OPEN]: operation("open", fuseOpenIn.size, 0, open),
  [abi.FUSE_READ]: operation("read", fuseReadIn.size, 0, read),
  [abi.FUSE_LSEEK]: operation("lseek", fuseLseekIn.size, fuseLseekOut.size, lseek),
  [abi.FUSE_RELEASE]: operation("release", 0, 0, succeed),

  [abi.FUSE_OPENDIR]: operation("opendir", fuseOpenIn.size, 0, opendir),
  [abi.FUSE_READDIR]: operation("readdir", fuseReadIn.size, 0, readdir),
  [abi.FUSE_READDIRPLUS]: operation("readdirplus", fuseReadIn.size, 0, readdirplus),
  [abi.FUSE_RELEASEDIR]: operation("releasedir", 0, 0, succeed),

  [abi.FUSE_GETXATTR]: operation("getxattr", fuseGetxattrIn.size, 0, getxattr),
  [abi.FUSE_LISTXATTR]: operation("listxattr", fuseGetxattrIn.size, 0, listxattr),

  // What an INTERRUPT means has had its answer, or waits for its data, which has a deadline: Linux
  // sends none over virtio-fs, and a read of immutable content is worth finishing.
  [abi.FUSE_INTERRUPT]: operation("interrupt", 0, NO_REPLY, succeed),
  // The answer to a question that is never asked.
  [abi.FUSE_NOTIFY_REPLY]: operation("notify_reply", 0, NO_REPLY, succeed),

  [abi.FUSE_IOCTL]: operation("ioctl", 0, 0, () => -ENOTTY),
  [abi.FUSE_FLUSH]: operation("flush", 0, 0, () => -ENOSYS),
  [abi.FUSE_FSYNC]: operation("fsync", fuseFsyncIn.size, 0, lasting(fsync)),
  [abi.FUSE_FSYNCDIR]: operation("fsyncdir", fuseFsyncIn.size, 0, lasting(fsync)),
  [abi.FUSE_SYNCFS]: operation("syncfs", fuseSyncfsIn.size, 0, lasting(syncfs)),
  [abi.FUSE_POLL]: operation("poll", 0, 0, () => -ENOSYS),
  [abi.FUSE_GETLK]: operation("getlk", 0, 0, () => -ENOSYS),
  [abi.FUSE_SETLK]: operation("setlk", 0, 0, () => -ENOSYS),
  [abi.FUSE_SETLKW]: operation("setlkw", 0, 0, () => -ENOSYS),
  [abi.FUSE_BMAP]: operation("bmap", 0, 0, () => -ENOSYS),
  [abi.FUSE_SETUPMAPPING]: operation("setupmapping", 0, 0, () => -ENOSYS),
  [abi.FUSE_REMOVEMAPPING]: operation("removemapping", 0, 0, () => -ENOSYS),

  [abi.FUSE_SETATTR]: modifying("setattr", fuseSetattrIn.size, fuseAttrOut.size, setattr),
  [abi.FUSE_SYMLINK]: modifying("symlink", 2, fuseEntryOut.size, symlink),
  [abi.FUSE_MKNOD]: modifying("mknod", fuseMknodIn.size, fuseEntryOut.size, mknod),
  [abi.FUSE_MKDIR]: modifying("mkdir", fuseMkdirIn.size, fuseEntryOut.size, mkdir),
  [abi.FUSE_UNLINK]: modifying("unlink", 1, 0, unlink),
  [abi.FUSE_RMDIR]: modifying("rmdir", 1, 0, rmdir),
  [abi.FUSE_RENAME]: modifying("rename", fuseRenameIn.size, 0, rename),
  [abi.FUSE_RENAME2]: modifying("rename2", fuseRename2In.size, 0, rename2),
  [abi.FUSE_LINK]: modifying("link", fuseLinkIn.size, fuseEntryOut.size, link),
  [abi.FUSE_WRITE]: modifying("write", fuseWriteIn.size, fuseWriteOut.size, write),
  [abi.FUSE_SETXATTR]: modifying("setxattr", SETXATTR_BYTES_MIN, 0, setxattr),
  [abi.FUSE_REMOVEXATTR]: modifying("removexattr", 1, 0, removexattr),
  [abi.FUSE_CREATE]: modifying("create", fuseCreateIn.size, CREATED_BYTES, create),
  [abi.FUSE_TMPFILE]: modifying("tmpfile", fuseCreateIn.size, CREATED_BYTES, tmpfile),
  [abi.FUSE_FALLOCATE]: modifying("fallocate", fuseFallocateIn.size, 0, fallocate),
  [abi.FUSE_COPY_FILE_RANGE]: modifying(
    "copy_file_range",
    fuseCopyFileRangeIn.size,
    fuseWriteOut.size,
    copyFileRange,
  ),
  [abi.FUSE_COPY_FILE_RANGE_64]: modifying(
    "copy_file_range_64",
    fuseCopyFileRangeIn.size,
    fuseCopyFileRangeOut.size,
    copyFileRange64,
  ),
};

/** The record of every opcode; undefined at numbers that are none. */
export const OPERATIONS: readonly (Operation | undefined)[] = Array.from(
  { length: abi.FUSE_OPCODES_END },
  (_, opcode) => RECORDS[opcode],
);

/** What stands in for an opcode that is none. */
export const UNKNOWN: Operation = operation("unknown", 0, 0, () => -ENOSYS);

function operation(
  name: string,
  argumentBytes: number,
  replyBytes: number,
  handler: (exchange: Exchange) => number,
): Operation {
  return { name, argumentBytes, replyBytes, handler };
}

/** What a read-only share refuses. */
function modifying(
  name: string,
  argumentBytes: number,
  replyBytes: number,
  handler: ModifyingHandler,
): Operation {
  return operation(name, argumentBytes, replyBytes, (exchange) => {
    const { modifications } = exchange.fs;
    return modifications === undefined ? -EROFS : handler(exchange, modifications);
  });
}

/** What a read-only share need not be asked. */
function lasting(handler: ModifyingHandler): Operation["handler"] {
  return (exchange) => {
    const { modifications } = exchange.fs;
    return modifications === undefined ? -ENOSYS : handler(exchange, modifications);
  };
}

/** A second INIT is a new session: the kernel has forgotten every nodeid of the one before. */
function init({ fs, session, request, reply }: Exchange): number {
  fs.reset();
  const { modifications } = fs;
  const length = session.negotiate(request, reply, modifications !== undefined);
  if (modifications) modifications.kernelKeepsTimes = session.kernelCollectsWrites;
  return length;
}

function destroy({ fs, session }: Exchange): number {
  fs.reset();
  session.close();
  return 0;
}

function succeed(): number {
  return 0;
}
