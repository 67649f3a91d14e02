/** What a commit stores is what an import of the tree that the layer shows would store. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noise } from "../../store/temporary.ts";
import { directory, file, type ModelFile, symlink } from "./layer-builder.ts";
import { commit, imported, prepared, sample } from "./layer-rig.ts";
import { apply, operations } from "./operations.ts";

const MIB = 1024 * 1024;

describe("LayerCommit", () => {
  it("names the base when nothing was changed", async () => {
    const made = await prepared(sample());
    const { node, newBytes, files, directories } = await commit(made);
    expect(node).toEqual(made.builder.base);
    expect({ newBytes, files, directories }).toEqual({ newBytes: 0, files: 0, directories: 0 });
  });

  it("stores what was made, changed, moved and removed", async () => {
    const made = await prepared(sample());
    const { builder } = made;
    builder.create("etc/new", directory({ deep: directory({ f: file("hello", true) }) }));
    builder.create("etc/passwd2", symlink("passwd"));
    builder.write("etc/passwd", 2, new TextEncoder().encode("XYZ"));
    builder.remove("bin/link");
    builder.setExecutable("etc/empty", true);
    builder.rename("var/log", "etc/apt/log");
    builder.write("etc/apt/log/a", 10, new Uint8Array([7]));
    const { node } = await commit(made);
    expect(node).toEqual(await imported(builder.model));
  });

  it("reads no file that was not written to, and looks into no directory without changes", async () => {
    const made = await prepared(sample());
    made.builder.write("etc/passwd", 0, new Uint8Array([1]));
    made.builder.change("big", { mode: 0o100600 });
    made.builder.change("var/log", { uid: 5 });
    const { files, bytes, directories } = await commit(made);
    expect({ files, bytes, directories }).toEqual({ files: 1, bytes: 4, directories: 3 });
  });

  it("stores no chunk of a large file again that the store has", async () => {
    const made = await prepared(sample());
    made.builder.write("big", 1_500_000, new Uint8Array(4096).fill(9));
    const { node, newBytes } = await commit(made);
    expect(node).toEqual(await imported(made.builder.model));
    expect(newBytes).toBeLessThan(2 * 512 * 1024 + 4096);
    const again = await commit(made);
    expect(again.node).toEqual(node);
    expect(again.newBytes).toBe(0);
  });

  it("takes a copy of a whole base file for that file, without reading it", async () => {
    const base = sample();
    const made = await prepared(base);
    made.builder.create("copy", file(""));
    made.builder.refer("copy", 0, base.children.get("big") as ModelFile, 0, MIB);
    made.builder.refer("copy", MIB, base.children.get("big") as ModelFile, MIB, 2 * MIB);
    const { node, files, newBytes } = await commit(made);
    expect(node).toEqual(await imported(made.builder.model));
    expect(files).toBe(0);
    expect(newBytes).toBeLessThan(4096);
  });

  it("reads a file with several names once", async () => {
    const made = await prepared(sample());
    made.builder.create("one", file(noise(1000, 3)));
    for (const name of ["two", "var/three"]) made.builder.link("one", name);
    const { node, files } = await commit(made);
    expect(node).toEqual(await imported(made.builder.model));
    expect(files).toBe(1);
  });

  it("leaves out what castore cannot hold", async () => {
    const made = await prepared(sample());
    made.builder.create("etc/fifo", { kind: "special" });
    const { node } = await commit(made);
    expect(node).toEqual(await imported(made.builder.model));
    expect(node.digest).toEqual(made.builder.base.digest);
  });

  it("reads files with holes across pieces", async () => {
    const made = await prepared(sample());
    made.builder.truncate("big", 70 * MIB);
    made.builder.write("big", 66 * MIB, noise(5000, 8));
    made.builder.truncate("etc/passwd", 2);
    made.builder.truncate("etc/passwd", 6);
    expect((await commit(made)).node).toEqual(await imported(made.builder.model));
  });

  it("keeps the sizes that an older tree says of directories with the same entries", async () => {
    const base = directory({ d: directory({ e: directory({ f: file("f") }) }), x: file("x") });
    const made = await prepared(base, true);
    made.builder.change("d/e", { uid: 7 });
    made.builder.change("d/e/f", { uid: 7 });
    const { node } = await commit(made);
    expect(node).toEqual(made.builder.base);
  });

  it("gives the same digest whatever was done in which order", async () => {
    await fc.assert(
      fc.asyncProperty(operations(), async (steps) => {
        const made = await prepared(sample());
        for (const step of steps) apply(made.builder, step);
        const { node } = await commit(made);
        expect(node.digest.toString()).toBe((await imported(made.builder.model)).digest.toString());
        const direct = await prepared(directory());
        for (const [name, child] of made.builder.model.children) direct.builder.create(name, child);
        expect((await commit(direct)).node.digest.toString()).toBe(node.digest.toString());
        made.store[Symbol.dispose]();
        direct.store[Symbol.dispose]();
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});
