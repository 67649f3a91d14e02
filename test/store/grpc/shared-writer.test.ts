import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { StoreBusy, StoreError } from "../../../src/store/errors.ts";
import { SharedWriter } from "../../../src/store/grpc/shared-writer.ts";
import type { StoreWriter } from "../../../src/store/store-writer.ts";
import { SMALL } from "../conformance-services.ts";

/** A store whose writers note what is done with them. */
class NotedStore {
  /** What each writer was told, in order. */
  readonly writers: string[][] = [];
  busy = false;
  diskFull = false;

  async openWriter(options: { readonly waitMilliseconds?: number } = {}): Promise<StoreWriter> {
    if (this.busy) throw new StoreBusy(`others write; waited ${options.waitMilliseconds}`);
    const notes: string[] = [];
    this.writers.push(notes);
    return {
      putChunk: () => {
        notes.push("chunk");
        if (this.diskFull) throw new StoreError("no space left");
      },
      endBlob: () => notes.push("blob"),
      commit: () => {
        notes.push("commit");
      },
      [Symbol.dispose]: () => {
        notes.push("close");
      },
    } as unknown as StoreWriter;
  }
}

const CHUNK = { digest: blake3(SMALL), size: SMALL.length };

function make(): { store: NotedStore; writer: SharedWriter } {
  const store = new NotedStore();
  const writer = new SharedWriter(store);
  onTestFinished(() => writer[Symbol.dispose]());
  return { store, writer };
}

/** One upload of one chunk. */
function upload(writer: SharedWriter): Promise<void> {
  return writer.use(async (share) => {
    share.putChunk(CHUNK, SMALL);
    share.endBlob({ ...CHUNK, chunks: [CHUNK] });
    await share.commit();
  });
}

test("uploads at a time share a writer and its commits", async () => {
  const { store, writer } = make();
  await Promise.all([upload(writer), upload(writer), upload(writer)]);
  await upload(writer);
  const together = ["chunk", "blob", "chunk", "blob", "chunk", "blob", "commit"];
  expect(store.writers).toEqual([[...together, "chunk", "blob", "commit"]]);
});

test("a writer that nobody needs any more is closed, and another opened when one does", async () => {
  const { store, writer } = make();
  await upload(writer);
  expect(store.writers[0]).not.toContain("close");
  await sleep(400);
  expect(store.writers[0]!.at(-1)).toBe("close");
  await upload(writer);
  expect(store.writers.length).toBe(2);
});

test("after a failure the next upload gets another writer, and those under way fail", async () => {
  const { store, writer } = make();
  const begun = Promise.withResolvers<void>();
  const under = writer.use(async (share) => {
    await begun.promise;
    await share.commit();
  });
  store.diskFull = true;
  await expect(upload(writer)).rejects.toThrow("no space left");
  store.diskFull = false;
  await upload(writer);
  begun.resolve();
  await under;
  expect(store.writers[0]).toEqual(["chunk", "commit", "close"]);
  expect(store.writers[1]).toEqual(["chunk", "blob", "commit"]);
});

test("an old writer takes no new uploads, unless there is no other to be had", async () => {
  const { store, writer } = make();
  const end = Promise.withResolvers<void>();
  const long = writer.use(() => end.promise);
  await upload(writer);
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  vi.advanceTimersByTime(11_000);
  store.busy = true;
  await upload(writer);
  expect(store.writers.length).toBe(1);
  vi.advanceTimersByTime(11_000);
  store.busy = false;
  await Promise.all([upload(writer), upload(writer)]);
  expect(store.writers.length).toBe(2);
  expect(store.writers[0]).not.toContain("close");
  end.resolve();
  await long;
  expect(store.writers[0]!.at(-1)).toBe("close");
});

test("a store that is busy fails the upload", async () => {
  const { store, writer } = make();
  store.busy = true;
  await expect(upload(writer)).rejects.toBeInstanceOf(StoreBusy);
  store.busy = false;
  await upload(writer);
});
