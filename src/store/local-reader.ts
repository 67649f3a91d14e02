/**
 * What the device thread reads from: synchronous, local, verified. Memory and disk implement it.
 *
 * A reader that was given `Misses` has somebody behind it who fetches: what is absent is then put
 * on that list and answered MISSING, and so is what is rotten or unreadable, to be fetched anew.
 */
import type { MISSING } from "../base/missing.ts";
import type { ByteSink } from "../base/segments.ts";

/** One blob, ready to be read at any offset, any number of times. */
export interface BlobReader {
  /** Bytes. */
  readonly size: number;
  /**
   * Appends the bytes [offset, offset + length) to `sink`; the caller keeps the range inside the
   * blob. Returns 0; -EIO: absent, rotten or unreadable, logged with the digest; or MISSING. After
   * the latter two the sink may hold some of the bytes.
   */
  read(offset: number, length: number, sink: ByteSink): number;
}

/** `LocalReader<never>`: nobody fetches. */
export interface LocalReader<Miss extends typeof MISSING = typeof MISSING> extends Disposable {
  /**
   * The verified canonical encoding of the directory with the digest `bytes[start, start + 32)`;
   * undefined when the store lacks it.
   * @throws CorruptObject when what is stored does not have this digest.
   */
  directory(bytes: Uint8Array, start: number): Uint8Array | undefined | Miss;

  /**
   * A reader for the blob with the digest `bytes[start, start + 32)`; undefined when absent. `size`
   * is what it should have: for whoever fetches it, not checked.
   * @throws CorruptObject when its list of chunks is damaged.
   */
  blob(bytes: Uint8Array, start: number, size?: number): BlobReader | undefined | Miss;

  /** The root nodes as they are now, by name. */
  roots(): RootSource;

  /**
   * Lets go of files that were removed from the store. If there are any, `before` is called first:
   * every BlobReader is void afterwards.
   */
  trim(before: () => void): void;
}

/** Looks up root nodes for a share that shows all of them. */
export interface RootSource {
  /** The encoded root node (`Entry` message) of that name, or undefined. */
  get(name: Uint8Array): Uint8Array | undefined;
  /** Names in byte order. */
  list(): Uint8Array[];
}
