/** Guests that break the rules of the virtqueue, against a real daemon. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { NOTHING } from "../frontend/split-ring-driver.ts";
import { FIRST_REQUEST_QUEUE, type SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { ProvingGround } from "./proving-ground.ts";
import { RingAttack } from "./ring-attack.ts";
import { RING_CASES, RING_SIZE, type RingCase } from "./ring-cases.ts";

const ANSWER_MILLISECONDS = 3_000;
/** How long a ring that has stopped is watched. */
const SILENCE_MILLISECONDS = 60;

let ground: ProvingGround;

beforeAll(() => {
  ground = new ProvingGround();
});
afterAll(() => ground?.[Symbol.dispose]());

function attack({ lay, outcome, indirect = true }: RingCase, eventIdx: boolean): void {
  using vmm = ground.vmm({ queueSize: RING_SIZE, indirect, eventIdx });
  vmm.session();
  const trap = new RingAttack(vmm);
  lay(trap);
  const returned = takeAll(
    vmm,
    outcome === "returned" ? ANSWER_MILLISECONDS : SILENCE_MILLISECONDS,
  );
  trap.checkUntouched();
  if (outcome === "returned") expect(returned).toBe(1);
  if (outcome === "stopped") expect(returned).toBe(0);
  if (outcome !== "returned") restart(vmm);
  expect(vmm.fuse().getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
}

/** Waits for one chain, and takes what came with it. */
function takeAll(vmm: SyntheticVmm, timeoutMilliseconds: number): number {
  const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
  if (!queue.wait(timeoutMilliseconds)) return 0;
  let returned = 0;
  while (queue.ring.pop() !== NOTHING) returned++;
  return returned;
}

/** Stops the ring and sets it up anew, as a driver does after a reset. */
function restart(vmm: SyntheticVmm): void {
  vmm.stopQueue(FIRST_REQUEST_QUEUE);
  vmm.queues[FIRST_REQUEST_QUEUE]!.ring.restart();
  vmm.startQueue(FIRST_REQUEST_QUEUE);
}

describe.each([true, false])("with EVENT_IDX %s the daemon survives", (eventIdx) => {
  it.each(RING_CASES)("$name", (ringCase) => {
    try {
      attack(ringCase, eventIdx);
    } finally {
      ground.verify();
    }
  });
});
