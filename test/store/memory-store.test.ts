import { MemoryStore } from "../../src/store/memory-store.ts";
import { conformance } from "./conformance.ts";
import { TestFileMapper, TestSink } from "./file-mapper.ts";

conformance("memory", () => {
  const store = new MemoryStore();
  return { store, reader: store.openReader(), sink: () => new TestSink(new TestFileMapper()) };
});
