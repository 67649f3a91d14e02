/** The disk store read through real mappings, as the device thread does. */
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { mapFile } from "node-vhost-user";
import { expect, onTestFinished, test } from "vitest";
import { EIO } from "../../src/base/errno.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import { openDiskReader } from "../../src/store/disk-reader.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import type { FileMapper, MappedFile } from "../../src/store/file-mapper.ts";
import { conformance } from "./conformance.ts";
import { noise, temporaryFolder } from "./temporary.ts";

/** Maps for real, and copies from the mappings that it made. */
class Mapper implements FileMapper {
  readonly #mapped: MappedFile[] = [];

  map(path: string, length: number): MappedFile {
    const mapped = mapFile(path, length);
    this.#mapped.push(mapped);
    return mapped;
  }

  copyFrom(address: number, target: Uint8Array): number {
    const mapped = this.#mapped.find((m) => address >= m.address && address < m.address + m.length);
    return mapped === undefined
      ? -EIO
      : mapped.copy(address - mapped.address, target.length, target, 0);
  }
}

class Sink implements ByteSink {
  readonly #mapper: Mapper;
  readonly #pieces: Uint8Array[] = [];

  constructor(mapper: Mapper) {
    this.#mapper = mapper;
  }

  append(): number {
    return -EIO;
  }

  appendMapped(source: number, length: number): number {
    const piece = new Uint8Array(length);
    const result = this.#mapper.copyFrom(source, piece);
    if (result === 0) this.#pieces.push(piece);
    return result;
  }

  take(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#pieces.splice(0)));
  }
}

function openBoth() {
  const folder = temporaryFolder();
  const store = openDiskStore(folder, { create: true });
  const mapper = new Mapper();
  const reader = openDiskReader(folder, { mapper, logger: silentLogger });
  onTestFinished(() => {
    reader[Symbol.dispose]();
    store[Symbol.dispose]();
  });
  return { folder, store, reader, sink: () => new Sink(mapper) };
}

conformance("disk through real mappings", openBoth);

test("what is appended to a segment that is mapped already can be read", async () => {
  const { store, reader, sink } = openBoth();
  for (let i = 1; i <= 5; i += 1) {
    const bytes = noise(i * 150_000, i);
    const { digest } = await store.blobs.put([bytes]);
    const target = sink();
    expect(reader.blob(digest.bytes, 0)!.read(0, bytes.length, target)).toBe(0);
    expect(Buffer.from(bytes).equals(target.take())).toBe(true);
  }
});

test("a segment that is truncated under the mapping is an EIO, and the process lives", async () => {
  const { folder, store, reader, sink } = openBoth();
  const bytes = noise(1_500_000, 3);
  const { digest } = await store.blobs.put([bytes]);
  const blob = reader.blob(digest.bytes, 0)!;
  const target = sink();
  expect(blob.read(0, bytes.length, target)).toBe(0);
  truncateSync(join(folder, "segments", "00000001.seg"), 100_000);
  expect(blob.read(0, bytes.length, target)).toBe(-EIO);
  expect(reader.blob(digest.bytes, 0)!.read(1_400_000, 10, target)).toBe(-EIO);
});
