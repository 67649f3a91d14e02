/** Leases live and die with their processes. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { directoryNode, fileNode, symlinkNode } from "../../../src/castore/node.ts";
import { StoreError } from "../../../src/store/errors.ts";
import { ProcessLock } from "../../../src/store/process-lock.ts";
import { takeLease } from "../../../src/store/upkeep/lease.ts";
import {
  decodeLease,
  encodeLease,
  leaseGatePath,
  leaseLockPath,
} from "../../../src/store/upkeep/lease-file.ts";
import { liveLeases, removeDeadLeases } from "../../../src/store/upkeep/lease-list.ts";
import { temporaryFolder } from "../temporary.ts";

const CHILD = new URL("lease-child.ts", import.meta.url).pathname;
const DIRECTORY = directoryNode(blake3(Buffer.from("directory")), 5);
const FILE = fileNode(blake3(Buffer.from("file")), 7, true);

function leaseFiles(folder: string): string[] {
  return readdirSync(join(folder, "leases")).filter((name) => name !== "gate");
}

test("a lease says what it was taken for, until it is disposed of", () => {
  const folder = temporaryFolder();
  expect(liveLeases(folder)).toEqual([]);
  const before = Date.now();
  const lease = takeLease(folder, { roots: [DIRECTORY, FILE, symlinkNode("target")] });
  expect(lease.obstacle).toBeUndefined();
  const [only, ...others] = liveLeases(folder);
  expect(others).toEqual([]);
  expect(only).toMatchObject({ roots: [DIRECTORY, FILE, symlinkNode("target")] });
  expect(only?.processId).toBe(process.pid);
  expect(only?.takenAt).toBeGreaterThanOrEqual(before);
  expect(removeDeadLeases(folder)).toBe(0);
  lease[Symbol.dispose]();
  expect(liveLeases(folder)).toEqual([]);
  expect(leaseFiles(folder)).toEqual([]);
});

test("many leases are held side by side, and one ends without the others", () => {
  const folder = temporaryFolder();
  const first = takeLease(folder, { roots: "all" });
  using _second = takeLease(folder, { roots: [FILE] });
  expect(liveLeases(folder)).toHaveLength(2);
  first[Symbol.dispose]();
  expect(liveLeases(folder).map(({ roots }) => roots)).toEqual([[FILE]]);
});

test("the lease of a killed process is dead, and its files are cleaned up", async () => {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, [CHILD, folder], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  expect(liveLeases(folder).map(({ roots }) => roots)).toEqual(["all"]);
  expect(liveLeases(folder)[0]?.processId).toBe(child.pid);
  expect(removeDeadLeases(folder)).toBe(0);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(liveLeases(folder)).toEqual([]);
  expect(leaseFiles(folder)).toHaveLength(2);
  expect(removeDeadLeases(folder)).toBe(1);
  expect(leaseFiles(folder)).toEqual([]);
});

test("what a process left that died while it took a lease is cleaned up", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "leases"));
  const id = "0123456789abcdef01234567";
  writeFileSync(join(folder, "leases", `${id}.lease.new`), "half of");
  writeFileSync(join(folder, "leases", "unrelated"), "");
  expect(liveLeases(folder)).toEqual([]);
  expect(removeDeadLeases(folder)).toBe(1);
  expect(leaseFiles(folder)).toEqual(["unrelated"]);
});

test("a damaged lease of a living process is an error: nobody knows what it holds", () => {
  const folder = temporaryFolder();
  using _lease = takeLease(folder, { roots: [DIRECTORY] });
  const path = join(folder, "leases", leaseFiles(folder).find((name) => name.endsWith("e"))!);
  const bytes = readFileSync(path);
  bytes[bytes.length - 9]! ^= 1;
  writeFileSync(path, bytes);
  expect(() => liveLeases(folder)).toThrow(StoreError);
});

test("a lease that is locked and says nothing yet is left alone", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "leases"));
  const path = leaseLockPath(folder, "0123456789abcdef01234567");
  using _lock = ProcessLock.tryTake(path, { create: true });
  expect(liveLeases(folder)).toEqual([]);
  expect(removeDeadLeases(folder)).toBe(0);
});

test("taking a lease waits until the gate is open", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "leases"));
  const gate = ProcessLock.tryTake(leaseGatePath(folder), { create: true })!;
  const child = spawn(process.execPath, [CHILD, folder], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const taken = once(child.stdout, "data");
  while (liveLeases(folder).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(
    await Promise.race([taken, new Promise((resolve) => setTimeout(resolve, 300, "no"))]),
  ).toBe("no");
  gate[Symbol.dispose]();
  await taken;
});

test("in a store that may only be read a lease holds nothing, and says why", () => {
  const folder = temporaryFolder();
  const script = `
    import { takeLease } from ${JSON.stringify(new URL("../../../src/store/upkeep/lease.ts", import.meta.url).href)};
    if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
    using lease = takeLease(${JSON.stringify(folder)}, { roots: "all" });
    process.stdout.write(lease.obstacle ?? "held");`;
  execFileSync("chmod", ["0555", folder]);
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script]);
  expect(output.toString()).toBe("no permission to write to the store");
});

test("a folder that is not there is an error, not a lease", () => {
  const folder = join(temporaryFolder(), "absent");
  expect(() => takeLease(folder, { roots: "all" })).toThrow(StoreError);
});

test("a lease comes back from its bytes, and from no others", () => {
  const contents = { roots: [DIRECTORY], takenAt: 12_345, processId: 6 };
  const bytes = encodeLease(contents);
  expect(decodeLease(bytes)).toEqual(contents);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const other = Uint8Array.from(bytes);
      other[at]! ^= change;
      expect(decodeLease(other)).toBeUndefined();
      expect(decodeLease(other.subarray(0, at))).toBeUndefined();
    }),
  );
});
