/** `castorefs import`: archives known by their names, and being told to end. */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, ftruncateSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { castorefs, temporaryDirectory } from "./command-line.ts";
import { makeSampleTree } from "./sample-tree.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

async function digests(...args: string[]): Promise<Record<string, string>> {
  const ran = await castorefs(["import", "--json", ...args]);
  expect(ran.err).toBe("");
  const roots = JSON.parse(ran.text) as { name: string; digest: string }[];
  return Object.fromEntries(roots.map(({ name, digest }) => [name, digest]));
}

describe("castorefs import of archives", () => {
  it("unpacks what ends in .tar, .tar.gz, .tgz or .tar.zst, and names the root without it", async () => {
    const home = temporaryDirectory();
    makeSampleTree(join(home, "tree"));
    const tar = execFileSync("tar", ["-C", join(home, "tree"), "-cf", "-", "."]);
    writeFileSync(join(home, "a.tar"), tar);
    writeFileSync(join(home, "b.tar.gz"), gzipSync(tar));
    writeFileSync(join(home, "c.tgz"), gzipSync(tar));
    writeFileSync(join(home, "d.tar.zst"), zstdCompressSync(tar));
    const paths = ["tree", "a.tar", "b.tar.gz", "c.tgz", "d.tar.zst"].map((it) => join(home, it));
    const { tree, ...unpacked } = await digests("--store", join(home, "store"), ...paths);
    expect(unpacked).toEqual({ a: tree, b: tree, c: tree, d: tree });
  });

  it("refuses what it cannot decompress, and says what to do", async () => {
    const home = temporaryDirectory();
    const archive = join(home, "a.tar.xz");
    writeFileSync(archive, Buffer.from("fd377a585a00".padEnd(2000, "0"), "hex"));
    const store = join(home, "store");
    const ran = await castorefs(["import", "--store", store, archive]);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/the archive is compressed with xz/);
    expect(ran.err).toMatch(/hint: .*xz -dc ARCHIVE \| castorefs import --name NAME -/);
    expect(Object.keys(await digests("--store", store, "--plain", archive))).toEqual(["a.tar.xz"]);
  });
});

describe("castorefs import that is told to end", () => {
  /** Imports something that takes long; sends the signal when it is at it. */
  async function interrupted(signal: NodeJS.Signals, store: string, source: string) {
    const child = spawn(
      process.execPath,
      ["--conditions=castorefs-source", MAIN, "import", "--store", store, "--name", "x", source],
      { stdio: ["pipe", "pipe", "pipe"] },
    );
    let err = "";
    child.stderr.on("data", (bytes: Buffer) => {
      err += bytes.toString();
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    while (!existsSync(join(store, "index.sqlite"))) await sleep(20);
    await sleep(500);
    child.kill(signal);
    const code = await ended;
    child.stdin.destroy();
    return { code, err };
  }

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends in good order by %s, and names no root", async (signal, expected) => {
    const home = temporaryDirectory();
    const store = join(home, "store");
    const file = join(home, "file");
    const fd = openSync(file, "w");
    // Holes, which take no room, and half a minute.
    ftruncateSync(fd, 64 * 1024 ** 3);
    closeSync(fd);
    const { code, err } = await interrupted(signal, store, file);
    expect(err).toMatch(/^castorefs: interrupted before the end: no root was named\n.*hint: /);
    expect(code).toBe(expected);
    expect((await castorefs(["roots", "--store", store])).text).toBe("");
    expect((await castorefs(["verify", "--store", store])).code).toBe(0);
    expect((await castorefs(["import", "--store", store, MAIN])).code).toBe(0);
  });

  it("does not wait for an archive that does not come", async () => {
    const store = join(temporaryDirectory(), "store");
    expect(await interrupted("SIGINT", store, "-")).toMatchObject({ code: 130 });
  });
});
