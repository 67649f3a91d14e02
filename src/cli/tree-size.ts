/** How much there is to import, for a progress bar: a quick look before the work begins. */
import { lstatSync, readdirSync } from "node:fs";
import type { ProgressState } from "./progress.ts";

/** Looking takes this long at most; a larger tree gets a progress line without a bar. */
export const LOOK_MILLISECONDS_MAX = 1500;

const SLASH = Buffer.from("/");

/** Undefined when it takes too long, or something cannot be read: the import will say what. */
export function treeSize(path: Buffer): ProgressState | undefined {
  const deadline = performance.now() + LOOK_MILLISECONDS_MAX;
  const pending = [path];
  let files = 0;
  let bytes = 0;
  try {
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (performance.now() > deadline) return undefined;
      const status = lstatSync(next);
      if (status.isFile()) {
        files += 1;
        bytes += status.size;
      } else if (status.isDirectory()) {
        for (const name of readdirSync(next, "buffer")) {
          pending.push(Buffer.concat([next, SLASH, name]));
        }
      }
    }
  } catch {
    return undefined;
  }
  return { files, bytes };
}
