/** A tree that every Debian machine has, and that nobody made for a test. */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const CANDIDATES = ["/usr/share", "/usr/lib/python3", "/usr/include", "/usr/share/doc", "/etc"];

/** What an emulated guest reads in well under a minute. */
const BYTES_MAX = 250e6;
const ENTRIES_MAX = 30_000;

interface Extent {
  readonly path: string;
  readonly entries: number;
}

/** The candidate with the most entries among those that are not too large; /etc is never too large. */
export function chooseRealTree(): string {
  const extents = CANDIDATES.filter((path) => existsSync(path)).map(measure);
  const fitting = extents.filter((extent) => extent !== undefined);
  const most = fitting.reduce((a, b) => (b.entries > a.entries ? b : a));
  return most.path;
}

/** Copies a tree, once; unreadable files are left out. Copying `source` from elsewhere starts anew. */
export function copyTree(source: string, target: string): void {
  const stamp = `${target}.from${source.replaceAll("/", "-")}`;
  if (existsSync(stamp)) return;
  mkdirSync(dirname(target), { recursive: true });
  rmSync(target, { recursive: true, force: true });
  // A status other than 0 says that something was unreadable: what there is then is the tree.
  spawnSync("cp", ["-r", "--preserve=mode,links", source, target], { stdio: "ignore" });
  if (!existsSync(target)) throw new Error(`${source} cannot be copied to ${target}`);
  writeFileSync(stamp, "");
}

/** Undefined as soon as it is too large. */
function measure(path: string): Extent | undefined {
  let bytes = 0;
  let entries = 0;
  const waiting = [path];
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    for (const entry of listing(directory)) {
      entries++;
      const child = join(directory, entry.name);
      if (entry.isDirectory()) waiting.push(child);
      else if (entry.isFile()) bytes += lstatSync(child).size;
    }
    if (bytes > BYTES_MAX || entries > ENTRIES_MAX) return undefined;
  }
  return { path, entries };
}

function listing(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return []; // not ours to read; cp leaves it out as well
  }
}
