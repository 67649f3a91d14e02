/** How much room a layer's files take and have. */
import { statfsSync, statSync } from "node:fs";
import { databasePath, walPath } from "./layer-files.ts";

export interface LayerRoom {
  /** Free on the disk of the layer, for whoever is not root. */
  readonly freeBytes: number;
  /** Taken by the layer's database and its write-ahead log. */
  readonly metadataBytes: number;
}

/** @throws an error of `node:fs` */
export function layerRoom(directory: string): LayerRoom {
  const { bavail, bsize } = statfsSync(directory);
  const metadataBytes = fileBytes(databasePath(directory)) + walBytes(directory);
  return { freeBytes: bavail * bsize, metadataBytes };
}

/** Bytes of the write-ahead log; it is used again from its beginning once it has been merged. */
export function walBytes(directory: string): number {
  return fileBytes(walPath(directory));
}

function fileBytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
