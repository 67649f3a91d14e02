/**
 * The structs of the FUSE protocol (linux/fuse.h, version 7.39) that this project reads or writes,
 * in the header's order and with its field names. `fuseEntryOut` is `struct fuse_entry_out`.
 *
 * Every request is a `fuseInHeader`, then the request's own struct where it has one, then names
 * with their NUL. Every reply is a `fuseOutHeader` and, unless `error` is set, the reply's struct or
 * bytes.
 */
import { struct } from "./struct.ts";

/** The protocol version that is spoken. A kernel with a later minor steps down to it. */
export const FUSE_KERNEL_VERSION = 7;
export const FUSE_KERNEL_MINOR_VERSION = 38;

/** The nodeid that a session begins with: the root of the share. */
export const FUSE_ROOT_ID = 1;

export const fuseAttr = struct({
  ino: "u64",
  size: "u64",
  blocks: "u64",
  atime: "u64",
  mtime: "u64",
  ctime: "u64",
  atimensec: "u32",
  mtimensec: "u32",
  ctimensec: "u32",
  mode: "u32",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  rdev: "u32",
  blksize: "u32",
  flags: "u32",
});

/** Since 7.39. */
export const fuseSxTime = struct({
  tv_sec: "i64",
  tv_nsec: "u32",
  __reserved: "i32",
});

/** Since 7.39. */
export const fuseStatx = struct({
  mask: "u32",
  blksize: "u32",
  attributes: "u64",
  nlink: "u32",
  uid: "u32",
  gid: "u32",
  mode: "u16",
  __spare0: "bytes(2)",
  ino: "u64",
  size: "u64",
  blocks: "u64",
  attributes_mask: "u64",
  atime: fuseSxTime,
  btime: fuseSxTime,
  ctime: fuseSxTime,
  mtime: fuseSxTime,
  rdev_major: "u32",
  rdev_minor: "u32",
  dev_major: "u32",
  dev_minor: "u32",
  __spare2: "bytes(112)",
});

export const fuseKstatfs = struct({
  blocks: "u64",
  bfree: "u64",
  bavail: "u64",
  files: "u64",
  ffree: "u64",
  bsize: "u32",
  namelen: "u32",
  frsize: "u32",
  padding: "u32",
  spare: "bytes(24)",
});

/** Reply of LOOKUP. Nodeid 0 says that the name is absent, and may be remembered as absent. */
export const fuseEntryOut = struct({
  nodeid: "u64",
  generation: "u64",
  entry_valid: "u64",
  attr_valid: "u64",
  entry_valid_nsec: "u32",
  attr_valid_nsec: "u32",
  attr: fuseAttr,
});

export const fuseForgetIn = struct({
  nlookup: "u64",
});

export const fuseForgetOne = struct({
  nodeid: "u64",
  nlookup: "u64",
});

/** `count` times `fuseForgetOne` follow. */
export const fuseBatchForgetIn = struct({
  count: "u32",
  dummy: "u32",
});

export const fuseGetattrIn = struct({
  getattr_flags: "u32",
  dummy: "u32",
  fh: "u64",
});

export const fuseAttrOut = struct({
  attr_valid: "u64",
  attr_valid_nsec: "u32",
  dummy: "u32",
  attr: fuseAttr,
});

/** Since 7.39. */
export const fuseStatxIn = struct({
  getattr_flags: "u32",
  reserved: "u32",
  fh: "u64",
  sx_flags: "u32",
  sx_mask: "u32",
});

/** Since 7.39. */
export const fuseStatxOut = struct({
  attr_valid: "u64",
  attr_valid_nsec: "u32",
  flags: "u32",
  spare: "bytes(16)",
  stat: fuseStatx,
});

export const fuseMknodIn = struct({
  mode: "u32",
  rdev: "u32",
  umask: "u32",
  padding: "u32",
});

export const fuseMkdirIn = struct({
  mode: "u32",
  umask: "u32",
});

/** Arguments of RENAME; two names follow. */
export const fuseRenameIn = struct({
  newdir: "u64",
});

/** Arguments of RENAME2; two names follow. */
export const fuseRename2In = struct({
  newdir: "u64",
  flags: "u32",
  padding: "u32",
});

/** Arguments of LINK, whose nodeid is that of the directory; the new name follows. */
export const fuseLinkIn = struct({
  oldnodeid: "u64",
});

/** Times are signed, whatever the header says. */
export const fuseSetattrIn = struct({
  valid: "u32",
  padding: "u32",
  fh: "u64",
  size: "u64",
  lock_owner: "opaque64",
  atime: "u64",
  mtime: "u64",
  ctime: "u64",
  atimensec: "u32",
  mtimensec: "u32",
  ctimensec: "u32",
  mode: "u32",
  unused4: "u32",
  uid: "u32",
  gid: "u32",
  unused5: "u32",
});

export const fuseOpenIn = struct({
  flags: "u32",
  open_flags: "u32",
});

/** Arguments of CREATE and TMPFILE; a name follows. Both answer `fuseEntryOut`, `fuseOpenOut`. */
export const fuseCreateIn = struct({
  flags: "u32",
  mode: "u32",
  umask: "u32",
  open_flags: "u32",
});

export const fuseOpenOut = struct({
  fh: "u64",
  open_flags: "u32",
  padding: "u32",
});

export const fuseReleaseIn = struct({
  fh: "u64",
  flags: "u32",
  release_flags: "u32",
  lock_owner: "opaque64",
});

export const fuseFlushIn = struct({
  fh: "u64",
  unused: "u32",
  padding: "u32",
  lock_owner: "opaque64",
});

/** Arguments of READ, READDIR and READDIRPLUS. */
export const fuseReadIn = struct({
  fh: "u64",
  offset: "u64",
  size: "u32",
  read_flags: "u32",
  lock_owner: "opaque64",
  flags: "u32",
  padding: "u32",
});

/** Arguments of WRITE; `size` bytes follow. */
export const fuseWriteIn = struct({
  fh: "u64",
  offset: "u64",
  size: "u32",
  write_flags: "u32",
  lock_owner: "opaque64",
  flags: "u32",
  padding: "u32",
});

/** Reply of WRITE and COPY_FILE_RANGE. */
export const fuseWriteOut = struct({
  size: "u32",
  padding: "u32",
});

export const fuseStatfsOut = struct({
  st: fuseKstatfs,
});

export const fuseFsyncIn = struct({
  fh: "u64",
  fsync_flags: "u32",
  padding: "u32",
});

/**
 * Arguments of SETXATTR; a name and `size` bytes follow. Eight bytes unless FUSE_SETXATTR_EXT was
 * taken.
 */
export const fuseSetxattrIn = struct({
  size: "u32",
  flags: "u32",
  setxattr_flags: "u32",
  padding: "u32",
});

/** Arguments of GETXATTR (a name follows) and LISTXATTR. Size 0 asks for the size only. */
export const fuseGetxattrIn = struct({
  size: "u32",
  padding: "u32",
});

export const fuseGetxattrOut = struct({
  size: "u32",
  padding: "u32",
});

export const fuseAccessIn = struct({
  mask: "u32",
  padding: "u32",
});

/** Sixteen bytes before 7.36; `flags2` counts only when `flags` has FUSE_INIT_EXT. */
export const fuseInitIn = struct({
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
  flags2: "u32",
  unused: "bytes(44)",
});

export const fuseInitOut = struct({
  major: "u32",
  minor: "u32",
  max_readahead: "u32",
  flags: "u32",
  max_background: "u16",
  congestion_threshold: "u16",
  max_write: "u32",
  time_gran: "u32",
  max_pages: "u16",
  map_alignment: "u16",
  flags2: "u32",
  unused: "bytes(28)",
});

export const fuseInterruptIn = struct({
  unique: "opaque64",
});

export const fuseIoctlIn = struct({
  fh: "u64",
  flags: "u32",
  cmd: "u32",
  arg: "opaque64",
  in_size: "u32",
  out_size: "u32",
});

export const fusePollIn = struct({
  fh: "u64",
  kh: "opaque64",
  flags: "u32",
  events: "u32",
});

export const fuseFallocateIn = struct({
  fh: "u64",
  offset: "u64",
  length: "u64",
  mode: "u32",
  padding: "u32",
});

export const fuseInHeader = struct({
  len: "u32",
  opcode: "u32",
  unique: "opaque64",
  nodeid: "u64",
  uid: "u32",
  gid: "u32",
  pid: "u32",
  total_extlen: "u16",
  padding: "u16",
});

export const fuseOutHeader = struct({
  len: "u32",
  error: "i32",
  unique: "opaque64",
});

/** The name follows, without a NUL, padded with zeros to a multiple of eight bytes. */
export const fuseDirent = struct({
  ino: "u64",
  off: "u64",
  namelen: "u32",
  type: "u32",
});

export const fuseDirentplus = struct({
  entry_out: fuseEntryOut,
  dirent: fuseDirent,
});

export const fuseLseekIn = struct({
  fh: "u64",
  offset: "u64",
  whence: "u32",
  padding: "u32",
});

export const fuseLseekOut = struct({
  offset: "u64",
});

/** Also arguments of COPY_FILE_RANGE_64. */
export const fuseCopyFileRangeIn = struct({
  fh_in: "u64",
  off_in: "u64",
  nodeid_out: "u64",
  fh_out: "u64",
  off_out: "u64",
  len: "u64",
  flags: "u64",
});

/** Since 7.45: reply of COPY_FILE_RANGE_64. */
export const fuseCopyFileRangeOut = struct({
  bytes_copied: "u64",
});

export const fuseSyncfsIn = struct({
  padding: "u64",
});
