import type { Source } from "../../../src/store/source.ts";
import { type Services, serviceConformance } from "../conformance-services.ts";
import { treeConformance } from "../conformance-trees.ts";
import { temporaryFolder } from "../temporary.ts";
import { describeWithS3, folderSource, httpSource, makeBucket, s3Source } from "./buckets.ts";
import { WebServer } from "./web-server.ts";

/** Read by one, written by the other. */
function both(read: Source, write: Source): Services {
  return {
    blobs: {
      stat: (...request) => read.blobs.stat(...request),
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
}

function suite(kind: string, make: () => Promise<{ read: Source; write: Source }>): void {
  serviceConformance(kind, make, { knowsNoBlobs: true });
  const subject = async () => {
    const { read, write } = await make();
    return both(read, write);
  };
  treeConformance(kind, subject, { rootsOnly: true });
}

suite("folder", async () => {
  const source = await folderSource(temporaryFolder());
  return { read: source, write: source };
});

suite("web server", async () => {
  const folder = temporaryFolder();
  const web = await WebServer.show(folder);
  return { read: await httpSource(web.address), write: await folderSource(folder) };
});

describeWithS3("a bucket", (server) => {
  suite("S3", async () => {
    const source = await s3Source(server().address(await makeBucket(server()), "some/prefix"));
    return { read: source, write: source };
  });
});
