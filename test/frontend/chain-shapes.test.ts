/** The same operations over every legal shape of chain, ring and memory. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { ChainPort } from "./chain-port.ts";
import { type ChainShape, SHAPES } from "./chain-shape.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { FuseClient } from "./fuse-client.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { PC_REGIONS, TOUCHING_REGIONS } from "./synthetic-memory.ts";
import { SyntheticVmm, type VmmPlan } from "./synthetic-vmm.ts";

let share: ShareFixture;
let daemon: DaemonProcess;

beforeAll(() => {
  share = makeShare();
  daemon = DaemonProcess.serve(share.store, "--root", ROOT_NAME);
});

afterAll(() => {
  daemon?.[Symbol.dispose]();
  share?.[Symbol.dispose]();
});

/** A bit of everything: short and long replies, names, data across many pieces. */
function exercise(fuse: FuseClient): void {
  fuse.init();
  expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
  const hello = fuse.lookup(FUSE_ROOT_ID, "hello");
  expect(fuse.read(hello.nodeid, 0, 4096).toString()).toBe("Hello World!");
  expect(fuse.read(hello.nodeid, 6, 5).toString()).toBe("World");
  expect(fuse.readlink(fuse.lookup(FUSE_ROOT_ID, "to-hello").nodeid).toString()).toBe("hello");
  const large = fuse.lookup(FUSE_ROOT_ID, "large");
  const expected = share.files.get("large")!;
  for (const [offset, size] of [
    [0, 4096],
    [262_143, 131_072],
    [777_777, 50_000],
    [expected.length - 1000, 65_536],
  ] as const) {
    const read = fuse.read(large.nodeid, offset, size);
    expect(Buffer.compare(read, expected.subarray(offset, offset + size))).toBe(0);
  }
  expect(fuse.readdir(FUSE_ROOT_ID, 1000).length).toBeGreaterThan(15);
  expect(fuse.readdirplus(FUSE_ROOT_ID, 4096).length).toBeGreaterThan(15);
  fuse.forget(hello.nodeid, 1);
}

function withVmm(plan: VmmPlan, act: (vmm: SyntheticVmm) => void): void {
  using vmm = SyntheticVmm.start(daemon.socketPath, plan);
  act(vmm);
}

describe("a request is answered alike", () => {
  const cases = SHAPES.flatMap((shape) =>
    [true, false].map((eventIdx) => ({ shape, eventIdx, name: shape.name })),
  );

  it.each(cases)("cut $name, EVENT_IDX $eventIdx", ({ shape, eventIdx }) => {
    withVmm({ eventIdx, queueSize: 1024 }, (vmm) => exercise(vmm.fuse(1, shape)));
  });

  it("without INDIRECT_DESC", () => {
    const direct = SHAPES.filter((shape) => shape.placement === "direct");
    for (const shape of direct) {
      withVmm({ indirect: false, queueSize: 1024 }, (vmm) => exercise(vmm.fuse(1, shape)));
    }
  });

  it.each([8, 16, 64, 128, 256])("in rings of %i entries", (queueSize) => {
    withVmm({ queueSize }, (vmm) => exercise(vmm.fuse()));
  });

  it("in the two regions of a pc machine that lie in one file", () => {
    withVmm({ memory: PC_REGIONS, oneFile: true }, (vmm) => exercise(vmm.fuse()));
  });

  it("with the regions added one by one", () => {
    withVmm({ memory: PC_REGIONS, memorySlots: true }, (vmm) => exercise(vmm.fuse()));
  });

  it("with buffers above 4 GiB", () => {
    withVmm({ memory: TOUCHING_REGIONS, queueSize: 1024 }, (vmm) => {
      const high = vmm.memory.regions[2]!;
      for (const shape of SHAPES) exercise(clientAt(vmm, high.guestAddress + 4096, shape));
    });
  });

  it("with buffers and indirect tables that straddle two regions", () => {
    withVmm({ memory: TOUCHING_REGIONS, queueSize: 1024 }, (vmm) => {
      const border = vmm.memory.regions[1]!.guestAddress;
      // From here every request, reply or table meets the border sooner or later.
      for (const before of [20, 57, 100, 140, 200, 300, 4096, 60_000]) {
        for (const shape of SHAPES) exercise(clientAt(vmm, border - before, shape));
      }
    });
  });
});

/** A client whose chains are laid from a guest address on. */
function clientAt(vmm: SyntheticVmm, address: number, shape: ChainShape): FuseClient {
  const port = new ChainPort(vmm.memory, vmm.queues[1]!, address);
  return new FuseClient((request, room) => port.transact(request, room, shape));
}
