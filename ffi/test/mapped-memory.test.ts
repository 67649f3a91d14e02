import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mapFile, NativeCopy, punchHole, SharedMemory, syncRange } from "node-vhost-user";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const EIO = 5;
const PAGE = 4096;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "nvu-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, bytes: number): string {
  const path = join(directory, name);
  const content = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) content[i] = i % 251;
  writeFileSync(path, content);
  return path;
}

describe("mapFile()", () => {
  it("copies out of the file, at any offset", () => {
    using mapped = mapFile(file("plain", 3 * PAGE), 3 * PAGE);
    const target = new Uint8Array(10);
    expect(mapped.copy(5000, 6, target, 2)).toBe(0);
    expect([...target]).toEqual([0, 0, ...[0, 1, 2, 3, 4, 5].map((i) => (5000 + i) % 251), 0, 0]);
    expect(() => mapped.copy(3 * PAGE, 1, target, 0)).toThrow(RangeError);
    expect(() => mapped.copy(0, 9, target, 2)).toThrow(RangeError);
  });

  it("begins anywhere in the file that is a multiple of the page size", () => {
    const path = file("windows", 3 * PAGE);
    using mapped = mapFile(path, PAGE, 2 * PAGE);
    const target = new Uint8Array(3);
    expect(mapped.copy(5, 3, target, 0)).toBe(0);
    expect([...target]).toEqual([0, 1, 2].map((i) => (2 * PAGE + 5 + i) % 251));
    expect(() => mapFile(path, PAGE, 7)).toThrow("invalid argument");
  });

  it("may be longer than its file: what is missing answers -EIO until the file has grown", () => {
    const path = file("growing", 100);
    using mapped = mapFile(path, 4 * PAGE);
    const target = new Uint8Array(8);
    expect(mapped.copy(2 * PAGE, 8, target, 0)).toBe(-EIO);
    file("growing", 3 * PAGE);
    expect(mapped.copy(2 * PAGE, 8, target, 0)).toBe(0);
    expect(target[0]).toBe((2 * PAGE) % 251);
  });

  it("throws a SystemError with the errno's name when there is no such file", () => {
    expect(() => mapFile(join(directory, "none"), PAGE)).toThrow(
      expect.objectContaining({ name: "SystemError", code: "ENOENT" }),
    );
  });
});

describe("NativeCopy", () => {
  it.each([false, true])("makes the copies of its table in order (streaming: %s)", (streaming) => {
    using memory = SharedMemory.create(4 * PAGE);
    using copy = new NativeCopy();
    using mapped = mapFile(file("copied", 2 * PAGE), 2 * PAGE);
    copy.copies.set([mapped.address + 1, memory.address, 2 * PAGE - 1]);
    copy.copies.set([mapped.address + 7, memory.address + 10, 100], 3);
    copy.copies.set([mapped.address + 107, memory.address + PAGE + 3, 5000], 6);
    copy.copies.set([memory.address + 10, memory.address + 3 * PAGE, 100], 9);
    expect(copy.run(1, 4, streaming)).toBe(4);
    expect(memory.bytes[0]).toBe(0);
    expect(memory.bytes[9]).toBe(0);
    expect(memory.bytes[10]).toBe(7);
    expect(memory.bytes[109]).toBe(106);
    expect(memory.bytes[110]).toBe(0);
    for (let i = 0; i < 5000; i++) {
      expect(memory.bytes[PAGE + 3 + i]).toBe((107 + i) % 251);
    }
    expect(memory.bytes[PAGE + 5003]).toBe(0);
    expect(memory.bytes[3 * PAGE + 1]).toBe(8);
  });

  it("copies past the caches what it copies otherwise, whatever the alignment", () => {
    using memory = SharedMemory.create(2 * PAGE);
    using copy = new NativeCopy();
    using mapped = mapFile(file("aligned", PAGE), PAGE);
    for (const bytes of [0, 1, 15, 63, 64, 65, 127, 128, 200]) {
      for (const from of [0, 1, 63]) {
        for (const to of [0, 1, 16, 63]) {
          memory.bytes.fill(0xff);
          copy.copies.set([mapped.address + from, memory.address + PAGE + to, bytes]);
          expect(copy.run(0, 1, true)).toBe(1);
          const expected = new Uint8Array(2 * PAGE).fill(0xff);
          for (let i = 0; i < bytes; i++) expected[PAGE + to + i] = (from + i) % 251;
          expect(memory.bytes).toEqual(expected);
        }
      }
    }
  });

  it.each([false, true])(
    "stops where the file was truncated under it, again and again (streaming: %s)",
    (streaming) => {
      using memory = SharedMemory.create(2 * PAGE);
      using copy = new NativeCopy();
      const path = file("shrinking", 2 * PAGE);
      using mapped = mapFile(path, 2 * PAGE);
      const { address } = mapped;
      copy.copies.set([address, memory.address, PAGE, address + PAGE, memory.address + PAGE, PAGE]);
      copy.copies.set([address + 1, memory.address, 1], 6);
      truncateSync(path, PAGE);
      for (let i = 0; i < 100; i++) expect(copy.run(0, 3, streaming)).toBe(1);
      expect(copy.run(2, 3, streaming)).toBe(3);
      expect(memory.bytes[0]).toBe(1);
      expect(copy.run(1, 3, streaming)).toBe(1);
    },
  );
});

describe("SharedMemory", () => {
  it("is cut off from its views when it is disposed", () => {
    const memory = SharedMemory.create(PAGE);
    const { bytes } = memory;
    memory[Symbol.dispose]();
    memory[Symbol.dispose]();
    expect(bytes.length).toBe(0);
  });
});

describe("syncRange()", () => {
  it("writes a part of a file out, and says when it cannot", () => {
    const path = file("synced", 4 * PAGE);
    const fd = openSync(path, "r+");
    try {
      expect(syncRange(fd, PAGE, 2 * PAGE, false)).toBe(true);
      expect(syncRange(fd, PAGE, 2 * PAGE, true)).toBe(true);
    } finally {
      closeSync(fd);
    }
    expect(syncRange(-1, 0, PAGE, true)).toBe(false);
  });
});

describe("punchHole()", () => {
  it("leaves zeros, the size, and what is around", () => {
    const path = file("holes", 4 * PAGE);
    const before = readFileSync(path);
    const { blocks } = statSync(path);
    const fd = openSync(path, "r+");
    try {
      expect(punchHole(fd, PAGE, 2 * PAGE)).toBe(0);
    } finally {
      closeSync(fd);
    }
    expect(readFileSync(path)).toEqual(Buffer.from(before.fill(0, PAGE, 3 * PAGE)));
    expect(statSync(path).blocks).toBeLessThan(blocks);
  });

  it("says what went wrong", () => {
    expect(punchHole(-1, 0, PAGE)).toBe(-9);
  });
});
