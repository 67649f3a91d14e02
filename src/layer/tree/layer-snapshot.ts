/**
 * A layer as it was at one time, for commands that read it: a layer that nobody serves is locked for
 * as long; a running one is held by its daemon, whose guest goes on meanwhile.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { DirectoryNode } from "../../castore/node.ts";
import { decodeEntry } from "../../castore/proto.ts";
import { systemFailure } from "../../store/sqlite-failure.ts";
import { LayerHold } from "../control-client.ts";
import { LayerError, LayerInUse } from "../errors.ts";
import { openLayerDatabase, readMeta } from "../layer-database.ts";
import { lockLayer } from "../layer-directory.ts";
import { controlSocketPath, dataPath } from "../layer-files.ts";
import type { LayerMeta } from "../layer-schema.ts";
import { RowReader } from "../row-reader.ts";

/** What a snapshot of a running layer cost its guest. */
export interface SnapshotPause {
  /** Until everything that had been written was in the layer. The guest went on meanwhile. */
  readonly flushMilliseconds: number;
  /** After that, until the snapshot was taken: fsync(2) waited, and writes, if memory was full. */
  readonly pauseMilliseconds: number;
}

export class LayerSnapshot implements Disposable {
  readonly rows: RowReader;
  readonly meta: LayerMeta;
  readonly base: DirectoryNode;
  /** Undefined: nobody served the layer. */
  readonly pause: SnapshotPause | undefined;
  readonly #database: DatabaseSync;
  readonly #data: number;
  readonly #guard: LayerHold | Disposable;

  private constructor(
    directory: string,
    database: DatabaseSync,
    guard: LayerHold | Disposable,
    pause: SnapshotPause | undefined,
  ) {
    this.#database = database;
    this.#guard = guard;
    this.pause = pause;
    this.rows = new RowReader(database);
    this.meta = readMeta(database);
    this.base = baseNode(directory, this.meta);
    this.#data = openData(directory);
  }

  /**
   * Opens the layer in `directory` for reading.
   * @throws LayerAbsent; LayerInUse: a command changes it; LayerError
   */
  static async open(directory: string): Promise<LayerSnapshot> {
    const database = openLayerDatabase(directory, "read");
    try {
      const [guard, flushMilliseconds] = await guarded(directory);
      try {
        const begun = performance.now();
        database.exec("BEGIN");
        readMeta(database);
        if (!(guard instanceof LayerHold)) {
          return new LayerSnapshot(directory, database, guard, undefined);
        }
        await guard.pinned();
        const pauseMilliseconds = performance.now() - begun;
        const pause = { flushMilliseconds, pauseMilliseconds };
        return new LayerSnapshot(directory, database, guard, pause);
      } catch (error) {
        guard[Symbol.dispose]();
        throw error;
      }
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** As many bytes of the layer's file of contents as there are from `position` on. */
  readonly readData = (target: Uint8Array, position: number): number => {
    let done = 0;
    while (done < target.length) {
      const read = readSync(this.#data, target, done, target.length - done, position + done);
      if (read === 0) break;
      done += read;
    }
    return done;
  };

  /** @throws LayerError when the daemon went away: what was read since may be anything. */
  check(): void {
    if (this.#guard instanceof LayerHold) this.#guard.check();
  }

  /** Aborted when `check` would throw. Undefined: nothing can go wrong. */
  get lost(): AbortSignal | undefined {
    return this.#guard instanceof LayerHold ? this.#guard.lost : undefined;
  }

  [Symbol.dispose](): void {
    this.#database.close();
    closeSync(this.#data);
    this.#guard[Symbol.dispose]();
  }
}

/** What keeps the layer as it is, and how long it took to get everything into it. */
async function guarded(directory: string): Promise<[LayerHold | Disposable, number]> {
  try {
    return [lockLayer(directory), 0];
  } catch (error) {
    const socket = controlSocketPath(directory);
    if (!(error instanceof LayerInUse) || !existsSync(socket)) throw error;
    return await LayerHold.take(socket);
  }
}

/** @throws LayerError */
export function baseNode(directory: string, { base }: LayerMeta): DirectoryNode {
  const { node } = decodeEntry(base);
  if (node.kind === "directory") return node;
  throw new LayerError("the layer is damaged: its base is no directory", { path: directory });
}

function openData(directory: string): number {
  const path = dataPath(directory);
  try {
    return openSync(path, "r");
  } catch (error) {
    throw systemFailure(error, path);
  }
}
