/** castorefs layer, as people and scripts use it, on layers that nobody serves. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseName } from "../../src/castore/name.ts";
import { LayerDirectory } from "../../src/layer/layer-directory.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { directory, file, putModel, symlink } from "../layer/commit/layer-builder.ts";
import { type Prepared, prepared, sample } from "../layer/commit/layer-rig.ts";
import { noise } from "../store/temporary.ts";
import { castorefs, type Ran } from "./command-line.ts";

const DIGEST = /blake3-[A-Za-z0-9+/]{43}=/;
const MIB = 1024 * 1024;

/** A layer on disk with some changes, upon the root `base` of a store. */
async function changedLayer(): Promise<Prepared> {
  const made = await prepared(sample());
  const { builder, store, storeDirectory, layer } = made;
  builder.write("big", 5000, new Uint8Array(10));
  builder.create("etc/new", file("new"));
  builder.remove("var/log");
  builder.save(layer, storeDirectory);
  await store.roots.put(parseName("base"), builder.base);
  store[Symbol.dispose]();
  return made;
}

function run(...args: string[]): Promise<Ran> {
  return castorefs(args);
}

async function text(...args: string[]): Promise<string> {
  const ran = await run(...args);
  expect(ran.err).toBe("");
  expect(ran.code).toBe(0);
  return ran.text;
}

describe("layer commit", () => {
  it("names the tree, and stores no more than what was changed", async () => {
    const { layer, storeDirectory } = await changedLayer();
    // Of what was changed only times are not kept, and nobody means these.
    const said = await text("layer", "commit", layer, "--name", "after", "--strict");
    expect(said).toMatch(/not kept: times of \d+ entr/);
    expect(said).toMatch(/^after {2}blake3-/);
    expect(said).toMatch(/2 files read \(3\.0 MiB\), 3 directories made anew/);
    const diff = await run("diff", "--store", storeDirectory, "base", "after");
    expect(diff.text).toBe("~ big (content)\n+ etc/new\n- var/log/\n- var/log/a\n- var/log/b\n");
    const again = JSON.parse(await text("layer", "commit", layer, "--name", "twice", "--json"));
    expect(again).toMatchObject({ name: "twice", kind: "directory", files: 2, newBytes: 0 });
    expect(said).toContain(again.digest);
  });

  it("prints the digest alone without a name, and says that gc will remove it", async () => {
    const { layer } = await changedLayer();
    const ran = await run("layer", "commit", layer);
    expect(ran.code).toBe(0);
    expect(ran.text.split("\n")[0]).toMatch(DIGEST);
    expect(ran.err).toMatch(/--name gives one/);
  });

  it("counts what castore cannot keep; --strict refuses, and --manifest keeps it", async () => {
    const made = await prepared(sample());
    const { builder, layer, storeDirectory } = made;
    builder.create("etc/fifo", { kind: "special" });
    builder.create("etc/shadow", file("s"), { uid: 3, gid: 42, mode: 0o100640 });
    builder.create("etc/null", { kind: "special" }, { mode: 0o020666, rdev: 0x103 });
    builder.create("one", file("1"));
    builder.link("one", "two");
    builder.setXattr("bin/run", "user.a", "v");
    builder.create("link", symlink("x"));
    builder.save(layer, storeDirectory);
    made.store[Symbol.dispose]();
    const manifest = `${layer}.jsonl`;
    const refused = await run("layer", "commit", layer, "--strict", "--name", "n");
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(
      /cannot keep owners of 1 entry, permissions of 2 entries, extended attributes of 1 entry, 1 device, 1 FIFO, hard links of 1 file: nothing was committed/,
    );
    expect((await run("roots", "--store", storeDirectory)).text).toBe("");
    const said = await text("layer", "commit", layer, "--name", "n", "--manifest", manifest);
    expect(said).toMatch(/not kept: owners of 1 entry, .*times of 6 entries/);
    const lines = readFileSync(manifest, "utf8").trimEnd().split("\n");
    const [header, root, ...entries] = lines.map((line) => JSON.parse(line));
    expect(header).toEqual({
      manifest: 1,
      root: expect.stringMatching(DIGEST),
      base: builder.base.digest.toString(),
    });
    expect(said).toContain(header.root);
    expect(root).toMatchObject({ path: "", type: "directory", mode: "0755" });
    const byPath = Object.fromEntries(entries.map((entry) => [entry.path, entry]));
    expect(Object.keys(byPath)).toEqual([
      ...["bin", "bin/run", "etc", "etc/fifo", "etc/null", "etc/shadow", "link", "one", "two"],
    ]);
    expect(byPath["bin/run"].xattrs).toEqual([{ name: "user.a", value: "dg==" }]);
    expect(byPath["etc/null"]).toMatchObject({ type: "character device", device: [1, 3] });
    expect(byPath["etc/shadow"]).toMatchObject({ mode: "0640", uid: 3, gid: 42 });
    expect(byPath["etc/shadow"].mtime).toEqual([1_700_000_000, 5]);
    expect(byPath["one"].hardLink).toBe(byPath["two"].hardLink);
  });

  it("ends with 3 where there is no layer, and while another changes it", async () => {
    const { layer, storeDirectory, builder } = await changedLayer();
    const absent = await run("layer", "commit", `${layer}-not`);
    expect(absent.code).toBe(3);
    expect(absent.err).toMatch(/there is no layer here\ncastorefs: hint: /);
    using _held = LayerDirectory.open(layer, { storeDirectory, root: builder.base });
    const busy = await run("layer", "commit", layer);
    expect(busy.code).toBe(3);
    expect(busy.err).toMatch(new RegExp(`in use by process ${process.pid}`));
  });

  it("needs all of the base, and fetches it from a source", async () => {
    const made = await prepared(sample());
    const { builder, layer, storeDirectory } = made;
    builder.write("etc/passwd", 2, new Uint8Array([1]));
    const cache = `${storeDirectory}-cache`;
    openDiskStore(cache, { create: true })[Symbol.dispose]();
    builder.save(layer, cache);
    const whole = await text("layer", "commit", layer, "--store", storeDirectory, "--name", "n");
    const lacking = await run("layer", "commit", layer, "--name", "n");
    expect(lacking.code).toBe(1);
    expect(lacking.err).toMatch(/the base is here in part only: .*\n.*hint: give --source/);
    const fetched = await run("layer", "commit", layer, "--name", "n", "--source", storeDirectory);
    expect({ code: fetched.code, err: fetched.err }).toEqual({ code: 0, err: "" });
    expect(fetched.text.split("\n")[0]).toBe(whole.split("\n")[0]);
    expect((await run("verify", "--store", cache)).code).toBe(0);
    made.store[Symbol.dispose]();
  });

  it("says which file is too large to commit", async () => {
    const made = await prepared(sample());
    made.builder.create("etc/huge", file("x"));
    made.builder.change("etc/huge", { size: 2 ** 41 });
    made.builder.save(made.layer, made.storeDirectory);
    const ran = await run("layer", "commit", made.layer);
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/etc\/huge: a file of \d+ bytes is too large/);
  });
});

describe("layer diff", () => {
  it("lists, counts and describes changes", async () => {
    const { layer } = await changedLayer();
    expect(await text("layer", "diff", layer)).toBe(
      "M big (content)\nA etc/new\nD var/log/\nD var/log/a\nD var/log/b\n",
    );
    expect(await text("layer", "diff", "--summary", layer)).toBe(
      "1 entry added, 3 deleted, 1 modified\n",
    );
    const lines = (await text("layer", "diff", "--json", layer)).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      {
        change: "modified",
        path: "big",
        changes: ["content"],
        before: { kind: "file", digest: expect.any(String), size: 3 * MIB, executable: false },
        after: { kind: "file", mode: "0644", uid: 0, gid: 0, size: 3 * MIB },
      },
      expect.objectContaining({ change: "added", path: "etc/new" }),
      expect.objectContaining({ change: "deleted", path: "var/log" }),
      expect.objectContaining({ change: "deleted", path: "var/log/a" }),
      expect.objectContaining({ change: "deleted", path: "var/log/b" }),
    ]);
  });
});

describe("layer ls", () => {
  it("lists the layers that are given, with their bases and who has them", async () => {
    const { layer, builder, storeDirectory } = await changedLayer();
    const line = await text("layer", "ls", layer);
    expect(line).toMatch(/^ *[\d.]+ [KM]iB {2}4 entries changed +blake3-.* not in use {2}\//);
    expect(line).toContain(builder.base.digest.toString());
    using _held = LayerDirectory.open(layer, { storeDirectory, root: builder.base });
    const [report] = JSON.parse(await text("layer", "ls", "--json", layer));
    expect(report).toMatchObject({ name: layer, inodes: 4, processId: process.pid });
    expect(report.store).toBe(realpathSync(storeDirectory));
  });

  it("lists what the store knows, once a layer is recorded there", async () => {
    const { layer, storeDirectory } = await changedLayer();
    expect(await text("layer", "ls", "--store", storeDirectory)).toBe("");
    await text("layer", "rebase", layer, "--onto", "base");
    expect(await text("layer", "ls", "--store", storeDirectory)).toContain(layer);
    await text("layer", "discard", layer);
    expect(await text("layer", "ls", "--store", storeDirectory)).toBe("");
  });
});

describe("layer rebase", () => {
  it("puts a layer upon another root, which serves it afterwards", async () => {
    const { layer, builder, storeDirectory } = await changedLayer();
    const next = await secondRoot(storeDirectory, "M");
    expect(await text("layer", "rebase", layer, "--onto", "next")).toBe("");
    expect(await text("layer", "ls", layer)).toContain(next);
    expect(await text("layer", "diff", layer)).toBe(
      "M big (content)\nA etc/new\nD var/log/\nD var/log/a\nD var/log/b\n",
    );
    expect(next).not.toBe(builder.base.digest.toString());
  });

  it("lists conflicts and ends with 1; --dry-run and --force say what they do", async () => {
    const { layer, storeDirectory, builder } = await changedLayer();
    await secondRoot(storeDirectory, "conflict");
    const base = builder.base.digest.toString();
    const ran = await run("layer", "rebase", layer, "--onto", "next");
    expect(ran.code).toBe(1);
    expect(ran.text).toBe(
      "C big (changed in both)\nC var/log (deleted in the layer, changed in the new root)\n",
    );
    expect(ran.err).toMatch(/2 conflicts: the layer stays as it is\ncastorefs: hint: --force/);
    await run("layer", "rebase", layer, "--onto", "next", "--force", "--dry-run");
    expect(await text("layer", "ls", layer)).toContain(base);
    const forced = await run("layer", "rebase", layer, "--onto", "next", "--force", "--json");
    expect(JSON.parse(forced.text)).toMatchObject({ applied: true });
    expect(forced.code).toBe(0);
    expect(await text("layer", "diff", layer)).toMatch(/^M big \(content\)\n/);
  });
});

describe("layer discard", () => {
  it("gives paths back to the base, and then the layer as a whole", async () => {
    const { layer } = await changedLayer();
    await text("layer", "discard", layer, "var/log", "/big");
    expect(await text("layer", "diff", layer)).toBe("A etc/new\n");
    const ran = await run("layer", "discard", layer, "big");
    expect(ran.code).toBe(1);
    expect(ran.err).toMatch(/changed nothing at big/);
    await text("layer", "discard", layer);
    expect(existsSync(layer)).toBe(false);
  });
});

/** A root `next` that differs from the sample: beside what the layer changes, or in it. */
async function secondRoot(storeDirectory: string, kind: "M" | "conflict"): Promise<string> {
  using store = openDiskStore(storeDirectory);
  using writer = await store.openWriter();
  const model = sample();
  model.children.set("added", file("added"));
  if (kind === "conflict") {
    model.children.set("big", file(noise(1000, 5)));
    model.children.set("var", directory({ log: directory({ z: file("z") }) }));
  }
  const node = putModel(writer, model);
  writer.putRoot(parseName("next"), node);
  return node.digest.toString();
}
