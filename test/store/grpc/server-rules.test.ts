/** The server against clients of other make: what it answers, and with which status it refuses. */
import { describe, expect, it, onTestFinished } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { fileNode, symlinkNode } from "../../../src/castore/node.ts";
import { openStoreFiller } from "../../../src/store/disk-filler.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { digestOf, directoryOf, LARGE, nodeOf, SMALL } from "../conformance-services.ts";
import { temporaryFolder } from "../temporary.ts";
import { GeneratedClient, PACKAGES, type Plain } from "./generated.ts";
import { serving } from "./serving.ts";

const SHORT = Buffer.alloc(31, 7);
const ABSENT = Buffer.from(blake3(Buffer.from("absent")).bytes);
const EMPTY_DIGEST = Buffer.from(digestOf(directoryOf({})).bytes);

const EMPTY: Plain = { directories: [], files: [], symlinks: [] };
/**
 * A directory with the empty one in it. Its size is left out, not 0: this protobufjs would write
 * the zero, which is not canonical.
 */
const CHILD: Plain = { name: Buffer.from("a"), digest: EMPTY_DIGEST };
const OUTER: Plain = { ...EMPTY, directories: [CHILD] };

function linkTo(target: string): Plain {
  return { ...EMPTY, symlinks: [{ name: Buffer.from("l"), target: Buffer.from(target) }] };
}

for (const packageName of PACKAGES) {
  describe(`a server of ${packageName}`, () => {
    it("stores blobs and gives them back, with their chunks where that is asked for", async () => {
      const { path } = await serving(new MemoryStore());
      const client = new GeneratedClient(path, packageName);
      for (const bytes of [Buffer.from(LARGE), SMALL, Buffer.alloc(0)]) {
        const requests = [bytes.subarray(0, 5), bytes.subarray(5)].map((data) => ({ data }));
        const digest = Buffer.from(blake3(bytes).bytes);
        const put = await client.upload("BlobService.Put", bytes.length === 0 ? [] : requests);
        expect(put).toMatchObject({ code: "OK", messages: [{ digest }] });
        const read = await client.call("BlobService.Read", { digest });
        const data = read.messages.map((message) => message["data"] as Buffer);
        expect(Buffer.concat(data).equals(bytes)).toBe(true);
        const stat = await client.call("BlobService.Stat", { digest, send_chunks: true });
        const chunks = stat.messages[0]!["chunks"] as { digest: Buffer; size: number }[];
        // A list of one would be the blob itself, for which clients of the reference ask again.
        if (bytes.length < 1000) expect(chunks).toEqual([]);
        else expect(chunks.reduce((sum, { size }) => sum + size, 0)).toBe(bytes.length);
        const without = await client.call("BlobService.Stat", { digest });
        expect(without).toMatchObject({ code: "OK", messages: [{ chunks: [] }] });
      }
    });

    it("stores trees and gives them back, root first", async () => {
      const { path } = await serving(new MemoryStore());
      const client = new GeneratedClient(path, packageName);
      const put = await client.upload("DirectoryService.Put", [EMPTY, EMPTY, OUTER]);
      const root = Buffer.from(digestOf(directoryOf({ a: nodeOf(directoryOf({})) })).bytes);
      expect(put).toMatchObject({ code: "OK", messages: [{ root_digest: root }] });
      const one = await client.call("DirectoryService.Get", { digest: root });
      expect(one).toMatchObject({ code: "OK", messages: [OUTER] });
      const all = await client.call("DirectoryService.Get", { digest: root, recursive: true });
      expect(all).toMatchObject({ code: "OK", messages: [OUTER, EMPTY] });
    });

    it("answers NOT_FOUND for what it lacks, and a recursive get with nothing", async () => {
      const { path } = await serving(new MemoryStore());
      const client = new GeneratedClient(path, packageName);
      const request = { digest: ABSENT };
      for (const method of ["BlobService.Stat", "BlobService.Read", "DirectoryService.Get"]) {
        expect(await client.call(method, request), method).toMatchObject({ code: "NOT_FOUND" });
      }
      const recursive = await client.call("DirectoryService.Get", { ...request, recursive: true });
      expect(recursive).toMatchObject({ code: "OK", messages: [] });
    });

    it("answers INVALID_ARGUMENT for digests of another length, and for none", async () => {
      const { path } = await serving(new MemoryStore());
      const client = new GeneratedClient(path, packageName);
      for (const digest of [SHORT, Buffer.alloc(33), Buffer.alloc(0)]) {
        for (const method of ["BlobService.Stat", "BlobService.Read", "DirectoryService.Get"]) {
          const end = await client.call(method, { digest });
          expect(end, `${method} ${digest.length}`).toMatchObject({ code: "INVALID_ARGUMENT" });
        }
      }
      const nothing = await client.call("DirectoryService.Get", { recursive: true });
      expect(nothing).toMatchObject({ code: "INVALID_ARGUMENT", details: "invalid by_what" });
    });

    it("answers INTERNAL for what is no tree, leaves first", async () => {
      const { path } = await serving(new MemoryStore());
      const client = new GeneratedClient(path, packageName);
      const wrong: Record<string, readonly Plain[]> = {
        "nothing at all": [],
        "a child that never came": [{ ...OUTER, directories: [{ ...CHILD, digest: ABSENT }] }],
        "the root before its child": [OUTER, EMPTY],
        "two roots": [linkTo("x"), linkTo("y")],
        "a child of another size": [EMPTY, { ...OUTER, directories: [{ ...CHILD, size: 9 }] }],
        "a digest that is too short": [{ ...OUTER, directories: [{ ...CHILD, digest: SHORT }] }],
        "a size that is written though it is 0": [
          EMPTY,
          { ...OUTER, directories: [{ ...CHILD, size: 0 }] },
        ],
        "a name with a slash": [
          { ...EMPTY, symlinks: [{ name: Buffer.from("a/b"), target: SMALL }] },
        ],
        "names out of order": [
          {
            ...EMPTY,
            symlinks: ["b", "a"].map((name) => ({ name: Buffer.from(name), target: SMALL })),
          },
        ],
      };
      for (const [what, directories] of Object.entries(wrong)) {
        const end = await client.upload("DirectoryService.Put", directories);
        expect(end.code, what).toBe("INTERNAL");
        expect(end.details, what).not.toBe("");
      }
    });

    it("refuses uploads with PERMISSION_DENIED when it is read-only", async () => {
      const { path } = await serving(new MemoryStore(), { readOnly: true });
      const client = new GeneratedClient(path, packageName);
      const denied = { code: "PERMISSION_DENIED" };
      expect(await client.upload("BlobService.Put", [{ data: SMALL }])).toMatchObject(denied);
      expect(await client.upload("DirectoryService.Put", [EMPTY])).toMatchObject(denied);
    });
  });
}

describe("a server of a disk store", () => {
  it("takes directories before the blobs that they name, and makes them whole afterwards", async () => {
    const folder = temporaryFolder();
    using store = openDiskStore(folder, { create: true });
    const filler = openStoreFiller(folder);
    onTestFinished(() => filler[Symbol.dispose]());
    const { source } = await serving(store, { filler });
    const inner = directoryOf({ file: fileNode(blake3(SMALL), SMALL.length, false) });
    const outer = directoryOf({ inner: nodeOf(inner), link: symlinkNode("inner/file") });
    const node = await source.directories.putRecursive([inner, outer]);
    expect(await store.directories.get(node.digest)).toEqual(outer);
    const name = outer.entries[0]!.name;
    await expect(store.roots.put(name, node)).rejects.toThrow("is not in the store");
    await source.blobs.put([SMALL]);
    await source.directories.putRecursive([inner, outer]);
    await store.roots.put(name, node);
    expect(await store.roots.get(name)).toEqual(node);
  });

  it("refuses directories whose contents are absent where nothing takes gaps", async () => {
    const { path } = await serving(new MemoryStore());
    const client = new GeneratedClient(path, PACKAGES[0]!);
    const file = { name: Buffer.from("f"), digest: ABSENT, size: 3 };
    const end = await client.upload("DirectoryService.Put", [{ ...EMPTY, files: [file] }]);
    expect(end.code).toBe("NOT_FOUND");
  });
});
