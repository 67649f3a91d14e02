/** GETATTR, LOOKUP and OPEN with RELEASE, over the files of `names/` in a scattered order. */
import { fuseEntryOut, fuseOpenOut } from "../../src/abi/fuse.ts";
import { ENOENT } from "../../src/base/errno.ts";
import { NameTable } from "../frontend/name-table.ts";
import type { RequestLane } from "../frontend/request-lane.ts";
import { NAMED_FILES, namedFile } from "./bench-tree.ts";
import { FINISHED, UNFINISHED, type Workload, WRONG } from "./pump.ts";
import type { ShareFacts } from "./share-facts.ts";

/** Odd, so that stepping by it visits every file of a power of two. */
const STEP = 389;

export class GetattrLoad implements Workload {
  readonly #nodeids: Float64Array;
  #next = 0;

  constructor(facts: ShareFacts) {
    this.#nodeids = facts.named;
  }

  send(lane: RequestLane, slot: number): void {
    this.#next = (this.#next + STEP) & (NAMED_FILES - 1);
    lane.getattr(slot, this.#nodeids[this.#next]!);
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 ? FINISHED : WRONG;
  }
}

export class LookupLoad implements Workload {
  readonly #directory: number;
  readonly #names: NameTable;
  #next = 0;

  constructor(facts: ShareFacts) {
    this.#directory = facts.namesDirectory;
    this.#names = new NameTable(Array.from({ length: NAMED_FILES }, (_, i) => namedFile(i)));
  }

  send(lane: RequestLane, slot: number): void {
    const index = (this.#next + STEP) & (NAMED_FILES - 1);
    this.#next = index;
    const { bytes, starts } = this.#names;
    lane.lookup(slot, this.#directory, bytes, starts[index]!, starts[index + 1]!);
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 ? FINISHED : WRONG;
  }
}

export class AbsentLookupLoad implements Workload {
  readonly #directory: number;
  readonly #names: NameTable;
  #next = 0;

  constructor(facts: ShareFacts) {
    this.#directory = facts.namesDirectory;
    const names = Array.from({ length: NAMED_FILES }, (_, i) => `absent-${i}.d.ts`);
    this.#names = new NameTable(names);
  }

  send(lane: RequestLane, slot: number): void {
    const index = (this.#next + STEP) & (NAMED_FILES - 1);
    this.#next = index;
    const { bytes, starts } = this.#names;
    lane.lookup(slot, this.#directory, bytes, starts[index]!, starts[index + 1]!);
  }

  /** Either answer means absent: the errno, or nodeid 0, which the kernel may keep. */
  receive(lane: RequestLane, slot: number): number {
    const error = lane.error(slot);
    if (error === -ENOENT) return FINISHED;
    const nodeid = (lane.replyAt(slot) + fuseEntryOut.at.nodeid) >>> 2;
    return error === 0 && lane.region.words32[nodeid] === 0 ? FINISHED : WRONG;
  }
}

/** Two requests make one operation. */
export class OpenReleaseLoad implements Workload {
  readonly #nodeids: Float64Array;
  /** Per stream: whether it has the file open, which, and its handle. */
  readonly #isOpen: Uint8Array;
  readonly #file: Uint32Array;
  readonly #handles: Float64Array;
  #next = 0;

  constructor(facts: ShareFacts, streams: number) {
    this.#nodeids = facts.named;
    this.#isOpen = new Uint8Array(streams);
    this.#file = new Uint32Array(streams);
    this.#handles = new Float64Array(streams);
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    if (this.#isOpen[stream] === 1) {
      lane.release(slot, this.#nodeids[this.#file[stream]!]!, this.#handles[stream]!);
      return;
    }
    const file = (this.#next + STEP) & (NAMED_FILES - 1);
    this.#next = file;
    this.#file[stream] = file;
    lane.open(slot, this.#nodeids[file]!, 0);
  }

  receive(lane: RequestLane, slot: number, stream: number): number {
    if (lane.error(slot) !== 0) return WRONG;
    if (this.#isOpen[stream] === 1) {
      this.#isOpen[stream] = 0;
      return FINISHED;
    }
    this.#isOpen[stream] = 1;
    const word = (lane.replyAt(slot) + fuseOpenOut.at.fh) >>> 2;
    const { words32 } = lane.region;
    this.#handles[stream] = words32[word + 1]! * 2 ** 32 + words32[word]!;
    return UNFINISHED;
  }
}
