/** An archive written to a file: under another name first, so that half of one is never taken for it. */
import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";

export async function writeArchiveFile(
  pieces: AsyncIterable<Uint8Array>,
  path: Buffer,
): Promise<void> {
  // A FIFO or a device is written to, not replaced.
  const existing = statSync(path, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isFile()) return writePieces(pieces, openSync(path, "w"));
  const partial = Buffer.concat([path, Buffer.from(".partial")]);
  try {
    await writePieces(pieces, openSync(partial, "w"));
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

/** Closes `fd`, however it ends. */
async function writePieces(pieces: AsyncIterable<Uint8Array>, fd: number): Promise<void> {
  try {
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
    }
  } finally {
    closeSync(fd);
  }
}
