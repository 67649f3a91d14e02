/** Folders for tests, removed when the test is done, and bytes to fill files with. */
import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-store-"));
  // rm, because it copes with paths that are too long for Linux.
  onTestFinished(() => {
    execFileSync("rm", ["-rf", folder]);
  });
  return folder;
}

/** Bytes that look random and are the same everywhere (xorshift32). */
export function noise(length: number, seed: number): Uint8Array {
  let state = seed | 1;
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}
