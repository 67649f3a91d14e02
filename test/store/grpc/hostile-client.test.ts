/** Clients that break the rules: they get an error or lose their connection, and nobody else does. */
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, type ClientWritableStream, credentials } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { encodeBlobChunk } from "../../../src/castore/rpc-proto.ts";
import { openDiskStore } from "../../../src/store/disk-store.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { Source } from "../../../src/store/source.ts";
import { verifyStore } from "../../../src/store/upkeep/verify.ts";
import { LARGE, pieces, readAll, SMALL } from "../conformance-services.ts";
import { noise, temporaryFolder } from "../temporary.ts";
import { serving } from "./serving.ts";

const METHODS = ["BlobService/Stat", "BlobService/Read", "BlobService/Put"]
  .concat(["DirectoryService/Get", "DirectoryService/Put"])
  .map((method) => `/snix.castore.v1.${method}`);

interface Answer {
  readonly status: string | undefined;
}

/** Sends `body` as it is to a method: no client library would. */
async function post(
  session: ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const request = session.request({
    ...headers,
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const { promise, resolve } = Promise.withResolvers<Answer>();
  let code: string | undefined;
  request.on("response", (headers) => {
    code ??= headers["grpc-status"]?.toString();
  });
  request.on("trailers", (trailers) => {
    code ??= trailers["grpc-status"]?.toString();
  });
  request.on("error", () => {});
  request.on("close", () => resolve({ status: code }));
  request.resume();
  request.end(body);
  return await promise;
}

function session(path: string): ClientHttp2Session {
  const opened = connectHttp2("http://localhost", { createConnection: () => connect(path) });
  opened.on("error", () => {});
  onTestFinished(() => opened.destroy());
  return opened;
}

function frame(message: Uint8Array, compressed = 0, length = message.length): Buffer {
  const header = Buffer.from([compressed, 0, 0, 0, 0]);
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, message]);
}

/** The server still does what it is there for. */
async function expectWell(source: Source): Promise<void> {
  const { digest } = await source.blobs.put([LARGE]);
  expect((await readAll(source.blobs.read(digest))).equals(LARGE)).toBe(true);
}

type RawUpload = ClientWritableStream<Uint8Array>;

/** An upload of a blob that its caller feeds by hand. */
function rawUpload(path: string): { call: RawUpload; ended: Promise<number> } {
  const client = new Client(`unix:${path}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const { promise, resolve } = Promise.withResolvers<number>();
  const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes);
  const call = client.makeClientStreamRequest(
    "/snix.castore.v1.BlobService/Put",
    asBuffer,
    (bytes: Buffer) => bytes,
    (error) => resolve(error?.code ?? 0),
  );
  call.on("error", () => {});
  return { call, ended: promise };
}

describe("a client", () => {
  it("that sends frames of no sense gets an error", async () => {
    const { source, path } = await serving(new MemoryStore());
    const http2 = session(path);
    const frames: Record<string, Buffer> = {
      "a message that is cut short": frame(SMALL, 0, 1000).subarray(0, 12),
      "a header that is cut short": Buffer.from([0, 0, 0]),
      "a message of 4 GiB": frame(SMALL, 0, 0xffff_ffff),
      "a message that is not compressed as it says": frame(SMALL, 1),
      "an unknown flag": frame(SMALL, 9),
      "no message of protobuf": frame(Buffer.from([0xff, 0xff, 0xff])),
    };
    for (const path of METHODS) {
      for (const [what, body] of Object.entries(frames)) {
        // To grpc-js a stream of blob pieces may end anywhere: what came whole is the blob.
        if (path.endsWith("BlobService/Put") && what.endsWith("cut short")) continue;
        const { status } = await post(http2, path, body);
        expect(status, `${path}: ${what}`).not.toBe("0");
      }
    }
    await expectWell(source);
  });

  it("may send any bytes to any method", async () => {
    const { source, path } = await serving(new MemoryStore());
    const http2 = session(path);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .array(fc.uint8Array({ maxLength: 60 }), { maxLength: 3 })
        .map((messages) => Buffer.concat(messages.map((message) => frame(message)))),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...METHODS), body, async (method, bytes) => {
        await post(http2, method, bytes);
      }),
      { numRuns: 300 },
    );
    await expectWell(source);
  });

  it("that speaks no HTTP/2 loses its connection", async () => {
    const { source, path } = await serving(new MemoryStore());
    for (const bytes of [noise(5000, 3), Buffer.from("GET / HTTP/1.1\r\n\r\n")]) {
      const socket = connect(path);
      socket.on("error", () => {});
      socket.end(bytes);
      socket.resume();
      await new Promise((resolve) => socket.once("close", resolve));
    }
    await expectWell(source);
  });

  it("that uploads without an end is stopped at the limit", async () => {
    const { source, path } = await serving(new MemoryStore(), {
      limits: { uploadBytesMax: 3_000_000 },
    });
    const { call, ended } = rawUpload(path);
    let sent = 0;
    const finished = ended.then((code) => code);
    for (let code: number | undefined; code === undefined; ) {
      if (!call.write(encodeBlobChunk(LARGE.subarray(0, 100_000)))) {
        const drained = new Promise<undefined>((next) => call.once("drain", () => next(undefined)));
        code = await Promise.race([drained, finished]);
      }
      sent += 100_000;
      expect(sent).toBeLessThan(100_000_000);
    }
    expect(await finished).toBe(8);
    const smaller = noise(1_000_000, 4);
    expect((await source.blobs.put([smaller])).size).toBe(smaller.length);
  });

  it("that says nothing in the middle of an upload is given up", async () => {
    const { source, path } = await serving(new MemoryStore(), {
      limits: { silenceMillisecondsMax: 1500, uploadsMax: 1 },
    });
    const { call, ended } = rawUpload(path);
    call.write(encodeBlobChunk(SMALL));
    expect(await ended).toBe(4);
    await expectWell(source);
  });

  it("that goes away in the middle of an upload leaves no wrong byte and no place taken", async () => {
    const folder = temporaryFolder();
    using store = openDiskStore(folder, { create: true });
    const { source, path } = await serving(store, { limits: { uploadsMax: 1 } });
    for (let i = 0; i < 5; i += 1) {
      const { call, ended } = rawUpload(path);
      for (const piece of pieces(LARGE, 200_000)) call.write(encodeBlobChunk(piece));
      await sleep(30);
      call.cancel();
      expect(await ended).toBe(1);
    }
    await sleep(100);
    // A cancelled stream may look like one that ended: what came before is then stored, as what it is.
    expect((await verifyStore(folder)).faults).toBe(0);
    await expectWell(source);
  });

  it("that never finishes its uploads keeps others waiting no longer than it may be silent", async () => {
    const { source, path } = await serving(new MemoryStore(), {
      limits: { uploadsMax: 2, silenceMillisecondsMax: 1500 },
    });
    const stuck = [1, 2, 3].map(() => rawUpload(path));
    for (const { call } of stuck) call.write(encodeBlobChunk(SMALL));
    await sleep(50);
    await expectWell(source);
    expect(await Promise.all(stuck.map(({ ended }) => ended))).toEqual([4, 4, 4]);
  });

  it("that sends headers of no sense does not write to our console", async () => {
    const { source, path } = await serving(new MemoryStore());
    const written = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => written.mockRestore());
    await post(session(path), METHODS[0]!, frame(SMALL), { "x-strange": "caf\u00e9" });
    expect(written).not.toHaveBeenCalled();
    await expectWell(source);
  });

  it("that waits for its turn sends no more than fits on the way", async () => {
    const { path } = await serving(new MemoryStore(), { limits: { uploadsMax: 1 } });
    const first = rawUpload(path);
    first.call.write(encodeBlobChunk(SMALL));
    await sleep(100);
    const second = rawUpload(path);
    let taken = 0;
    for (const piece of pieces(noise(10_000_000, 9), 100_000)) {
      second.call.write(encodeBlobChunk(piece), () => {
        taken += 1;
      });
    }
    await sleep(500);
    // A megabyte lies in this client, for the case that it has to send it again.
    expect(taken).toBeLessThan(15);
    first.call.end();
    second.call.end();
    expect(await first.ended).toBe(0);
    expect(await second.ended).toBe(0);
    expect(taken).toBe(100);
  });

  it("that resets its streams as fast as it opens them harms nobody else", async () => {
    const { source, path } = await serving(new MemoryStore());
    const { digest } = await source.blobs.put([LARGE]);
    const http2 = session(path);
    const body = frame(Buffer.concat([Buffer.from([0x0a, 0x20]), digest.bytes]));
    for (let i = 0; i < 300 && !http2.destroyed; i += 1) {
      const request = http2.request({
        ":method": "POST",
        ":path": "/snix.castore.v1.BlobService/Read",
        "content-type": "application/grpc",
        te: "trailers",
      });
      request.on("error", () => {});
      request.end(body);
      if (i % 3 === 0) await sleep(1);
      request.close(constants.NGHTTP2_CANCEL);
    }
    await expectWell(source);
  });
});

describe("many clients", () => {
  it("upload at a time, through one writer, and each finds what it put", async () => {
    const folder = temporaryFolder();
    using store = openDiskStore(folder, { create: true });
    const { source } = await serving(store, { limits: { uploadsMax: 8 } });
    const blobs = Array.from({ length: 120 }, (_, i) => noise(1 + i * 5003, i + 1));
    const put = await Promise.all(blobs.map((blob) => source.blobs.put(pieces(blob, 65_536))));
    for (const [i, { digest, size }] of put.entries()) {
      expect(size).toBe(blobs[i]!.length);
      expect((await readAll(store.blobs.read(digest))).equals(blobs[i]!)).toBe(true);
    }
  });
});
