import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { Digest } from "../../../src/castore/digest.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { StoreError, UnsupportedFormat } from "../../../src/store/errors.ts";
import {
  AccessRecorder,
  readTrace,
  type Trace,
  writeTrace,
} from "../../../src/store/tiers/trace.ts";
import { noise, temporaryFolder } from "../temporary.ts";

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Digest.from(bytes));
const object = fc.record({
  kind: fc.constantFrom("directory", "blob", "chunk"),
  digest,
  size: fc.option(fc.maxSafeNat(), { nil: undefined }),
});
const trace = fc.record({
  root: fc.option(digest, { nil: undefined }),
  objects: fc.array(object, { maxLength: 20 }),
});

function plain({ root, objects }: Trace): unknown {
  return {
    root: root?.hex,
    objects: objects.map((one) => ({ ...one, digest: one.digest.hex })),
  };
}

describe("access traces", () => {
  it("come back from their file as they were written", () => {
    const path = join(temporaryFolder(), "trace.json");
    fc.assert(
      fc.property(trace, (written) => {
        writeTrace(path, written);
        expect(plain(readTrace(path))).toEqual(plain(written));
      }),
    );
  });

  it("hold each object once, in order of the first touch, with its size, up to a bound", async () => {
    const folder = temporaryFolder();
    using store = openDiskStore(folder, { create: true });
    const large = await store.blobs.put([noise(2_000_000, 3)]);
    const small = await store.blobs.put([Buffer.from("small")]);
    const recorder = new AccessRecorder();
    const absent = blake3(Buffer.from("absent"));
    recorder.touched("blob", large.digest);
    recorder.touched("chunk", large.chunks[1]!.digest);
    recorder.touched("blob", small.digest);
    recorder.touched("blob", large.digest);
    recorder.touched("directory", absent);
    const path = join(folder, "trace.json");
    recorder.save(path, folder, absent);
    const { root, objects } = readTrace(path);
    expect(root!.equals(absent)).toBe(true);
    expect(objects.map(({ kind, size }) => [kind, size])).toEqual([
      ["blob", 2_000_000],
      ["chunk", large.chunks[1]!.size],
      ["blob", 5],
      ["directory", undefined],
    ]);
    expect(readFileSync(path, "utf8").split("\n").length).toBe(objects.length + 3);
    const bounded = new AccessRecorder(2);
    for (const { digest } of large.chunks) bounded.touched("chunk", digest);
    expect(bounded.size).toBe(2);
  });

  it("are refused with a clear line when they are absent, of another version, or something else", () => {
    const path = join(temporaryFolder(), "trace.json");
    expect(() => readTrace(path)).toThrow(StoreError);
    const good = { castorefs: "access trace", version: 1, objects: [] };
    const one = { kind: "blob", digest: blake3(Buffer.of()).toString(), size: 1 };
    writeFileSync(path, JSON.stringify({ ...good, objects: [one] }));
    expect(readTrace(path).objects.length).toBe(1);
    for (const [value, message] of [
      [undefined, "it is no JSON"],
      [[], "it is something else"],
      [{ ...good, castorefs: "else" }, "it is something else"],
      [{ ...good, objects: {} }, "it has no list"],
      [{ ...good, objects: [1] }, "an object is none"],
      [{ ...good, objects: [{ ...one, kind: "root" }] }, "an object is of no known kind"],
      [{ ...good, objects: [{ ...one, digest: "blake3-" }] }, "a digest is none"],
      [{ ...good, objects: [{ ...one, digest: 5 }] }, "a digest is missing"],
      [{ ...good, objects: [{ ...one, size: -1 }] }, "a size is none"],
      [{ ...good, root: 7 }, "a digest is missing"],
    ] as const) {
      writeFileSync(path, value === undefined ? "{" : JSON.stringify(value));
      expect(() => readTrace(path)).toThrow(message);
    }
    writeFileSync(path, JSON.stringify({ ...good, version: 2 }));
    expect(() => readTrace(path)).toThrow(UnsupportedFormat);
  });

  it("of whatever bytes give a trace or a StoreError", () => {
    const path = join(temporaryFolder(), "trace.json");
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(text, (contents) => {
        writeFileSync(path, contents);
        expect(() => readTrace(path)).toThrow(StoreError);
      }),
    );
  });
});
