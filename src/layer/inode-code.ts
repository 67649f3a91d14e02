/**
 * The binary form of what the database keeps of an inode beside the columns that queries need. All
 * numbers little-endian.
 *
 *     stat:   mode u32, uid u32, gid u32, rdev u32, st_ino low u32, high u32,
 *             then atime, mtime, ctime, btime: seconds f64 (whole), nanoseconds u32
 *     origin: kind u8 (0 directory, 1 file), executable u8, size f64, digest 32 bytes
 */
import { LayerError } from "./errors.ts";
import type { InodeRow, Origin, Time } from "./rows.ts";

const DIGEST_BYTES = 32;
const TIMES_AT = 24;
const TIME_BYTES = 12;
export const STAT_BYTES = TIMES_AT + 4 * TIME_BYTES;
export const ORIGIN_BYTES = 10 + DIGEST_BYTES;

const KINDS = ["directory", "file"] as const;

export type InodeStat = Pick<
  InodeRow,
  "mode" | "uid" | "gid" | "rdev" | "inoLow" | "inoHigh" | "atime" | "mtime" | "ctime" | "btime"
>;

export function encodeStat(row: InodeStat): Uint8Array {
  const bytes = new Uint8Array(STAT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, row.mode, true);
  view.setUint32(4, row.uid, true);
  view.setUint32(8, row.gid, true);
  view.setUint32(12, row.rdev, true);
  view.setUint32(16, row.inoLow, true);
  view.setUint32(20, row.inoHigh, true);
  writeTime(view, TIMES_AT, row.atime);
  writeTime(view, TIMES_AT + TIME_BYTES, row.mtime);
  writeTime(view, TIMES_AT + 2 * TIME_BYTES, row.ctime);
  writeTime(view, TIMES_AT + 3 * TIME_BYTES, row.btime);
  return bytes;
}

/** @throws LayerError when these are no such bytes. */
export function decodeStat(bytes: Uint8Array): InodeStat {
  if (bytes.length !== STAT_BYTES) throw damaged("attributes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    mode: view.getUint32(0, true),
    uid: view.getUint32(4, true),
    gid: view.getUint32(8, true),
    rdev: view.getUint32(12, true),
    inoLow: view.getUint32(16, true),
    inoHigh: view.getUint32(20, true),
    atime: readTime(view, TIMES_AT),
    mtime: readTime(view, TIMES_AT + TIME_BYTES),
    ctime: readTime(view, TIMES_AT + 2 * TIME_BYTES),
    btime: readTime(view, TIMES_AT + 3 * TIME_BYTES),
  };
}

export function encodeOrigin({ kind, digest, size, executable }: Origin): Uint8Array {
  const bytes = new Uint8Array(ORIGIN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, KINDS.indexOf(kind));
  view.setUint8(1, executable ? 1 : 0);
  view.setFloat64(2, size, true);
  bytes.set(digest, 10);
  return bytes;
}

/** @throws LayerError when these are no such bytes. */
export function decodeOrigin(bytes: Uint8Array): Origin {
  const kind = KINDS[bytes[0] ?? 2];
  if (bytes.length !== ORIGIN_BYTES || kind === undefined) throw damaged("an origin");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = view.getFloat64(2, true);
  if (!Number.isSafeInteger(size) || size < 0) throw damaged("an origin");
  return { kind, executable: bytes[1] === 1, size, digest: Uint8Array.from(bytes.subarray(10)) };
}

function writeTime(view: DataView, at: number, { seconds, nanoseconds }: Time): void {
  view.setFloat64(at, seconds, true);
  view.setUint32(at + 8, nanoseconds, true);
}

function readTime(view: DataView, at: number): Time {
  const seconds = view.getFloat64(at, true);
  if (!Number.isSafeInteger(seconds)) throw damaged("a time");
  return { seconds, nanoseconds: view.getUint32(at + 8, true) };
}

function damaged(what: string): LayerError {
  return new LayerError(`the layer is damaged: ${what} of an inode makes no sense`, {
    remedy: "check the disk; castorefs layer discard begins anew",
  });
}
