/** `castorefs serve --source`, as people start it: the real sources, on this host. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { FUSE_ROOT_ID, fuseReadIn } from "../../src/abi/fuse.ts";
import { FUSE_READ } from "../../src/abi/fuse-constants.ts";
import { EIO } from "../../src/base/errno.ts";
import { rootDigest } from "./cold-share.ts";
import { CASTOREFS, castorefs, DaemonProcess, eventually, sleep } from "./daemon-process.ts";
import { errnoOf, type FuseClient } from "./fuse-client.ts";
import { decodeReply, encode, encodeRequest } from "./fuse-request.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";

const END_MILLISECONDS = 15_000;

let share: ShareFixture;
let root: string;
let folder: string;
let store: string;

beforeAll(() => {
  share = makeShare();
  root = rootDigest(share);
});
afterAll(() => share?.[Symbol.dispose]());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "castorefs-sources-"));
  store = join(folder, "cache");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function readEverything(fuse: FuseClient): void {
  for (const [name, bytes] of share.files) {
    expect(fuse.readAll(fuse.lookup(FUSE_ROOT_ID, name).nodeid).equals(bytes), name).toBe(true);
  }
  expect(fuse.readAll(fuse.walk("deep/er/and/deeper/leaf").nodeid).toString()).toBe("leaf");
}

/** `castorefs store serve`, which a test can stop, continue and kill. */
class SourceServer implements Disposable {
  readonly path: string;
  #child: ChildProcess | undefined;

  constructor(path: string) {
    this.path = path;
    this.start();
  }

  get address(): string {
    return `grpc+unix:${this.path}`;
  }

  start(): void {
    rmSync(this.path, { force: true });
    const [program, ...args] = CASTOREFS;
    const serve = ["store", "serve", "--store", share.store, "--listen", `unix:${this.path}`];
    this.#child = spawn(program!, [...args, ...serve, "--read-only"], { stdio: "ignore" });
    if (!eventually(() => existsSync(this.path), 30_000)) throw new Error("no source server");
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined) process.kill(this.#child.pid, name);
  }

  [Symbol.dispose](): void {
    this.signal("SIGKILL");
  }
}

describe("an empty store with sources", () => {
  it("serves a tree by its digest, and keeps what it fetched", () => {
    {
      using daemon = DaemonProcess.serve(store, "--root", root, "--source", share.store);
      using vmm = SyntheticVmm.start(daemon.socketPath);
      const fuse = vmm.session();
      expect(fuse.read(fuse.lookup(1, "hello").nodeid, 0, 99).toString()).toBe("Hello World!");
    }
    using alone = DaemonProcess.serve(store, "--root", root);
    using vmm = SyntheticVmm.start(alone.socketPath);
    const fuse = vmm.session();
    expect(fuse.read(fuse.lookup(1, "hello").nodeid, 0, 99).toString()).toBe("Hello World!");
    expect(errnoOf(() => fuse.read(fuse.lookup(1, "p4096").nodeid, 0, 99))).toBe(EIO);
  });

  it.each([
    [[]],
    [["--trust-chunk-lists"]],
    [["--verify", "always"]],
    [["--verify", "entry", "--source-concurrency", "4", "--source-bandwidth", "20M"]],
  ])("serves every byte with %s", (options) => {
    using source = new SourceServer(join(folder, "source"));
    const args = ["--root", root, "--source", source.address, ...options];
    using daemon = DaemonProcess.serve(store, ...args);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    for (let round = 0; round < 2; round++) readEverything(fuse);
  });

  it("tells which sources it asked for a root that nobody has", async () => {
    const nobody = `blake3-${Buffer.alloc(32, 7).toString("base64")}`;
    const daemon = () =>
      DaemonProcess.serve(
        store,
        "--root",
        nobody,
        "--source",
        share.store,
        "--source-timeout",
        "3",
      );
    expect(daemon).toThrow(`the sources are ${share.store}`);
  });

  it("ends when it is told to while it waits for a root", async () => {
    using source = new SourceServer(join(folder, "source"));
    source.signal("SIGSTOP");
    const [program, ...rest] = CASTOREFS;
    const args = ["serve", "--store", store, "--socket-path", join(folder, "s"), "--root", root];
    const child = spawn(program!, [...rest, ...args, "--source", source.address], {
      stdio: "ignore",
    });
    expect(eventually(() => existsSync(join(store, "index.sqlite")), 20_000)).toBe(true);
    sleep(1_000);
    const begun = performance.now();
    child.kill("SIGTERM");
    const code = await new Promise((resolve) => child.once("exit", (status) => resolve(status)));
    expect(performance.now() - begun).toBeLessThan(8_000);
    expect(code).toBe(0);
  });
});

describe("a source in trouble", () => {
  it("that is slow, dies and comes back costs late answers, EIO, and nothing for good", () => {
    using source = new SourceServer(join(folder, "source"));
    const args = ["--root", root, "--source", source.address, "--source-timeout", "4"];
    using daemon = DaemonProcess.serve(store, ...args);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    const { nodeid: hello } = fuse.lookup(FUSE_ROOT_ID, "hello");
    const { nodeid: large } = fuse.lookup(FUSE_ROOT_ID, "large");
    source.signal("SIGSTOP");
    const port = vmm.port();
    const read = encodeRequest(FUSE_READ, hello, [encode(fuseReadIn, { offset: 0, size: 99 })]);
    port.post(read, 16 + 99);
    port.queue.flush();
    expect(port.queue.wait(1_000)).toBe(false);
    source.signal("SIGCONT");
    const { reply } = port.collect();
    expect(Buffer.from(decodeReply(reply.room, reply.usedLength, read).body).toString()).toBe(
      "Hello World!",
    );
    source.signal("SIGKILL");
    const begun = performance.now();
    expect(errnoOf(() => fuse.read(large, 0, 4096))).toBe(EIO);
    expect(performance.now() - begun).toBeLessThan(8_000);
    expect(fuse.read(hello, 0, 5).toString()).toBe("Hello");
    source.start();
    expect(eventually(() => errnoOf(() => fuse.read(large, 0, 4096)) === 0, END_MILLISECONDS)).toBe(
      true,
    );
    readEverything(fuse);
  });
});

describe("a daemon that is told to end", () => {
  it("ends while a fetch is under way that gets no answer", async () => {
    using source = new SourceServer(join(folder, "source"));
    using daemon = DaemonProcess.serve(store, "--root", root, "--source", source.address);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const { nodeid } = vmm.session().lookup(FUSE_ROOT_ID, "large");
    source.signal("SIGSTOP");
    const port = vmm.port();
    const read = encodeRequest(FUSE_READ, nodeid, [encode(fuseReadIn, { offset: 0, size: 99 })]);
    port.post(read, 16 + 99);
    port.queue.flush();
    expect(port.queue.wait(500)).toBe(false);
    daemon.signal("SIGTERM");
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
    expect(await daemon.outcome()).toBe(0);
  });
});

describe("several machines on one daemon", () => {
  const serveTwo = (...options: string[]) => {
    const second = join(folder, "second");
    const daemon = DaemonProcess.serve(
      ...[store, "--root", root, "--source", share.store, "--socket-path", second, ...options],
    );
    eventually(() => existsSync(second), 5_000);
    return { daemon, paths: [daemon.socketPath, second] as const };
  };

  it("are served side by side, and what happens to one is nothing to the other", async () => {
    const { daemon, paths } = serveTwo();
    using _ = daemon;
    const first = SyntheticVmm.start(paths[0]);
    using second = SyntheticVmm.start(paths[1]);
    const fuse = second.session();
    readEverything(first.session());
    first[Symbol.dispose]();
    readEverything(fuse);
    using again = SyntheticVmm.start(paths[0]);
    readEverything(again.session());
    daemon.signal("SIGTERM");
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
    expect(await daemon.outcome()).toBe(0);
    expect(paths.some((path) => existsSync(path))).toBe(false);
  });

  it("are refused together when one of the sockets is taken", async () => {
    using daemon = DaemonProcess.serve(store, "--root", root, "--source", share.store);
    const [free, taken] = [join(folder, "free"), daemon.socketPath];
    const [program, ...rest] = CASTOREFS;
    const sockets = ["--socket-path", free, "--socket-path", taken];
    const child = spawn(program!, [...rest, "serve", "--store", store, "--root", root, ...sockets]);
    const said: Buffer[] = [];
    child.stderr.on("data", (piece: Buffer) => said.push(piece));
    const code = await new Promise((resolve) => child.once("close", (status) => resolve(status)));
    expect(code).toBe(4);
    expect(Buffer.concat(said).toString()).toContain("socket");
    expect(existsSync(free)).toBe(false);
    expect(daemon.isAlive && existsSync(taken)).toBe(true);
  });

  it("end the daemon with the last of them, if asked to", async () => {
    const { daemon, paths } = serveTwo("--exit-on-disconnect");
    using _ = daemon;
    const [first, second] = paths.map((path) => SyntheticVmm.start(path));
    first![Symbol.dispose]();
    readEverything(second!.session());
    expect(eventually(() => !existsSync(paths[0]), END_MILLISECONDS)).toBe(true);
    expect(daemon.isAlive).toBe(true);
    second![Symbol.dispose]();
    expect(daemon.ended(END_MILLISECONDS)).toBe(true);
    expect(await daemon.outcome()).toBe(0);
  });
});

describe("a recording", () => {
  it("has what a machine read, in order, and is fetched ahead for the next", () => {
    const trace = join(folder, "trace.json");
    const source = ["--root", root, "--source", share.store];
    {
      using daemon = DaemonProcess.serve(store, ...source, "--record", trace);
      using vmm = SyntheticVmm.start(daemon.socketPath);
      const fuse = vmm.session();
      fuse.read(fuse.lookup(FUSE_ROOT_ID, "p4097").nodeid, 0, 99);
      fuse.readAll(fuse.walk("deep/er/and/deeper/leaf").nodeid);
      fuse.read(fuse.lookup(FUSE_ROOT_ID, "large").nodeid, 1 << 20, 99);
      fuse.read(fuse.lookup(FUSE_ROOT_ID, "p4097").nodeid, 0, 99);
      sleep(500);
      daemon.signal("SIGTERM");
      expect(daemon.ended(END_MILLISECONDS)).toBe(true);
    }
    const recorded = JSON.parse(readFileSync(trace, "utf8"));
    expect(recorded.root).toBe(root);
    expect(recorded.objects.map(({ kind }: { kind: string }) => kind)).toEqual([
      ...["directory", "blob", "directory", "directory", "directory", "directory", "blob"],
      ...["blob", "chunk"],
    ]);
    const next = join(folder, "next");
    {
      using daemon = DaemonProcess.serve(next, ...source, "--prefetch", trace);
      const done = () => daemon.log.includes("fetched ahead");
      expect(eventually(done, END_MILLISECONDS)).toBe(true);
    }
    using alone = DaemonProcess.serve(next, "--root", root);
    using vmm = SyntheticVmm.start(alone.socketPath);
    const fuse = vmm.session();
    expect(fuse.readAll(fuse.walk("deep/er/and/deeper/leaf").nodeid).toString()).toBe("leaf");
    expect(errnoOf(() => fuse.read(fuse.lookup(1, "p4096").nodeid, 0, 9))).toBe(EIO);
  });

  it("of everything, or of all directories, needs no file", () => {
    for (const plan of ["all", "metadata"]) {
      const filled = join(folder, plan);
      {
        using daemon = DaemonProcess.serve(
          ...[filled, "--root", root, "--source", share.store, "--prefetch", plan],
        );
        const done = () => daemon.log.includes("fetched ahead");
        expect(eventually(done, END_MILLISECONDS)).toBe(true);
      }
      using alone = DaemonProcess.serve(filled, "--root", root);
      using vmm = SyntheticVmm.start(alone.socketPath);
      const fuse = vmm.session();
      expect(fuse.walk("deep/er/and/deeper/leaf").attr.size).toBe(4);
      if (plan === "all") readEverything(fuse);
      else expect(errnoOf(() => fuse.read(fuse.lookup(1, "p4096").nodeid, 0, 9))).toBe(EIO);
    }
  });
});

describe("what is being served", () => {
  it("is spared by a collection, with and without a name", () => {
    castorefs("import", "--store", store, "--name", ROOT_NAME, share.source);
    using daemon = DaemonProcess.serve(store, "--root", ROOT_NAME);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const fuse = vmm.session();
    castorefs("rm", "--store", store, ROOT_NAME);
    castorefs("gc", "--store", store);
    readEverything(fuse);
    using all = DaemonProcess.serve(store, "--root", root);
    expect(all.isAlive).toBe(true);
  });
});
