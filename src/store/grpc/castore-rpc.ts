/** What castore's gRPC services are called. */

/**
 * The packages that offer them: the same services and messages under two names, the older one last.
 */
export const CASTORE_PACKAGES = ["snix.castore.v1", "tvix.castore.v1"] as const;

export const CASTORE_SERVICES = {
  BlobService: ["Stat", "Read", "Put"],
  DirectoryService: ["Get", "Put"],
} as const;

export type CastorePackage = (typeof CASTORE_PACKAGES)[number];
export type CastoreService = keyof typeof CASTORE_SERVICES;

/** The path of a method in HTTP/2 requests. */
export function methodPath(
  packageName: CastorePackage,
  service: CastoreService,
  method: string,
): string {
  return `/${packageName}.${service}/${method}`;
}

/**
 * A header of our server's answers to Stat: the blob's size in bytes. `StatBlobResponse` has no
 * place for it, and a blob that is not split must come without chunks: clients of the reference
 * that combine services ask for each listed chunk as for a blob, and would never end with one that
 * is the blob itself.
 */
export const BLOB_SIZE_HEADER = "castorefs-blob-size";

/**
 * Bytes of a message that any peer takes: tonic refuses more than 4 MiB unless told otherwise. Only
 * directories and lists of chunks, which cannot be sent in pieces, get larger.
 */
export const PIECE_BYTES_MAX = 512 * 1024;
