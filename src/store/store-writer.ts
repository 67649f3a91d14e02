/**
 * Writing to a local store in bulk, synchronously: an import of many small files would spend its
 * time on promises otherwise. What is put becomes visible and durable with `commit`, or earlier, in
 * batches; never before what it names.
 */
import type { Directory } from "../castore/directory.ts";
import type { Name } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import type { BlobStat, Chunk } from "./services.ts";

/** Takes the bytes of one blob. */
export interface BlobWriter {
  write(bytes: Uint8Array): void;
  /** Ends the blob. Without this nothing names what was written. */
  end(): BlobStat & Chunk;
}

export interface StoreWriter extends Disposable {
  /** Begins a blob. Only one may be under way. */
  beginBlob(): BlobWriter;

  /** Stores a blob that is in memory as a whole. */
  putBlob(bytes: Uint8Array): BlobStat & Chunk;

  /**
   * Stores a chunk whose digest the caller has computed: worker threads hash for an import. The
   * bytes are valid during the call only.
   */
  putChunk(chunk: Chunk, bytes: Uint8Array): void;

  /**
   * Names a blob whose chunks were all put with `putChunk`, or are there already, and which has that
   * digest as a whole.
   * @throws MissingObject when a chunk is absent or of another size.
   */
  endBlob(blob: BlobStat & Chunk): void;

  /**
   * Stores a directory, whose children must be there.
   * @throws MissingObject when a child is absent, or does not have the size that is said of it.
   */
  putDirectory(directory: Directory): DirectoryNode;

  /** Bytes that the store did not have before, put since the writer was opened. */
  readonly newBytes: number;

  /** Makes everything put so far visible to readers, and durable. */
  commit(): void;

  /** Commits, then gives the name to `node`. */
  putRoot(name: Name, node: Node): void;

  /** Gives up the right to write. What was not committed is gone. */
  [Symbol.dispose](): void;
}
