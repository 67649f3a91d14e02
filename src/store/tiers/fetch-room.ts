/** What all parts of a fetcher share. */
import type { StoreFiller } from "../store-filler.ts";
import type { FetchTally } from "./fetch-tally.ts";
import type { Flights } from "./flights.ts";
import type { LocalObjects } from "./local-objects.ts";
import { type GateLimits, PriorityGate } from "./priority-gate.ts";
import type { SourceChain } from "./source-chain.ts";

/**
 * Bytes that come in from all sources or wait for the disk, at a time. The background leaves room
 * for the foreground.
 */
export const INCOMING_BYTES: GateLimits = {
  max: 64 * 1024 * 1024,
  backgroundMax: 48 * 1024 * 1024,
  backgroundBesideMax: 32 * 1024 * 1024,
};

export interface FetchRoom {
  readonly local: LocalObjects;
  readonly filler: StoreFiller;
  readonly chain: SourceChain;
  readonly flights: Flights;
  readonly tally: FetchTally;
  /**
   * Entered with the bytes that one answer may have, before a source is visited: whoever is inside
   * waits for nobody outside.
   */
  readonly incoming: PriorityGate;
}

export function incomingGate(): PriorityGate {
  return new PriorityGate(INCOMING_BYTES);
}
