/**
 * What a store on disk looks like:
 *
 *     DIR/index.sqlite           where every object lies, blobs, root nodes (DiskIndex)
 *     DIR/writers/3.lock         held by the writer in slot 3 (WriterSlot)
 *     DIR/segments/00000001.seg  objects back to back, raw, append-only
 *     DIR/leases/                what processes show, which must stay (takeLease)
 *     DIR/gc.lock                held by the one collection (collectGarbage)
 *
 * An object is a chunk of file contents or an encoded directory, named by its BLAKE3. Bytes reach a
 * segment and the disk before the index transaction that names them commits, so that a crash leaves
 * at most bytes at the end of a segment that nothing names; whoever writes to that
 * segment next writes over them.
 */
import { join } from "node:path";
import { DIGEST_BYTES } from "../castore/digest.ts";

/** Goes up with every change that an older version would misread. */
export const FORMAT_VERSION = 2;
/** Marks the index as ours (`PRAGMA application_id`): "CAFS". */
export const APPLICATION_ID = 0x43414653;

/** Bytes of a segment, at the most; a reader maps that much whatever the file has yet. */
export const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;
/** Segments of a store, at the most: 16 TiB, and well below Linux's limit of mappings. */
export const SEGMENTS_MAX = 16_384;
/** Numbers of segments go up to this; none is ever given twice. */
export const SEGMENT_ID_MAX = 99_999_999;
/** Writers at a time, in any processes. */
export const WRITERS_MAX = 16;
/** One slot more, for those who write for a moment: they get on while gc waits for an import. */
export const SLOTS = WRITERS_MAX + 1;
export const BRIEF_SLOT = SLOTS - 1;

export const OBJECT_CHUNK = 0;
export const OBJECT_DIRECTORY = 1;
export type ObjectKind = typeof OBJECT_CHUNK | typeof OBJECT_DIRECTORY;

/** A chunk in the list of a blob: its digest, and its size as a little-endian u32. */
export const CHUNK_RECORD_BYTES = DIGEST_BYTES + 4;

export function indexPath(directory: string): string {
  return join(directory, "index.sqlite");
}

export function writersPath(directory: string): string {
  return join(directory, "writers");
}

export function slotLockPath(directory: string, slot: number): string {
  return join(writersPath(directory), `${slot}.lock`);
}

/** Held by whoever takes all slots. */
export function slotsLockPath(directory: string): string {
  return join(writersPath(directory), "all.lock");
}

export function segmentsPath(directory: string): string {
  return join(directory, "segments");
}

export function segmentPath(directory: string, id: number): string {
  return join(segmentsPath(directory), `${String(id).padStart(8, "0")}.seg`);
}
