/** The end of a server: calls under way get their time, and no more of it than that. */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { blake3 } from "../../../src/castore/blake3.ts";
import { SourceUnavailable } from "../../../src/store/errors.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { LARGE, pieces, readAll } from "../conformance-services.ts";
import { serving } from "./serving.ts";

/** Gives a blob in pieces, each after a pause. */
function slowStore(milliseconds: number) {
  const store = new MemoryStore();
  const blobs: MemoryStore["blobs"] = {
    stat: (digest) => store.blobs.stat(digest),
    put: (bytes) => store.blobs.put(bytes),
    async *read() {
      for (const piece of pieces(LARGE, 500_000)) {
        await sleep(milliseconds);
        yield piece;
      }
    },
  };
  return { blobs, directories: store.directories, openWriter: () => store.openWriter() };
}

test("a server that stops lets a read under way come to its end, and takes no other", async () => {
  const { server, source, path } = await serving(slowStore(60));
  const read = readAll(source.blobs.read(blake3(LARGE)));
  await sleep(150);
  const stopped = server.stop();
  expect((await read).equals(LARGE)).toBe(true);
  await stopped;
  expect(existsSync(path)).toBe(false);
  await expect(source.blobs.stat(blake3(LARGE))).rejects.toBeInstanceOf(SourceUnavailable);
});

test("a server that stops cuts off what takes too long", async () => {
  const { server, source } = await serving(slowStore(5000), {
    limits: { stopMillisecondsMax: 200 },
  });
  const read = readAll(source.blobs.read(blake3(LARGE))).catch((error: unknown) => error);
  await sleep(100);
  const begun = performance.now();
  await server.stop();
  expect(performance.now() - begun).toBeLessThan(3000);
  expect(await read).toBeInstanceOf(SourceUnavailable);
});

test("what is being uploaded when a server stops is stored", async () => {
  const store = new MemoryStore();
  const { server, source } = await serving(store);
  async function* slowly() {
    for (const piece of pieces(LARGE, 500_000)) {
      await sleep(60);
      yield piece;
    }
  }
  const put = source.blobs.put(slowly()).catch((error: unknown) => error);
  await sleep(150);
  await server.stop();
  // The source asks for the chunks afterwards, in vain: the server is gone.
  expect(await put).toBeInstanceOf(SourceUnavailable);
  expect((await store.blobs.stat(blake3(LARGE)))!.size).toBe(LARGE.length);
});
