/** The encodings of a tree's directories as they stand in one object, each after its length. */
import { DIRECTORY_BYTES_MAX } from "../../castore/directory.ts";
import { ByteQueue } from "../byte-queue.ts";
import { BadContents } from "./bad-contents.ts";

/** A 32-bit length, big-endian. */
const LENGTH_BYTES = 4;

export function lengthOf(encoded: Uint8Array): Uint8Array {
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, encoded.length);
  return length;
}

/**
 * Encodings one by one; each is valid until the next is asked for.
 * @throws BadContents when one is too long to be a directory, or the end comes too early.
 */
export async function* readEncodings(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const queue = new ByteQueue(pieces);
  try {
    for (;;) {
      const length = await readLength(queue);
      if (length === undefined) return;
      if (length > DIRECTORY_BYTES_MAX) {
        throw new BadContents(`holds a directory of ${length} bytes`);
      }
      const encoded = await queue.take(length);
      if (encoded === undefined) throw new BadContents("ends inside a directory");
      yield encoded;
    }
  } finally {
    await queue.close();
  }
}

async function readLength(queue: ByteQueue): Promise<number | undefined> {
  const bytes = new Uint8Array(LENGTH_BYTES);
  for (let have = 0; have < LENGTH_BYTES; ) {
    const some = await queue.some(LENGTH_BYTES - have);
    if (some === undefined) {
      if (have === 0) return undefined;
      throw new BadContents("ends inside a length");
    }
    bytes.set(some, have);
    have += some.length;
  }
  return new DataView(bytes.buffer).getUint32(0);
}
