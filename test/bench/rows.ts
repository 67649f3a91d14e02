/** The rows of the table: what is sent, and what the project wants to reach. */
import { ListLoad, MixedLoad, RandomReadLoad, SequentialReadLoad } from "./data-workloads.ts";
import {
  AbsentLookupLoad,
  GetattrLoad,
  LookupLoad,
  OpenReleaseLoad,
} from "./metadata-workloads.ts";
import type { Workload } from "./pump.ts";
import type { ShareFacts } from "./share-facts.ts";

export interface Row {
  /** For --rows. */
  readonly name: string;
  readonly title: string;
  /** By queue depth: how often the fastest peer's operations per second the project wants. */
  readonly goals: Readonly<Record<number, number>>;
  /** Left out: the walk, which is no stream of like requests. */
  readonly make?: (facts: ShareFacts, streams: number) => Workload;
}

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

export const ROWS: readonly Row[] = [
  {
    name: "getattr",
    title: "getattr",
    goals: QUICK_ANSWER,
    make: (facts) => new GetattrLoad(facts),
  },
  {
    name: "lookup",
    title: "lookup",
    goals: QUICK_ANSWER,
    make: (facts) => new LookupLoad(facts),
  },
  {
    name: "absent",
    title: "lookup of an absent name",
    goals: QUICK_ANSWER,
    make: (facts) => new AbsentLookupLoad(facts),
  },
  {
    name: "open",
    title: "open + release",
    goals: QUICK_ANSWER,
    make: (facts, streams) => new OpenReleaseLoad(facts, streams),
  },
  {
    name: "read4k-random",
    title: "read 4 KiB, random",
    goals: QUICK_ANSWER,
    make: (facts) => new RandomReadLoad(facts, 4096),
  },
  {
    name: "read4k",
    title: "read 4 KiB, sequential",
    goals: QUICK_ANSWER,
    make: (facts) => new SequentialReadLoad(facts, 4096),
  },
  {
    name: "read128k",
    title: "read 128 KiB, of 64 MiB",
    goals: { 1: 2, 16: 2 },
    make: (facts) => new SequentialReadLoad(facts, 128 << 10),
  },
  {
    name: "read1m",
    title: "read 1 MiB, of 64 MiB",
    goals: { 1: 1.8, 16: 1.8 },
    make: (facts) => new SequentialReadLoad(facts, 1 << 20),
  },
  {
    name: "read128k-hot",
    title: "read 128 KiB, of 8 MiB",
    goals: { 1: 2, 16: 2 },
    make: (facts) => new SequentialReadLoad(facts, 128 << 10, HOT_BYTES),
  },
  {
    name: "read1m-hot",
    title: "read 1 MiB, of 8 MiB",
    goals: { 1: 1.8, 16: 1.8 },
    make: (facts) => new SequentialReadLoad(facts, 1 << 20, HOT_BYTES),
  },
  {
    name: "list4k",
    title: "readdirplus of 10,000, 4 KiB",
    goals: { 1: 5, 16: 5 },
    make: (facts, streams) => new ListLoad(facts, 4096, streams),
  },
  {
    name: "list128k",
    title: "readdirplus of 10,000, 128 KiB",
    goals: { 1: 5, 16: 5 },
    make: (facts, streams) => new ListLoad(facts, 131_072, streams),
  },
  {
    name: "mixed",
    title: "mixed",
    goals: {},
    make: mixed,
  },
  {
    name: "walk",
    title: "tree walk, every byte (files)",
    goals: { 1: 2.5 },
  },
];

/** Of 16 operations: 4 lookups, 1 absent, 4 getattr, 2 open+release, 3 + 1 + 1 reads and listings. */
function mixed(facts: ShareFacts, streams: number): Workload {
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
