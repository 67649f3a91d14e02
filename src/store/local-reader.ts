/**
 * What the device thread reads from: synchronous, local, verified. Memory and disk implement it.
 */
import type { ByteSink } from "../base/segments.ts";

/** One blob, ready to be read at any offset, any number of times. */
export interface BlobReader {
  /** Bytes. */
  readonly size: number;
  /**
   * Appends the bytes [offset, offset + length) to `sink`; the caller keeps the range inside the
   * blob. Returns 0, or -EIO: rotten or unreadable, logged once with the digest.
   */
  read(offset: number, length: number, sink: ByteSink): number;
}

export interface LocalReader extends Disposable {
  /**
   * The verified canonical encoding of the directory with the digest `bytes[start, start + 32)`;
   * undefined when the store lacks it.
   * @throws CorruptObject when what is stored does not have this digest.
   */
  directory(bytes: Uint8Array, start: number): Uint8Array | undefined;

  /** A reader for the blob with the digest `bytes[start, start + 32)`; undefined when absent. */
  blob(bytes: Uint8Array, start: number): BlobReader | undefined;

  /** The root nodes as they are now, by name. */
  roots(): RootSource;
}

/** Looks up root nodes for a share that shows all of them. */
export interface RootSource {
  /** The encoded root node (`Entry` message) of that name, or undefined. */
  get(name: Uint8Array): Uint8Array | undefined;
  /** Names in byte order. */
  list(): Uint8Array[];
}
