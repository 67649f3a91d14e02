/**
 * A local store that gets what it lacks, and what is rotten in it, from sources. Everything read
 * through it is in the local store afterwards; whatever is written goes there, and only there.
 */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { orAborted } from "../abort-scope.ts";
import { rootFirst } from "../directory-graph.ts";
import { CorruptObject, MissingObject } from "../errors.ts";
import type { WantedObject } from "../object-fetcher.ts";
import type {
  BlobService,
  BlobStat,
  ByteRange,
  DirectoryService,
  RequestOptions,
  Store,
} from "../services.ts";
import type { Fetcher } from "./tier-fetcher.ts";

/** The caller keeps `local` and `fetcher`, which fills it, and disposes of them. */
export function openComposedStore(local: Store, fetcher: Fetcher): Store {
  const directories = new ComposedDirectories(local.directories, fetcher);
  return {
    ...(local.path === undefined ? {} : { path: local.path }),
    blobs: new ComposedBlobs(local.blobs, fetcher),
    directories,
    roots: local.roots,
    openWriter: (options) => local.openWriter(options),
    [Symbol.dispose]: () => {},
  };
}

class ComposedBlobs implements BlobService {
  readonly #local: BlobService;
  readonly #fetcher: Fetcher;

  constructor(local: BlobService, fetcher: Fetcher) {
    this.#local = local;
    this.#fetcher = fetcher;
  }

  /** Fetches nothing: a source may say it. */
  async stat(digest: Digest): Promise<BlobStat | undefined> {
    try {
      const stat = await this.#local.stat(digest);
      if (stat !== undefined) return stat;
    } catch (error) {
      if (!(error instanceof CorruptObject)) throw error;
    }
    return await this.#fetcher.stat(digest);
  }

  async *read(
    digest: Digest,
    { offset = 0, length = Number.POSITIVE_INFINITY }: ByteRange = {},
    options: RequestOptions = {},
  ): AsyncGenerator<Uint8Array> {
    await fetched(this.#fetcher, { kind: "blob", digest, heal: false }, options);
    const healed = new Set<string>();
    for (let read = 0; ; ) {
      const range = { offset: offset + read, length: length - read };
      try {
        for await (const piece of this.#local.read(digest, range, options)) {
          yield piece;
          read += piece.length;
        }
        return;
      } catch (error) {
        // The blob, or one of its chunks; each may be healed once.
        if (!(error instanceof CorruptObject) || healed.has(error.digest.key)) throw error;
        healed.add(error.digest.key);
        const wanted = {
          kind: error.digest.equals(digest) ? "blob" : "chunk",
          heal: true,
        } as const;
        const rotten = { ...wanted, digest: error.digest, within: digest };
        await fetched(this.#fetcher, rotten, options);
      }
    }
  }

  put(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    return this.#local.put(pieces);
  }
}

class ComposedDirectories implements DirectoryService {
  readonly #local: DirectoryService;
  readonly #fetcher: Fetcher;

  constructor(local: DirectoryService, fetcher: Fetcher) {
    this.#local = local;
    this.#fetcher = fetcher;
  }

  async get(digest: Digest, options: RequestOptions = {}): Promise<Directory | undefined> {
    let heal = false;
    try {
      const directory = await this.#local.get(digest);
      if (directory !== undefined) return directory;
    } catch (error) {
      if (!(error instanceof CorruptObject)) throw error;
      heal = true;
    }
    try {
      await fetched(this.#fetcher, { kind: "directory", digest, heal }, options);
    } catch (error) {
      if (error instanceof MissingObject) return undefined;
      throw error;
    }
    return await this.#local.get(digest);
  }

  getRecursive(digest: Digest, options?: RequestOptions): AsyncIterable<Directory> {
    this.#fetcher.addRoot(digest);
    return rootFirst(digest, (child) => this.get(child, options));
  }

  put(directory: Directory) {
    return this.#local.put(directory);
  }

  putRecursive(directories: AsyncIterable<Directory> | Iterable<Directory>) {
    return this.#local.putRecursive(directories);
  }
}

async function fetched(
  fetcher: Fetcher,
  wanted: WantedObject,
  { signal }: RequestOptions,
): Promise<void> {
  const fetching = fetcher.fetch(wanted, "foreground");
  await (signal === undefined ? fetching : orAborted(fetching, signal));
}
