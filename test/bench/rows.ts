/** The rows of the table: what is sent, and what the project wants to reach. */
import { ListLoad, MixedLoad, RandomReadLoad, SequentialReadLoad } from "./data-workloads.ts";
import {
  AbsentLookupLoad,
  GetattrLoad,
  LookupLoad,
  OpenReleaseLoad,
} from "./metadata-workloads.ts";
import { ChmodLoad, MakeRemoveLoad, RenameLoad } from "./name-workloads.ts";
import type { Workload } from "./pump.ts";
import { noFacts, type ShareFacts } from "./share-facts.ts";
import { noWriteFacts, type WriteFacts } from "./write-tree.ts";
import { FsyncLoad, RandomWriteLoad, SequentialWriteLoad } from "./write-workloads.ts";

interface RowBase {
  /** For --rows. */
  readonly name: string;
  readonly title: string;
  /** By queue depth: how often the fastest peer's operations per second the project wants. */
  readonly goals: Readonly<Record<number, number>>;
}

/** Like requests to a read-only share. */
export interface ReadRow extends RowBase {
  readonly share: "read-only";
  readonly make: (facts: ShareFacts, streams: number) => Workload;
}

/** Like requests to a writable share. */
export interface WriteRow extends RowBase {
  readonly share: "writable";
  readonly make: (facts: WriteFacts, streams: number) => Workload;
  /** Of one WRITE. */
  readonly bytes?: number;
}

/** The walk, which is no stream of like requests. */
export interface WalkRow extends RowBase {
  readonly share: "walked";
}

export type Row = ReadRow | WriteRow | WalkRow;

export const DEPTHS = [1, 16] as const;
export const DEPTH_MAX = 16;
/** The largest READ of all rows. */
export const DATA_BYTES = 1 << 20;
/** What the goal is where generator and daemon share a core. */
export const ONE_CORE_GOAL = 1.3;

/**
 * What is read again and again. The whole file is larger than the caches of most processors: reading
 * it measures the memory, too, which is the same for all.
 */
const HOT_BYTES = 8 << 20;

const QUICK_ANSWER = { 1: 3, 16: 2 };

const READ_ROWS: readonly ReadRow[] = [
  {
    name: "getattr",
    title: "getattr",
    share: "read-only",
    goals: QUICK_ANSWER,
    make: (facts) => new GetattrLoad(facts),
  },
  {
    name: "lookup",
    title: "lookup",
    share: "read-only",
    goals: QUICK_ANSWER,
    make: (facts) => new LookupLoad(facts),
  },
  {
    name: "absent",
    title: "lookup of an absent name",
    share: "read-only",
    goals: QUICK_ANSWER,
    make: (facts) => new AbsentLookupLoad(facts),
  },
  {
    name: "open",
    title: "open + release",
    share: "read-only",
    goals: QUICK_ANSWER,
    make: (facts, streams) => new OpenReleaseLoad(facts, streams),
  },
  {
    name: "read4k-random",
    title: "read 4 KiB, random",
    share: "read-only",
    goals: QUICK_ANSWER,
    make: (facts) => new RandomReadLoad(facts, 4096),
  },
  {
    name: "read4k",
    title: "read 4 KiB, sequential",
    share: "read-only",
    goals: QUICK_ANSWER,
    make: (facts) => new SequentialReadLoad(facts, 4096),
  },
  {
    name: "read128k",
    title: "read 128 KiB, of 64 MiB",
    share: "read-only",
    goals: { 1: 2, 16: 2 },
    make: (facts) => new SequentialReadLoad(facts, 128 << 10),
  },
  {
    name: "read1m",
    title: "read 1 MiB, of 64 MiB",
    share: "read-only",
    goals: { 1: 1.8, 16: 1.8 },
    make: (facts) => new SequentialReadLoad(facts, 1 << 20),
  },
  {
    name: "read128k-hot",
    title: "read 128 KiB, of 8 MiB",
    share: "read-only",
    goals: { 1: 2, 16: 2 },
    make: (facts) => new SequentialReadLoad(facts, 128 << 10, HOT_BYTES),
  },
  {
    name: "read1m-hot",
    title: "read 1 MiB, of 8 MiB",
    share: "read-only",
    goals: { 1: 1.8, 16: 1.8 },
    make: (facts) => new SequentialReadLoad(facts, 1 << 20, HOT_BYTES),
  },
  {
    name: "list4k",
    title: "readdirplus of 10,000, 4 KiB",
    share: "read-only",
    goals: { 1: 5, 16: 5 },
    make: (facts, streams) => new ListLoad(facts, 4096, streams),
  },
  {
    name: "list128k",
    title: "readdirplus of 10,000, 128 KiB",
    share: "read-only",
    goals: { 1: 5, 16: 5 },
    make: (facts, streams) => new ListLoad(facts, 131_072, streams),
  },
  {
    name: "mixed",
    title: "mixed",
    share: "read-only",
    goals: {},
    make: mixed,
  },
];

const WALK: WalkRow = {
  name: "walk",
  title: "tree walk, every byte (files)",
  share: "walked",
  goals: { 1: 2.5 },
};

const QUICK_CHANGE = { 1: 2, 16: 2 };

const WRITE_ROWS: readonly WriteRow[] = [
  {
    name: "write4k-random",
    title: "write 4 KiB, random",
    share: "writable",
    goals: { 1: 1, 16: 1.5 },
    make: (facts, streams) => new RandomWriteLoad(facts, streams),
    bytes: 4096,
  },
  {
    name: "write128k",
    title: "write 128 KiB, of 64 MiB",
    share: "writable",
    goals: { 1: 1, 16: 1.5 },
    make: (facts) => new SequentialWriteLoad(facts, 128 << 10),
    bytes: 128 << 10,
  },
  {
    name: "create",
    title: "create + unlink",
    share: "writable",
    goals: QUICK_CHANGE,
    make: (facts, streams) => new MakeRemoveLoad(facts, streams, "file"),
  },
  {
    name: "mkdir",
    title: "mkdir + rmdir",
    share: "writable",
    goals: QUICK_CHANGE,
    make: (facts, streams) => new MakeRemoveLoad(facts, streams, "directory"),
  },
  {
    name: "rename",
    title: "rename",
    share: "writable",
    goals: QUICK_CHANGE,
    make: (facts) => new RenameLoad(facts),
  },
  {
    name: "chmod",
    title: "chmod",
    share: "writable",
    goals: QUICK_CHANGE,
    make: (facts) => new ChmodLoad(facts),
  },
  {
    name: "fsync",
    title: "write 4 KiB + fsync",
    share: "writable",
    goals: { 1: 1, 16: 1 },
    make: (facts, streams) => new FsyncLoad(facts, streams),
    bytes: 4096,
  },
];

export const ROWS: readonly Row[] = [...READ_ROWS, WALK, ...WRITE_ROWS];

/** A workload of a row against a device that answers nothing. */
export function makeUnanswered(row: ReadRow | WriteRow, streams: number): Workload {
  return row.share === "writable"
    ? row.make(noWriteFacts(streams), streams)
    : row.make(noFacts(streams), streams);
}

/** Of 16 operations: 4 lookups, 1 absent, 4 getattr, 2 open+release, 3 + 1 + 1 reads and listings. */
export function mixed(facts: ShareFacts, streams: number): Workload {
  const parts = [
    new LookupLoad(facts),
    new AbsentLookupLoad(facts),
    new GetattrLoad(facts),
    new OpenReleaseLoad(facts, streams),
    new RandomReadLoad(facts, 4096),
    new SequentialReadLoad(facts, 128 << 10),
    new ListLoad(facts, 4096, streams),
  ];
  return new MixedLoad(parts, [0, 2, 4, 0, 3, 2, 6, 1, 0, 2, 4, 5, 0, 2, 3, 4], streams);
}
