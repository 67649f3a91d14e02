/** Files mapped for reading, outside V8's heap. */
import { checked } from "./errors.ts";
import { shim, terminated } from "./shim.ts";

/** A read-only shared mapping of `length` bytes of a file, which may be shorter yet. */
export class MappedFile implements Disposable {
  /** Where the mapping begins in this process. Only guarded copies may read from it. */
  readonly address: number;
  /** Bytes mapped. What lies beyond the end of the file becomes readable when the file grows. */
  readonly length: number;
  #unmapped = false;

  /** Use mapFile(). */
  constructor(address: number, length: number) {
    this.address = address;
    this.length = length;
  }

  /**
   * Copies `length` bytes at `offset` to `target` at `start`: 0, or -EIO when a page could not be
   * read (beyond the end of the file, disk error).
   * @throws RangeError when the range is not inside the mapping and the target.
   */
  copy(offset: number, length: number, target: Uint8Array, start: number): number {
    const inside = offset >= 0 && length >= 0 && offset + length <= this.length && !this.#unmapped;
    if (!inside || start < 0 || start + length > target.length) {
      throw new RangeError(`${length} bytes at ${offset} do not fit`);
    }
    // A subarray per copy only where the target is not used from its beginning.
    const to = start === 0 ? target : target.subarray(start);
    return shim.copyOut(to, this.address + offset, length);
  }

  [Symbol.dispose](): void {
    if (this.#unmapped) return;
    this.#unmapped = true;
    shim.unmap(this.address, this.length);
  }
}

/**
 * Maps `length` bytes of the file at `path`, which may be more than it has yet, from `offset` on: a
 * multiple of the page size.
 * @throws SystemError when it cannot be opened or mapped.
 */
export function mapFile(path: string | Uint8Array, length: number, offset = 0): MappedFile {
  const fd = checked(shim.openRead(terminated(path)), "open", String(path));
  const address = new BigUint64Array(1);
  const result = shim.map(fd, offset, length, 0, address);
  shim.close(fd);
  checked(result, "mmap", String(path));
  return new MappedFile(Number(address[0]), length);
}
