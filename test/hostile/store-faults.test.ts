/** A store that fails under a running daemon: the guest gets -EIO for what is lost, and no more. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { EIO } from "../../src/base/errno.ts";
import { DaemonProcess } from "../frontend/daemon-process.ts";
import { errnoOf } from "../frontend/fuse-client.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "../frontend/share-fixture.ts";
import { SyntheticVmm } from "../frontend/synthetic-vmm.ts";

let share: ShareFixture;
/** A copy of the store, to be damaged. */
let store: string;

beforeAll(() => {
  share = makeShare();
});
afterAll(() => share?.[Symbol.dispose]());
beforeEach(() => {
  store = mkdtempSync(join(tmpdir(), "castorefs-damaged-"));
  cpSync(share.store, store, { recursive: true });
});
afterEach(() => rmSync(store, { recursive: true, force: true }));

function segments(): string[] {
  const folder = join(store, "segments");
  return readdirSync(folder).map((name) => join(folder, name));
}

function serve(): DaemonProcess {
  return DaemonProcess.serve(store, "--root", ROOT_NAME);
}

describe("the daemon survives", () => {
  it.each([0, 4096])("segments truncated to %i bytes while it serves them", (length) => {
    using daemon = serve();
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { nodeid, attr } = fuse.lookup(FUSE_ROOT_ID, "large");
    expect(fuse.readAll(nodeid).length).toBe(attr.size);
    for (const segment of segments()) truncateSync(segment, length);
    expect(errnoOf(() => fuse.read(nodeid, 1 << 20, 4096))).toBe(EIO);
    expect(errnoOf(() => fuse.read(nodeid, 0, 131_072))).toBe(EIO);
    expect(fuse.getattr(nodeid).size).toBe(attr.size);
    expect(fuse.getattr(FUSE_ROOT_ID).mode).toBe(0o040555);
    expect(daemon.isAlive).toBe(true);
  });

  it("a byte that has rotted: that file is -EIO, others are served", () => {
    const large = share.files.get("large")!;
    const needle = large.subarray(100_000, 100_064);
    for (const segment of segments()) {
      const bytes = readFileSync(segment);
      const at = bytes.indexOf(needle);
      if (at < 0) continue;
      bytes[at + 7]! ^= 1;
      writeFileSync(segment, bytes);
    }
    using daemon = serve();
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { nodeid } = fuse.lookup(FUSE_ROOT_ID, "large");
    expect(errnoOf(() => fuse.readAll(nodeid))).toBe(EIO);
    const hello = fuse.lookup(FUSE_ROOT_ID, "hello").nodeid;
    expect(fuse.read(hello, 0, 99).toString()).toBe("Hello World!");
    expect(daemon.log).toContain("blake3-");
  });

  it("a store that is removed while it serves it", () => {
    using daemon = serve();
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    for (const segment of segments()) expect(statSync(segment).size).toBeGreaterThan(0);
    rmSync(store, { recursive: true });
    // What it has mapped and opened stays readable; in any case it answers.
    for (const name of share.files.keys()) {
      expect([0, EIO]).toContain(errnoOf(() => fuse.readAll(fuse.lookup(1, name).nodeid)));
    }
    expect(daemon.isAlive).toBe(true);
  });
});
