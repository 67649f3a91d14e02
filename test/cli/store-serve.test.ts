/** The server as people start and end it. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import { openGrpcSource } from "../../src/store/grpc/grpc-source.ts";
import type { Source } from "../../src/store/source.ts";
import { castorefs, temporaryDirectory } from "./command-line.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

interface Server {
  readonly address: string;
  readonly child: ChildProcess;
  readonly code: Promise<number | null>;
  /** What it has written to stderr. */
  log(): string;
}

async function serve(...args: string[]): Promise<Server> {
  const child = spawn(
    process.execPath,
    ["--conditions=castorefs-source", MAIN, "store", "serve", ...args],
    { env: { PATH: process.env["PATH"], HOME: "/nonexistent" }, stdio: ["ignore", "pipe", "pipe"] },
  );
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let log = "";
  child.stderr.on("data", (text) => {
    log += text;
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) throw new Error(`the server ended with ${await code}: ${log}`);
  const address = /^listening on (.*)$/.exec(first.value)![1]!;
  return { address, child, code, log: () => log };
}

async function sourceAt(address: string): Promise<Source> {
  const scheme = address.startsWith("unix:") ? "grpc+" : "grpc+http://";
  const url = new URL(`${scheme}${address}`);
  const source = await openGrpcSource(url, { timeoutMilliseconds: 20_000 });
  onTestFinished(async () => await source[Symbol.asyncDispose]());
  return source;
}

async function imported(home: string): Promise<string> {
  const tree = join(home, "tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "file"), "Hello World!");
  const store = join(home, "store");
  await castorefs(["import", "--store", store, tree]);
  return store;
}

async function text(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  let all = "";
  for await (const piece of pieces) all += Buffer.from(piece);
  return all;
}

describe("castorefs store serve", () => {
  it("serves on a port of its choice what was imported, and takes more, until SIGTERM", async () => {
    const store = await imported(temporaryDirectory());
    const server = await serve("--store", store, "--listen", "127.0.0.1:0");
    expect(server.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    const source = await sourceAt(server.address);
    const { digest } = await source.blobs.put([Buffer.from("Hello World!")]);
    expect((await source.blobs.stat(digest))!.size).toBe(12);
    const fresh = await source.blobs.put([Buffer.from("never seen")]);
    server.child.kill("SIGTERM");
    expect(await server.code).toBe(0);
    expect(server.log()).toMatch(/info listening address=127\.0\.0\.1:\d+ readOnly=false/);
    expect(server.log()).toMatch(/info stopped .*graceful=true/);
    const cat = await castorefs(["cat", "--store", store, fresh.digest.toString()]);
    expect(cat.text).toBe("never seen");
  });

  it("makes the store where there is none", async () => {
    const store = join(temporaryDirectory(), "store");
    const server = await serve("--store", store, "--listen", "[::1]:0").catch(() =>
      // A host without IPv6.
      serve("--store", store, "--listen", "localhost:0"),
    );
    const source = await sourceAt(server.address);
    expect((await source.blobs.put([Buffer.from("x")])).size).toBe(1);
  });

  it("takes the place of a server that was killed, but of none that runs", async () => {
    const home = temporaryDirectory();
    const store = await imported(home);
    const socket = join(home, "socket");
    const first = await serve("--store", store, "--listen", `unix:${socket}`);
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    const second = await castorefs([
      "store",
      "serve",
      "--store",
      store,
      "--listen",
      `unix:${socket}`,
    ]);
    expect(second.code).toBe(4);
    expect(second.err).toContain(`cannot listen on unix:${socket}: something else listens there`);
    first.child.kill("SIGKILL");
    await first.code;
    expect(existsSync(socket)).toBe(true);
    const args = ["--socket-mode", "0600", "--listen", `unix:${socket}`];
    const third = await serve("--store", store, ...args);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    third.child.kill("SIGINT");
    expect(await third.code).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it("--read-only refuses uploads, and needs a store that is there", async () => {
    const home = temporaryDirectory();
    const store = await imported(home);
    const args = ["--read-only", "--listen", "127.0.0.1:0"];
    const server = await serve("--store", store, ...args);
    const source = await sourceAt(server.address);
    await expect(source.blobs.put([Buffer.from("x")])).rejects.toThrow("PERMISSION_DENIED");
    const absent = await castorefs(["store", "serve", "--store", join(home, "none"), ...args]);
    expect(absent.code).toBe(3);
  });

  it("with a source serves what that has, and keeps it", async () => {
    const home = temporaryDirectory();
    const far = await serve("--store", await imported(home), "--listen", `unix:${home}/far`);
    const cache = join(home, "cache");
    const source = ["--source", `grpc+unix:${home}/far`];
    const near = await serve("--store", cache, "--listen", `unix:${home}/near`, ...source);
    const digest = blake3(Buffer.from("Hello World!"));
    const client = await sourceAt(near.address);
    expect(await text(client.blobs.read(digest))).toBe("Hello World!");
    far.child.kill("SIGTERM");
    expect(await far.code).toBe(0);
    expect(await text(client.blobs.read(digest))).toBe("Hello World!");
    near.child.kill("SIGTERM");
    expect(await near.code).toBe(0);
  });

  it("refuses addresses that are none, and those that other hosts reach", async () => {
    const store = temporaryDirectory();
    for (const [listen, reason] of [
      ["0.0.0.0:0", "other hosts can reach 0.0.0.0:0"],
      ["[::]:0", "other hosts can reach"],
      ["store.example:80", "other hosts can reach"],
      ["unix:", "a socket's path has 1 to 107 bytes"],
      ["8000", "is not an address to listen on"],
      ["127.0.0.1:70000", "is not an address to listen on"],
    ]) {
      const ran = await castorefs(["store", "serve", "--store", store, "--listen", listen!]);
      expect(ran.code, listen).toBe(2);
      expect(ran.err).toContain(reason);
    }
    const remote = await serve("--store", store, "--listen", "0.0.0.0:0", "--allow-remote");
    expect(remote.address).toMatch(/^0\.0\.0\.0:\d+$/);
  });
});
