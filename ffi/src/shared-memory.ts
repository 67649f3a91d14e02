/** Memory with a file descriptor, as a VM manager gives it to a device: for tests and generators. */
import { checked } from "./errors.ts";
import { detach, viewNative } from "./native-memory.ts";
import { shim } from "./shim.ts";

/** A memfd, mapped here for reading and writing. */
export class SharedMemory implements Disposable {
  readonly fd: number;
  /** Where the mapping begins in this process. */
  readonly address: number;
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly #length: number;

  private constructor(fd: number, address: number, length: number) {
    this.fd = fd;
    this.address = address;
    this.#length = length;
    this.buffer = viewNative(address, length);
    this.bytes = new Uint8Array(this.buffer);
  }

  /** `bytes` of zeroes. @throws SystemError */
  static create(bytes: number): SharedMemory {
    const fd = checked(shim.memfd(bytes), "memfd_create");
    const address = new BigUint64Array(1);
    const result = shim.map(fd, 0, bytes, 1, address);
    if (result < 0) shim.close(fd);
    checked(result, "mmap");
    return new SharedMemory(fd, Number(address[0]), bytes);
  }

  [Symbol.dispose](): void {
    if (this.buffer.detached) return;
    detach(this.buffer);
    shim.unmap(this.address, this.#length);
    shim.close(this.fd);
  }
}
