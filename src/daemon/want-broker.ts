/**
 * Between device threads and what fetches: takes what their parked requests want, has it fetched,
 * and says when it is there. Nothing is thrown here: a fetch that fails is an answer.
 *
 * An object that no source has, or that cannot be stored, is not to be had. Sources that cannot be
 * reached may be back soon: they are asked again for as long as somebody waits, and the device
 * thread decides how long that is.
 */
import type { Logger } from "../base/logger.ts";
import { OnceLogger } from "../base/once-logger.ts";
import { Digest } from "../castore/digest.ts";
import type { Want } from "../device/messages.ts";
import { SourceUnavailable } from "../store/errors.ts";
import type { ObjectFetcher, WantedObject } from "../store/object-fetcher.ts";

/** Objects being fetched for one device at a time; the others wait, first come, first served. */
export const FETCHES_PER_DEVICE_MAX = 64;

/** How long to wait before sources that could not be reached are asked again. */
export const RETRY_MILLISECONDS = 500;

/** A device hears that an object gets on so often at the most. */
export const PROGRESS_MILLISECONDS = 250;

/** The way back to a device. */
export interface WantListener {
  settled(id: number, stored: boolean): void;
  progressed(id: number): void;
}

export class WantBroker {
  readonly #fetcher: ObjectFetcher;
  readonly #logger: Logger;

  /** `logger` gets one line for each object that fails; who injects it limits how many. */
  constructor(fetcher: ObjectFetcher, logger: Logger) {
    this.#fetcher = fetcher;
    this.#logger = new OnceLogger(logger);
  }

  /** A device begins to ask. */
  connect(listener: WantListener): DeviceWants {
    return new DeviceWants(this.#fetcher, listener, this.#logger);
  }
}

/** What one device wants. Disposing of it forgets all; what is being fetched is fetched to its end. */
export class DeviceWants implements Disposable {
  readonly #fetcher: ObjectFetcher;
  readonly #listener: WantListener;
  readonly #logger: Logger;
  /** Everything that was asked for and not answered, by id. */
  readonly #open = new Map<number, Want>();
  /** Those of them whose turn has not come; taken back ones are passed over. */
  #queue: Want[] = [];
  #fetching = 0;

  constructor(fetcher: ObjectFetcher, listener: WantListener, logger: Logger) {
    this.#fetcher = fetcher;
    this.#listener = listener;
    this.#logger = logger;
  }

  /** Objects that were asked for and not answered. */
  get size(): number {
    return this.#open.size;
  }

  want(wanted: readonly Want[]): void {
    for (const want of wanted) {
      this.#open.set(want.id, want);
      this.#queue.push(want);
    }
    this.#next();
  }

  takeBack(ids: readonly number[]): void {
    for (const id of ids) this.#open.delete(id);
  }

  [Symbol.dispose](): void {
    this.#open.clear();
    this.#queue = [];
  }

  #next(): void {
    let taken = 0;
    while (this.#fetching < FETCHES_PER_DEVICE_MAX && taken < this.#queue.length) {
      const want = this.#queue[taken]!;
      taken += 1;
      if (!this.#open.has(want.id)) continue;
      this.#fetching += 1;
      void this.#fetch(want);
    }
    this.#queue.splice(0, taken);
  }

  async #fetch(want: Want): Promise<void> {
    let toldAt = performance.now();
    const progressed = () => {
      const now = performance.now();
      if (now - toldAt < PROGRESS_MILLISECONDS || !this.#open.has(want.id)) return;
      toldAt = now;
      this.#listener.progressed(want.id);
    };
    let failure: unknown;
    try {
      await this.#fetcher.fetch(objectOf(want), "foreground", progressed);
    } catch (error) {
      failure = error;
      this.#report(want, error);
    }
    this.#fetching -= 1;
    if (failure instanceof SourceUnavailable)
      setTimeout(() => this.#retry(want), RETRY_MILLISECONDS);
    else if (this.#open.delete(want.id)) this.#listener.settled(want.id, failure === undefined);
    this.#next();
  }

  #retry(want: Want): void {
    if (!this.#open.has(want.id)) return;
    this.#queue.push(want);
    this.#next();
  }

  #report({ kind, digest, heal }: Want, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    const fields = { kind, digest: Digest.from(digest).toString(), reason };
    this.#logger.log(
      "error",
      heal ? "object cannot be healed" : "object cannot be fetched",
      fields,
    );
  }
}

function objectOf({ kind, digest, heal, within, size }: Want): WantedObject {
  return {
    kind,
    digest: Digest.from(digest),
    heal,
    ...(within !== undefined && { within: Digest.from(within) }),
    ...(size !== undefined && { size }),
  };
}
