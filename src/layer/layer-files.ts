/**
 * What a layer on disk looks like:
 *
 *     DIR/layer.sqlite   names, attributes and where contents lie (layer-database.ts)
 *     DIR/data           contents, one sparse file; positions are given out by the device thread
 *     DIR/lock           held by the one process that may change the layer; dies with it
 *     DIR/pid            which process that is, for people
 *     DIR/control.sock   where a daemon that serves the layer can be talked to
 *
 * Contents reach `data` before the transaction that names them, so a process that is killed leaves
 * at most bytes that nothing names.
 */
import { join } from "node:path";

/** Goes up with every change that an older version would misread. */
export const LAYER_FORMAT = 1;
/** Marks the database as ours (`PRAGMA application_id`): "CAFL". */
export const LAYER_APPLICATION_ID = 0x4341464c;

export function databasePath(directory: string): string {
  return join(directory, "layer.sqlite");
}

/** SQLite's write-ahead log. */
export function walPath(directory: string): string {
  return `${databasePath(directory)}-wal`;
}

export function dataPath(directory: string): string {
  return join(directory, "data");
}

export function lockPath(directory: string): string {
  return join(directory, "lock");
}

export function pidPath(directory: string): string {
  return join(directory, "pid");
}

export function controlSocketPath(directory: string): string {
  return join(directory, "control.sock");
}
