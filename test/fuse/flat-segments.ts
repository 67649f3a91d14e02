/** Requests and rooms as plain byte arrays, with a guard behind the room. */
import { assert } from "../../src/base/assert.ts";
import type { HostAddress } from "../../src/base/brands.ts";
import { EIO } from "../../src/base/errno.ts";
import type { Readable, Writable } from "../../src/base/segments.ts";

export class FlatRequest implements Readable {
  readonly bytes: Uint8Array;
  /** Called after every copy: a guest that rewrites its request while it is being read. */
  readonly #afterCopy: () => void;

  constructor(bytes: Uint8Array, afterCopy: () => void = () => {}) {
    this.bytes = bytes;
    this.#afterCopy = afterCopy;
  }

  get length(): number {
    return this.bytes.length;
  }

  copy(offset: number, target: Uint8Array, start: number, length: number): number {
    const piece = this.bytes.subarray(offset, offset + length);
    target.set(piece, start);
    this.#afterCopy();
    return piece.length;
  }
}

export class FlatRoom implements Writable {
  readonly bytes: Uint8Array;
  /** What `writeMapped` takes file contents from: an address is an index here. */
  mapping: Uint8Array = new Uint8Array(0);
  /** One more than the last byte that was written. */
  touched = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  get length(): number {
    return this.bytes.length;
  }

  write(offset: number, source: Uint8Array, start: number, length: number): void {
    assert(offset >= 0 && length >= 0 && start + length <= source.length, "a write of nothing");
    assert(offset + length <= this.bytes.length, "a write beyond the room");
    this.bytes.set(source.subarray(start, start + length), offset);
    if (length > 0) this.touched = Math.max(this.touched, offset + length);
  }

  writeMapped(offset: number, source: HostAddress, length: number): number {
    if (source + length > this.mapping.length) return -EIO;
    this.write(offset, this.mapping, source, length);
    return 0;
  }
}
