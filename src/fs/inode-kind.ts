/**
 * What an inode is, in one byte of the inode table, and what stat(2) says of it: castore has no
 * times, owners or write bits, so everything follows from the kind.
 */
export const FREE = 0;
export const FILE = 1;
export const EXECUTABLE = 2;
export const DIRECTORY = 3;
export const SYMLINK = 4;
/** The root of a share that shows all root nodes by name: a directory that no digest names. */
export const ROOTS = 5;

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;

/** `st_mode` by kind. */
const MODES = [
  0,
  S_IFREG | 0o444,
  S_IFREG | 0o555,
  S_IFDIR | 0o555,
  S_IFLNK | 0o777,
  S_IFDIR | 0o555,
] as const;

/** `st_mode` of an inode of this kind; 0 for FREE. */
export function modeOf(kind: number): number {
  return MODES[kind] ?? 0;
}

/** The DT_ value of readdir(3) for a kind; DT_UNKNOWN for FREE. */
export function directoryTypeOf(kind: number): number {
  return modeOf(kind) >>> 12;
}

export function isDirectory(kind: number): boolean {
  return kind === DIRECTORY || kind === ROOTS;
}

export function isFile(kind: number): boolean {
  return kind === FILE || kind === EXECUTABLE;
}
