/**
 * Mapping of files outside V8's heap. The local store lays data out so that it can be read straight
 * from a mapping, but only `ffi/` knows how to map: who opens the store injects this.
 */
/** A read-only shared mapping of the first `length` bytes of a file, which may be shorter yet. */
export interface MappedFile extends Disposable {
  /** A host address; it becomes one by its brand inside the store, as `ffi/` knows no brands. */
  readonly address: number;
  /** Bytes mapped. What lies beyond the end of the file becomes readable when the file grows. */
  readonly length: number;
  /**
   * Copies `length` bytes at `offset` to `target` at `start`, guarded: 0, or -EIO when a page could
   * not be read (beyond the end of the file, disk error).
   */
  copy(offset: number, length: number, target: Uint8Array, start: number): number;
}

export interface FileMapper {
  /** @throws when the file cannot be opened or mapped. */
  map(path: string, length: number): MappedFile;
}
