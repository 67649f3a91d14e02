import { onTestFinished } from "vitest";
import { silentLogger } from "../../src/base/logger.ts";
import { openDiskReader } from "../../src/store/disk-reader.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { conformance } from "./conformance.ts";
import { TestFileMapper, TestSink } from "./file-mapper.ts";
import { temporaryFolder } from "./temporary.ts";

for (const segmentBytesMax of [undefined, 1_000_000]) {
  const kind = segmentBytesMax === undefined ? "disk" : "disk with small segments";
  conformance(kind, () => {
    const folder = temporaryFolder();
    const options = segmentBytesMax === undefined ? {} : { segmentBytesMax };
    const store = openDiskStore(folder, { create: true, ...options });
    const mapper = new TestFileMapper();
    const reader = openDiskReader(folder, { mapper, logger: silentLogger });
    onTestFinished(() => {
      reader[Symbol.dispose]();
      store[Symbol.dispose]();
    });
    return { store, reader, sink: () => new TestSink(mapper) };
  });
}
