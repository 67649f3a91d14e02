/**
 * What one request lacked: filled by the reader while it tries to answer, and taken by whoever puts
 * the request aside. All that a request is known to need is in it at once, so that a read over many
 * absent chunks waits for the slowest of them, not for one after another.
 */
import { Digest } from "../castore/digest.ts";
import type { WantedObject } from "./object-fetcher.ts";

/** Objects that are remembered; what else a request needs is found when it is run again. */
export const MISSES_MAX = 64;

export class Misses {
  readonly #wanted: WantedObject[] = [];

  /** Without doubles. */
  get wanted(): readonly WantedObject[] {
    return this.#wanted;
  }

  /**
   * Adds the object with the digest `bytes[start, start + 32)`. `heal`: it is there, and rotten.
   * `within`: the digest of the blob that a chunk belongs to. `size`: bytes of a blob, if known.
   */
  add(
    kind: WantedObject["kind"],
    bytes: Uint8Array,
    start: number,
    heal: boolean,
    within?: Uint8Array,
    size?: number,
  ): void {
    if (this.#wanted.length >= MISSES_MAX) return;
    for (const other of this.#wanted) {
      if (other.kind === kind && other.heal === heal && other.digest.equalsAt(bytes, start)) return;
    }
    this.#wanted.push({
      kind,
      digest: Digest.at(bytes, start),
      heal,
      ...(within !== undefined && { within: Digest.at(within, 0) }),
      ...(size !== undefined && { size }),
    });
  }

  /** Before another request. */
  clear(): void {
    if (this.#wanted.length > 0) this.#wanted.length = 0;
  }
}
