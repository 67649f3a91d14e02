/** Gathers what a task of a verification finds wrong with names, up to a bound. */
import type { FaultKind, NameFault } from "./verify-messages.ts";
import { FAULTS_LISTED_MAX } from "./verify-report.ts";

export class NameFaults {
  readonly names: NameFault[] = [];
  moreNames = 0;
  notFetched = 0;

  /** Copies the digests, of what names and of what is named. */
  add(inside: Uint8Array, named: Uint8Array | undefined, fault: FaultKind): void {
    if (this.names.length >= FAULTS_LISTED_MAX) {
      this.moreNames += 1;
      return;
    }
    this.names.push({
      inside: Uint8Array.from(inside),
      named: named && Uint8Array.from(named),
      fault,
    });
  }
}
