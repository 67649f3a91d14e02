import fc from "fast-check";
import { expect, test } from "vitest";
import { GuestMemory, InvalidMemoryTable } from "../../src/virtio/guest-memory.ts";

const HOST = 0x7f00_0000_0000;

function memoryOf(...windows: [guestAddress: number, bytes: number][]): GuestMemory {
  return new GuestMemory(
    windows.map(([guestAddress, bytes]) => ({
      guestAddress,
      hostAddress: HOST + 2 * guestAddress,
      buffer: new ArrayBuffer(bytes),
    })),
  );
}

test("find() agrees with a search through all windows, whatever came before", () => {
  const layout = fc.array(fc.record({ gap: fc.nat(3), bytes: fc.integer({ min: 1, max: 6 }) }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(layout, fc.array(fc.integer({ min: -2, max: 130 })), (windows, addresses) => {
      let at = 0;
      const placed = windows.map(({ gap, bytes }): [number, number] => {
        const start = at + gap;
        at = start + bytes;
        return [start, bytes];
      });
      const memory = memoryOf(...placed);
      for (const address of addresses) {
        const model = placed.findIndex(([s, n]) => address >= s && address < s + n);
        expect(memory.find(address)).toBe(model);
      }
    }),
  );
});

test("find() knows no address in an empty table, and none below zero", () => {
  expect(memoryOf().find(0)).toBe(-1);
  expect(memoryOf([0, 4096]).find(-1)).toBe(-1);
});

test("windows may come in any order", () => {
  const memory = memoryOf([0x3000, 16], [0x1000, 16]);
  expect(memory.start(memory.find(0x100f))).toBe(0x1000);
  expect(memory.start(memory.find(0x3000))).toBe(0x3000);
  expect(memory.hosts[memory.find(0x3000)]).toBe(HOST + 0x6000);
  expect(memory.end(memory.find(0x3000))).toBe(0x3010);
});

test("viewHost() sees a range in one window where it lies", () => {
  const memory = memoryOf([0x1000, 0x1000], [0x2000, 0x1000]);
  expect(memory.viewHost(HOST + 0x2000, 0x1000)).toMatchObject({ offset: 0 });
  expect(memory.viewHost(HOST + 0x4fff, 1)?.buffer).toBe(memory.bytes[1]!.buffer);
  expect(memory.viewHost(HOST + 0x4fff, 1)?.offset).toBe(0xfff);
  expect(memory.viewHost(HOST + 0x2000, 0x1001)).toBeUndefined();
  expect(memory.viewHost(HOST + 0x1fff, 1)).toBeUndefined();
});

test("viewHost() asks for a view of its own where a range crosses a border of windows", () => {
  const across = new ArrayBuffer(16);
  const window = { guestAddress: 0, hostAddress: HOST, buffer: new ArrayBuffer(4096) };
  const memory = new GuestMemory([window], (address, length) =>
    address === HOST + 4090 && length === 16 ? across : undefined,
  );
  expect(memory.viewHost(HOST + 4090, 16)).toEqual({ buffer: across, offset: 0 });
  expect(memory.viewHost(HOST + 4091, 16)).toBeUndefined();
});

test("copyStraddling() goes on in the next window and stops at a hole", () => {
  const memory = memoryOf([0x1000, 16], [0x1010, 16]);
  memory.bytes[0]!.fill(1);
  memory.bytes[1]!.fill(2);
  const target = new Uint8Array(4);
  expect(memory.copyStraddling(0x100e, 4, target)).toBe(true);
  expect([...target]).toEqual([1, 1, 2, 2]);
  expect(memory.copyStraddling(0x101e, 4, target)).toBe(false);
});

test.each([
  [
    "overlap",
    [
      [0, 32],
      [16, 32],
    ],
  ],
  [
    "begin at the same address",
    [
      [0, 32],
      [0, 32],
    ],
  ],
  ["are empty", [[0, 0]]],
  ["end beyond 2^53", [[Number.MAX_SAFE_INTEGER - 8, 16]]],
  ["begin nowhere", [[Number.NaN, 16]]],
  ["begin below zero", [[-16, 32]]],
] as [string, [number, number][]][])("windows that %s are refused", (_, windows) => {
  expect(() => memoryOf(...windows)).toThrow(InvalidMemoryTable);
});
