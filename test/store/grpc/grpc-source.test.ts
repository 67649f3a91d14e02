/** The source against servers of other make, and against none. */
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { MissingObject, SourceUnavailable, StoreError } from "../../../src/store/errors.ts";
import { openGrpcSource } from "../../../src/store/grpc/grpc-source.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { LARGE, pieces, readAll, SMALL } from "../conformance-services.ts";
import { type FakeService, fakeServer, Refusal } from "./fake-server.ts";
import { PACKAGES, type Plain } from "./generated.ts";
import { serveAt, serving, sourceAt } from "./serving.ts";

const LARGE_DIGEST = blake3(LARGE);
const SMALL_DIGEST = blake3(SMALL);

/** What each of the calls fails with. */
async function failures(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(calls);
  return outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason : undefined));
}

/** As the reference is with a backend that knows no chunks: lists are empty. */
function unsplit(blobs: readonly Uint8Array[]): FakeService {
  const find = ({ digest }: Plain) => {
    const found = blobs.find((blob) => blake3(blob).equalsAt(digest as Buffer, 0));
    if (found === undefined) throw new Refusal(status.NOT_FOUND);
    return found;
  };
  return {
    stat(request) {
      find(request);
      return {};
    },
    *read(request) {
      for (const piece of pieces(find(request), 65_536)) yield { data: piece };
    },
  };
}

describe("a source speaks to servers of the older package name", () => {
  it("and asks under the newer one only once", async () => {
    const { source, calls } = await fakeServer(unsplit([SMALL]), [PACKAGES[1]!]);
    for (let i = 0; i < 3; i += 1) {
      expect((await readAll(source.blobs.read(SMALL_DIGEST))).equals(SMALL)).toBe(true);
    }
    await expect(readAll(source.blobs.read(LARGE_DIGEST))).rejects.toBeInstanceOf(MissingObject);
    expect(calls).toEqual(new Array(4).fill("BlobService.Read"));
  });

  it("also when the first thing is an upload, which cannot be sent twice", async () => {
    const service: FakeService = {
      ...unsplit([SMALL]),
      async putBlob(call) {
        const data: Buffer[] = [];
        for await (const message of call) data.push(message["data"]);
        return { digest: Buffer.from(blake3(Buffer.concat(data)).bytes) };
      },
    };
    const { source, calls } = await fakeServer(service, [PACKAGES[1]!]);
    expect((await source.blobs.put([SMALL])).digest).toEqual(SMALL_DIGEST);
    expect(calls).toEqual(["BlobService.Stat", "BlobService.Put", "BlobService.Stat"]);
  });

  it("and says so when a server has neither", async () => {
    const { source } = await fakeServer({}, []);
    const failure = await source.blobs.stat(SMALL_DIGEST).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SourceUnavailable);
    expect(String(failure)).toContain("the server has no castore BlobService");
    await expect(source.blobs.put([SMALL])).rejects.toBeInstanceOf(SourceUnavailable);
    const { directories } = source;
    await expect(directories.get(SMALL_DIGEST)).rejects.toBeInstanceOf(SourceUnavailable);
    await expect(directories.putRecursive([])).rejects.toBeInstanceOf(SourceUnavailable);
  });
});

describe("a blob that the server does not split", () => {
  it("is measured by reading it; a small one is not read again for its bytes", async () => {
    const { source, calls } = await fakeServer(unsplit([SMALL, LARGE]));
    for (const [digest, bytes] of [
      [SMALL_DIGEST, SMALL],
      [LARGE_DIGEST, LARGE],
    ] as const) {
      const chunks = [{ digest, size: bytes.length }];
      expect(await source.blobs.stat(digest)).toEqual({ size: bytes.length, chunks });
      expect((await readAll(source.blobs.read(digest))).equals(bytes)).toBe(true);
      expect(await source.blobs.stat(digest)).toEqual({ size: bytes.length, chunks });
    }
    const small = ["BlobService.Stat", "BlobService.Read", "BlobService.Stat"];
    const large = ["BlobService.Stat", "BlobService.Read", "BlobService.Read", "BlobService.Stat"];
    expect(calls).toEqual([...small, ...large]);
  });

  it("needs no reading when our own server has it, which says how large it is", async () => {
    const store = new MemoryStore();
    const { digest } = await store.blobs.put([SMALL]);
    const reads: string[] = [];
    const blobs: MemoryStore["blobs"] = {
      stat: (wanted) => store.blobs.stat(wanted),
      put: (bytes) => store.blobs.put(bytes),
      read(wanted) {
        reads.push(wanted.toString());
        return store.blobs.read(wanted);
      },
    };
    const served = { blobs, directories: store.directories, openWriter: () => store.openWriter() };
    const { source } = await serving(served);
    expect((await source.blobs.stat(digest))!.size).toBe(SMALL.length);
    expect(reads).toEqual([]);
  });

  it("gives any range", async () => {
    const { source } = await fakeServer(unsplit([LARGE]));
    const range = { offset: 1_234_567, length: 1_000_000 };
    const bytes = await readAll(source.blobs.read(LARGE_DIGEST, range));
    expect(bytes.equals(LARGE.subarray(1_234_567, 2_234_567))).toBe(true);
  });
});

describe("a server that cannot be reached", () => {
  it("fails every call soon, with its address", async () => {
    const source = await sourceAt("/nonexistent/socket");
    const begun = performance.now();
    for (const failure of await failures([
      source.blobs.stat(SMALL_DIGEST),
      readAll(source.blobs.read(SMALL_DIGEST)),
      source.blobs.put([SMALL]),
      source.directories.get(SMALL_DIGEST),
      source.directories.putRecursive([]),
    ])) {
      expect(failure).toBeInstanceOf(SourceUnavailable);
      expect(String(failure)).toContain("grpc+unix:/nonexistent/socket: UNAVAILABLE");
    }
    expect(performance.now() - begun).toBeLessThan(4000);
  });

  it("is used again when it has come back", async () => {
    const store = new MemoryStore();
    const { digest } = await store.blobs.put([LARGE]);
    const { server, source, path } = await serving(store);
    expect((await source.blobs.stat(digest))!.size).toBe(LARGE.length);
    await server.stop();
    await expect(source.blobs.stat(digest)).rejects.toBeInstanceOf(SourceUnavailable);
    await serveAt(path, store);
    const deadline = performance.now() + 5000;
    let bytes: Buffer | undefined;
    while (bytes === undefined && performance.now() < deadline) {
      bytes = await readAll(source.blobs.read(digest)).catch(() => sleep(50, undefined));
    }
    expect(bytes!.equals(LARGE)).toBe(true);
  });

  it("fails a read that was under way when it died", async () => {
    const { source, die } = await fakeServer({
      async *read() {
        yield { data: LARGE.subarray(0, 1000) };
        yield { data: LARGE.subarray(1000, 2000) };
        await sleep(50);
        die();
      },
    });
    const read = readAll(source.blobs.read(LARGE_DIGEST));
    await expect(read).rejects.toBeInstanceOf(SourceUnavailable);
  });
});

describe("a call that takes too long", () => {
  it("fails when the server stays silent, at the beginning or in the middle", async () => {
    const never = new Promise<Plain>(() => {});
    const service: FakeService = {
      stat: () => never,
      async *read() {
        yield { data: LARGE.subarray(0, 1000) };
        yield { data: LARGE.subarray(1000, 2000) };
        await never;
      },
      async *get() {
        yield await never;
      },
      putBlob: () => never,
    };
    const { source } = await fakeServer(service, PACKAGES, 300);
    const begun = performance.now();
    for (const failure of await failures([
      source.blobs.stat(SMALL_DIGEST),
      readAll(source.blobs.read(LARGE_DIGEST)),
      source.directories.get(SMALL_DIGEST),
      source.blobs.put([SMALL]),
    ])) {
      expect(failure).toBeInstanceOf(SourceUnavailable);
      expect(String(failure)).toContain("DEADLINE_EXCEEDED");
    }
    expect(performance.now() - begun).toBeLessThan(3000);
  });

  it("goes on for as long as something comes, and while its reader is slow", async () => {
    const { source } = await fakeServer(
      {
        async *read() {
          for (const piece of pieces(LARGE, 600_000)) {
            await sleep(120);
            yield { data: piece };
          }
        },
      },
      PACKAGES,
      300,
    );
    let size = 0;
    for await (const piece of source.blobs.read(LARGE_DIGEST)) {
      size += piece.length;
      await sleep(400);
    }
    expect(size).toBe(LARGE.length);
  });

  it("ends with the reason of its signal, and the server gets to know", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { source } = await fakeServer({
      stat: () => new Promise<Plain>(() => {}),
      async *read(_, call) {
        call.on("cancelled", cancelled.resolve);
        yield { data: LARGE.subarray(0, 1000) };
        yield { data: LARGE.subarray(1000, 2000) };
        await new Promise(() => {});
      },
    });
    const reason = new Error("nobody wants it any more");
    const abort = new AbortController();
    const { signal } = abort;
    const stat = source.blobs.stat(SMALL_DIGEST, { signal });
    const read = readAll(source.blobs.read(LARGE_DIGEST, {}, { signal }));
    setTimeout(() => abort.abort(reason), 100);
    await expect(stat).rejects.toBe(reason);
    await expect(read).rejects.toBe(reason);
    await cancelled.promise;
    await expect(source.blobs.stat(SMALL_DIGEST, { signal })).rejects.toBe(reason);
  });

  it("ends when its reader has enough", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { source } = await fakeServer({
      *read(_, call) {
        call.on("cancelled", cancelled.resolve);
        for (;;) yield { data: LARGE.subarray(0, 100_000) };
      },
    });
    for await (const _ of source.blobs.read(LARGE_DIGEST)) break;
    await cancelled.promise;
  });
});

describe("an upload", () => {
  it("ends when the server refuses it in the middle, and stops taking pieces", async () => {
    const { source } = await fakeServer({
      stat: () => ({}),
      async putBlob(call) {
        for await (const _ of call)
          throw new Refusal(status.RESOURCE_EXHAUSTED, "the disk is full");
        return {};
      },
    });
    let taken = 0;
    let ended = false;
    const endless = {
      *[Symbol.iterator]() {
        try {
          for (;;) {
            taken += 1;
            yield LARGE.subarray(0, 500_000);
          }
        } finally {
          ended = true;
        }
      },
    };
    const failure = await source.blobs.put(endless).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SourceUnavailable);
    expect(String(failure)).toContain("the disk is full");
    expect(ended).toBe(true);
    expect(taken).toBeLessThan(200);
  });

  it("is given up when its pieces fail, and what failed is what is thrown", async () => {
    const given = Promise.withResolvers<void>();
    const { source } = await fakeServer({
      stat: () => ({}),
      putBlob(call) {
        call.on("cancelled", given.resolve);
        return new Promise(() => {});
      },
    });
    const reason = new Error("the file cannot be read");
    const failing = (function* () {
      yield SMALL;
      throw reason;
    })();
    await expect(source.blobs.put(failing)).rejects.toBe(reason);
    await given.promise;
  });

  it("fails when the server says that it stored something else", async () => {
    for (const digest of [Buffer.alloc(32, 1), Buffer.alloc(31), Buffer.alloc(0)]) {
      const { source } = await fakeServer({
        stat: () => ({}),
        async putBlob(call) {
          for await (const _ of call);
          return { digest };
        },
      });
      await expect(source.blobs.put([SMALL])).rejects.toBeInstanceOf(SourceUnavailable);
    }
  });
});

describe("an address", () => {
  const open = (address: string) =>
    openGrpcSource(new URL(address), { timeoutMilliseconds: 1000 }).then((source) => {
      onTestFinished(async () => await source[Symbol.asyncDispose]());
      return source.name;
    });

  it("names a host and a port, or a socket", async () => {
    expect(await open("grpc+http://localhost:8000")).toBe("grpc+http://localhost:8000");
    expect(await open("grpc+https://store.example/")).toBe("grpc+https://store.example");
    expect(await open("grpc+http://[::1]:8000?wait-connect=1")).toBe("grpc+http://[::1]:8000");
    expect(await open("grpc+unix:/run/a%20b.sock")).toBe("grpc+unix:/run/a b.sock");
    expect(await open("grpc+unix:///run/store.sock")).toBe("grpc+unix:/run/store.sock");
  });

  it("is refused when it says more, or less", async () => {
    for (const address of [
      "grpc+http://localhost:8000/path",
      "grpc+http://user:secret@localhost:8000",
      "grpc+http://localhost:8000?token=secret",
      "grpc+unix://host/run/store.sock",
      "grpc+unix:relative",
      "grpc+unix:/%zz",
      "grpc+ftp://localhost:8000",
    ]) {
      const failure = await open(address).catch((error: unknown) => error);
      expect(failure, address).toBeInstanceOf(StoreError);
      expect(String(failure), address).not.toContain("secret@");
    }
  });
});
