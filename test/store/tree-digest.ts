/**
 * The digest of a tree of the host, worked out a second time: the encoding written by hand from the
 * description of the messages, none of the code under test, and the other BLAKE3.
 */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createRequire } from "node:module";

const wasm = createRequire(import.meta.url)("blake3-wasm") as {
  load(): Promise<void>;
  createHash(): { update(bytes: Uint8Array): void; digest(): Buffer; dispose(): void };
};
await wasm.load();

interface Hashed {
  readonly digest: Buffer;
  readonly size: number;
}

export function treeDigest(path: Buffer): Hashed {
  const lists: Buffer[][] = [[], [], []];
  const names = readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare);
  let size = names.length;
  for (const name of names) {
    const child = Buffer.concat([path, Buffer.from("/"), name]);
    const stats = lstatSync(child);
    if (stats.isDirectory()) {
      const directory = treeDigest(child);
      size += directory.size;
      lists[0]!.push(
        Buffer.concat([field(1, name), field(2, directory.digest), number(3, directory.size)]),
      );
    } else if (stats.isSymbolicLink()) {
      lists[2]!.push(Buffer.concat([field(1, name), field(2, readlinkSync(child, "buffer"))]));
    } else {
      const contents = readFileSync(child);
      const executable = number(4, (stats.mode & 0o100) === 0 ? 0 : 1);
      const parts = [field(1, name), field(2, hash(contents)), number(3, contents.length)];
      lists[1]!.push(Buffer.concat([...parts, executable]));
    }
  }
  const encoded = lists.flatMap((list, i) => list.map((entry) => field(i + 1, entry)));
  return { digest: hash(Buffer.concat(encoded)), size };
}

function hash(bytes: Buffer): Buffer {
  const hasher = wasm.createHash();
  for (let at = 0; at < bytes.length; at += 65_536) hasher.update(bytes.subarray(at, at + 65_536));
  const digest = hasher.digest();
  // It lies in memory of which there is little.
  hasher.dispose();
  return digest;
}

/** A length-delimited field. */
function field(id: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([id * 8 + 2]), varint(bytes.length), bytes]);
}

/** A number, left out when 0. */
function number(id: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([id * 8]), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}
