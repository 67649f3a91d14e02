/** Random operations on a writable share, over a tree of the base that is there already. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noise } from "../../vm-images/corpus.ts";
import { Ground } from "./ground.ts";
import {
  firstDifferences,
  manifestNow,
  type RandomOperationsResult,
  runRandomOperations,
} from "./random-operations.ts";

const GUEST_SECONDS_MAX = 240;
const SEEDS = [1, 2];
const PROCESSES = 3;
const FILES_OF_A_PROCESS = 20;

/** Each seed's processes find files, directories and links in the base, and go on with them. */
function makeBase(directory: string): void {
  for (const seed of SEEDS) {
    for (let process = 0; process < PROCESSES; process++) {
      const own = join(directory, `tree-${seed}`, `p${process}`);
      mkdirSync(join(own, "below", "further"), { recursive: true });
      for (let file = 0; file < FILES_OF_A_PROCESS; file++) {
        const at = join(own, file % 2 === 0 ? "below" : "below/further", `base-${file}`);
        writeFileSync(at, noise(file * 3001, seed * 100 + file), {
          mode: file % 3 ? 0o644 : 0o755,
        });
      }
      symlinkSync("below/base-0", join(own, "link"));
    }
    writeFileSync(join(directory, `file-of-base-${seed}`), noise(200_000, seed));
  }
  mkdirSync(join(directory, "files"));
  writeFileSync(join(directory, "files", `file-${SEEDS[0]! * 100}`), noise(200_000, 7));
}

describe("random operations on a writable share", () => {
  let directory: string;
  let ground: Ground;
  let found: RandomOperationsResult;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "castorefs-random-"));
    makeBase(directory);
    ground = new Ground("castorefs", directory);
    found = await runRandomOperations(ground, {
      seeds: SEEDS,
      fileSteps: 500,
      treeSteps: 400,
      fileProcesses: 2,
      treeProcesses: PROCESSES,
      secondsEach: 20,
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
  }, 600_000);

  afterAll(() => {
    ground?.[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it("read back what was done, and answer as Linux does", () => {
    const faults = found.report.split("\n").filter((line) => !/: \d+ steps, /.test(line));
    expect(faults.join("\n")).toBe("");
    expect(found.report.match(/^file-ops: .*at the end/gm)).toHaveLength(2 * SEEDS.length);
    expect(found.report.match(/^tree-ops: .*at the end$/gm)).toHaveLength(PROCESSES * SEEDS.length);
    expect(found.result.exitCode).toBe(0);
  });

  it("leave a tree that stays as it is when the kernel forgets what it knew of it", () => {
    expect(found.manifest.split("\n").length).toBeGreaterThan(100);
    expect(firstDifferences(found.manifest, found.forgotten)).toEqual([]);
    expect(firstDifferences(found.manifest, found.mountedAgain)).toEqual([]);
  });

  it(
    "leave a tree that another daemon shows to another guest, inode numbers and times included",
    async () => {
      const later = await manifestNow(ground, GUEST_SECONDS_MAX);
      expect(firstDifferences(found.manifest, later)).toEqual([]);
    },
    GUEST_SECONDS_MAX * 1000,
  );
});
