/** What there is to say of a layer without looking into it for long. */
import { statSync } from "node:fs";
import type { Digest } from "../castore/digest.ts";
import { LayerAbsent } from "./errors.ts";
import { openLayerDatabase, readMeta } from "./layer-database.ts";
import { layerHolder } from "./layer-directory.ts";
import { databasePath, dataPath } from "./layer-files.ts";
import { ROOT_ID } from "./rows.ts";
import { baseNode } from "./tree/layer-snapshot.ts";

/** st_blocks of stat(2) counts these. */
const BLOCK_BYTES = 512;

export interface LayerReport {
  readonly directory: string;
  /** On disk. */
  readonly bytes: number;
  /** That it has made or changed; directories on the way to them count as well, but the root. */
  readonly inodes: number;
  /** Undefined: the layer is damaged. */
  readonly base: Digest | undefined;
  /** The store that it was made with. */
  readonly store: string | undefined;
  /** Who has the layer to itself; 0 when it does not say. Undefined: nobody. */
  readonly processId: number | undefined;
  /** Why nothing else is known of it. */
  readonly damage: string | undefined;
}

/** @throws LayerAbsent */
export function reportLayer(directory: string): LayerReport {
  const database = databasePath(directory);
  const files = [database, `${database}-wal`, dataPath(directory)];
  const bytes = files.reduce((sum, path) => sum + diskBytes(path), 0);
  const processId = layerHolder(directory);
  try {
    return { directory, bytes, processId, damage: undefined, ...contents(directory) };
  } catch (error) {
    if (error instanceof LayerAbsent || !(error instanceof Error)) throw error;
    const nothing = { inodes: 0, base: undefined, store: undefined };
    return { directory, bytes, processId, damage: error.message, ...nothing };
  }
}

function contents(directory: string): Pick<LayerReport, "inodes" | "base" | "store"> {
  using database = openLayerDatabase(directory, "read");
  const meta = readMeta(database);
  const sql = "SELECT count(*) AS count FROM inodes WHERE links > 0 AND id <> ?";
  const { count } = database.prepare(sql).get(ROOT_ID) as { count: number };
  return { inodes: count, base: baseNode(directory, meta).digest, store: meta.store };
}

function diskBytes(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * BLOCK_BYTES;
}
