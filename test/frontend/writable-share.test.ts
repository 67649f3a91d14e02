/** A share that can be written to, from its daemon's start to its end. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { EEXIST, ENOSPC, EROFS } from "../../src/base/errno.ts";
import { layerFaults } from "../layer/layer-check.ts";
import { mayMount, smallDisk } from "../store/small-disk.ts";
import { CASTOREFS, castorefs, DaemonProcess } from "./daemon-process.ts";
import { errnoOf, FuseError } from "./fuse-client.ts";
import { makeShare, noise, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";
import { WritableClient } from "./writable-client.ts";

const END_MILLISECONDS = 20_000;
const MEBIBYTE = 1024 * 1024;

let share: ShareFixture;

beforeAll(() => {
  share = makeShare();
});

afterAll(() => share?.[Symbol.dispose]());

function layerFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-layer-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "layer");
}

function serve(...options: string[]): DaemonProcess {
  return DaemonProcess.serve(share.store, "--root", ROOT_NAME, "--writable", ...options);
}

/** Ends it in good order. */
function end(daemon: DaemonProcess): void {
  daemon.signal("SIGTERM");
  expect(daemon.ended(END_MILLISECONDS)).toBe(true);
}

/** Runs `castorefs serve` that must refuse to; returns what it says. */
function refused(...options: string[]): { status: number | null; stderr: string } {
  const socket = join(mkdtempSync(join(tmpdir(), "castorefs-refused-")), "socket");
  const [program = "", ...args] = [...CASTOREFS, "serve", "--store", share.store, ...options];
  const { status, stderr } = spawnSync(program, [...args, "--socket-path", socket], {
    encoding: "utf8",
  });
  rmSync(join(socket, ".."), { recursive: true, force: true });
  return { status, stderr };
}

test("what was written is there after the daemon was told to end, synced or not", () => {
  const layer = layerFolder();
  const written = noise(3 * MEBIBYTE, 9);
  {
    using daemon = serve("--layer", layer);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = WritableClient.over(vmm);
    const folder = fuse.mkdir(FUSE_ROOT_ID, "folder");
    const file = fuse.create(folder.nodeid, "file");
    for (let at = 0; at < written.length; at += MEBIBYTE) {
      fuse.write(file.nodeid, at, written.subarray(at, at + MEBIBYTE));
    }
    fuse.write(fuse.walk("hello").nodeid, 6, Buffer.from("layer!"));
    fuse.unlink(FUSE_ROOT_ID, "one");
    end(daemon);
  }
  expect(readdirSync(layer).sort()).toEqual(["data", "layer.sqlite", "lock"]);
  expect(layerFaults(layer)).toEqual([]);
  using daemon = serve("--layer", layer);
  using vmm = SyntheticVmm.start(daemon.socketPath);
  const fuse = WritableClient.over(vmm);
  expect(fuse.readAll(fuse.walk("folder/file").nodeid).equals(written)).toBe(true);
  expect(fuse.readAll(fuse.walk("hello").nodeid).toString()).toBe("Hello layer!");
  expect(fuse.lookup(FUSE_ROOT_ID, "one").nodeid).toBe(0);
  expect(errnoOf(() => fuse.create(FUSE_ROOT_ID, "hello"))).toBe(EEXIST);
});

test("a guest that comes again finds what the one before has written", () => {
  using daemon = serve();
  for (const round of [1, 2, 3]) {
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = WritableClient.over(vmm);
    const before = fuse.readdir(FUSE_ROOT_ID).filter(({ name }) => /^round-/.test(`${name}`));
    expect(before).toHaveLength(round - 1);
    const { nodeid } = fuse.create(FUSE_ROOT_ID, `round-${round}`);
    fuse.write(nodeid, 0, noise(1000, round));
    for (let earlier = 1; earlier <= round; earlier += 1) {
      const file = fuse.walk(`round-${earlier}`);
      expect(fuse.readAll(file.nodeid).equals(noise(1000, earlier))).toBe(true);
    }
  }
});

test("without --layer nothing is left, and the store is as it was", () => {
  using daemon = serve();
  using vmm = SyntheticVmm.start(daemon.socketPath);
  const fuse = WritableClient.over(vmm);
  fuse.write(fuse.walk("hello").nodeid, 0, Buffer.from("other"));
  const temporary = join(share.store, "temporary");
  expect(readdirSync(temporary)).toHaveLength(1);
  end(daemon);
  expect(readdirSync(temporary)).toEqual([]);
  expect(castorefs("cat", "--store", share.store, `${ROOT_NAME}/hello`)).toBe("Hello World!");
});

test("a layer without --layer that a killed daemon has left is removed by the next one", () => {
  const temporary = join(share.store, "temporary");
  {
    using daemon = serve();
    daemon.signal("SIGKILL");
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
  }
  const [left] = readdirSync(temporary);
  using first = serve();
  expect(readdirSync(temporary)).toHaveLength(1);
  expect(readdirSync(temporary)).not.toContain(left);
  using second = serve();
  expect(readdirSync(temporary)).toHaveLength(2);
  for (const daemon of [first, second]) end(daemon);
  expect(readdirSync(temporary)).toEqual([]);
});

test("a daemon ends with its guest when it was asked to, with everything in the layer", () => {
  const layer = layerFolder();
  {
    using daemon = serve("--layer", layer, "--exit-on-disconnect");
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = WritableClient.over(vmm);
    fuse.write(fuse.create(FUSE_ROOT_ID, "file").nodeid, 0, noise(5000, 4));
    vmm[Symbol.dispose]();
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
  }
  using daemon = serve("--layer", layer);
  using vmm = SyntheticVmm.start(daemon.socketPath);
  const fuse = WritableClient.over(vmm);
  expect(fuse.readAll(fuse.walk("file").nodeid).equals(noise(5000, 4))).toBe(true);
});

test("a layer whose path is too long for a socket is served, and says what cannot be done", () => {
  using daemon = serve("--layer", join(layerFolder(), "n".repeat(120)));
  using vmm = SyntheticVmm.start(daemon.socketPath);
  WritableClient.over(vmm).create(FUSE_ROOT_ID, "file");
  expect(daemon.log).toContain("castorefs layer commit cannot read the layer while it is served");
});

test("a layer has one daemon, and one base", () => {
  const layer = layerFolder();
  {
    using daemon = serve("--layer", layer);
    const second = refused("--root", ROOT_NAME, "--writable", "--layer", layer);
    expect(second.status).toBe(3);
    expect(second.stderr).toContain(`the layer is in use by process ${daemon.pid}`);
    end(daemon);
  }
  castorefs("import", "--store", share.store, "--name", "other", join(share.source, "deep"));
  const other = refused("--root", "other", "--writable", "--layer", layer);
  expect(other.status).toBe(3);
  expect(other.stderr).toMatch(/the layer lies upon blake3-\S+, not upon blake3-/);
  expect(other.stderr).toContain("castorefs layer rebase");
  expect(existsSync(join(layer, "pid"))).toBe(false);
});

test("a share without --writable refuses", () => {
  using daemon = DaemonProcess.serve(share.store, "--root", ROOT_NAME);
  using vmm = SyntheticVmm.start(daemon.socketPath);
  const fuse = WritableClient.over(vmm);
  expect(errnoOf(() => fuse.create(FUSE_ROOT_ID, "file"))).toBe(EROFS);
});

/** Writes until it is refused; returns the errno and what was taken. */
function fill(fuse: WritableClient, nodeid: number): { errno: number; bytes: number } {
  const piece = noise(MEBIBYTE, 5);
  let bytes = 0;
  try {
    for (;;) bytes += fuse.write(nodeid, bytes, piece);
  } catch (error) {
    if (!(error instanceof FuseError)) throw error;
    return { errno: error.errno, bytes };
  }
}

/** A share that takes so many bytes is full then, and not any more when something is removed. */
function fillAndFree(fuse: WritableClient, atLeast: number, atMost: number): void {
  const small = fuse.create(FUSE_ROOT_ID, "small").nodeid;
  fuse.write(small, 0, noise(10_000, 7));
  for (let round = 0; round < 3; round += 1) {
    const { nodeid } = fuse.create(FUSE_ROOT_ID, "file");
    const { errno, bytes } = fill(fuse, nodeid);
    expect(errno).toBe(ENOSPC);
    expect(bytes).toBeGreaterThan(atLeast);
    expect(bytes).toBeLessThan(atMost);
    fuse.fsync(nodeid);
    fuse.unlink(FUSE_ROOT_ID, "file");
    fuse.forget(nodeid, 1);
    fuse.syncfs();
  }
  expect(fuse.readAll(small).equals(noise(10_000, 7))).toBe(true);
}

test("a layer takes no more than its size, and gives room back", () => {
  using daemon = serve("--layer-size", "32M", "--layer-memory", "16M");
  using vmm = SyntheticVmm.start(daemon.socketPath);
  fillAndFree(WritableClient.over(vmm), 20 * MEBIBYTE, 32 * MEBIBYTE);
});

test.skipIf(!mayMount)("a full disk is ENOSPC for the guest, and no more", () => {
  const layer = join(smallDisk(64), "layer");
  {
    using daemon = serve("--layer", layer, "--layer-memory", "16M");
    using vmm = SyntheticVmm.start(daemon.socketPath);
    fillAndFree(WritableClient.over(vmm), 32 * MEBIBYTE, 64 * MEBIBYTE);
    end(daemon);
    expect(daemon.log).not.toMatch(/ error /);
  }
  expect(layerFaults(layer)).toEqual([]);
  using daemon = serve("--layer", layer, "--layer-memory", "16M");
  using vmm = SyntheticVmm.start(daemon.socketPath);
  const fuse = WritableClient.over(vmm);
  expect(fuse.readAll(fuse.walk("small").nodeid).equals(noise(10_000, 7))).toBe(true);
});

test.skipIf(!mayMount)(
  "a disk that somebody fills for a moment keeps the guest waiting, no more",
  () => {
    const disk = smallDisk(64);
    const layer = join(disk, "layer");
    using daemon = serve("--layer", layer, "--layer-memory", "16M");
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = WritableClient.over(vmm);
    const { nodeid } = fuse.create(FUSE_ROOT_ID, "file");
    fuse.fsync(nodeid);
    const ballast = join(disk, "ballast");
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(ballast, new Uint8Array(bavail * bsize - MEBIBYTE));
    spawn("sh", ["-c", `sleep 2; rm ${ballast}`], { stdio: "ignore" });
    const written = noise(4 * MEBIBYTE, 3);
    for (let at = 0; at < written.length; at += MEBIBYTE) {
      fuse.write(nodeid, at, written.subarray(at, at + MEBIBYTE));
    }
    fuse.fsync(nodeid);
    expect(existsSync(ballast)).toBe(false);
    expect(daemon.log).toContain("waiting for room");
    end(daemon);
    expect(layerFaults(layer)).toEqual([]);
  },
);

test.skipIf(!mayMount)(
  "a daemon that cannot save what was written says so, and fails",
  async () => {
    const disk = smallDisk(64);
    const layer = join(disk, "layer");
    const ballast = join(disk, "ballast");
    {
      using daemon = serve("--layer", layer);
      using vmm = SyntheticVmm.start(daemon.socketPath);
      const fuse = WritableClient.over(vmm);
      const { nodeid } = fuse.create(FUSE_ROOT_ID, "file");
      fuse.write(nodeid, 0, noise(1000, 2));
      fuse.fsync(nodeid);
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(ballast, new Uint8Array(bavail * bsize));
      fuse.write(nodeid, 1000, noise(MEBIBYTE, 3));
      daemon.signal("SIGTERM");
      expect(daemon.ended(3 * END_MILLISECONDS)).toBe(true);
      expect(daemon.log).toContain("what the guest wrote last did not get into the layer");
      expect(await daemon.outcome()).toBe(4);
    }
    rmSync(ballast);
    using daemon = serve("--layer", layer);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = WritableClient.over(vmm);
    expect(fuse.readAll(fuse.walk("file").nodeid).equals(noise(1000, 2))).toBe(true);
  },
);
