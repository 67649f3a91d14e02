import { onTestFinished } from "vitest";
import { openStoreFiller } from "../../../src/store/disk-filler.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { Source } from "../../../src/store/source.ts";
import { serviceConformance } from "../conformance-services.ts";
import { treeConformance } from "../conformance-trees.ts";
import { temporaryFolder } from "../temporary.ts";
import { serving } from "./serving.ts";

const makers: Readonly<Record<string, () => Promise<Source>>> = {
  "gRPC to a disk store": async () => {
    const folder = temporaryFolder();
    const store = openDiskStore(folder, { create: true });
    const filler = openStoreFiller(folder);
    onTestFinished(() => {
      filler[Symbol.dispose]();
      store[Symbol.dispose]();
    });
    return (await serving(store, { filler })).source;
  },

  "gRPC to a memory store": async () => (await serving(new MemoryStore())).source,
};

for (const [kind, make] of Object.entries(makers)) {
  const both = async () => {
    const source = await make();
    return { read: source, write: source };
  };
  serviceConformance(kind, both, { knowsNoBlobs: true });
  treeConformance(kind, make);
}
