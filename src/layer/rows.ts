/**
 * What a layer consists of, as rows: how it stands in the layer's database and how the device thread
 * hands over what has changed. A layer's inode ids are numbers that are never used again; the root's
 * is ROOT_ID. An inode of the base has no row until it is changed, or something in it is.
 */

export const ROOT_ID = 1;

/**
 * `links` of a directory that is to be looked through when it is shown next: whoever changes its
 * entries or its origin, and does not count.
 */
export const LINKS_UNCOUNTED = 1;

/** Nanoseconds beside whole seconds since the epoch, which may be negative. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** What lies beneath an inode: the node of the base that it was, and is but for what was changed. */
export interface Origin {
  readonly kind: "directory" | "file";
  /** 32 bytes. */
  readonly digest: Uint8Array;
  /** Of a file, in bytes; of a directory as its node says. */
  readonly size: number;
  readonly executable: boolean;
}

export interface InodeRow {
  readonly id: number;
  /** File type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  /**
   * Names that it has. 0: none, kept while the guest has it open. Of a directory its st_nlink, 2 and
   * one for each directory in it; or LINKS_UNCOUNTED.
   */
  readonly links: number;
  readonly size: number;
  /** st_ino, in halves. */
  readonly inoLow: number;
  readonly inoHigh: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly btime: Time;
  readonly origin: Origin | undefined;
  /** Of a symlink. */
  readonly target: Uint8Array | undefined;
}

/**
 * A name in a directory of the layer. `inode` undefined: a whiteout, the base's entry of that name is
 * gone. `position` orders listings and is the cookie READDIR hands out: of an entry that stands in
 * for one of the base its index there, of others beyond all of the base's, and rising.
 */
export interface EntryRow {
  readonly parent: number;
  readonly name: Uint8Array;
  readonly position: number;
  readonly inode: number | undefined;
}

export interface XattrRow {
  readonly inode: number;
  readonly name: Uint8Array;
  /** undefined: removed. */
  readonly value: Uint8Array | undefined;
}

/** Contents of a file are kept in pieces of so many bytes of the file, each with its extents. */
export const PIECE_BYTES = 64 * 1024 * 1024;

/**
 * The extents of one piece of a file (extent-code.ts encodes them, and says what all of them mean
 * together). What no extent covers is a hole. A piece that has no row is as the origin is there, as
 * far as the file's size goes. `extents` undefined: the row is gone.
 */
export interface PieceRow {
  readonly inode: number;
  /** Offset in the file divided by PIECE_BYTES. */
  readonly piece: number;
  readonly extents: Uint8Array | undefined;
}
