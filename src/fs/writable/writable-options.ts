/** What a writable share is made of. */
import type { Logger } from "../../base/logger.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import type { LayerPort } from "../../layer/layer-port.ts";

/**
 * `new WritableFileSystem(reader, options)` reads the layer's root row, or makes one of the base's
 * root if the layer is new; nothing else is read before it is asked for.
 *
 * To end cleanly: `modifications.syncfs()`; 0 means that all is durable, SYNCING that it is once
 * `modifications.onProgress` has been called with a ticket not below `modifications.ticket.last`
 * (hand it what comes from the layer thread by `modifications.layerChanged()` until then).
 */
export interface WritableFileSystemOptions {
  /** The base: the directory that is the share before anything is written. */
  readonly root: DirectoryNode;
  readonly layer: LayerPort;
  readonly logger: Logger;
  /** Whether the digests of unchanged files are shown as extended attributes. */
  readonly showXattr: boolean;
  /** Inodes in memory at one time. NODES_MAX by default. */
  readonly maxInodes?: number | undefined;
  /** Names of the layer's directories in memory at one time. NAMES_MAX by default. */
  readonly maxNames?: number | undefined;
  /** Files of the layer whose extents are in memory. OPEN_CONTENTS_MAX by default. */
  readonly maxOpenFiles?: number | undefined;
  /** Bytes of extended attributes in memory. XATTR_MEMORY_BYTES by default. */
  readonly maxXattrBytes?: number | undefined;
  /** Bytes of parsed directories of the base kept. DIRECTORY_CACHE_BYTES by default. */
  readonly directoryCacheBytes?: number | undefined;
  /** Blob readers of the base kept. BLOB_READERS by default. */
  readonly blobReaderCount?: number | undefined;
  /** The time of day in milliseconds. Date.now by default. */
  readonly now?: (() => number) | undefined;
}
