/** What the mode of a layer's inode says: its type, and what a castore tree keeps of its permissions. */
import type { InodeRow } from "../rows.ts";

/** stat(2): the type in `st_mode`. */
const S_IFMT = 0o170000;
const TYPES: Readonly<Record<number, InodeType>> = {
  [0o010000]: "FIFO",
  [0o020000]: "character device",
  [0o040000]: "directory",
  [0o060000]: "block device",
  [0o100000]: "file",
  [0o120000]: "symlink",
  [0o140000]: "socket",
};

/** The owner may execute it: what castore keeps of the permissions of a file. */
const EXECUTABLE_BIT = 0o100;

export type InodeType =
  | "directory"
  | "file"
  | "symlink"
  | "character device"
  | "block device"
  | "FIFO"
  | "socket";

/** Undefined: the layer is damaged. */
export function inodeType({ mode }: Pick<InodeRow, "mode">): InodeType | undefined {
  return TYPES[mode & S_IFMT];
}

export function isExecutable({ mode }: Pick<InodeRow, "mode">): boolean {
  return (mode & EXECUTABLE_BIT) !== 0;
}

/** Permission bits, with set-ID bits and the sticky bit. */
export function permissions({ mode }: Pick<InodeRow, "mode">): number {
  return mode & 0o7777;
}

/** The permissions that a writable share gives to what a castore tree has. */
export function castorePermissions(type: InodeType, executable: boolean): number {
  if (type === "symlink") return 0o777;
  return type === "directory" || executable ? 0o755 : 0o644;
}
