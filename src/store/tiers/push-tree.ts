/** Copies a whole tree from a store to a source: the blobs that it lacks, then the directories. */
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import type { Node } from "../../castore/node.ts";
import { DigestSet } from "../digest-set.ts";
import { leavesFirst } from "../directory-graph.ts";
import { SourceUnavailable, StoreError } from "../errors.ts";
import type { Store } from "../services.ts";
import type { Source } from "../source.ts";
import { requireDirectory } from "../tree-walk.ts";
import { type Clock, sleep, systemClock } from "./clock.ts";
import { eachSeveral } from "./several.ts";

/** Blobs that are looked for or uploaded at a time. */
export const PUSH_BLOBS_MAX = 8;
/** How often one is tried, with a pause of up to this after the first failure, doubled each time. */
export const PUSH_TRIES_MAX = 4;
const PUSH_PAUSE_MILLISECONDS = 500;

/** Called now and then. The same object each time. */
export interface PushProgress {
  /** Contents that are there now. */
  files: number;
  /** Of these. */
  bytes: number;
  expected: { files: number; bytes: number } | undefined;
}

export interface PushOptions {
  readonly onProgress?: (progress: Readonly<PushProgress>) => void;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
}

export interface PushResult {
  readonly directories: number;
  /** Different contents of files, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Of these, what the target did not have. */
  readonly sentFiles: number;
  readonly sentBytes: number;
}

/**
 * Copies what `node` names. What is there already is not sent again: after a failure, begin anew.
 * @throws MissingObject, CorruptObject, SourceUnavailable, StoreError, the reason of the signal
 */
export async function pushTree(
  store: Store,
  node: Node,
  target: Source,
  options: PushOptions = {},
): Promise<PushResult> {
  if (node.kind === "symlink") {
    throw new StoreError("a symlink has no contents to be copied", {
      remedy: "copy the directory that it is in",
    });
  }
  const push = new TreePush(store, target, options);
  if (node.kind === "file") push.addFile(node.digest, node.size);
  else for await (const directory of push.tree(node.digest)) push.addFiles(directory);
  await push.sendBlobs();
  if (node.kind === "directory") await push.sendDirectories(node.digest);
  return push.result;
}

class TreePush {
  readonly #store: Store;
  readonly #target: Source;
  readonly #options: PushOptions;
  readonly #clock: Clock;
  readonly #blobs = new DigestSet();
  readonly #sizes: number[] = [];
  readonly #progress: PushProgress = { files: 0, bytes: 0, expected: undefined };
  #directories = 0;
  #bytes = 0;
  #sentFiles = 0;
  #sentBytes = 0;

  constructor(store: Store, target: Source, options: PushOptions) {
    this.#store = store;
    this.#target = target;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get result(): PushResult {
    return {
      directories: this.#directories,
      files: this.#blobs.size,
      bytes: this.#bytes,
      sentFiles: this.#sentFiles,
      sentBytes: this.#sentBytes,
    };
  }

  /** Leaves first. */
  tree(root: Digest): AsyncGenerator<Directory> {
    return leavesFirst(root, (digest) => requireDirectory(this.#store.directories, digest));
  }

  addFiles(directory: Directory): void {
    this.#directories += 1;
    for (const { node } of directory.entries) {
      if (node.kind === "file") this.addFile(node.digest, node.size);
    }
  }

  addFile(digest: Digest, size: number): void {
    if (this.#blobs.add(digest.bytes, 0) < this.#sizes.length) return;
    this.#sizes.push(size);
    this.#bytes += size;
  }

  async sendBlobs(): Promise<void> {
    this.#progress.expected = { files: this.#blobs.size, bytes: this.#bytes };
    await eachSeveral(this.#sizes.keys(), PUSH_BLOBS_MAX, async (i) => {
      await this.#patiently(() => this.#sendBlob(this.#blobs.at(i), this.#sizes[i]!));
      this.#progress.files += 1;
      this.#options.onProgress?.(this.#progress);
    });
  }

  async sendDirectories(root: Digest): Promise<void> {
    const { directories } = this.#target;
    await this.#patiently(async () => {
      // With a directory, whoever keeps it has all that it names.
      if ((await directories.get(root, this.#request)) !== undefined) return;
      const { digest } = await directories.putRecursive(this.tree(root));
      if (!digest.equals(root)) throw this.#misunderstood(root, digest);
    });
  }

  async #sendBlob(digest: Digest, size: number): Promise<void> {
    const { blobs } = this.#target;
    const { onProgress } = this.#options;
    if ((await blobs.stat(digest, this.#request)) !== undefined) {
      this.#progress.bytes += size;
      return;
    }
    let sent = 0;
    const progress = this.#progress;
    const counted = async function* (pieces: AsyncIterable<Uint8Array>) {
      for await (const piece of pieces) {
        yield piece;
        sent += piece.length;
        progress.bytes += piece.length;
        onProgress?.(progress);
      }
    };
    try {
      const stored = await blobs.put(counted(this.#store.blobs.read(digest, {}, this.#request)));
      if (!stored.digest.equals(digest)) throw this.#misunderstood(digest, stored.digest);
    } catch (error) {
      progress.bytes -= sent;
      throw error;
    }
    this.#sentFiles += 1;
    this.#sentBytes += size;
  }

  get #request(): { signal?: AbortSignal } {
    const { signal } = this.#options;
    return signal === undefined ? {} : { signal };
  }

  async #patiently(step: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      this.#options.signal?.throwIfAborted();
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof SourceUnavailable) || tries === PUSH_TRIES_MAX) throw error;
      }
      const pause = PUSH_PAUSE_MILLISECONDS * 2 ** tries * this.#clock.random();
      await sleep(this.#clock, pause, this.#options.signal);
    }
  }

  #misunderstood(sent: Digest, stored: Digest): StoreError {
    return new StoreError(`${this.#target.name} stored ${sent} as ${stored}`);
  }
}
