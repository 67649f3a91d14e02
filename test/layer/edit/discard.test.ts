/** Throwing away layers, and what they have changed at some paths. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parsePath } from "../../../src/castore/name.ts";
import { discardLayer } from "../../../src/layer/edit/discard-layer.ts";
import { discardPath } from "../../../src/layer/edit/discard-path.ts";
import { LayerEditor, RowEdits } from "../../../src/layer/edit/layer-editor.ts";
import { LayerAbsent, LayerInUse } from "../../../src/layer/errors.ts";
import { LayerDirectory } from "../../../src/layer/layer-directory.ts";
import { databasePath } from "../../../src/layer/layer-files.ts";
import { temporaryFolder } from "../../store/temporary.ts";
import { directory, file } from "../commit/layer-builder.ts";
import { committed, type Prepared, prepared, sample } from "../commit/layer-rig.ts";

function discard({ builder, layer, storeDirectory }: Prepared, ...paths: string[]): void {
  if (!existsSync(layer)) builder.save(layer, storeDirectory);
  using editor = new LayerEditor(layer);
  for (const path of paths) {
    const edits = new RowEdits();
    discardPath(editor.rows, parsePath(Buffer.from(path)), edits);
    editor.apply(edits);
  }
}

describe("discardPath()", () => {
  it("has the base show again what was changed, moved away or removed", async () => {
    const made = await prepared(sample());
    const { builder } = made;
    builder.write("etc/passwd", 0, new Uint8Array([1]));
    builder.remove("bin/run");
    builder.rename("big", "large");
    builder.create("etc/new", directory({ deep: directory({ f: file("f") }) }));
    builder.write("var/log/a", 0, new Uint8Array([1]));
    builder.remove("var/log/b");
    discard(made, "etc/passwd", "bin/run", "big", "large", "etc/new", "var");
    expect(await committed(made)).toEqual(builder.base);
    using editor = new LayerEditor(made.layer);
    const left = [...editor.rows.allInodes()].map(({ origin }) => origin?.kind);
    expect(left).toEqual(["directory", "directory", "directory"]);
  });

  it("keeps a file that has another name", async () => {
    const made = await prepared(sample());
    made.builder.create("one", file("contents"));
    made.builder.link("one", "etc/two");
    discard(made, "one");
    using editor = new LayerEditor(made.layer);
    expect([...editor.rows.allInodes()].map(({ links }) => links)).toEqual([1, 1, 1]);
    expect([...editor.rows.allPieces()]).toHaveLength(1);
  });

  it("says so when the layer has changed nothing there", async () => {
    const made = await prepared(sample());
    made.builder.remove("var/log");
    expect(() => discard(made, "etc/passwd")).toThrow(/changed nothing at etc\/passwd/);
    expect(() => discard(made, "nowhere/at/all")).toThrow(/changed nothing/);
    expect(() => discard(made, "var/log/a")).toThrow(/var\/log is deleted in the layer/);
  });

  it("is refused while the layer is in use", async () => {
    const made = await prepared(sample());
    const { builder, layer, storeDirectory } = made;
    builder.save(layer, storeDirectory);
    using _held = LayerDirectory.open(layer, { storeDirectory, root: builder.base });
    expect(() => discard(made, "etc")).toThrow(LayerInUse);
    expect(() => discardLayer(layer)).toThrow(LayerInUse);
  });
});

describe("discardLayer()", () => {
  it("leaves nothing of a layer, and everything else in its folder", async () => {
    for (const other of [false, true]) {
      const { builder, layer, storeDirectory } = await prepared(sample());
      builder.save(layer, storeDirectory);
      if (other) writeFileSync(join(layer, "notes"), "mine");
      discardLayer(layer);
      expect(existsSync(layer) ? readdirSync(layer) : []).toEqual(other ? ["notes"] : []);
    }
  });

  it("removes a damaged layer", async () => {
    const { builder, layer, storeDirectory } = await prepared(sample());
    builder.save(layer, storeDirectory);
    writeFileSync(databasePath(layer), "nonsense".repeat(1000));
    discardLayer(layer);
    expect(existsSync(layer)).toBe(false);
  });

  it("touches no folder that is no layer", () => {
    const folder = join(temporaryFolder(), "precious");
    mkdirSync(folder);
    expect(() => discardLayer(folder)).toThrow(LayerAbsent);
    expect(() => new LayerEditor(folder)).toThrow(LayerAbsent);
    expect(readdirSync(folder)).toEqual([]);
  });
});
