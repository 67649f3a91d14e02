/** A share that can be written to, through the socket of a real daemon, in chains of every shape. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  fuseCopyFileRangeIn,
  fuseCopyFileRangeOut,
  fuseCreateIn,
  fuseEntryOut,
  fuseInitIn,
  fuseInitOut,
  fuseMknodIn,
  fuseOpenOut,
  fuseRenameIn,
  fuseSetxattrIn,
} from "../../src/abi/fuse.ts";
import * as op from "../../src/abi/fuse-constants.ts";
import * as errno from "../../src/base/errno.ts";
import { SHAPES } from "./chain-shape.ts";
import { DaemonProcess } from "./daemon-process.ts";
import { errnoOf } from "./fuse-client.ts";
import { decode, decodeEntry, encode, nameBytes } from "./fuse-request.ts";
import { makeShare, noise, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";
import { WritableClient } from "./writable-client.ts";

/** `valid` of SETATTR: mode, owner, group and both times. */
const FATTR_MOST = op.FATTR_MODE | op.FATTR_UID | op.FATTR_GID | op.FATTR_ATIME | op.FATTR_MTIME;
const HOUR_BEFORE_EPOCH = -3600;
const RENAME_EXCHANGE = 2;
const PUNCH_HOLE_KEEP_SIZE = 3;
const STATX_BTIME = 0x800;

let share: ShareFixture;
let daemon: DaemonProcess;
let vmm: SyntheticVmm;
let folders = 0;

beforeAll(() => {
  share = makeShare();
  daemon = DaemonProcess.serve(share.store, "--root", ROOT_NAME, "--writable");
  vmm = SyntheticVmm.start(daemon.socketPath, { queueSize: 1024 });
});

afterAll(() => {
  vmm?.[Symbol.dispose]();
  daemon?.[Symbol.dispose]();
  share?.[Symbol.dispose]();
});

describe.each(SHAPES)("in chains: $name", (shape) => {
  /** A session over such chains, and a directory of its own. */
  function begin() {
    const port = vmm.port();
    const client = new WritableClient((request, room) => port.transact(request, room, shape));
    client.init({ flags: 0x7fff_ffff });
    return { client, directory: client.mkdir(1, `folder-${++folders}`).nodeid };
  }

  it("files are made, written, read, cut, copied, and made to last", () => {
    const { client, directory } = begin();
    const { nodeid, attr } = client.create(directory, "n".repeat(255), 0o640);
    expect(attr).toMatchObject({ mode: 0o100640, size: 0, nlink: 1 });
    const bytes = noise(700, folders);
    expect(client.write(nodeid, 300, bytes)).toBe(700);
    expect(client.write(nodeid, 350, bytes.subarray(0, 50))).toBe(50);
    const expected = Buffer.concat([Buffer.alloc(300), bytes]);
    bytes.copy(expected, 350, 0, 50);
    expect(client.read(nodeid, 0, 2000).equals(expected)).toBe(true);
    client.fsync(nodeid);
    client.truncate(nodeid, 400);
    client.truncate(nodeid, 500);
    expected.fill(0, 400);
    expect(client.read(nodeid, 0, 2000).equals(expected.subarray(0, 500))).toBe(true);
    client.fallocate(nodeid, 320, 40, PUNCH_HOLE_KEEP_SIZE);
    expected.fill(0, 320, 360);
    expect(client.read(nodeid, 0, 2000).equals(expected.subarray(0, 500))).toBe(true);
    const hello = client.lookup(1, "hello").nodeid;
    const copy = encode(fuseCopyFileRangeIn, {
      off_in: 6,
      nodeid_out: nodeid,
      off_out: 10,
      len: 99,
    });
    const copied = client.call(op.FUSE_COPY_FILE_RANGE_64, hello, [copy], 8);
    expect(decode(fuseCopyFileRangeOut, copied).bytes_copied).toBe(6);
    expect(client.read(nodeid, 10, 6).toString()).toBe("World!");
    expect(client.getattr(nodeid).size).toBe(500);
    client.syncfs();
  });

  it("names are made, moved, exchanged and removed", () => {
    const { client, directory } = begin();
    const inner = client.mkdir(directory, "inner").nodeid;
    const file = client.create(inner, "file");
    expect(client.link(file.nodeid, directory, "again").nodeid).toBe(file.nodeid);
    expect(client.getattr(file.nodeid).nlink).toBe(2);
    // A descriptor for each byte: there are 1024.
    const target = "t".repeat(shape.name === "request byte by byte" ? 800 : 4095);
    expect(client.readlink(client.symlink(inner, "link", target).nodeid).toString()).toBe(target);
    const old = encode(fuseRenameIn, { newdir: inner });
    const names = [nameBytes("again"), nameBytes("m".repeat(255))];
    client.call(op.FUSE_RENAME, directory, [old, ...names], 0);
    client.rename(inner, "m".repeat(255), inner, "link", RENAME_EXCHANGE);
    expect(client.lookup(inner, "link").nodeid).toBe(file.nodeid);
    const listed = client.readdir(inner).map(({ name }) => name.toString());
    expect(listed.sort()).toEqual([".", "..", "file", "link", "m".repeat(255)]);
    expect(errnoOf(() => client.rmdir(directory, "inner"))).toBe(errno.ENOTEMPTY);
    for (const name of ["file", "link", "m".repeat(255)]) client.unlink(inner, name);
    expect(client.getattr(file.nodeid).nlink).toBe(0);
    client.rmdir(directory, "inner");
    expect(errnoOf(() => client.unlink(directory, "inner"))).toBe(errno.ENOENT);
  });

  it("attributes are set and seen: owners, modes, times, devices, extended ones", () => {
    const { client, directory } = begin();
    const device = encode(fuseMknodIn, { mode: 0o20600, rdev: 0x0010_0523 });
    const parts = [device, nameBytes("device")];
    const { nodeid } = decodeEntry(client.call(op.FUSE_MKNOD, directory, parts, fuseEntryOut.size));
    const args = { valid: FATTR_MOST, mode: 0o4711, uid: 12, gid: 34, mtimensec: 999_999_999 };
    client.setattr(nodeid, { ...args, atime: 2 ** 33, mtime: 1_700_000_000 });
    const { mode, uid, gid, rdev, atime, mtime, mtimensec } = client.getattr(nodeid);
    expect([mode, uid, gid, rdev]).toEqual([0o24711, 12, 34, 0x0010_0523]);
    expect([atime, mtime, mtimensec]).toEqual([2 ** 33, 1_700_000_000, 999_999_999]);
    const { mask, rdev_major, rdev_minor, btime } = client.statx(nodeid, 0xfff);
    expect([mask & STATX_BTIME, rdev_major, rdev_minor]).toEqual([STATX_BTIME, 5, 0x123]);
    expect(btime.tv_sec).toBeGreaterThan(1_700_000_000);
    const value = noise(400, 7);
    const setxattr = encode(fuseSetxattrIn, { size: value.length });
    client.call(op.FUSE_SETXATTR, directory, [setxattr, nameBytes("user.a"), value], 0);
    expect(client.getxattr(directory, "user.a").equals(value)).toBe(true);
    client.call(op.FUSE_REMOVEXATTR, directory, [nameBytes("user.a")], 0);
    expect(errnoOf(() => client.getxattr(directory, "user.a"))).toBe(errno.ENODATA);
  });

  it("a file without a name is given one", () => {
    const { client, directory } = begin();
    const args = encode(fuseCreateIn, { flags: 2, mode: 0o100600 });
    const room = fuseEntryOut.size + fuseOpenOut.size;
    const made = client.call(op.FUSE_TMPFILE, directory, [args, nameBytes("/")], room);
    const { nodeid } = decodeEntry(made);
    client.write(nodeid, 0, Buffer.from("unnamed"));
    expect(client.readdir(directory).length).toBe(2);
    client.link(nodeid, directory, "named");
    expect(client.read(client.lookup(directory, "named").nodeid, 0, 10).toString()).toBe("unnamed");
  });
});

it("times before the epoch stay what they are", () => {
  const client = WritableClient.over(vmm);
  const { nodeid } = client.create(1, "old");
  const bytes = new Uint8Array(88);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, op.FATTR_MTIME, true);
  view.setBigInt64(40, BigInt(HOUR_BEFORE_EPOCH), true);
  client.call(op.FUSE_SETATTR, nodeid, [bytes], 104);
  expect(client.statx(nodeid).mtime.tv_sec).toBe(HOUR_BEFORE_EPOCH);
});

it("what is free is less than what there is, and a second session finds what the first left", () => {
  const client = WritableClient.over(vmm);
  const { bsize, blocks, bavail, ffree } = client.statfs();
  expect(bavail).toBeGreaterThan(0);
  expect([blocks >= bavail, ffree > 0, bsize > 0]).toEqual([true, true, true]);
  client.write(client.create(1, "left").nodeid, 0, Buffer.from("behind"));
  client.destroy();
  const again = WritableClient.over(vmm);
  expect(again.read(again.lookup(1, "left").nodeid, 0, 10).toString()).toBe("behind");
});

it("INIT takes what a kernel that writes needs", () => {
  const client = new WritableClient(vmm.fuse().transport);
  const offer = encode(fuseInitIn, { major: 7, minor: 38, flags: 0x7fff_ffff });
  const { flags, max_write } = decode(fuseInitOut, client.call(op.FUSE_INIT, 0, [offer], 64));
  expect(flags & op.FUSE_WRITEBACK_CACHE).not.toBe(0);
  expect(flags & op.FUSE_POSIX_ACL).not.toBe(0);
  expect(max_write).toBeGreaterThanOrEqual(1 << 20);
});
