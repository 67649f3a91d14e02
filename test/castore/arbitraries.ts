/** fast-check generators for the data model. */
import fc from "fast-check";
import { Digest } from "../../src/castore/digest.ts";
import type { DirectoryEntry } from "../../src/castore/directory.ts";
import { Directory } from "../../src/castore/directory.ts";
import { nameFault, parseName } from "../../src/castore/name.ts";
import type { Node } from "../../src/castore/node.ts";
import { directoryNode, fileNode, symlinkNode } from "../../src/castore/node.ts";

/** Few different bytes, so that names often share a prefix or collide. */
const nameByte = fc.constantFrom(0x01, 0x2e, 0x30, 0x61, 0x62, 0x7f, 0x80, 0xc3, 0xff);

export const names = fc
  .array(nameByte, { minLength: 1, maxLength: 6 })
  .map((bytes) => Uint8Array.from(bytes))
  .filter((bytes) => nameFault(bytes, 0, bytes.length) === undefined)
  .map((bytes) => parseName(bytes));

export const digests = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Digest.from(bytes));

export const sizes = fc.oneof(
  fc.constantFrom(0, 1, 127, 128, 2 ** 32 - 1, 2 ** 32, 2 ** 40),
  fc.integer({ min: 0, max: 2 ** 49 }),
);

export const nodes: fc.Arbitrary<Node> = fc.oneof(
  fc.record({ digest: digests, size: sizes }).map((n) => directoryNode(n.digest, n.size)),
  fc
    .record({ digest: digests, size: sizes, executable: fc.boolean() })
    .map((n) => fileNode(n.digest, n.size, n.executable)),
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 20 })
    .map((target) => symlinkNode(Uint8Array.from(target))),
);

export const directories = fc
  .uniqueArray(fc.record({ name: names, node: nodes }), {
    maxLength: 12,
    selector: (entry: DirectoryEntry) => Buffer.from(entry.name).toString("hex"),
  })
  .map((entries) => Directory.of(entries));
