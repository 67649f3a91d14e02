/**
 * Opening a layer's database, an SQLite database in WAL mode: one connection of the layer thread
 * writes, the device thread and commands read what is committed.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { pragma } from "../store/disk-schema.ts";
import { LayerAbsent, LayerError } from "./errors.ts";
import { layerFailure } from "./layer-failure.ts";
import { databasePath, LAYER_APPLICATION_ID, LAYER_FORMAT } from "./layer-files.ts";
import type { LayerMeta } from "./layer-schema.ts";

/** How long a statement waits for another process that is just committing. */
export const BUSY_MILLISECONDS = 20_000;

/** "read": changes nothing. "write": the caller holds the layer's lock. */
export type LayerMode = "read" | "write";

/**
 * Opens the database of the layer in `directory`.
 * @throws LayerAbsent; LayerError: of a later format, no layer, damaged
 */
export function openLayerDatabase(directory: string, mode: LayerMode): DatabaseSync {
  const path = databasePath(directory);
  if (!existsSync(path)) throw absent(directory);
  let database: DatabaseSync | undefined;
  try {
    const url = pathToFileURL(path);
    url.searchParams.set("mode", "rw");
    const readOnly = mode === "read";
    database = new DatabaseSync(readOnly ? path : url, { readOnly, timeout: BUSY_MILLISECONDS });
    checkFormat(database, directory);
    return database;
  } catch (error) {
    database?.close();
    throw layerFailure(error, path);
  }
}

function checkFormat(database: DatabaseSync, directory: string): void {
  const version = pragma(database, "user_version");
  // Whoever began to make this layer was ended before it had a schema.
  if (version === 0) throw absent(directory);
  if (pragma(database, "application_id") !== LAYER_APPLICATION_ID) {
    throw new LayerError("this is no layer: its database belongs to something else", {
      path: directory,
    });
  }
  if (version > LAYER_FORMAT) {
    throw new LayerError(
      `the layer has format ${version}, and this version reads formats up to ${LAYER_FORMAT}`,
      { path: directory, remedy: "use the version of castorefs that wrote it, or a newer one" },
    );
  }
}

function absent(directory: string): LayerAbsent {
  return new LayerAbsent("there is no layer here", {
    path: directory,
    remedy: "castorefs serve --writable --layer DIR makes one; or check the path",
  });
}

/** @throws LayerError when it is not there. */
export function readMeta(database: DatabaseSync): LayerMeta {
  const row = database.prepare("SELECT id, base, store FROM meta").get() as LayerMeta | undefined;
  if (row === undefined) {
    throw new LayerError("the layer is damaged: it says nothing of itself", {
      path: database.location() ?? "",
    });
  }
  return row;
}

/** The encoded `Entry` of each base that the layer lay upon before. */
export function readFormerBases(database: DatabaseSync): Uint8Array[] {
  const rows = database.prepare("SELECT entry FROM former_bases ORDER BY entry").all();
  return rows.map((row) => row["entry"] as Uint8Array);
}

/** Puts the layer upon another base. The caller holds the layer's lock. */
export function writeBase(database: DatabaseSync, base: Uint8Array): void {
  database.exec("INSERT OR IGNORE INTO former_bases SELECT base FROM meta");
  database.prepare("DELETE FROM former_bases WHERE entry = ?").run(base);
  database.prepare("UPDATE meta SET base = ?").run(base);
}
