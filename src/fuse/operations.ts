/**
 * The table of opcodes: one record for each. To serve another one, write its handler and add its
 * record here.
 *
 * ENOSYS stands where the kernel then stops asking and does the right thing by itself: FLUSH, FSYNC
 * and SYNCFS (nothing to write back), POLL (always ready), locks (local ones), BMAP.
 */
import {
  fuseAccessIn,
  fuseAttrOut,
  fuseBatchForgetIn,
  fuseEntryOut,
  fuseForgetIn,
  fuseGetattrIn,
  fuseGetxattrIn,
  fuseInitOut,
  fuseLseekIn,
  fuseLseekOut,
  fuseOpenIn,
  fuseReadIn,
  fuseStatfsOut,
  fuseStatxIn,
  fuseStatxOut,
} from "../abi/fuse.ts";
import * as abi from "../abi/fuse-constants.ts";
import { ENOSYS, ENOTTY, EROFS } from "../base/errno.ts";
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
import { type Exchange, NO_REPLY, type Operation } from "./operation.ts";
import { INIT_IN_BYTES_MIN } from "./session.ts";
import { getxattr, listxattr } from "./xattr-operations.ts";

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
  [abi.FUSE_FSYNC]: operation("fsync", 0, 0, () => -ENOSYS),
  [abi.FUSE_FSYNCDIR]: operation("fsyncdir", 0, 0, () => -ENOSYS),
  [abi.FUSE_SYNCFS]: operation("syncfs", 0, 0, () => -ENOSYS),
  [abi.FUSE_POLL]: operation("poll", 0, 0, () => -ENOSYS),
  [abi.FUSE_GETLK]: operation("getlk", 0, 0, () => -ENOSYS),
  [abi.FUSE_SETLK]: operation("setlk", 0, 0, () => -ENOSYS),
  [abi.FUSE_SETLKW]: operation("setlkw", 0, 0, () => -ENOSYS),
  [abi.FUSE_BMAP]: operation("bmap", 0, 0, () => -ENOSYS),
  [abi.FUSE_SETUPMAPPING]: operation("setupmapping", 0, 0, () => -ENOSYS),
  [abi.FUSE_REMOVEMAPPING]: operation("removemapping", 0, 0, () => -ENOSYS),

  [abi.FUSE_SETATTR]: operation("setattr", 0, 0, () => -EROFS),
  [abi.FUSE_SYMLINK]: operation("symlink", 0, 0, () => -EROFS),
  [abi.FUSE_MKNOD]: operation("mknod", 0, 0, () => -EROFS),
  [abi.FUSE_MKDIR]: operation("mkdir", 0, 0, () => -EROFS),
  [abi.FUSE_UNLINK]: operation("unlink", 0, 0, () => -EROFS),
  [abi.FUSE_RMDIR]: operation("rmdir", 0, 0, () => -EROFS),
  [abi.FUSE_RENAME]: operation("rename", 0, 0, () => -EROFS),
  [abi.FUSE_RENAME2]: operation("rename2", 0, 0, () => -EROFS),
  [abi.FUSE_LINK]: operation("link", 0, 0, () => -EROFS),
  [abi.FUSE_WRITE]: operation("write", 0, 0, () => -EROFS),
  [abi.FUSE_SETXATTR]: operation("setxattr", 0, 0, () => -EROFS),
  [abi.FUSE_REMOVEXATTR]: operation("removexattr", 0, 0, () => -EROFS),
  [abi.FUSE_CREATE]: operation("create", 0, 0, () => -EROFS),
  [abi.FUSE_TMPFILE]: operation("tmpfile", 0, 0, () => -EROFS),
  [abi.FUSE_FALLOCATE]: operation("fallocate", 0, 0, () => -EROFS),
  [abi.FUSE_COPY_FILE_RANGE]: operation("copy_file_range", 0, 0, () => -EROFS),
  [abi.FUSE_COPY_FILE_RANGE_64]: operation("copy_file_range_64", 0, 0, () => -EROFS),
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

/** A second INIT is a new session: the kernel has forgotten every nodeid of the one before. */
function init({ fs, session, request, reply }: Exchange): number {
  fs.reset();
  return session.negotiate(request, reply);
}

function destroy({ fs, session }: Exchange): number {
  fs.reset();
  session.close();
  return 0;
}

function succeed(): number {
  return 0;
}
