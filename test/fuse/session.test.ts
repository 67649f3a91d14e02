import fc from "fast-check";
import { expect, test } from "vitest";
import { fuseGetattrIn, fuseInitIn, fuseInitOut } from "../../src/abi/fuse.ts";
import * as abi from "../../src/abi/fuse-constants.ts";
import { EIO, EPROTO } from "../../src/base/errno.ts";
import { MAX_PAGES_DEFAULT } from "../../src/fuse/session.ts";
import { args, INIT_ALL, Kernel, parse } from "./kernel.ts";
import { ROOT, StubFileSystem } from "./stub-file-system.ts";

const getattr = args(fuseGetattrIn, {});

function init(values: Parameters<typeof fuseInitIn.write>[2], kernel = new Kernel()) {
  const reply = kernel.send(abi.FUSE_INIT, 0, fuseInitOut.size, args(fuseInitIn, values));
  return { ...reply, kernel };
}

test("INIT settles on flags that the kernel offers and we want", () => {
  const kernel = new Kernel();
  const out = parse(fuseInitOut, kernel.send(abi.FUSE_INIT, 0, 64, INIT_ALL).payload);
  expect(out).toMatchObject({
    major: 7,
    minor: 38,
    max_readahead: 131_072,
    max_pages: MAX_PAGES_DEFAULT,
    max_write: MAX_PAGES_DEFAULT * 4096,
    time_gran: 1,
    map_alignment: 0,
    flags2: 0,
  });
  expect(out.flags & abi.FUSE_INIT_EXT).not.toBe(0);
  expect(out.flags & abi.FUSE_NO_OPENDIR_SUPPORT).not.toBe(0);
  expect(out.flags & (abi.FUSE_POSIX_ACL | abi.FUSE_AUTO_INVAL_DATA)).toBe(0);
});

test("INIT never takes a flag that was not offered", () => {
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), fc.integer({ min: 27, max: 60 }), (flags, minor) => {
      const out = parse(fuseInitOut, init({ major: 7, minor, flags }).payload);
      expect(out.flags & ~flags).toBe(0);
      expect(out.minor).toBe(Math.min(minor, 38));
      expect(out.max_pages > 0).toBe((flags & abi.FUSE_MAX_PAGES) !== 0);
    }),
  );
});

test("INIT of a kernel before 7.36 is sixteen bytes long", () => {
  const kernel = new Kernel();
  const short = args(fuseInitIn, { major: 7, minor: 31, flags: 0xff }).subarray(0, 16);
  const out = parse(fuseInitOut, kernel.send(abi.FUSE_INIT, 0, 64, short).payload);
  expect([out.minor, out.max_pages, out.max_write]).toEqual([31, 0, 32 * 4096]);
});

test.each([
  { major: 6, minor: 40 },
  { major: 0, minor: 0 },
  { major: 7, minor: 26 },
])("INIT of $major.$minor is refused and opens no session", (version) => {
  const { error, kernel } = init(version);
  expect(error).toBe(-EPROTO);
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(-EIO);
});

test("INIT of a later major is told ours, and the next INIT opens the session", () => {
  const { payload, error, kernel } = init({ major: 8, minor: 2, flags: 0xffff_ffff });
  expect(error).toBe(0);
  expect(parse(fuseInitOut, payload)).toMatchObject({
    major: 7,
    minor: 38,
    flags: 0,
    max_write: 0,
  });
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(-EIO);
  expect(init({ major: 7, minor: 38 }, kernel).error).toBe(0);
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(0);
});

test("before INIT nothing is served but DESTROY", () => {
  const fs = new StubFileSystem();
  const kernel = new Kernel(fs);
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(-EIO);
  expect(kernel.send(abi.FUSE_LOOKUP, ROOT, 128, "hello").error).toBe(-EIO);
  expect(kernel.send(abi.FUSE_FORGET, ROOT, 0, new Uint8Array(8)).written).toBe(0);
  expect(kernel.send(abi.FUSE_DESTROY, 0, 0).error).toBe(0);
  expect([fs.lookups, fs.forgotten.length]).toEqual([0, 0]);
});

test("INIT, DESTROY and reset() each begin anew", () => {
  const fs = new StubFileSystem();
  const kernel = Kernel.mounted(fs);
  expect(fs.resets).toBe(1);
  kernel.send(abi.FUSE_INIT, 0, 64, INIT_ALL);
  expect(fs.resets).toBe(2);
  expect(kernel.send(abi.FUSE_DESTROY, 0, 0)).toMatchObject({ written: 16, error: 0 });
  expect(fs.resets).toBe(3);
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(-EIO);
  kernel.send(abi.FUSE_INIT, 0, 64, INIT_ALL);
  kernel.server.reset();
  expect(fs.resets).toBe(5);
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(-EIO);
});

test("INIT without room for its reply opens no session", () => {
  const kernel = new Kernel();
  expect(kernel.send(abi.FUSE_INIT, 0, 63, INIT_ALL).error).toBeLessThan(0);
  expect(kernel.send(abi.FUSE_GETATTR, ROOT, 104, getattr).error).toBe(-EIO);
});
