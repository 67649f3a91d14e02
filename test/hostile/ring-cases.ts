/**
 * Guests that break the rules of the virtqueue (virtio 1.2 §2.7). One line is one case: adding one
 * is adding a line.
 */
import {
  VRING_DESC_F_INDIRECT as INDIRECT,
  VRING_DESC_F_NEXT as NEXT,
  VRING_DESC_F_WRITE as WRITE,
} from "../../src/abi/virtio.ts";
import type { RawDescriptor, RingAttack } from "./ring-attack.ts";

/**
 * What must become of the chain. "returned": its descriptors come back, and the ring goes on.
 * "stopped": the ring is beyond repair; the device leaves it alone until it is set up anew.
 */
export type Outcome = "returned" | "stopped" | "either";

export interface RingCase {
  readonly name: string;
  readonly outcome: Outcome;
  /** Lays the trap and calls `go`. */
  readonly lay: (attack: RingAttack) => void;
  /** INDIRECT_DESC is negotiated unless false. */
  readonly indirect?: boolean;
}

const HUGE = 0xffff_ffff;
const TOP = (1n << 64n) - 1n;
/** Entries of the ring that the cases run on. */
export const RING_SIZE = 64;

type Lay = RingCase["lay"];

/** A request as it should be, and descriptor 1 for the reply as the case has it. */
const reply =
  (list: (a: RingAttack) => readonly RawDescriptor[]): Lay =>
  (a) => {
    a.descriptors(0, [a.request, a.requestBytes, NEXT, 1], ...list(a));
    a.go(0);
  };

/** Descriptors from 0 on as the case has them. */
const chain =
  (list: (a: RingAttack) => readonly RawDescriptor[]): Lay =>
  (a) => {
    a.descriptors(0, ...list(a));
    a.go(0);
  };

/** An indirect table as the case has it, its length in bytes overridden where given. */
const table =
  (list: (a: RingAttack) => readonly RawDescriptor[], length?: number, flags = INDIRECT): Lay =>
  (a) => {
    const entries = list(a);
    const address = a.indirectTable(...entries);
    a.descriptors(0, [address, length ?? entries.length * 16, flags, 1]);
    a.descriptors(1, [a.reply, 4096, WRITE]);
    a.go(0);
  };

const good = (a: RingAttack): readonly RawDescriptor[] => [
  [a.request, a.requestBytes, NEXT, 1],
  [a.reply, 4096, WRITE],
];

const chains: readonly [string, Lay][] = [
  ["a descriptor that follows itself", chain((a) => [[a.request, 56, NEXT, 0]])],
  [
    "a loop of two",
    chain((a) => [
      [a.request, 56, NEXT, 1],
      [a.reply, 16, WRITE | NEXT, 0],
    ]),
  ],
  [
    "a loop of writable descriptors",
    reply((a) => [
      [a.reply, 16, WRITE | NEXT, 2],
      [a.reply + 64, 16, WRITE | NEXT, 1],
    ]),
  ],
  [
    "a loop through the whole table",
    (a) => {
      a.descriptors(
        0,
        ...Array.from(
          { length: RING_SIZE },
          (_, i): RawDescriptor => [a.request, 1, NEXT, (i + 1) % RING_SIZE],
        ),
      );
      a.go(0);
    },
  ],
  ["next out of range by one", chain((a) => [[a.request, 56, NEXT, RING_SIZE]])],
  ["next out of range by far", chain((a) => [[a.request, 56, NEXT, 0xffff]])],
  ["a reply's next out of range", reply((a) => [[a.reply, 4096, WRITE | NEXT, 0x8000]])],
  ["a descriptor of no bytes", chain(() => [[0x10_0000, 0]])],
  [
    "a readable descriptor of no bytes at address 0",
    chain((a) => [
      [0, 0, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "nothing but writable descriptors of no bytes",
    chain((a) => [
      [a.reply, 0, WRITE | NEXT, 1],
      [a.reply, 0, WRITE],
    ]),
  ],
  ["no bytes at an address outside memory", reply(() => [[2 ** 50, 0, WRITE]])],
  [
    "a readable descriptor of 4 GiB",
    chain((a) => [
      [a.request, HUGE, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  ["a writable descriptor of 4 GiB", reply((a) => [[a.reply, HUGE, WRITE]])],
  [
    "a request at address 0",
    chain((a) => [
      [0, 56, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "a request at 2^64 - 1",
    chain((a) => [
      [TOP, 56, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "a request that wraps around 2^64",
    chain((a) => [
      [TOP - 15n, 56, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "a request at 2^63",
    chain((a) => [
      [1n << 63n, 56, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "a request at 2^53",
    chain((a) => [
      [1n << 53n, 56, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  ["a reply at address 0", reply(() => [[0, 4096, WRITE]])],
  ["a reply at 2^64 - 4096", reply(() => [[TOP - 4095n, 4096, WRITE]])],
  ["a reply that wraps around 2^64", reply(() => [[TOP - 15n, 4096, WRITE]])],
  ["a reply at 2^32 above memory", reply((a) => [[a.reply + 2 ** 32, 4096, WRITE]])],
  [
    "a request that straddles the end of memory",
    chain((a) => [
      [a.end - 40, 56, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  ["a reply that straddles the end of memory", reply((a) => [[a.end - 8, 4096, WRITE]])],
  ["a reply that begins at the end of memory", reply((a) => [[a.end, 16, WRITE]])],
  ["a reply that ends one byte beyond memory", reply((a) => [[a.end - 120, 121, WRITE]])],
  ["a reply that straddles the beginning of memory", reply(() => [[0x10_0000 - 8, 4096, WRITE]])],
  [
    "a user address instead of a guest address",
    reply((a) => [[a.memory.userAddress(a.reply), 4096, WRITE]]),
  ],
  [
    "a good reply piece, then one outside memory",
    reply((a) => [
      [a.reply, 16, WRITE | NEXT, 2],
      [2 ** 45, 4096, WRITE],
    ]),
  ],
  [
    "a good request piece, then one outside memory",
    chain((a) => [
      [a.request, 40, NEXT, 1],
      [2 ** 45, 16, NEXT, 2],
      [a.reply, 4096, WRITE],
    ]),
  ],
  ["a write-only header", chain((a) => [[a.request, 56, WRITE]])],
  [
    "a write-only header with a reply behind it",
    chain((a) => [
      [a.request, 56, WRITE | NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "a readable piece behind a writable one",
    chain((a) => [
      [a.request, 40, NEXT, 1],
      [a.reply, 4096, WRITE | NEXT, 2],
      [a.request + 40, 16],
    ]),
  ],
  ["no room for a reply", chain((a) => [[a.request, 56]])],
  ["one byte of room", reply((a) => [[a.reply, 1, WRITE]])],
  ["15 bytes of room: a byte short of a header", reply((a) => [[a.reply, 15, WRITE]])],
  ["room for a header only", reply((a) => [[a.reply, 16, WRITE]])],
  ["room for all but the last byte", reply((a) => [[a.reply, 119, WRITE]])],
  [
    "half a header",
    chain((a) => [
      [a.request, 20, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "39 bytes of header",
    chain((a) => [
      [a.request, 39, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "a header without its arguments",
    chain((a) => [
      [a.request, 40, NEXT, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "the reply over the request",
    chain((a) => [
      [a.request, 56, NEXT, 1],
      [a.request, 4096, WRITE],
    ]),
  ],
  ["the reply over the descriptor table", reply((a) => [[a.ring.descriptorTable, 1024, WRITE]])],
  [
    "two reply pieces in the same place",
    reply((a) => [
      [a.reply, 60, WRITE | NEXT, 2],
      [a.reply, 60, WRITE],
    ]),
  ],
  [
    "every flag at once",
    chain((a) => [
      [a.request, 56, 0xffff, 1],
      [a.reply, 4096, WRITE],
    ]),
  ],
  [
    "unknown flags",
    chain((a) => [
      [a.request, 56, NEXT | 0xfff8, 1],
      [a.reply, 4096, WRITE | 0xfff0],
    ]),
  ],
  [
    "as many descriptors as the ring has, all readable",
    (a) => {
      a.descriptors(
        0,
        ...Array.from(
          { length: RING_SIZE },
          (_, i): RawDescriptor => [a.request, 1, i < RING_SIZE - 1 ? NEXT : 0, i + 1],
        ),
      );
      a.go(0);
    },
  ],
];

const indirect: readonly [string, Lay][] = [
  [
    "an indirect table within an indirect table",
    table((a) => [[a.indirectTable(...good(a)), 32, INDIRECT]]),
  ],
  [
    "an indirect table that refers to itself",
    (a) => {
      const address = a.memory.allocate(32, 16);
      a.writeTable(address, [[address, 32, INDIRECT]]);
      a.descriptors(0, [address, 32, INDIRECT]);
      a.go(0);
    },
  ],
  [
    "an indirect table in the middle of a table",
    table((a) => [
      [a.request, 56, NEXT, 1],
      [a.indirectTable(...good(a)), 32, INDIRECT | NEXT, 2],
      [a.reply, 4096, WRITE],
    ]),
  ],
  ["INDIRECT and NEXT together", table(good, undefined, INDIRECT | NEXT)],
  ["an indirect table of no bytes", table(good, 0)],
  ["an indirect table of 8 bytes", table(good, 8)],
  ["an indirect table of 17 bytes", table(good, 17)],
  ["an indirect table of 33 bytes", table(good, 33)],
  ["an indirect table of 4 GiB", table(good, HUGE & ~15)],
  ["an indirect table of 2^32 - 1 bytes", table(good, HUGE)],
  ["an indirect table of 1 MiB", table(good, 1 << 20)],
  ["an indirect table outside memory", chain(() => [[2 ** 46, 32, INDIRECT]])],
  ["an indirect table at 2^64 - 16", chain(() => [[TOP - 15n, 32, INDIRECT]])],
  [
    "an indirect table that straddles the end of memory",
    chain((a) => [[a.end - 16, 32, INDIRECT]]),
  ],
  [
    "an indirect table with half a descriptor before the end",
    chain((a) => [[a.end - 8, 16, INDIRECT]]),
  ],
  [
    "an indirect table at an odd address",
    (a) => {
      const address = a.memory.allocate(64, 16) + 3;
      a.writeTable(address, good(a));
      a.descriptors(0, [address, 32, INDIRECT]);
      a.go(0);
    },
  ],
  ["a loop in an indirect table", table((a) => [[a.request, 56, NEXT, 0]])],
  [
    "a loop of two in an indirect table",
    table((a) => [
      [a.request, 56, NEXT, 1],
      [a.reply, 16, WRITE | NEXT, 1],
    ]),
  ],
  [
    "next beyond the indirect table",
    table((a) => [
      [a.request, 56, NEXT, 2],
      [a.reply, 4096, WRITE],
    ]),
  ],
  ["next far beyond the indirect table", table((a) => [[a.request, 56, NEXT, 0xffff]])],
  [
    "an indirect table over the ring's own table",
    (a) => {
      a.descriptors(0, [a.ring.descriptorTable, 16 * RING_SIZE, INDIRECT]);
      a.go(0);
    },
  ],
  [
    "an indirect table of 1024 pieces, the same 4 MiB each time",
    table(() =>
      Array.from(
        { length: 1024 },
        (_, i): RawDescriptor => [0x10_0000, 4 << 20, i < 1023 ? NEXT : 0, i + 1],
      ),
    ),
  ],
  [
    "an indirect table of 1025 pieces",
    table((a) =>
      Array.from(
        { length: 1025 },
        (_, i): RawDescriptor => [a.request, 1, i < 1024 ? NEXT : 0, i + 1],
      ),
    ),
  ],
  [
    "an indirect table of 65536 pieces",
    table((a) =>
      Array.from(
        { length: 65_536 },
        (_, i): RawDescriptor => [a.request, 1, i < 65_535 ? NEXT : 0, i + 1],
      ),
    ),
  ],
  [
    "a WRITE flag on the indirect descriptor, which is to be ignored",
    table(good, undefined, INDIRECT | WRITE),
  ],
];

/** The avail ring itself lies: the ring is beyond repair, or the device bears it. */
const rings: readonly [string, Outcome, Lay][] = [
  ["a head out of range", "stopped", (a) => a.go(RING_SIZE)],
  ["a head of 65535", "stopped", (a) => a.go(0xffff)],
  [
    "the same head twice",
    "either",
    (a) => {
      a.descriptors(0, ...good(a));
      a.go(0, 0);
    },
  ],
  [
    "the same head in every place",
    "either",
    (a) => {
      a.descriptors(0, ...good(a));
      a.go(...Array<number>(RING_SIZE).fill(0));
    },
  ],
  [
    "heads in the middle of each other's chains",
    "either",
    (a) => {
      a.descriptors(
        0,
        [a.request, 40, NEXT, 1],
        [a.request + 40, 16, NEXT, 2],
        [a.reply, 4096, WRITE],
      );
      a.go(0, 1, 2);
    },
  ],
  ["an avail index ahead by one ring and one", "stopped", (a) => jump(a, RING_SIZE + 1)],
  ["an avail index ahead by 32768", "stopped", (a) => jump(a, 0x8000)],
  ["an avail index ahead by 65535", "stopped", (a) => jump(a, 0xffff)],
  ["an avail index of nothing but zeros in the ring", "either", (a) => jump(a, RING_SIZE)],
  ["a kick without a request", "either", (a) => a.go()],
];

function jump(a: RingAttack, by: number): void {
  a.descriptors(0, ...good(a));
  a.ring.forceAvailIndex(a.ring.availIndex + by);
  a.go();
}

export const RING_CASES: readonly RingCase[] = [
  ...chains.map(([name, lay]): RingCase => ({ name, lay, outcome: "returned" })),
  ...indirect.map(([name, lay]): RingCase => ({ name, lay, outcome: "returned" })),
  ...rings.map(([name, outcome, lay]): RingCase => ({ name, lay, outcome })),
  {
    name: "an indirect table that was not negotiated",
    indirect: false,
    outcome: "returned",
    lay: table(good),
  },
];
