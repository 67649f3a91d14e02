/**
 * Takes into a local store what was fetched from elsewhere, object by object, while others import
 * and serve. Unlike an import it may leave gaps: a directory may be there before what it names.
 */
import type { Digest } from "../castore/digest.ts";
import type { BlobStat, Chunk } from "./services.ts";

export interface FillOptions {
  /** What is stored under that digest is rotten or unreadable: takes its place. */
  readonly replace?: boolean;
}

/** Each promise settles when every reader, of any thread and process, finds the object. */
export interface StoreFiller extends Disposable {
  /**
   * Bytes of 0 to CHUNK_BYTES_MAX; kept until the promise settles.
   * @throws CorruptObject when they do not have that digest; StoreError: the disk is full, …
   */
  putChunk(chunk: Chunk, bytes: Uint8Array, options?: FillOptions): Promise<void>;

  /**
   * The list of chunks of a blob that has more than one. `whole`: all of them are stored, and the
   * caller has hashed them, in order, to this digest. Otherwise the list is only what somebody says,
   * and is used by those who trust it.
   */
  putBlob(digest: Digest, blob: BlobStat, whole: boolean, options?: FillOptions): Promise<void>;

  /** Forgets a list that is only what somebody said, and was a lie. A proven one stays. */
  dropBlob(digest: Digest): Promise<void>;

  /** @throws CorruptObject when the encoding is not canonical or has another digest. */
  putDirectory(digest: Digest, encoded: Uint8Array, options?: FillOptions): Promise<void>;
}
