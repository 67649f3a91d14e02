/** Removing a layer as a whole. */
import { existsSync, realpathSync, rmdirSync, rmSync } from "node:fs";
import { systemFailure } from "../../store/sqlite-failure.ts";
import { forgetLayer } from "../../store/upkeep/layer-record.ts";
import { LayerAbsent } from "../errors.ts";
import { openLayerDatabase, readMeta } from "../layer-database.ts";
import { lockLayer } from "../layer-directory.ts";
import { controlSocketPath, databasePath, dataPath, lockPath, pidPath } from "../layer-files.ts";

/**
 * Removes what the layer in `directory` consists of, and the directory itself unless something else
 * is in it. A damaged layer goes as well.
 * @throws LayerAbsent, LayerInUse, StoreError
 */
export function discardLayer(directory: string): void {
  const database = databasePath(directory);
  if (!existsSync(database)) {
    throw new LayerAbsent("there is no layer here", { path: directory, remedy: "check the path" });
  }
  const lock = lockLayer(directory);
  try {
    forget(directory);
    // The database first: without it nothing else makes a layer.
    const files = [database, `${database}-wal`, `${database}-shm`, dataPath(directory)];
    for (const path of [...files, pidPath(directory), controlSocketPath(directory)]) {
      rmSync(path, { force: true });
    }
    rmSync(lockPath(directory), { force: true });
    removeIfEmpty(directory);
  } catch (error) {
    throw systemFailure(error, directory);
  } finally {
    lock[Symbol.dispose]();
  }
}

/** A store that is gone, or a layer that does not say which it was, need not be told: gc finds out. */
function forget(directory: string): void {
  try {
    using database = openLayerDatabase(directory, "read");
    forgetLayer(readMeta(database).store, realpathSync(directory));
  } catch {
    // See above.
  }
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A mount point, or somebody else's folder that held the layer.
    if (!["ENOTEMPTY", "EEXIST", "EBUSY", "EPERM", "EACCES"].includes(code ?? "")) throw error;
  }
}
