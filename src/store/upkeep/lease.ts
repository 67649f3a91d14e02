/**
 * Leases: what a process shows to machines stays in the store until that process has ended, however
 * it ends. A lease is two files in DIR/leases, what it says and a lock that dies with the process.
 */
import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Node } from "../../castore/node.ts";
import { StoreError } from "../errors.ts";
import { ProcessLock } from "../process-lock.ts";
import { systemFailure } from "../sqlite-failure.ts";
import {
  encodeLease,
  LEASE_ROOTS_MAX,
  leaseGatePath,
  leaseLockPath,
  leasePath,
  leasesPath,
  makeLeasesFolder,
} from "./lease-file.ts";

export interface LeaseOptions {
  /**
   * Nothing that these reach is deleted, nor what is fetched for them later. "all": nothing that
   * has a name now or gets one, even after it loses it.
   */
  readonly roots: readonly Node[] | "all";
}

/** Disposing of a lease ends it. */
export interface Lease extends Disposable {
  /**
   * Undefined: the lease holds. Otherwise why it holds nothing, in one line: the store may not be
   * written to, so that only somebody else could collect it, and would not know of us.
   */
  readonly obstacle: string | undefined;
}

/** Longer than a collection keeps the gate shut: for the commit of what it deletes. */
const GATE_MILLISECONDS = 60_000;
/** A collection may take a lock file that is not locked yet for a dead one. */
const ATTEMPTS = 10;

/**
 * Takes a lease on `roots` in the store in `directory`. Look up what they name after this: what a
 * collection deleted before there was a lease is gone.
 * @throws StoreError: the disk is full, …
 */
export function takeLease(directory: string, { roots }: LeaseOptions): Lease {
  if (roots !== "all" && roots.length > LEASE_ROOTS_MAX) {
    throw new StoreError(`a lease holds ${LEASE_ROOTS_MAX} roots at the most`, { path: directory });
  }
  try {
    makeLeasesFolder(directory);
    return new HeldLease(directory, roots);
  } catch (error) {
    const obstacle = writeRefusal(directory);
    if (obstacle === undefined) throw error;
    return { obstacle, [Symbol.dispose]() {} };
  }
}

class HeldLease implements Lease {
  readonly obstacle = undefined;
  readonly #directory: string;
  readonly #id: string;
  readonly #lock: ProcessLock;

  constructor(directory: string, roots: readonly Node[] | "all") {
    this.#directory = directory;
    [this.#id, this.#lock] = lockNew(directory);
    try {
      const contents = { roots, takenAt: Date.now(), processId: process.pid };
      writeWhole(leasePath(directory, this.#id), encodeLease(contents));
      passGate(directory);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    // Still locked: a collection minds its own business.
    rmSync(leasePath(this.#directory, this.#id), { force: true });
    rmSync(leaseLockPath(this.#directory, this.#id), { force: true });
    this.#lock[Symbol.dispose]();
  }
}

function lockNew(directory: string): [id: string, lock: ProcessLock] {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const id = randomBytes(12).toString("hex");
    const path = leaseLockPath(directory, id);
    const lock = ProcessLock.tryTake(path, { create: true });
    if (lock !== undefined && existsSync(path)) return [id, lock];
    lock?.[Symbol.dispose]();
  }
  throw new StoreError("a lease cannot be taken", { path: leasesPath(directory) });
}

/** Others see all of it or nothing. */
function writeWhole(path: string, bytes: Uint8Array): void {
  const unfinished = `${path}.new`;
  try {
    writeFileSync(unfinished, bytes);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw systemFailure(error, path);
  }
}

/** Returns once no collection goes on that may not have seen the lease. */
function passGate(directory: string): void {
  const path = leaseGatePath(directory);
  const gate = ProcessLock.tryTake(path, { create: true, waitMilliseconds: GATE_MILLISECONDS });
  if (gate === undefined) {
    throw new StoreError("a collection keeps leases from being taken", {
      path,
      remedy: "try again when castorefs gc is done",
    });
  }
  gate[Symbol.dispose]();
}

const REFUSALS: Readonly<Record<string, string>> = {
  EROFS: "the file system of the store is read-only",
  EACCES: "no permission to write to the store",
  EPERM: "no permission to write to the store",
};

/** Why nothing can be written where leases go; undefined when that is not what went wrong. */
function writeRefusal(directory: string): string | undefined {
  const folder = leasesPath(directory);
  try {
    accessSync(existsSync(folder) ? folder : directory, constants.W_OK);
    return undefined;
  } catch (error) {
    return REFUSALS[(error as NodeJS.ErrnoException).code ?? ""];
  }
}
