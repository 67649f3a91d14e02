/** The leases of a store: which are alive, what they say, and what dead ones have left. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { StoreError } from "../errors.ts";
import { ProcessLock } from "../process-lock.ts";
import { systemFailure } from "../sqlite-failure.ts";
import type { LeaseContents } from "./lease-file.ts";
import { decodeLease, leaseLockPath, leasePath, leasesPath } from "./lease-file.ts";

const FILE = /^([0-9a-f]{24})\.(?:lease|lease\.new|lock)$/;

/**
 * What the living leases say. One that is just being taken may be left out: who takes it looks
 * after that whether what it is for is there still.
 * @throws StoreError when one cannot be read: nobody knows what it holds.
 */
export function liveLeases(directory: string): LeaseContents[] {
  const live: LeaseContents[] = [];
  for (const id of leaseIds(directory)) {
    if (!ProcessLock.isHeld(leaseLockPath(directory, id))) continue;
    const contents = readLease(directory, id);
    if (contents !== undefined) live.push(contents);
  }
  return live;
}

/** Removes the files of leases whose processes have ended. Returns how many there were. */
export function removeDeadLeases(directory: string): number {
  let removed = 0;
  for (const id of leaseIds(directory)) {
    const path = leaseLockPath(directory, id);
    // Holding it keeps a lease that is just being taken from taking this for its own.
    using lock = ProcessLock.tryTake(path, { create: true });
    if (lock === undefined) continue;
    rmSync(leasePath(directory, id), { force: true });
    rmSync(`${leasePath(directory, id)}.new`, { force: true });
    rmSync(path, { force: true });
    removed += 1;
  }
  return removed;
}

function leaseIds(directory: string): Set<string> {
  try {
    const names = readdirSync(leasesPath(directory));
    return new Set(names.flatMap((name) => FILE.exec(name)?.[1] ?? []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Set();
    throw systemFailure(error, leasesPath(directory));
  }
}

function readLease(directory: string, id: string): LeaseContents | undefined {
  const path = leasePath(directory, id);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw systemFailure(error, path);
  }
  const contents = decodeLease(bytes);
  if (contents !== undefined) return contents;
  throw new StoreError("a lease is damaged, and its process is alive", {
    path,
    remedy: "end the castorefs process that shows this store, and start it again",
  });
}
