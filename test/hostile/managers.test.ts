/** VM managers that break the vhost-user protocol, against a real daemon. */
import { afterAll, beforeAll, describe, it } from "vitest";
import { SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import {
  ConnectionLost,
  encodeMessage,
  Refused,
  VhostUserClient,
} from "../frontend/vhost-user-client.ts";
import { NEED_REPLY, VERSION_1 } from "../frontend/vhost-user-protocol.ts";
import { ManagerAttack, type Stage } from "./manager-attack.ts";
import { FD_COUNTS, MANAGER_CASES, PAYLOADS, REQUESTS_END } from "./manager-cases.ts";
import { ProvingGround, SMALL_MEMORY } from "./proving-ground.ts";

/** In the matrix of all requests nobody waits long for an answer. */
const MATRIX_QUIET_MILLISECONDS = 2;

let ground: ProvingGround;

beforeAll(() => {
  ground = ProvingGround.serve("--tag", "hostile");
});
afterAll(() => ground?.[Symbol.dispose]());

function begin(stage: Stage): ManagerAttack {
  const { socketPath } = ground.daemon;
  if (stage === "connected") return new ManagerAttack(VhostUserClient.connect(socketPath));
  const plan = { memory: SMALL_MEMORY, queueSize: 64, replyAck: false };
  if (stage === "negotiated") {
    const vmm = SyntheticVmm.negotiate(socketPath, { ...plan, memorySlots: true });
    return new ManagerAttack(vmm.client, vmm);
  }
  const vmm = SyntheticVmm.start(socketPath, plan);
  vmm.session();
  return new ManagerAttack(vmm.client, vmm);
}

/** Being thrown out is a good answer. */
function unlessThrownOut(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof ConnectionLost || error instanceof Refused)) throw error;
  }
}

describe("the daemon survives", () => {
  it.each(MANAGER_CASES)("$name", (managerCase) => {
    try {
      unlessThrownOut(() => {
        using attack = begin(managerCase.stage);
        managerCase.act(attack);
      });
    } finally {
      ground.verify();
    }
  });
});

describe.each<Stage>(["connected", "negotiated", "running"])(
  "when %s, the daemon survives",
  (stage) => {
    const requests = Array.from({ length: REQUESTS_END }, (_, request) => request);

    /** One payload, with and without file descriptors and NEED_REPLY, until it throws us out. */
    function say(request: number, payload: Uint8Array): void {
      using attack = begin(stage);
      for (const count of FD_COUNTS) {
        const fds = Array.from({ length: count }, () => attack.eventfd());
        for (const flags of [VERSION_1, VERSION_1 | NEED_REPLY]) {
          const message = encodeMessage(request, payload, flags);
          if (attack.bytes(message, fds, MATRIX_QUIET_MILLISECONDS)) return;
        }
      }
    }

    it.each(requests)("request %i with payloads and descriptors of every kind", (request) => {
      try {
        for (const payload of PAYLOADS) unlessThrownOut(() => say(request, payload));
      } finally {
        ground.verify();
      }
    });
  },
);
