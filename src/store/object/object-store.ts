/**
 * Objects by key: a bucket, a folder or an HTTP server, whatever they are used for. What is given
 * out is neither verified nor bounded here.
 */
export interface StoredObject {
  /** Bytes, where that is known in advance. */
  readonly size: number | undefined;
  /** To be read once. What it holds on to is let go of when the signal of its request is aborted. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Disposing of it ends its connections. */
export interface ObjectStore extends AsyncDisposable {
  /** Its address as people gave it, without secrets. */
  readonly name: string;

  /**
   * Undefined when there is no such object.
   * @throws SourceUnavailable
   */
  get(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;

  /** @throws SourceUnavailable */
  has(key: string, signal: AbortSignal): Promise<boolean>;

  /**
   * Stores an object, whole or not at all, in place of what has that key.
   * @throws SourceUnavailable, StoreError: nothing can be written to it, or it is full.
   */
  put(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>;
}
