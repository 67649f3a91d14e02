/** A daemon that may use one CPU only: whatever it spins away is its guest's. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { ANSWER_MILLISECONDS } from "./chain-port.ts";
import { CASTOREFS, DaemonProcess, sleep } from "./daemon-process.ts";
import { RequestLane } from "./request-lane.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";

/** As long as a device may spin: longer than the pauses between our requests. */
const SPIN_MICROSECONDS = 1000;
const PAUSE_MILLISECONDS = 0.4;
/** A request costs some 10 µs of CPU time, and the whole pause if that is spun through. */
const SPINNING_MICROSECONDS = 100;
const REQUESTS = 200;
/** Windows, of which one decides, since other programs disturb. */
const WINDOWS = 5;

let share: ShareFixture;
beforeAll(() => {
  share = makeShare();
});
afterAll(() => share?.[Symbol.dispose]());

/** CPU time of the daemon per request when these come with pauses, for each window. Microseconds. */
function costOfPausing(...prefix: string[]): number[] {
  const serve = ["serve", "--store", share.store, "--root", ROOT_NAME];
  const spin = ["--spin", String(SPIN_MICROSECONDS)];
  using daemon = DaemonProcess.start([...prefix, ...CASTOREFS, ...serve, ...spin]);
  using vmm = SyntheticVmm.start(daemon.socketPath);
  vmm.session();
  const lane = new RequestLane(vmm.memory, vmm.queues[1]!, {
    depth: 1,
    dataBytes: 4096,
    indirect: true,
  });
  const ask = () => {
    lane.getattr(0, FUSE_ROOT_ID);
    lane.flush();
    expect(lane.wait(ANSWER_MILLISECONDS)).toBe(0);
  };
  for (let warm = 0; warm < 20_000; warm++) ask();
  return Array.from({ length: WINDOWS }, () => {
    const before = daemon.cpuNanoseconds;
    for (let request = 0; request < REQUESTS; request++) {
      ask();
      sleep(PAUSE_MILLISECONDS);
    }
    return (daemon.cpuNanoseconds - before) / REQUESTS / 1000;
  });
}

describe("a daemon that is told to spin", () => {
  const [cpu] = /\d+/.exec(
    /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]!,
  )!;

  it("does not where it may use one CPU only", { timeout: 60_000 }, () => {
    expect(Math.min(...costOfPausing("taskset", "-c", cpu))).toBeLessThan(SPINNING_MICROSECONDS);
  });

  it.runIf(availableParallelism() > 1)(
    "does where there are more: the measure tells the one from the other",
    { timeout: 60_000 },
    () => {
      expect(Math.max(...costOfPausing())).toBeGreaterThan(SPINNING_MICROSECONDS);
    },
  );
});
