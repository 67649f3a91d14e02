/** 64-bit fields of native structures and messages, as numbers. */
import { demand } from "./refusal.ts";

const WORD = 2 ** 32;

/** A u64 that this process wrote itself (a pointer, a size that was checked): below 2^53. */
export function readPointer(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * WORD + view.getUint32(offset, true);
}

export function writePointer(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % WORD, true);
  view.setUint32(offset + 4, Math.floor(value / WORD), true);
}

/** A u64 from the other side. @throws Refusal when it is no safe integer: never rounded. */
export function readU64(view: DataView, offset: number, what: string): number {
  const value = readPointer(view, offset);
  demand(Number.isSafeInteger(value), `${what} beyond 2^53`);
  return value;
}
