/** Views of memory outside V8's heap, and blocks of it that JavaScript shares with the kernel. */
import koffi from "koffi";
import { shim } from "./shim.ts";

/**
 * An ArrayBuffer over native memory, without a copy. It does not keep the memory alive: touching it
 * after the memory is gone ends the process. `detach` it first.
 */
export function viewNative(address: number, bytes: number): ArrayBuffer {
  return koffi.view(BigInt(address), bytes);
}

/** Cuts a view off its memory: every typed array on it has length 0 from now on. */
export function detach(buffer: ArrayBuffer): void {
  buffer.transfer(0);
}

/** A block of zeroed native memory. Owns it; disposing detaches the view. */
export class NativeBlock implements Disposable {
  readonly address: number;
  readonly buffer: ArrayBuffer;

  constructor(bytes: number) {
    this.address = shim.allocate(bytes);
    if (this.address === 0) throw new RangeError(`no memory for ${bytes} bytes`);
    this.buffer = viewNative(this.address, bytes);
  }

  [Symbol.dispose](): void {
    if (this.buffer.detached) return;
    detach(this.buffer);
    shim.free(this.address);
  }
}
