/** Debian's own programs on a writable share whose base is the Debian that they are of. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepare, WORKLOAD_TREE } from "../../vm-images/images.ts";
import { type DebianResult, runDebianPrograms, type Workload } from "./debian-programs.ts";
import { Ground } from "./ground.ts";

/** What a test run can afford in emulation; `make workload-soak` runs the others, and more. */
const WORKLOADS: readonly Workload[] = ["copies", "make", "sqlite", "install"];
const GUEST_SECONDS_MAX = 600;

describe.runIf(prepare("workload"))("Debian's programs on a writable share", () => {
  let ground: Ground;
  let found: DebianResult;

  beforeAll(async () => {
    ground = new Ground("castorefs", WORKLOAD_TREE);
    found = await runDebianPrograms(ground, {
      workloads: WORKLOADS,
      scale: 1,
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
  }, 700_000);

  afterAll(() => ground?.[Symbol.dispose]());

  it.each(WORKLOADS)("%s does what it does on a disk", (workload) => {
    expect(found.report).toMatch(new RegExp(`^ok ${workload} `, "m"));
  });

  it("lets go of the share in the end", () => {
    expect(found.result.exitCode).toBe(0);
  });
});
