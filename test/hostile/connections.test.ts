/** Connections that come and go, stall or flood, against a real daemon. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { DaemonProcess, eventually } from "../frontend/daemon-process.ts";
import { ROOT_NAME } from "../frontend/share-fixture.ts";
import { SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { encodeMessage, VhostUserClient } from "../frontend/vhost-user-client.ts";
import { REQUEST } from "../frontend/vhost-user-protocol.ts";
import { ProvingGround, SMALL_MEMORY } from "./proving-ground.ts";

const ANSWER_MILLISECONDS = 20_000;
const END_MILLISECONDS = 15_000;
const CONNECTIONS = 200;
const NONE = new Uint8Array(0);

let ground: ProvingGround;

beforeAll(() => {
  ground = ProvingGround.serve();
});
afterAll(() => ground?.[Symbol.dispose]());

describe("the daemon survives", () => {
  it(`${CONNECTIONS} connections that are closed at once`, () => {
    for (let index = 0; index < CONNECTIONS; index++) {
      VhostUserClient.connect(ground.daemon.socketPath).close();
    }
    ground.verify();
  });

  it(`${CONNECTIONS} connections that negotiate and go`, () => {
    for (let index = 0; index < CONNECTIONS; index++) {
      SyntheticVmm.negotiate(ground.daemon.socketPath, { memory: SMALL_MEMORY })[Symbol.dispose]();
    }
    ground.verify();
  });

  it(`${CONNECTIONS} connections that go in mid-request`, () => {
    for (let index = 0; index < CONNECTIONS; index++) {
      using vmm = ground.vmm({ queueSize: 16, replyAck: index % 2 === 0 });
      vmm.fuse().init();
      vmm.port().post(new Uint8Array(56).fill(1), 4096);
      vmm.queues[1]!.flush();
    }
    ground.verify();
  });

  it("clients that wait in line and give up", () => {
    const clients = Array.from({ length: 10 }, () =>
      VhostUserClient.connect(ground.daemon.socketPath),
    );
    for (const client of clients.reverse()) client.close();
    ground.verify();
  });

  it.each([1, 11, 12, 13, 19])(
    "a client that stalls after %i bytes of a message, and the next one is served when it goes",
    (length) => {
      using stalled = VhostUserClient.connect(ground.daemon.socketPath);
      stalled.sendRaw(encodeMessage(REQUEST.SET_FEATURES, new Uint8Array(8)).subarray(0, length));
      using waiting = VhostUserClient.connect(ground.daemon.socketPath);
      waiting.send(REQUEST.GET_FEATURES, NONE);
      expect(ground.isIdle()).toBe(true);
      stalled.close();
      expect(waiting.receive(ANSWER_MILLISECONDS)?.request).toBe(REQUEST.GET_FEATURES);
      waiting.close();
      ground.verify();
    },
  );

  it("a client that stalls in the middle of a message: its rings are served on", () => {
    using vmm = ground.vmm();
    const fuse = vmm.session();
    const message = encodeMessage(REQUEST.GET_FEATURES, NONE);
    vmm.client.sendRaw(message.subarray(0, 5));
    for (let index = 0; index < 100; index++) fuse.getattr(FUSE_ROOT_ID);
    expect(ground.isIdle()).toBe(true);
    vmm.client.sendRaw(message.subarray(5));
    expect(vmm.client.receive(ANSWER_MILLISECONDS)?.request).toBe(REQUEST.GET_FEATURES);
    vmm[Symbol.dispose]();
    ground.verify();
  });

  it("a client that asks and never reads the answers", () => {
    using client = VhostUserClient.connect(ground.daemon.socketPath);
    flood(client);
    client.close();
    ground.verify();
  });
});

describe("the daemon ends at SIGTERM", () => {
  const doomed = (): DaemonProcess => DaemonProcess.serve(ground.share.store, "--root", ROOT_NAME);

  it("although a client never reads its answers", () => {
    using daemon = doomed();
    using client = VhostUserClient.connect(daemon.socketPath);
    flood(client);
    daemon.signal("SIGTERM");
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
    client.close();
  });

  it("although a client stalls in the middle of a message", () => {
    using daemon = doomed();
    using client = VhostUserClient.connect(daemon.socketPath);
    client.sendRaw(new Uint8Array(5));
    daemon.signal("SIGTERM");
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
    client.close();
  });

  it("although a guest never stops sending requests", () => {
    using daemon = doomed();
    using vmm = SyntheticVmm.start(daemon.socketPath, { memory: SMALL_MEMORY });
    const fuse = vmm.session();
    daemon.signal("SIGTERM");
    const busy = () => {
      try {
        for (let index = 0; index < 100; index++) fuse.getattr(FUSE_ROOT_ID);
      } catch {
        // It has gone.
      }
      return !daemon.isAlive;
    };
    expect(eventually(busy, END_MILLISECONDS)).toBe(true);
  });
});

/** Sends requests until the sockets' buffers are full in both directions, and reads nothing. */
function flood(client: VhostUserClient): void {
  const message = encodeMessage(REQUEST.GET_FEATURES, NONE);
  const many = Buffer.concat(Array.from({ length: 100 }, () => message));
  // Fewer bytes than a socket's buffer holds, so that this never blocks; far more answers than
  // fit the other direction, since every answer takes a buffer of its own there.
  for (let index = 0; index < 20; index++) client.sendRaw(many);
}
