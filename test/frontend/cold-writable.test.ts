/** A share that can be written to, over a base that is still with a source: changes wait for it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fuseCopyFileRangeIn } from "../../src/abi/fuse.ts";
import { FUSE_COPY_FILE_RANGE } from "../../src/abi/fuse-constants.ts";
import { ENOTEMPTY } from "../../src/base/errno.ts";
import { rootDigest } from "./cold-share.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { errnoOf } from "./fuse-client.ts";
import { encode } from "./fuse-request.ts";
import { MANY, makeShare, noise, type ShareFixture } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";
import { WritableClient } from "./writable-client.ts";

const DOTS = 2;

let share: ShareFixture;
let large: Buffer;

beforeAll(() => {
  share = makeShare();
  large = share.files.get("large")!;
});
afterAll(() => share?.[Symbol.dispose]());

/** Has a machine act on a store that has nothing yet. */
function cold(act: (client: WritableClient) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-cold-"));
  try {
    const options = ["--source", share.store, "--root", rootDigest(share)];
    const memory = ["--layer-memory", String(16 << 20)];
    using daemon = DaemonProcess.serve(folder, ...options, "--writable", ...memory);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    act(WritableClient.over(vmm));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

it("writes into files that nobody has read leave the rest as it is", () => {
  cold((client) => {
    const { nodeid } = client.lookup(1, "large");
    const expected = Buffer.from(large);
    for (let count = 1; count <= 200; count++) {
      const at = (count * 0x9e37_79b9) % (large.length - 9000);
      const bytes = noise(1 + ((count * 7919) % 9000), count);
      expect(client.write(nodeid, at, bytes)).toBe(bytes.length);
      bytes.copy(expected, at);
      if (count % 50 === 0) client.fsync(nodeid);
    }
    expect(client.readAll(nodeid).equals(expected)).toBe(true);
  });
});

it("what is cut off and grown again is zeros, and what is copied is the source's", () => {
  cold((client) => {
    const { nodeid } = client.lookup(1, "large");
    const copy = client.create(1, "copy").nodeid;
    const args = { off_in: 7, nodeid_out: copy, off_out: 50, len: 3_000_000 };
    client.call(FUSE_COPY_FILE_RANGE, nodeid, [encode(fuseCopyFileRangeIn, args)], 8);
    client.truncate(nodeid, 12_345);
    client.truncate(nodeid, 20_000);
    const cut = Buffer.concat([large.subarray(0, 12_345), Buffer.alloc(20_000 - 12_345)]);
    expect(client.readAll(nodeid).equals(cut)).toBe(true);
    client.unlink(1, "large");
    client.syncfs();
    const copied = Buffer.concat([Buffer.alloc(50), large.subarray(7, 3_000_007)]);
    expect(client.readAll(copy).equals(copied)).toBe(true);
  });
});

it("names are made, moved and removed in directories that nobody has listed", () => {
  cold((client) => {
    const many = client.lookup(1, "many").nodeid;
    client.create(many, "one-more");
    expect(errnoOf(() => client.rmdir(1, "deep"))).toBe(ENOTEMPTY);
    client.rename(1, "deep", many, "moved");
    client.unlink(many, "entry-5");
    expect(client.readdir(many).length).toBe(MANY + DOTS + 1);
    const leaf = client.walk("many/moved/er/and/deeper/leaf").nodeid;
    expect(client.readAll(leaf).toString()).toBe("leaf");
    client.syncfs();
  });
});
