/** gc, du, diff, stats and verify --repair, as people and scripts use them. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { takeLease } from "../../src/store/upkeep/lease.ts";
import { liveLeases } from "../../src/store/upkeep/lease-list.ts";
import { WriterSlots } from "../../src/store/writer-slots.ts";
import { castorefs, type Ran, temporaryDirectory } from "./command-line.ts";
import { makeSampleTree, treeContents } from "./sample-tree.ts";

const DIGEST = /blake3-[A-Za-z0-9+/]{43}=/;

let home: string;
let tree: string;
/** Roots: sample, and other, which differs a little. To be looked at, not to be changed. */
let pristine: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "castorefs-cli-"));
  tree = join(home, "sample");
  pristine = join(home, "store");
  makeSampleTree(tree);
  await castorefs(["import", "--store", pristine, tree]);
  const other = join(home, "other");
  cpSync(tree, other, { recursive: true, verbatimSymlinks: true });
  rmSync(join(other, "bin"), { recursive: true });
  writeFileSync(join(other, "sizes", "4096"), "changed");
  mkdirSync(join(other, "new"));
  writeFileSync(join(other, "new", "file"), Buffer.alloc(50_000, "new"));
  await castorefs(["import", "--store", pristine, other]);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** A copy to change. */
function copied(): string {
  const store = join(temporaryDirectory(), "store");
  cpSync(pristine, store, { recursive: true });
  return store;
}

function run(store: string, command: string, ...args: string[]): Promise<Ran> {
  return castorefs([command, "--store", store, ...args]);
}

function rot(store: string): void {
  const segment = join(store, "segments/00000001.seg");
  const bytes = readFileSync(segment);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(segment, bytes);
}

describe("castorefs gc", () => {
  it("says what it would do, and then does it", async () => {
    const store = copied();
    await run(store, "rm", "other");
    const planned = JSON.parse(
      (await run(store, "gc", "--dry-run", "--json", "--waste", "0")).text,
    );
    expect(planned).toMatchObject({ dryRun: true, strayFiles: 0, leases: 0 });
    expect(planned.deleted.bytes).toBeGreaterThan(50_000);
    const ran = await run(store, "gc", "--waste", "0");
    expect(ran.err).toBe("");
    expect(ran.code).toBe(0);
    expect(ran.text).toMatch(/^deleted +3 directories, 2 chunks, 0 chunked files; /);
    expect(ran.text).toMatch(/^freed +\d+(\.\d)? KiB: 1 segment removed/m);
    const again = JSON.parse((await run(store, "gc", "--json")).text);
    expect(again).toMatchObject({ dryRun: false, bytesFreed: 0, deleted: { chunks: 0 } });
    expect(again.kept).toEqual(planned.kept);
    const target = join(temporaryDirectory(), "out");
    await run(store, "export", "sample", target);
    expect(treeContents(target)).toEqual(treeContents(tree));
  });

  it("keeps what is wanted or shown, and refuses a digest of nothing", async () => {
    const store = copied();
    const digest = JSON.parse((await run(store, "stat", "--json", "other")).text).digest;
    const lease = takeLease(store, { roots: "all" });
    await run(store, "rm", "other");
    const shown = await run(store, "gc");
    expect(shown.text).toMatch(/^deleted +0 directories/);
    expect(shown.text).toMatch(/1 lease honoured\n$/);
    lease[Symbol.dispose]();
    expect((await run(store, "gc", "--keep", digest)).text).toMatch(/^deleted +0 directories/);
    const mistyped = await run(store, "gc", "--keep", "ab".repeat(32));
    expect(mistyped.err).toMatch(/object blake3-.* is not in the store/);
    expect(mistyped.code).toBe(1);
  });

  it("spares what is being exported, though it loses its name", async () => {
    const store = copied();
    const target = temporaryDirectory();
    execFileSync("mkfifo", [join(target, "archive")]);
    const exporting = run(store, "export", "sample", "--tar", join(target, "archive"));
    while (liveLeases(store).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await run(store, "rm", "sample", "other");
    expect((await run(store, "gc")).text).toMatch(/1 lease honoured\n$/);
    const out = join(target, "out");
    mkdirSync(out);
    execFileSync("sh", ["-c", `tar -C "$1" -xBf - < "$0"`, join(target, "archive"), out]);
    expect((await exporting).code).toBe(0);
    expect(treeContents(out)).toEqual(treeContents(tree));
  });

  it("deletes nothing while something is damaged, and says what to do", async () => {
    const store = copied();
    await run(store, "rm", "other");
    const segments = join(store, "segments");
    for (const name of readdirSync(segments)) rmSync(join(segments, name));
    const ran = await run(store, "gc");
    expect(ran.err).toMatch(/^castorefs: directory blake3-.* is rotten or unreadable\n/);
    expect(ran.err).toMatch(/hint: nothing was deleted; castorefs verify --repair --source/);
    expect(ran.code).toBe(1);
  });

  it("ends with 3 when others keep writing", async () => {
    const store = copied();
    using _slots = await WriterSlots.takeAll(store, 1000);
    const ran = await run(store, "gc", "--wait", "0");
    expect(ran.err).toMatch(/others are writing to this store/);
    expect(ran.code).toBe(3);
  });
});

describe("castorefs verify --repair", () => {
  it("fetches what is rotten, and ends with 0 when all is mended", async () => {
    const store = copied();
    rot(store);
    const plain = await run(store, "verify");
    expect(plain.err).toMatch(/hint: verify --repair --source ADDRESS mends/);
    const ran = await run(store, "verify", "--repair", "--source", pristine);
    expect(ran.err).toBe("");
    expect(ran.text).toMatch(/^(\d+) of \1 faults? repaired$/m);
    expect(ran.text).toMatch(/the store is sound/);
    expect(ran.code).toBe(0);
  });

  it("says what no source has, and ends with 1", async () => {
    const store = copied();
    rot(store);
    const empty = join(temporaryDirectory(), "empty");
    await castorefs(["import", "--store", empty, "--name", "x", join(tree, "bin", "run")]);
    const ran = await run(store, "verify", "--repair", "--source", empty);
    expect(ran.text).toMatch(/^not repaired: \w+ blake3-/m);
    expect(ran.text).toMatch(/^0 of \d+ faults? repaired$/m);
    expect(ran.err).toMatch(/damaged\ncastorefs: hint: try another source/);
    expect(ran.code).toBe(1);
    const json = await run(store, "verify", "--repair", "--source", empty, "--json");
    expect(JSON.parse(json.text).repair.unrepaired[0].digest).toMatch(DIGEST);
  });
});

describe("castorefs du and stats", () => {
  it("du shows what each root holds, has for itself and shares", async () => {
    const ran = await run(pristine, "du");
    expect(ran.text).toMatch(/files +directories +bytes +stored +own +shared +root\n/);
    expect(ran.text).toMatch(/ sample\n/);
    expect(ran.text).toMatch(/ all roots\n$/);
    const { roots, stored } = JSON.parse((await run(pristine, "du", "--json")).text);
    expect(roots.map(({ name }: { name: string }) => name)).toEqual(["other", "sample"]);
    expect(roots[1]).toMatchObject({ files: 16, directories: 5, symlinks: 2 });
    expect(roots[0].shared).toBe(roots[1].shared);
    expect(stored).toBe(roots[0].own + roots[1].own + roots[0].shared);
  });

  it("du shows the roots that are named, and complains of others", async () => {
    const ran = await run(pristine, "du", "sample");
    expect(ran.text.trimEnd().split("\n")).toHaveLength(2);
    const absent = await run(pristine, "du", "sample", "nope");
    expect(absent.err).toMatch(/no root is named nope/);
    expect(absent.code).toBe(1);
  });

  it("stats counts objects, roots and what could be freed", async () => {
    const figures = JSON.parse((await run(pristine, "stats", "--json")).text);
    expect(figures).toMatchObject({ roots: 2, leases: 0, segments: 1, bytesFreeable: 0 });
    expect(figures.deduplication).toBeGreaterThan(1.5);
    const { text } = await run(pristine, "stats");
    expect(text).toMatch(/^roots +2\n/);
    expect(text).toMatch(/^garbage +0 B that gc would give back/m);
  });
});

describe("castorefs diff", () => {
  it("lists what differs in byte order, and ends with 1", async () => {
    const ran = await run(pristine, "diff", "sample", "other");
    expect(ran.text).toBe(
      "- bin/\n- bin/link\n- bin/run\n- bin/same-but-plain\n+ new/\n+ new/file\n~ sizes/4096 (content)\n",
    );
    expect(ran.err).toBe("");
    expect(ran.code).toBe(1);
  });

  it("ends with 0 and without a word when trees are the same", async () => {
    const digest = JSON.parse((await run(pristine, "stat", "--json", "sample/names")).text).digest;
    const ran = await run(pristine, "diff", "other/names", digest);
    expect(ran.text).toBe("");
    expect(ran.code).toBe(0);
  });

  it("ends with 2 when it cannot tell", async () => {
    const ran = await run(pristine, "diff", "sample", "nope");
    expect(ran.err).toMatch(/no root is named nope/);
    expect(ran.code).toBe(2);
  });

  it("--json is one object a line, --summary says only how much", async () => {
    const lines = (await run(pristine, "diff", "--json", "sample", "other")).text.trimEnd();
    const changes = lines.split("\n").map((line) => JSON.parse(line));
    expect(changes).toHaveLength(7);
    expect(changes.at(-1)).toMatchObject({
      change: "changed",
      path: "sizes/4096",
      changes: ["content"],
      before: { kind: "file", size: 4096 },
      after: { kind: "file", size: 7 },
    });
    const summary = await run(pristine, "diff", "--summary", "sample", "other");
    expect(summary.text).toBe("2 entries added, 4 removed, 1 changed\n");
    expect(summary.code).toBe(1);
    const json = await run(pristine, "diff", "--summary", "--json", "sample", "other");
    expect(JSON.parse(json.text)).toEqual({ added: 2, removed: 4, changed: 1 });
  });

  it("its targets are completed, and du's roots", async () => {
    const words = async (...typed: string[]) =>
      (await castorefs(["complete-words", "--", ...typed])).text.match(/^[^\t]+/gm);
    expect(await words("diff", "--store", pristine, "sample", "oth")).toEqual(["other/"]);
    expect(await words("du", "--store", pristine, "oth")).toEqual(["other"]);
  });
});
