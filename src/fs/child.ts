/**
 * One child of a directory, as its parent describes it: filled in again and again by whatever holds
 * children (a directory's records, the root nodes), read by the inode tracker and the listings.
 * The byte arrays are borrowed until the next fill.
 */
import { FREE } from "./inode-kind.ts";

/** `Child.index` of a root node: it has no stable place, its name tells it from others. */
export const BY_NAME = 0xffffffff;

const NOTHING = new Uint8Array(0);

export class Child {
  /** A kind of `inode-kind.ts`; FREE when nothing could be made of the node. */
  kind: number = FREE;
  /** Which entry of its directory this is, or BY_NAME. */
  index = 0;
  /** `st_size`: bytes of a file, of a target; of a directory the size field of its node. */
  size = 0;
  nameBytes: Uint8Array = NOTHING;
  nameStart = 0;
  nameEnd = 0;
  /** Files and directories: `digestBytes[digestStart, digestStart + 32)`. */
  digestBytes: Uint8Array = NOTHING;
  digestStart = 0;
  /** Symlinks. */
  targetBytes: Uint8Array = NOTHING;
  targetStart = 0;
  targetEnd = 0;
  /** `st_ino` in two halves, set by `numberNode`: signed, as engines box what is above 2^31. */
  inoLow = 0;
  inoHigh = 0;
}
