/** A running layer is committed while its guest writes: the commit is the tree at one moment. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { CASTOREFS, castorefs, DaemonProcess, sleep } from "./daemon-process.ts";
import { noise } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";
import { WritableClient } from "./writable-client.ts";

/** What a guest writes to, which is large enough for a commit to take some time. */
const LARGE_BYTES = 12 * 1024 * 1024;
const COMMIT_MILLISECONDS_MAX = 50_000;

interface Share {
  readonly store: string;
  readonly layer: string;
  readonly daemon: DaemonProcess;
  readonly client: WritableClient;
}

function serve(): Share {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-commit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "sub"), { recursive: true });
  writeFileSync(join(tree, "large"), noise(LARGE_BYTES, 1));
  writeFileSync(join(tree, "sub/kept"), "kept");
  const store = join(folder, "store");
  const layer = join(folder, "layer");
  castorefs("import", "--store", store, "--name", "tree", tree);
  const daemon = DaemonProcess.serve(store, "--root", "tree", "--writable", "--layer", layer);
  onTestFinished(() => daemon[Symbol.dispose]());
  const vmm = SyntheticVmm.start(daemon.socketPath);
  onTestFinished(() => vmm[Symbol.dispose]());
  return { store, layer, daemon, client: WritableClient.over(vmm) };
}

/** Runs a command while `meanwhile` is called again and again. Returns its output. */
function during(args: readonly string[], meanwhile: () => void): string {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-commit-"));
  const done = join(folder, "done");
  const said = join(folder, "said");
  const script = `"$@" >${said} 2>&1; echo $? >${done}.new; mv ${done}.new ${done}`;
  spawn("/bin/sh", ["-c", script, "sh", ...CASTOREFS, ...args], { stdio: "ignore" });
  try {
    const deadline = performance.now() + COMMIT_MILLISECONDS_MAX;
    while (!existsSync(done) && performance.now() < deadline) meanwhile();
    const text = readFileSync(said, "utf8");
    expect(existsSync(done) ? readFileSync(done, "utf8") : text).toBe("0\n");
    return text;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** 4 KiB that say which generation they are of. */
function generation(number: number): Buffer {
  const bytes = Buffer.alloc(4096);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(number, at);
  return bytes;
}

function exported(store: string, root: string): string {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-commit-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  castorefs("export", "--store", store, root, join(folder, "tree"));
  return join(folder, "tree");
}

test("a commit is the tree between two requests of a guest that goes on writing", () => {
  const { store, layer, client } = serve();
  const large = client.lookup(FUSE_ROOT_ID, "large").nodeid;
  const first = client.create(FUSE_ROOT_ID, "first").nodeid;
  const second = client.create(FUSE_ROOT_ID, "second").nodeid;
  let number = 0;
  const step = () => {
    number += 1;
    client.write(first, 0, generation(number));
    // Written over again and again, in place where nobody holds it.
    client.write(large, (number % 2500) * 4096, generation(number));
    if (number % 16 === 0) client.create(FUSE_ROOT_ID, `n${number}`);
    client.write(second, 0, generation(number));
    sleep(1); // the commit wants a processor, too
  };
  for (let count = 0; count < 400; count += 1) step();
  client.syncfs();
  const before = number;
  const said = JSON.parse(during(["layer", "commit", layer, "--name", "after", "--json"], step));
  expect(number).toBeGreaterThan(before);
  expect(said.pauseMilliseconds).toBeGreaterThan(0);
  const tree = exported(store, "after");
  const inFirst = readFileSync(join(tree, "first"));
  const inSecond = readFileSync(join(tree, "second"));
  const a = inFirst.readUInt32LE(0);
  const b = inSecond.readUInt32LE(0);
  expect(a - b).toBeGreaterThanOrEqual(0);
  expect(a - b).toBeLessThanOrEqual(1);
  expect(b).toBeGreaterThanOrEqual(before);
  expect(inFirst.equals(generation(a))).toBe(true);
  expect(inSecond.equals(generation(b))).toBe(true);
  const names = execFileSync("ls", [tree], { encoding: "utf8" }).split("\n");
  const made = names.filter((name) => /^n\d+$/.test(name)).length;
  expect([Math.floor(a / 16), Math.floor(b / 16)]).toContain(made);
  const bytes = Buffer.from(noise(LARGE_BYTES, 1));
  for (let done = 1; done <= b; done += 1) generation(done).copy(bytes, (done % 2500) * 4096);
  const found = readFileSync(join(tree, "large"));
  if (a > b) found.copy(bytes, (a % 2500) * 4096, (a % 2500) * 4096, (a % 2500) * 4096 + 4096);
  expect(Buffer.compare(found, bytes)).toBe(0);
  expect(readFileSync(join(tree, "sub/kept"), "utf8")).toBe("kept");
});

test("a diff of a running layer knows what was written just before", () => {
  const { layer, client } = serve();
  client.create(FUSE_ROOT_ID, "new");
  const said = during(["layer", "diff", layer], () => sleep(10));
  expect(said).toBe("A new\n");
  expect(during(["layer", "ls", layer], () => sleep(10))).toMatch(/in use by \d+/);
});

test("a daemon that ends while its layer is being committed does not wait for the command", () => {
  const { store, layer, client, daemon } = serve();
  client.truncate(client.create(FUSE_ROOT_ID, "huge").nodeid, 2 ** 37);
  const commit = spawn(
    "/bin/sh",
    ["-c", 'exec "$@" 2>$0', `${store}/said`, ...CASTOREFS, "layer", "commit", layer],
    { stdio: "ignore" },
  );
  onTestFinished(() => void commit.kill("SIGKILL"));
  sleep(3000);
  const begun = performance.now();
  daemon.signal("SIGTERM");
  while (daemon.isAlive && performance.now() < begun + 15_000) sleep(20);
  expect(daemon.isAlive).toBe(false);
  for (let rounds = 0; rounds < 500 && readFileSync(`${store}/said`, "utf8") === ""; rounds += 1) {
    sleep(20);
  }
  expect(readFileSync(`${store}/said`, "utf8")).toMatch(/the daemon has gone away/);
});
