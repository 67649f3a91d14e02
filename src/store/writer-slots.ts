/**
 * Who may write to a store on disk. There are WRITERS_MAX slots, each a lock that dies with its
 * process; a writer holds one, and appends to the segment that is the slot's. Whoever deletes holds
 * all of them, so that nothing vanishes that a writer has found there and relies on. Readers never
 * touch the locks.
 */
import { existsSync, mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  BRIEF_SLOT,
  SLOTS,
  slotLockPath,
  slotsLockPath,
  WRITERS_MAX,
  writersPath,
} from "./disk-layout.ts";
import { StoreBusy } from "./errors.ts";
import { ProcessLock } from "./process-lock.ts";
import { systemFailure } from "./sqlite-failure.ts";

/** How long a writer waits for a slot, unless told otherwise. */
export const WRITER_WAIT_MILLISECONDS = 30_000;
const RETRY_MILLISECONDS = 20;

export interface SlotOptions {
  readonly waitMilliseconds?: number;
  /** The slot to try first: 0 when left out. */
  readonly preferred?: number;
  /**
   * Given back in a moment, whatever others do: may have BRIEF_SLOT, which is free even while
   * somebody who wants all slots waits for writers.
   */
  readonly brief?: boolean;
  readonly signal?: AbortSignal;
}

/** The right to write; disposing gives it back. */
export class WriterSlot implements Disposable {
  /** From 0 on. */
  readonly slot: number;
  readonly #lock: ProcessLock;

  private constructor(slot: number, lock: ProcessLock) {
    this.slot = slot;
    this.#lock = lock;
  }

  /**
   * A free slot of the store in `directory`.
   * @throws StoreBusy when there is none all that time; StoreError; the reason of the signal.
   */
  static async take(directory: string, options: SlotOptions = {}): Promise<WriterSlot> {
    const { waitMilliseconds = WRITER_WAIT_MILLISECONDS, preferred = 0, signal } = options;
    const count = options.brief === true ? SLOTS : WRITERS_MAX;
    makeFolder(directory);
    return await retry(directory, waitMilliseconds, signal, () => {
      for (let i = 0; i < count; i += 1) {
        const slot = (preferred + i) % count;
        const lock = tryLock(directory, slot);
        if (lock !== undefined) return new WriterSlot(slot, lock);
      }
      return undefined;
    });
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

/** All slots at once: nobody else writes. Disposing gives them back. */
export class WriterSlots implements Disposable {
  /** Held first, so that of two who want all slots one gets all. */
  #gate: ProcessLock | undefined;
  readonly #locks: (ProcessLock | undefined)[] = new Array(SLOTS).fill(undefined);

  private constructor() {}

  /**
   * Takes every slot of the store in `directory`. Those that are free are held from the beginning,
   * so that writers that come later wait for us; BRIEF_SLOT last, once all others are held. 0
   * milliseconds: tries once.
   * @throws StoreBusy when writers are still at work after that time; StoreError; the reason of
   * the signal.
   */
  static async takeAll(
    directory: string,
    waitMilliseconds: number,
    signal?: AbortSignal,
  ): Promise<WriterSlots> {
    makeFolder(directory);
    const slots = new WriterSlots();
    try {
      return await retry(directory, waitMilliseconds, signal, () => slots.#takeFree(directory));
    } catch (error) {
      slots[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const lock of this.#locks.splice(0)) lock?.[Symbol.dispose]();
    this.#gate?.[Symbol.dispose]();
    this.#gate = undefined;
  }

  /** Itself once it holds all. */
  #takeFree(directory: string): this | undefined {
    this.#gate ??= ProcessLock.tryTake(slotsLockPath(directory), { create: true });
    if (this.#gate === undefined) return undefined;
    for (let slot = 0; slot < WRITERS_MAX; slot += 1) {
      this.#locks[slot] ??= tryLock(directory, slot);
    }
    if (this.#locks.indexOf(undefined) !== BRIEF_SLOT) return undefined;
    this.#locks[BRIEF_SLOT] = tryLock(directory, BRIEF_SLOT);
    return this.#locks[BRIEF_SLOT] === undefined ? undefined : this;
  }
}

/** What `attempt` gives once it gives something. */
async function retry<T>(
  directory: string,
  waitMilliseconds: number,
  signal: AbortSignal | undefined,
  attempt: () => T | undefined,
): Promise<T> {
  const deadline = performance.now() + waitMilliseconds;
  for (;;) {
    signal?.throwIfAborted();
    const taken = attempt();
    if (taken !== undefined) return taken;
    if (performance.now() >= deadline) {
      throw new StoreBusy("others are writing to this store", {
        path: directory,
        remedy: "wait until an import, or castorefs gc, is done",
      });
    }
    await sleep(RETRY_MILLISECONDS);
  }
}

function tryLock(directory: string, slot: number): ProcessLock | undefined {
  return ProcessLock.tryTake(slotLockPath(directory, slot), { create: true });
}

function makeFolder(directory: string): void {
  const path = writersPath(directory);
  if (existsSync(path)) return;
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw systemFailure(error, path);
  }
}
