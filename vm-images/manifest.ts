/** Manifests of `check manifest`: taking one of a directory here, and comparing two. */
import { spawnSync } from "node:child_process";
import { CHECKER } from "./images.ts";
import { TRANSCRIPT_BYTES_MAX } from "./transcript.ts";

/** What the last line of a manifest sums up. */
export interface ManifestTotals {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly bytes: number;
  readonly seconds: number;
}

export interface Manifest {
  /** One line an entry, in the order of the walk. */
  readonly entries: readonly string[];
  /** What the checker found wrong while it walked. */
  readonly faults: readonly string[];
  readonly totals: ManifestTotals;
}

/** The manifest that a share of `directory` must have. */
export function expectedManifest(directory: string): Manifest {
  const run = spawnSync(CHECKER, ["manifest", "--expected", directory], {
    maxBuffer: TRANSCRIPT_BYTES_MAX,
    encoding: "latin1",
  });
  const manifest = parseManifest(run.stdout);
  if (run.status !== 0) throw new Error(`${directory}: ${manifest.faults.join("; ")}`);
  return manifest;
}

/** Throws when the summary is missing: the checker did not come to its end. */
export function parseManifest(text: string): Manifest {
  const lines = text.split("\n");
  const summary = lines.find((line) => line.startsWith("# files "));
  if (summary === undefined) throw new Error(`no whole manifest, it ends ${text.slice(-300)}`);
  const words = summary.split(" ");
  const figure = (name: string) => Number(words[words.indexOf(name) + 1]);
  return {
    entries: lines.filter((line) => /^[fdl?] /.test(line)),
    faults: lines.filter((line) => line.startsWith("! ")),
    totals: {
      files: figure("files"),
      directories: figure("directories"),
      symlinks: figure("symlinks"),
      bytes: figure("bytes"),
      seconds: figure("seconds"),
    },
  };
}

/** Every difference as a line that a person understands; none when the manifests agree. */
export function compareManifests(expected: Manifest, found: Manifest): string[] {
  const wanted = new Set(expected.entries);
  const have = new Set(found.entries);
  return [
    ...found.faults,
    ...expected.entries.filter((line) => !have.has(line)).map((line) => `expected: ${line}`),
    ...found.entries.filter((line) => !wanted.has(line)).map((line) => `found:    ${line}`),
    ...(expected.entries.length === found.entries.length ? [] : ["the number of entries differs"]),
  ];
}
