/**
 * The seam between a transport (a virtqueue, later `/dev/fuse`) and what answers requests: a
 * request is bytes to read, a reply is room to fill. Neither side knows the other.
 *
 * Both are borrowed for one request and valid until it is answered. The bytes behind a `Readable`
 * may change at any time (the guest owns them): copy once, then look at the copy.
 */
import type { HostAddress } from "./brands.ts";

/** The request: the device-readable part of a descriptor chain, as one run of bytes. */
export interface Readable {
  /** Bytes in all. */
  readonly length: number;
  /**
   * Copies up to `length` bytes, from `offset` on, to `target` at `start`. Returns how many there
   * were: fewer than asked for only at the end.
   */
  copy(offset: number, target: Uint8Array, start: number, length: number): number;
  /**
   * Copies `length` bytes, from `offset` on, to memory at `target`, past the processor's caches: for
   * much that is not looked at soon. The caller answers for the address. False: it cannot be done so.
   */
  copyPast?(offset: number, target: HostAddress, length: number): boolean;
}

/** Where file contents go. Bytes are appended one after another. */
export interface ByteSink {
  /** Appends `length` bytes of `source` from `start` on. Returns 0, or -errno. */
  append(source: Uint8Array, start: number, length: number): number;
  /**
   * Appends `length` bytes that lie in a file mapping at `source`. Returns 0, or -EIO when the
   * mapping could not be read (disk error, truncated file). They may be copied later, with those of
   * other requests; if that fails, this request is handled again and copies at once.
   */
  appendMapped(source: HostAddress, length: number): number;
}

/** The reply: the device-writable part of a descriptor chain, as one run of bytes. */
export interface Writable {
  /** Bytes of room in all. */
  readonly length: number;
  /** Copies `length` bytes of `source` from `start` on to `offset`. The caller minds the room. */
  write(offset: number, source: Uint8Array, start: number, length: number): void;
  /**
   * Copies `length` bytes from a file mapping at `source` to `offset`, guarded, now or later: as in
   * `ByteSink.appendMapped`. The caller minds the room.
   */
  writeMapped(offset: number, source: HostAddress, length: number): number;
}
