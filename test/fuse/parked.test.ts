/** Requests that the file system cannot answer yet. */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/abi/fuse-constants.ts";
import { EINTR, EIO } from "../../src/base/errno.ts";
import { silentLogger } from "../../src/base/logger.ts";
import { MISSING } from "../../src/base/missing.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import { ERRORS } from "../../src/fuse/counters.ts";
import { FuseServer, PARKED } from "../../src/fuse/server.ts";
import { FlatRequest, FlatRoom } from "./flat-segments.ts";
import { INIT_ALL, readArgs, requestBytes } from "./kernel.ts";
import { CONTENT, DIRECTORY, HELLO, ROOT, StubFileSystem } from "./stub-file-system.ts";

/** Lacks everything that a store may lack, until it does not. */
class FillingFileSystem extends StubFileSystem {
  lacking = true;

  override lookup(...request: Parameters<StubFileSystem["lookup"]>): number {
    return this.lacking ? MISSING : super.lookup(...request);
  }

  override read(...request: Parameters<StubFileSystem["read"]>): number {
    const sink: ByteSink = request[3];
    // Some of it was there.
    if (this.lacking) sink.append(CONTENT, 0, 3);
    return this.lacking ? MISSING : super.read(...request);
  }

  override readdir(...request: Parameters<StubFileSystem["readdir"]>): number {
    return this.lacking ? MISSING : super.readdir(...request);
  }

  override readdirplus(...request: Parameters<StubFileSystem["readdirplus"]>): number {
    return this.lacking ? MISSING : super.readdirplus(...request);
  }
}

const REQUESTS: readonly [name: string, opcode: number, request: Uint8Array][] = [
  ["LOOKUP", abi.FUSE_LOOKUP, requestBytes(abi.FUSE_LOOKUP, ROOT, "hello")],
  ["READ", abi.FUSE_READ, requestBytes(abi.FUSE_READ, HELLO, readArgs(0, 100))],
  ["READDIR", abi.FUSE_READDIR, requestBytes(abi.FUSE_READDIR, DIRECTORY, readArgs(0, 500))],
  [
    "READDIRPLUS",
    abi.FUSE_READDIRPLUS,
    requestBytes(abi.FUSE_READDIRPLUS, DIRECTORY, readArgs(0, 500)),
  ],
];

function mounted() {
  const fs = new FillingFileSystem();
  const server = new FuseServer(fs, { logger: silentLogger });
  server.handle(new FlatRequest(requestBytes(abi.FUSE_INIT, 0, INIT_ALL)), new FlatRoom(256));
  return { fs, server };
}

describe.each(REQUESTS)("%s", (_name, opcode, request) => {
  test("is parked without an answer, not counted, and answered when it is handled again", () => {
    const { fs, server } = mounted();
    const room = new FlatRoom(1000);
    for (let round = 0; round < 3; round++) {
      expect(server.handle(new FlatRequest(request), room)).toBe(PARKED);
      expect(room.bytes.subarray(0, 16)).toEqual(new Uint8Array(16));
      expect([server.counters[opcode], server.counters[ERRORS + opcode]]).toEqual([0, 0]);
    }
    fs.lacking = false;
    const answered = server.handle(new FlatRequest(request), room);
    const whole = new FlatRoom(1000);
    expect(mountedWith(fs).handle(new FlatRequest(request), whole)).toBe(answered);
    expect(room.bytes).toEqual(whole.bytes);
    expect([server.counters[opcode], server.counters[ERRORS + opcode]]).toEqual([1, 0]);
  });

  test("is refused with the errno that whoever waited for it chooses", () => {
    const { server } = mounted();
    const room = new FlatRoom(1000);
    server.handle(new FlatRequest(request), room);
    expect(server.refuse(new FlatRequest(request), room, EINTR)).toBe(16);
    expect(new DataView(room.bytes.buffer).getInt32(4, true)).toBe(-EINTR);
    expect(server.refuse(new FlatRequest(request), room)).toBe(16);
    expect(new DataView(room.bytes.buffer).getInt32(4, true)).toBe(-EIO);
    expect([server.counters[opcode], server.counters[ERRORS + opcode]]).toEqual([2, 2]);
  });
});

function mountedWith(fs: StubFileSystem): FuseServer {
  const server = new FuseServer(fs, { logger: silentLogger });
  server.handle(new FlatRequest(requestBytes(abi.FUSE_INIT, 0, INIT_ALL)), new FlatRoom(256));
  return server;
}
