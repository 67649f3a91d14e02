import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mapFile, NativeCopy, SharedMemory } from "node-vhost-user";
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
  it("scatters a mapping over segments and gathers it again", () => {
    using memory = SharedMemory.create(4 * PAGE);
    using copy = new NativeCopy();
    using mapped = mapFile(file("scatter", 2 * PAGE), 2 * PAGE);
    copy.iov.set([memory.address + 10, 100, memory.address + PAGE, 5000]);
    expect(copy.scatter(mapped.address + 7, 2)).toBe(0);
    expect(memory.bytes[10]).toBe(7);
    expect(memory.bytes[109]).toBe(106);
    expect(memory.bytes[110]).toBe(0);
    expect(memory.bytes[PAGE + 4999]).toBe((7 + 100 + 4999) % 251);
    expect(copy.gather(memory.address + 3 * PAGE, 1)).toBe(0);
    expect(memory.bytes[3 * PAGE + 1]).toBe(8);
  });

  it("answers -EIO when the file was truncated under it, again and again", () => {
    using memory = SharedMemory.create(2 * PAGE);
    using copy = new NativeCopy();
    const path = file("shrinking", 2 * PAGE);
    using mapped = mapFile(path, 2 * PAGE);
    copy.iov.set([memory.address, PAGE, memory.address + PAGE, PAGE]);
    truncateSync(path, PAGE);
    for (let i = 0; i < 100; i++) expect(copy.scatter(mapped.address, 2)).toBe(-EIO);
    expect(copy.scatter(mapped.address, 1)).toBe(0);
  });
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
