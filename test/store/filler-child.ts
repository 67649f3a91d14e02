/**
 * Fills a store with a tree from another, root first, to be killed while at it. Says of each object
 * that it is stored once it is: a pipe is written synchronously, so what was said was so.
 */
import { blake3 } from "../../src/castore/blake3.ts";
import type { Digest } from "../../src/castore/digest.ts";
import { parseName } from "../../src/castore/name.ts";
import { encodeDirectory } from "../../src/castore/proto.ts";
import { openStoreFiller } from "../../src/store/disk-filler.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";

const [folder, sourceFolder] = process.argv.slice(2) as [string, string];
using source = openDiskStore(sourceFolder);
const filler = openStoreFiller(folder, { segmentBytesMax: 3_000_000, pendingBytesMax: 600_000 });
process.stdout.write("begun\n");

function say(kind: "directory" | "blob" | "chunk", digest: Digest): void {
  process.stdout.write(`${kind} ${digest.hex}\n`);
}

async function fillBlob(digest: Digest): Promise<void> {
  const stat = (await source.blobs.stat(digest))!;
  const { chunks } = stat;
  await Promise.all(
    chunks.map(async (chunk) => {
      for await (const bytes of source.blobs.read(chunk.digest)) {
        await filler.putChunk(chunk, bytes.slice());
      }
      say("chunk", chunk.digest);
    }),
  );
  if (chunks.length === 1) return;
  await filler.putBlob(digest, stat, true);
  say("blob", digest);
}

const root = await source.roots.get(parseName("tree"));
if (root?.kind !== "directory") throw new Error("the source has no tree");
const puts: Promise<void>[] = [];
for await (const directory of source.directories.getRecursive(root.digest)) {
  const encoded = encodeDirectory(directory);
  const digest = blake3(encoded);
  puts.push(filler.putDirectory(digest, encoded).then(() => say("directory", digest)));
  const files = directory.entries.map(({ node }) =>
    node.kind === "file" ? fillBlob(node.digest) : Promise.resolve(),
  );
  await Promise.all(files);
}
await Promise.all(puts);
filler[Symbol.dispose]();
process.stdout.write(`${root.digest.hex}\n`);
