/** Layers that vanish with the daemon that made them, in the store's directory where it may write. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockPath } from "../layer/layer-files.ts";
import { ProcessLock } from "../store/process-lock.ts";

const PREFIX = "layer-";

/** A folder for a layer, empty; those that daemons which were killed have left are removed. */
export function temporaryLayer(storeDirectory: string): string {
  const folder = join(storeDirectory, "temporary");
  try {
    mkdirSync(folder, { recursive: true });
    removeLeftOver(folder);
    return mkdtempSync(join(folder, PREFIX));
  } catch {
    // A store that may not be written to.
    return mkdtempSync(join(tmpdir(), `castorefs-${PREFIX}`));
  }
}

/** A layer that somebody has just made is not locked yet: it is left alone while it has no lock file. */
function removeLeftOver(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(folder, name);
    using lock = takeLeftOver(path);
    if (lock !== undefined) rmSync(path, { recursive: true, force: true });
  }
}

function takeLeftOver(path: string): ProcessLock | undefined {
  try {
    return ProcessLock.tryTake(lockPath(path), { create: false });
  } catch {
    return undefined;
  }
}
