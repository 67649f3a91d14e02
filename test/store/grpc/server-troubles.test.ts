/** What clients and logs get to know when the store behind a server is in trouble. */
import { describe, expect, it } from "vitest";
import type { LogFields } from "../../../src/base/logger.ts";
import { blake3 } from "../../../src/castore/blake3.ts";
import { Directory } from "../../../src/castore/directory.ts";
import { parseName } from "../../../src/castore/name.ts";
import { symlinkNode } from "../../../src/castore/node.ts";
import {
  CorruptObject,
  MissingObject,
  SourceUnavailable,
  StoreBusy,
  StoreError,
} from "../../../src/store/errors.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { digestOf, directoryOf, nodeOf, readAll, SMALL } from "../conformance-services.ts";
import { GeneratedClient, PACKAGES } from "./generated.ts";
import { serving } from "./serving.ts";

const DIGEST = blake3(SMALL);

/** A store that fails every request with `error`. */
function failingStore(error: Error) {
  const fail = async (): Promise<never> => {
    throw error;
  };
  async function* failStream(): AsyncGenerator<never> {
    yield await fail();
  }
  return {
    blobs: { stat: fail, read: failStream, put: fail },
    directories: { get: fail, getRecursive: failStream, put: fail, putRecursive: fail },
    openWriter: fail,
  };
}

describe("a store in trouble", () => {
  const troubles: readonly (readonly [Error, string, new (...args: never[]) => Error])[] = [
    [new CorruptObject("blob", DIGEST), "DATA_LOSS", CorruptObject],
    [new SourceUnavailable("nobody answers"), "UNAVAILABLE", SourceUnavailable],
    [new StoreBusy("others write"), "UNAVAILABLE", SourceUnavailable],
    [new StoreError("the index is damaged"), "INTERNAL", SourceUnavailable],
    [new TypeError("secret is not a function"), "INTERNAL", SourceUnavailable],
  ];
  for (const [trouble, code, kind] of troubles) {
    it(`of ${trouble.name} ends calls with ${code}, and sources with ${kind.name}`, async () => {
      const lines: [string, LogFields][] = [];
      const { source, path } = await serving(failingStore(trouble), {
        logger: { log: (level, _, fields) => lines.push([level, fields ?? {}]) },
      });
      const client = new GeneratedClient(path, PACKAGES[0]!);
      const digest = Buffer.from(DIGEST.bytes);
      for (const method of ["BlobService.Stat", "BlobService.Read", "DirectoryService.Get"]) {
        const end = await client.call(method, { digest });
        expect(end.code, method).toBe(code);
        expect(end.details).not.toContain("secret");
      }
      await expect(source.blobs.stat(DIGEST)).rejects.toBeInstanceOf(kind);
      await expect(readAll(source.blobs.read(DIGEST))).rejects.toBeInstanceOf(kind);
      await expect(source.directories.get(DIGEST)).rejects.toBeInstanceOf(kind);
      const level = trouble instanceof StoreError ? "warn" : "error";
      const logged = lines.filter(([at]) => at === level).map(([, fields]) => fields["reason"]);
      expect(logged).toContain(trouble.message);
    });
  }

  it("that lacks a directory of a tree says so after the root", async () => {
    const child = directoryOf({ link: symlinkNode("x") });
    const root = directoryOf({ child: nodeOf(child) });
    const store = failingStore(new Error("unused"));
    const directories: MemoryStore["directories"] = {
      ...store.directories,
      async *getRecursive() {
        yield root;
        throw new MissingObject("directory", digestOf(child));
      },
    };
    const { source, path } = await serving({ ...store, directories });
    const client = new GeneratedClient(path, PACKAGES[0]!);
    const digest = Buffer.from(digestOf(root).bytes);
    const end = await client.call("DirectoryService.Get", { digest, recursive: true });
    expect(end).toMatchObject({ code: "NOT_FOUND", messages: [{}] });
    const tree = source.directories.getRecursive(digestOf(root))[Symbol.asyncIterator]();
    expect((await tree.next()).value).toEqual(root);
    const failure = await tree.next().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MissingObject);
    expect((failure as MissingObject).digest).toEqual(digestOf(child));
  });
});

describe("a large directory", () => {
  it("goes there and back as one message of many megabytes", async () => {
    const { source } = await serving(new MemoryStore());
    const target = symlinkNode("t".repeat(4000));
    const entries = Array.from({ length: 5000 }, (_, i) => ({
      name: parseName(`${i}`),
      node: target,
    }));
    const directory = Directory.of(entries);
    const node = await source.directories.put(directory);
    expect((await source.directories.get(node.digest))!.entries.length).toBe(5000);
  });

  it("is refused with a clear word when the server takes no message of its size", async () => {
    const { source } = await serving(new MemoryStore());
    const target = symlinkNode("t".repeat(4095));
    const entries = Array.from({ length: 17_000 }, (_, i) => ({
      name: parseName(`${i}`),
      node: target,
    }));
    const put = source.directories.put(Directory.of(entries));
    await expect(put).rejects.toThrow(/RESOURCE_EXHAUSTED: Received message larger than max/);
  });
});
