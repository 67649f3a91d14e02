/**
 * Requests that wait for what the local store lacks. A request is parked with all that it is known
 * to want; when the last of it has come it is run again from its start, and when some of it cannot
 * be had, or not in time, it is refused. Many requests may want one object: it is asked for once.
 *
 *     request ──▶ wants ──▶ message to the control thread ──▶ … ──▶ settled ──▶ request is ready
 *
 * What waits for a writable layer instead is handed on to LayerWaits.
 *
 * Nothing in here is on the way of a request that is answered at once.
 */
import { assert } from "../base/assert.ts";
import type { Logger } from "../base/logger.ts";
import type { Misses } from "../store/misses.ts";
import type { WantedObject } from "../store/object-fetcher.ts";
import { LayerWaits } from "./layer-waits.ts";
import type { Want } from "./messages.ts";
import {
  newParkedRequest,
  type OpenWant,
  type ParkedRequest,
  type Resumable,
} from "./parked-request.ts";

/** Objects asked for at a time; requests that want others wait for their turn. */
export const WANTS_MAX = 4096;

/** How often one request is run again, each time with something else amiss, before it is refused. */
export const RERUNS_MAX = 64;

/**
 * A request is refused when nothing that it wants got on for the time-out, and in any case after so
 * many time-outs: a source that trickles must not hang a guest for good.
 */
export const TIMEOUTS_MAX = 20;

/** How exact deadlines are: while anything waits they are looked at so often. */
export const TICK_MILLISECONDS = 250;

export interface ParkedRequestsOptions {
  /** Holds what the request that is about to be parked lacks. */
  readonly misses: Misses;
  readonly timeoutMilliseconds: number;
  readonly logger: Logger;
  /** Asks for objects; takes back what nobody wants any more. */
  readonly post: (wanted: readonly Want[], unwanted: readonly number[]) => void;
  /** Something could not be had: what was believed of it may be wrong. */
  readonly lost?: () => void;
  /** Milliseconds; tests inject a clock. */
  readonly now?: () => number;
}

export class ParkedRequests {
  /** Requests that wait for the layer. */
  readonly layer: LayerWaits;
  readonly #misses: Misses;
  readonly #timeout: number;
  readonly #logger: Logger;
  readonly #post: ParkedRequestsOptions["post"];
  readonly #lost: () => void;
  readonly #now: () => number;
  readonly #wants = new Map<string, OpenWant>();
  readonly #wantsById = new Map<number, OpenWant>();
  readonly #waiting = new Set<ParkedRequest>();
  /** Those of them that found no room to ask. */
  readonly #stalled = new Set<ParkedRequest>();
  #wanted: Want[] = [];
  #unwanted: number[] = [];
  #lastId = 0;
  #nextTick = 0;

  constructor(options: ParkedRequestsOptions) {
    this.#misses = options.misses;
    this.#timeout = options.timeoutMilliseconds;
    this.#logger = options.logger;
    this.#post = options.post;
    this.#lost = options.lost ?? (() => {});
    this.#now = options.now ?? (() => performance.now());
    this.layer = new LayerWaits(options.logger, this.#now);
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.size + this.layer.waiting;
  }

  /** Objects that were asked for and are not there. */
  get wants(): number {
    return this.#wants.size;
  }

  /** A request is about to be answered: what another one lacked is of no interest. */
  begin(): void {
    this.#misses.clear();
  }

  /**
   * Takes the request that was just answered PARKED, with what it lacked. `earlier`: what this gave
   * when the same request was parked before.
   */
  park(queue: Resumable, head: number, earlier?: ParkedRequest): ParkedRequest {
    const request = earlier ?? newParkedRequest(queue, head, this.#now());
    const { wanted } = this.#misses;
    assert(wanted.length > 0, "a request is parked that lacks nothing");
    request.reruns += 1;
    if (request.reruns > RERUNS_MAX) {
      this.#logGivenUp("object is there and cannot be read", request, wanted[0]!);
      this.#misses.clear();
      request.failed = true;
      queue.resume(request);
      return request;
    }
    request.deadline = this.#nextDeadline(request);
    this.#waiting.add(request);
    for (const object of wanted) this.#want(request, object);
    this.#misses.clear();
    if (request.wants.size === 0) this.#stalled.add(request);
    return request;
  }

  /**
   * The same for one that waits for the layer: to be run again, or (with a `ticket`, see SyncTicket)
   * performed already.
   */
  parkForLayer(
    queue: Resumable,
    head: number,
    ticket: number,
    earlier?: ParkedRequest,
  ): ParkedRequest {
    const request = earlier ?? newParkedRequest(queue, head, this.#now());
    this.layer.park(request, ticket);
    return request;
  }

  /** Posts what was wanted and given up since the last time. */
  flush(): void {
    if (this.#wanted.length === 0 && this.#unwanted.length === 0) return;
    const wanted = this.#wanted;
    const unwanted = this.#unwanted;
    this.#wanted = [];
    this.#unwanted = [];
    this.#post(wanted, unwanted);
  }

  /** What was asked for is in the local store, or (not `stored`) is not to be had. */
  settled(id: number, stored: boolean): void {
    const want = this.#wantsById.get(id);
    if (want === undefined) return;
    this.#close(want);
    if (!stored) this.#lost();
    for (const request of want.requests) {
      request.wants.delete(want);
      if (!stored) this.#fail(request);
      else if (request.wants.size === 0) this.#ready(request);
      else request.deadline = this.#nextDeadline(request);
    }
    this.#unstall();
  }

  /** Some of it came in. */
  progressed(id: number): void {
    const want = this.#wantsById.get(id);
    if (want === undefined) return;
    for (const request of want.requests) request.deadline = this.#nextDeadline(request);
  }

  /** The queue of the request has stopped: it is forgotten. */
  drop(request: ParkedRequest): void {
    this.#leave(request);
    this.layer.drop(request);
    this.#unstall();
  }

  /** Refuses what has waited too long. To be called every TICK_MILLISECONDS, or more often. */
  tick(): void {
    this.layer.tick();
    if (this.#waiting.size === 0) return;
    const now = this.#now();
    if (now < this.#nextTick) return;
    this.#nextTick = now + TICK_MILLISECONDS;
    for (const request of this.#waiting) {
      if (request.deadline > now) continue;
      const [want] = request.wants;
      this.#logGivenUp("object did not come in time", request, want?.object);
      this.#fail(request);
    }
    this.#unstall();
  }

  #nextDeadline({ since }: ParkedRequest): number {
    return Math.min(this.#now() + this.#timeout, since + this.#timeout * TIMEOUTS_MAX);
  }

  #want(request: ParkedRequest, object: WantedObject): void {
    const key = `${object.kind} ${object.heal} ${object.digest.key}`;
    let want = this.#wants.get(key);
    if (want === undefined) {
      if (this.#wants.size >= WANTS_MAX) return;
      this.#lastId += 1;
      want = { id: this.#lastId, key, object, requests: new Set() };
      this.#wants.set(key, want);
      this.#wantsById.set(want.id, want);
      this.#wanted.push({
        id: want.id,
        kind: object.kind,
        digest: object.digest.bytes,
        heal: object.heal,
        within: object.within?.bytes,
        size: object.size,
      });
    }
    want.requests.add(request);
    request.wants.add(want);
  }

  #ready(request: ParkedRequest): void {
    this.#leave(request);
    request.queue.resume(request);
  }

  #fail(request: ParkedRequest): void {
    request.failed = true;
    this.#ready(request);
  }

  /** Waits no more. What nobody else wants is given up. */
  #leave(request: ParkedRequest): void {
    this.#waiting.delete(request);
    this.#stalled.delete(request);
    for (const want of request.wants) {
      want.requests.delete(request);
      if (want.requests.size > 0 || !this.#wantsById.has(want.id)) continue;
      this.#close(want);
      this.#unwanted.push(want.id);
    }
    request.wants.clear();
  }

  #close(want: OpenWant): void {
    this.#wants.delete(want.key);
    this.#wantsById.delete(want.id);
  }

  /** Lets as many ask again as there is room for. */
  #unstall(): void {
    let room = WANTS_MAX - this.#wants.size;
    for (const request of this.#stalled) {
      if (room <= 0) return;
      room -= 1;
      // It is run again for no fault of its own.
      request.reruns -= 1;
      this.#ready(request);
    }
  }

  #logGivenUp(message: string, request: ParkedRequest, object: WantedObject | undefined): void {
    this.#logger.log("error", message, {
      kind: object?.kind,
      digest: object?.digest.toString(),
      seconds: Math.round((this.#now() - request.since) / 1000),
    });
  }
}
