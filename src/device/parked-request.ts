/** A request that was taken from its ring and cannot be answered yet. */
import type { WantedObject } from "../store/object-fetcher.ts";

/** A queue, as far as its parked requests need it. */
export interface Resumable {
  /**
   * The request is ready: conclude it if it has a `ticket`, refuse it if it has `failed`, or else run
   * it again.
   */
  resume(request: ParkedRequest): void;
}

export interface ParkedRequest {
  readonly queue: Resumable;
  readonly head: number;
  /** When it was parked first, and when it is refused if nothing happens. */
  readonly since: number;
  deadline: number;
  reruns: number;
  failed: boolean;
  /** What it waits for in the local store; empty: a turn to ask, or the layer. */
  readonly wants: Set<OpenWant>;
  /** It has been performed, but for the disk: until this is settled. 0: it has not. */
  ticket: number;
  /** How the ticket was settled. */
  errno: number;
}

/** An object that was asked for. */
export interface OpenWant {
  readonly id: number;
  readonly key: string;
  readonly object: WantedObject;
  readonly requests: Set<ParkedRequest>;
}

export function newParkedRequest(queue: Resumable, head: number, now: number): ParkedRequest {
  const wants = new Set<OpenWant>();
  return {
    queue,
    head,
    since: now,
    deadline: now,
    reruns: 0,
    failed: false,
    wants,
    ticket: 0,
    errno: 0,
  };
}
