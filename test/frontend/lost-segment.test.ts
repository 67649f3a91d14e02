/** A segment that loses bytes under a running daemon: what can be read is read, the rest is EIO. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseReadIn } from "../../src/abi/fuse.ts";
import { FUSE_READ } from "../../src/abi/fuse-constants.ts";
import { EIO } from "../../src/base/errno.ts";
import { ANSWER_MILLISECONDS } from "./chain-port.ts";
import { LINUX_SHAPE } from "./chain-shape.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { decodeReply, encode, encodeRequest, uniqueOf } from "./fuse-request.ts";
import { LARGE_BYTES, makeShare, ROOT_NAME } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";

const READ_BYTES = 4096;

it("reads of lost bytes are EIO, those beside them in the same batch are answered", () => {
  using share = makeShare();
  using daemon = DaemonProcess.serve(share.store, "--root", ROOT_NAME);
  using vmm = SyntheticVmm.start(daemon.socketPath, { queueSize: 1024 });
  const fuse = vmm.session();
  const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "large");
  const expected = share.files.get("large")!;
  const port = vmm.port();

  /** Reads here and there, all in one batch: how many were right, and how many EIO. */
  const readAll = () => {
    const sent = new Map<number, { request: Uint8Array; offset: number }>();
    for (let index = 0; index < 60; index++) {
      const offset = (index * 7_654_321) % (LARGE_BYTES - READ_BYTES);
      const args = encode(fuseReadIn, { offset, size: READ_BYTES });
      const request = encodeRequest(FUSE_READ, nodeid, [args], { unique: uniqueOf(index) });
      sent.set(port.post(request, 16 + READ_BYTES, LINUX_SHAPE).head, { request, offset });
    }
    vmm.queues[1]!.flush();
    const outcome = { right: 0, lost: 0 };
    while (port.inFlight > 0) {
      const { head, reply } = port.collect(ANSWER_MILLISECONDS);
      const { request, offset } = sent.get(head)!;
      const { error, body } = decodeReply(reply.room, reply.usedLength, request);
      if (error === 0) {
        expect(Buffer.compare(body, expected.subarray(offset, offset + READ_BYTES))).toBe(0);
        outcome.right++;
      } else {
        expect([error, reply.usedLength]).toEqual([-EIO, 16]);
        outcome.lost++;
      }
    }
    return outcome;
  };

  expect(readAll()).toEqual({ right: 60, lost: 0 });
  const [name] = readdirSync(join(share.store, "segments"));
  const segment = join(share.store, "segments", name!);
  const bytes = readFileSync(segment);
  truncateSync(segment, Math.floor(bytes.length / 2));
  for (let round = 0; round < 3; round++) {
    const { right, lost } = readAll();
    expect(right).toBeGreaterThan(5);
    expect(lost).toBeGreaterThan(5);
  }
  writeFileSync(segment, bytes);
  expect(readAll()).toEqual({ right: 60, lost: 0 });
  expect(daemon.log).toMatch(/cannot be read/);
});
