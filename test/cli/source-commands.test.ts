/** Commands that get from sources what the store lacks, and that copy to them. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { castorefs, type Ran, temporaryDirectory } from "./command-line.ts";
import { makeSampleTree, treeContents } from "./sample-tree.ts";

let home: string;
let tree: string;
/** Where the sample is, and the address of a folder in the object layout that it was copied to. */
let origin: string;
let folder: string;
let digest: string;
let pushed: Ran;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "castorefs-cli-"));
  tree = join(home, "sample");
  origin = join(home, "origin");
  makeSampleTree(tree);
  await castorefs(["import", "--store", origin, tree]);
  const stat = await castorefs(["stat", "--store", origin, "--json", "sample"]);
  digest = JSON.parse(stat.text).digest;
  mkdirSync(join(home, "bucket"));
  folder = `file://${join(home, "bucket")}`;
  pushed = await castorefs(["push", "--store", origin, "sample", "--to", folder]);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe("castorefs push", () => {
  it("copies a tree, prints its digest, and says what it sent", () => {
    expect(pushed).toMatchObject({ code: 0, err: "" });
    expect(pushed.text).toContain(`sample  ${digest}\n`);
    expect(pushed.text).toMatch(/5 directories, \d+ different files \(.*\); \d+ files sent/);
  });

  it("sends nothing twice", async () => {
    const again = await castorefs(["push", "--store", origin, "sample", "--to", folder, "--json"]);
    const result = JSON.parse(again.text);
    expect(result).toMatchObject({ digest, directories: 5, sentFiles: 0, sentBytes: 0 });
    expect(result.files).toBeGreaterThan(10);
  });

  it("makes another store, with the name of the root, sound and whole", async () => {
    const other = join(temporaryDirectory(), "store");
    const ran = await castorefs(["push", "--store", origin, "sample", "--to", other]);
    expect(ran.err).toBe("");
    const stat = await castorefs(["stat", "--store", other, "--json", "sample"]);
    expect(JSON.parse(stat.text).digest).toBe(digest);
    expect((await castorefs(["verify", "--store", other])).code).toBe(0);
  });

  it("refuses what has no contents, and addresses that are none", async () => {
    const link = await castorefs(["push", "--store", origin, "sample/dangling", "--to", folder]);
    expect(link.code).not.toBe(0);
    expect(link.err).toMatch(/a symlink has no contents/);
    const nowhere = await castorefs(["push", "--store", origin, "sample", "--to", "ftp://x"]);
    expect(nowhere).toMatchObject({ code: 2, text: "" });
    expect(nowhere.err).toMatch(/--to <address>.*ftp:\/\/x/);
  });
});

describe("castorefs pull", () => {
  it("brings a whole tree by its digest, under a name, so that it needs no source any more", async () => {
    const store = join(temporaryDirectory(), "store");
    const args = ["pull", "--store", store, digest, "--source", folder, "--name", "mine", "--json"];
    const ran = await castorefs(args);
    expect(ran.err).toBe("");
    expect(JSON.parse(ran.text)).toMatchObject({ name: "mine", digest, directories: 5 });
    const out = join(temporaryDirectory(), "out");
    expect((await castorefs(["export", "--store", store, "mine", out])).err).toBe("");
    expect(treeContents(out)).toEqual(treeContents(tree));
    expect((await castorefs(["verify", "--store", store])).code).toBe(0);
    const again = JSON.parse((await castorefs(args)).text);
    expect(again.fetchedBytes).toBe(0);
  });

  it("brings a root by its name from another store", async () => {
    const store = join(temporaryDirectory(), "store");
    const ran = await castorefs(["pull", "--store", store, "sample", "--source", origin]);
    expect(ran.text).toMatch(new RegExp(`^sample +${digest.replaceAll("+", "\\+")}\n`));
    const unknown = await castorefs(["pull", "--store", store, "else", "--source", origin]);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.err).toMatch(/no source has a root named else/);
  });

  it("warns when what came has no name", async () => {
    const store = join(temporaryDirectory(), "store");
    const ran = await castorefs(["pull", "--store", store, digest, "--source", folder]);
    expect(ran.code).toBe(0);
    expect(ran.err).toMatch(/it has no name/);
    expect((await castorefs(["ls", "--store", store])).text).toBe("");
  });

  it("says what is not to be had, and from where", async () => {
    const store = join(temporaryDirectory(), "store");
    const absent = `blake3-${Buffer.alloc(32, 7).toString("base64")}`;
    const missing = await castorefs(["pull", "--store", store, absent, "--source", folder]);
    expect(missing.code).toBe(1);
    expect(missing.err).toContain(absent);
    const dead = "http://127.0.0.1:9/nothing";
    const down = await castorefs(["pull", "--store", store, digest, "--source", dead]);
    expect(down.code).toBe(1);
    expect(down.err).toContain("127.0.0.1:9");
    const none = await castorefs(["pull", "--store", store, digest]);
    expect(none).toMatchObject({ code: 2 });
    expect(none.err).toMatch(/nothing to fetch from/);
  });
});

describe("--source", () => {
  it("lets the reading commands look into a tree that the store does not have", async () => {
    const store = join(temporaryDirectory(), "store");
    const read = (command: string, target: string, ...more: string[]) =>
      castorefs([command, "--store", store, "--source", folder, target, ...more]);
    const ls = await read("ls", digest);
    expect(ls).toMatchObject({ code: 0, err: "" });
    expect(ls.text.split("\n")).toContain("sizes");
    expect((await read("cat", `${digest}/bin/run`)).text).toBe("#!/bin/sh\n");
    const stat = JSON.parse((await read("stat", `${digest}/sizes/300000`, "--json")).text);
    expect(stat).toMatchObject({ kind: "file", size: 300_000 });
    const here = await castorefs(["tree", "--store", origin, digest]);
    expect((await read("tree", digest)).text).toBe(here.text);
    const out = join(temporaryDirectory(), "out");
    expect((await read("export", digest, out)).err).toBe("");
    expect(treeContents(out)).toEqual(treeContents(tree));
    // All of it came into the store; no source is needed any more.
    const offline = await castorefs(["cat", "--store", store, `${digest}/bin/run`]);
    expect(offline.text).toBe("#!/bin/sh\n");
  });

  it("fetches no more than it has to", async () => {
    const store = join(temporaryDirectory(), "store");
    const read = ["--store", store, "--source", folder];
    await castorefs(["stat", ...read, `${digest}/sizes/300000`]);
    const before = await castorefs(["verify", "--store", store]);
    expect(before.text).toMatch(/^0 chunks, 5 directories/);
    await castorefs(["cat", ...read, `${digest}/bin/run`]);
    expect((await castorefs(["verify", "--store", store])).text).toMatch(/^1 chunk, 5 dir/);
  });
});
