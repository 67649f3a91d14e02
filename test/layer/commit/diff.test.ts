/** What `layer diff` says is what a commit changes, and what castore cannot hold beside that. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinedPath } from "../../../src/layer/commit/manifest.ts";
import { diffLayer, type LayerDifference } from "../../../src/layer/tree/layer-diff.ts";
import { LayerSnapshot } from "../../../src/layer/tree/layer-snapshot.ts";
import { LayerTree } from "../../../src/layer/tree/layer-tree.ts";
import { diffTrees } from "../../../src/store/upkeep/tree-diff.ts";
import { directory, file } from "./layer-builder.ts";
import { commit, type Prepared, prepared, sample } from "./layer-rig.ts";
import { apply, operations } from "./operations.ts";

/** Lines of signs and paths, with how something changed. */
async function diff({ store, storeDirectory, builder, layer }: Prepared): Promise<string[]> {
  builder.save(layer, storeDirectory);
  using snapshot = await LayerSnapshot.open(layer);
  const tree = new LayerTree(snapshot.rows, snapshot.base, store.directories);
  const lines: string[] = [];
  for await (const difference of diffLayer(tree)) lines.push(lineOf(difference));
  return lines;
}

function lineOf({
  path,
  before,
  after,
  changes,
}: Pick<LayerDifference, "path" | "changes"> & {
  before: unknown;
  after: unknown;
}): string {
  const sign = before === undefined ? "A" : after === undefined ? "D" : "M";
  return [sign, joinedPath(path).toString(), ...changes].join(" ");
}

describe("diffLayer()", () => {
  it("finds nothing in a layer that changed nothing", async () => {
    expect(await diff(await prepared(sample()))).toEqual([]);
  });

  it("lists in byte order what was added, deleted and modified, and how", async () => {
    const made = await prepared(sample());
    const { builder } = made;
    builder.create("etc/new", directory({ f: file("f") }));
    builder.create("etc/new.conf", file("x"));
    builder.write("etc/passwd", 0, new Uint8Array([1]));
    builder.setExecutable("etc/empty", true);
    builder.remove("var/log");
    builder.change("bin/run", { uid: 1, mode: 0o104755 });
    builder.setXattr("bin/link", "user.a", "v");
    builder.change("big", { mtime: { seconds: 5, nanoseconds: 0 } });
    builder.change("etc/apt/list", { atime: { seconds: 5, nanoseconds: 0 } });
    expect(await diff(made)).toEqual([
      "M big times",
      "M bin/link xattrs",
      "M bin/run mode owner",
      "M etc/empty executable",
      "A etc/new",
      "A etc/new.conf",
      "A etc/new/f",
      "M etc/passwd content",
      "D var/log",
      "D var/log/a",
      "D var/log/b",
    ]);
  });

  it("shows what was moved as deleted and added, with all that is in it", async () => {
    const made = await prepared(sample());
    made.builder.rename("var/log", "bin/log");
    made.builder.remove("bin/log/a");
    made.builder.remove("bin/run");
    made.builder.create("bin/run", directory());
    expect(await diff(made)).toEqual([
      "A bin/log",
      "A bin/log/b",
      "M bin/run type",
      "D var/log",
      "D var/log/a",
      "D var/log/b",
    ]);
  });

  it("says of every change that a commit makes", async () => {
    await fc.assert(
      fc.asyncProperty(operations(), async (steps) => {
        const made = await prepared(sample());
        for (const step of steps) apply(made.builder, step);
        const { node } = await commit(made);
        const expected: string[] = [];
        const { directories } = made.store;
        for await (const difference of diffTrees(directories, made.builder.base, node)) {
          expected.push(lineOf(difference));
        }
        const said = await diff(made);
        const plain = said.filter((line) => !line.endsWith(" times"));
        const isOnlyWritten = (line: string) =>
          line.endsWith(" content") && !expected.includes(line);
        expect(plain.filter((line) => !isOnlyWritten(line))).toEqual(expected);
        made.store[Symbol.dispose]();
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});
