/** Whatever a store is composed of, it reads as any other does. */
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import { openSource } from "../../../src/store/open-source.ts";
import type { Source } from "../../../src/store/source.ts";
import { type Services, type ServiceTraits, serviceConformance } from "../conformance-services.ts";
import { treeConformance } from "../conformance-trees.ts";
import { serving } from "../grpc/serving.ts";
import {
  describeWithS3,
  folderSource,
  httpSource,
  makeBucket,
  s3Source,
} from "../object/buckets.ts";
import { WebServer } from "../object/web-server.ts";
import { temporaryFolder } from "../temporary.ts";
import { compose, sourceOver } from "./composition.ts";

/** Sources near to far, and where things are put: into one of them. */
interface Made {
  readonly sources: readonly Source[];
  readonly write: Services;
}

const NOTHING_KNOWN: ServiceTraits = { knowsNoBlobs: true };

function suite(kind: string, make: () => Promise<Made>, traits: ServiceTraits = {}): void {
  serviceConformance(
    kind,
    async () => {
      const { sources, write } = await make();
      return { read: compose(sources).store, write };
    },
    traits,
  );
  treeConformance(kind, async () => {
    const { sources, write } = await make();
    const read = compose(sources).store;
    return {
      blobs: {
        stat: (digest) => read.blobs.stat(digest),
        read: (...request) => read.blobs.read(...request),
        put: (pieces) => write.blobs.put(pieces),
      },
      directories: {
        get: (...request) => read.directories.get(...request),
        getRecursive: (...request) => read.directories.getRecursive(...request),
        put: (directory) => write.directories.put(directory),
        putRecursive: (directories) => write.directories.putRecursive(directories),
      },
    };
  });
}

function emptyMemory(name: string): Source {
  return sourceOver(name, new MemoryStore());
}

suite("local over memory", async () => {
  const store = new MemoryStore();
  return { sources: [sourceOver("memory", store)], write: store };
});

suite("local over another local store", async () => {
  const folder = temporaryFolder();
  openDiskStore(folder, { create: true })[Symbol.dispose]();
  const source = await openSource(folder, { timeoutMilliseconds: 1000 });
  return { sources: [source], write: source };
});

suite(
  "local over a folder",
  async () => {
    const source = await folderSource(temporaryFolder());
    return { sources: [source], write: source };
  },
  NOTHING_KNOWN,
);

suite(
  "local over gRPC",
  async () => {
    const { source } = await serving(new MemoryStore());
    return { sources: [source], write: source };
  },
  NOTHING_KNOWN,
);

suite(
  "local over an empty source, a folder on the web and an empty gRPC server",
  async () => {
    const folder = temporaryFolder();
    const web = await WebServer.show(folder);
    const { source } = await serving(new MemoryStore());
    const sources = [emptyMemory("near"), await httpSource(web.address), source];
    return { sources, write: await folderSource(folder) };
  },
  NOTHING_KNOWN,
);

suite("local over another composition", async () => {
  const far = new MemoryStore();
  const near = compose([sourceOver("far", far)]).store;
  return { sources: [emptyMemory("empty"), sourceOver("near", near)], write: far };
});

describeWithS3("with a bucket", (server) => {
  suite(
    "local over gRPC and S3",
    async () => {
      const far = await s3Source(server().address(await makeBucket(server()), "a/prefix"));
      const { source } = await serving(new MemoryStore());
      return { sources: [source, far], write: far };
    },
    NOTHING_KNOWN,
  );
});
