/** Layers that are put upon another base. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import { joinedPath } from "../../../src/layer/commit/manifest.ts";
import { LayerEditor } from "../../../src/layer/edit/layer-editor.ts";
import { rebaseLayer } from "../../../src/layer/edit/rebase-whole.ts";
import { MemoryStore } from "../../../src/store/memory-store.ts";
import type { Store } from "../../../src/store/services.ts";
import { walkTree } from "../../../src/store/tree-walk.ts";
import { recordedLayers } from "../../../src/store/upkeep/layer-record.ts";
import {
  copyModel,
  directory,
  file,
  type Model,
  type ModelDirectory,
  putModel,
  symlink,
} from "../commit/layer-builder.ts";
import { committed, imported, type Prepared, prepared, sample } from "../commit/layer-rig.ts";
import { apply, operations } from "../commit/operations.ts";

interface Outcome {
  /** Lines of path, what the layer did, what the new base did. */
  readonly conflicts: readonly string[];
  readonly applied: boolean;
  /** What the layer shows afterwards. */
  readonly node: DirectoryNode;
  readonly digest: string;
}

async function rebase(made: Prepared, onto: ModelDirectory, force = false): Promise<Outcome> {
  const { store, storeDirectory, builder, layer } = made;
  builder.save(layer, storeDirectory);
  using writer = await store.openWriter();
  const node = putModel(writer, onto);
  writer.commit();
  const { conflicts, applied } = await run();
  const after = await committed(made);
  return { conflicts: conflicts.map(lineOf), applied, node: after, digest: `${after.digest}` };

  async function run() {
    using editor = new LayerEditor(layer);
    return await rebaseLayer(editor, store.directories, {
      storeDirectory,
      directory: layer,
      onto: node,
      force,
      dryRun: false,
    });
  }
}

function lineOf({
  path,
  layer,
  base,
}: {
  path: readonly Uint8Array[];
  layer: string;
  base: string;
}): string {
  return `${joinedPath(path as never)} ${layer} ${base}`;
}

async function digestOf(model: ModelDirectory): Promise<string> {
  return (await imported(model)).digest.toString();
}

/** The sample, changed as `change` does it. */
function changed(change: (root: Map<string, Model>) => void): ModelDirectory {
  const model = sample();
  change(model.children);
  return model;
}

function below(root: Map<string, Model>, name: string): Map<string, Model> {
  return (root.get(name) as ModelDirectory).children;
}

describe("rebaseLayer()", () => {
  it("shows what only the new base has changed, and keeps what only the layer has", async () => {
    const made = await prepared(sample());
    made.builder.write("etc/passwd", 0, new Uint8Array([88]));
    made.builder.remove("bin/link");
    made.builder.create("var/log/c", file("c"));
    const onto = changed((root) => {
      root.set("big", file("small"));
      below(root, "etc").set("group", file("wheel"));
      below(root, "etc").delete("empty");
      below(below(root, "var"), "log").set("a", file("A"));
    });
    const expected = changed((root) => {
      root.set("big", file("small"));
      below(root, "etc").set("group", file("wheel"));
      below(root, "etc").delete("empty");
      below(root, "etc").set("passwd", file("Xoot"));
      below(root, "bin").delete("link");
      below(below(root, "var"), "log").set("a", file("A")).set("c", file("c"));
    });
    const { conflicts, applied, digest } = await rebase(made, onto);
    expect({ conflicts, applied }).toEqual({ conflicts: [], applied: true });
    expect(digest).toBe(await digestOf(expected));
  });

  it("lists conflicts and changes nothing; with force it keeps the layer's side", async () => {
    const made = await prepared(sample());
    const { builder } = made;
    builder.write("etc/passwd", 0, new Uint8Array([88]));
    builder.remove("big");
    builder.create("new", file("ours"));
    builder.create("var/log/c", file("c"));
    const onto = changed((root) => {
      below(root, "etc").set("passwd", file("theirs"));
      root.set("big", file("theirs"));
      root.set("new", file("theirs"));
      root.set("var", symlink("elsewhere"));
      root.set("more", file("more"));
    });
    const first = await rebase(made, onto);
    expect(first.conflicts.toSorted()).toEqual([
      "big deleted changed",
      "etc/passwd changed changed",
      "new added added",
      "var changed changed",
    ]);
    expect(first.applied).toBe(false);
    expect(first.digest).toBe(await digestOf(builder.model));
    const forced = await rebase(made, onto, true);
    const expected = copyModel(builder.model) as ModelDirectory;
    expected.children.set("more", file("more"));
    expect(forced.applied).toBe(true);
    expect(forced.digest).toBe(await digestOf(expected));
  });

  it("takes the new content of a file of which the layer has changed attributes only", async () => {
    const made = await prepared(sample());
    made.builder.setExecutable("etc/passwd", true);
    made.builder.change("bin/run", { uid: 1 });
    made.builder.change("bin/link", { uid: 1 });
    const change = (executable: boolean) =>
      changed((root) => {
        below(root, "etc").set("passwd", file("theirs", executable));
        below(root, "bin").set("run", file("theirs"));
        below(root, "bin").set("link", symlink("walk"));
      });
    const { conflicts, digest } = await rebase(made, change(false));
    expect(conflicts).toEqual([]);
    expect(digest).toBe(await digestOf(change(true)));
  });

  it("merges directories that both have made, and what both have done alike", async () => {
    const made = await prepared(sample());
    const { builder } = made;
    builder.create("srv", directory({ ours: file("o"), both: symlink("same") }));
    builder.remove("var/log/a");
    const onto = changed((root) => {
      root.set("srv", directory({ theirs: file("t"), both: symlink("same") }));
      below(below(root, "var"), "log").delete("a");
    });
    const { conflicts, digest } = await rebase(made, onto);
    expect(conflicts).toEqual([]);
    const expected = copyModel(onto) as ModelDirectory;
    below(expected.children, "srv").set("ours", file("o"));
    expect(digest).toBe(await digestOf(expected));
  });

  it("keeps the former base in the store for what the layer has of it", async () => {
    const made = await prepared(sample());
    made.builder.rename("var/log", "log");
    const onto = changed((root) => root.set("more", file("more")));
    const { conflicts } = await rebase(made, onto);
    expect(conflicts).toEqual([]);
    const [record] = recordedLayers(made.storeDirectory);
    const digests = record?.roots.map((node) => node.kind === "directory" && `${node.digest}`);
    expect(digests).toEqual([await digestOf(onto), `${made.builder.base.digest}`]);
  });

  it("comes to the same as doing both changes to the base, when they do not meet", async () => {
    await fc.assert(
      fc.asyncProperty(operations(), operations(), async (ours, theirs) => {
        const base = directory({ ours: sample(), theirs: sample() });
        const made = await prepared(base);
        for (const step of ours) apply(made.builder, within("ours", step));
        const other = await prepared(base);
        for (const step of theirs) apply(other.builder, within("theirs", step));
        const { conflicts, digest } = await rebase(made, other.builder.model);
        expect(conflicts).toEqual([]);
        const expected = directory({
          ours: made.builder.find("ours")!,
          theirs: other.builder.find("theirs")!,
        });
        expect(digest).toBe(await digestOf(expected));
        made.store[Symbol.dispose]();
        other.store[Symbol.dispose]();
      }),
      { numRuns: 15 },
    );
  }, 120_000);

  it("with force, each side's changes are there where the other changed nothing", async () => {
    await fc.assert(
      fc.asyncProperty(operations(), operations(), async (ours, theirs) => {
        const made = await prepared(sample());
        for (const step of ours) apply(made.builder, step);
        const other = await prepared(sample());
        for (const step of theirs) apply(other.builder, step);
        const { node, conflicts } = await rebase(made, other.builder.model, true);
        const [base, layer, onto, result] = await Promise.all([
          flat(made.store, made.builder.base),
          flatModel(made.builder.model),
          flatModel(other.builder.model),
          flat(made.store, node),
        ]);
        const isBelow = (path: string) =>
          conflicts.some((line) => `${path}/`.startsWith(`${line.split(" ")[0]}/`));
        for (const path of new Set([...base.keys(), ...layer.keys(), ...onto.keys()])) {
          const shown = [path, result.get(path)];
          if (base.get(path) === onto.get(path)) expect(shown).toEqual([path, layer.get(path)]);
          else if (base.get(path) === layer.get(path) && !isBelow(path)) {
            expect(shown).toEqual([path, onto.get(path)]);
          }
        }
        made.store[Symbol.dispose]();
        other.store[Symbol.dispose]();
      }),
      { numRuns: 20 },
    );
  }, 120_000);
});

async function flatModel(model: ModelDirectory): Promise<Map<string, string>> {
  using store = new MemoryStore();
  using writer = await store.openWriter();
  return await flat(store, putModel(writer, model));
}

/** Files and symlinks by path, each with all that castore has of it. */
async function flat(store: Store, root: DirectoryNode): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { path, node } of walkTree(store.directories, root)) {
    if (node.kind === "directory") continue;
    const text =
      node.kind === "file"
        ? `${node.digest} ${node.executable}`
        : `-> ${Buffer.from(node.target).toString("latin1")}`;
    found.set(joinedPath(path).toString(), text);
  }
  return found;
}

function within<Step extends { path: string }>(folder: string, step: Step): Step {
  const moved = { ...step, path: `${folder}/${step.path}` };
  return "to" in step ? { ...moved, to: `${folder}/${step.to}` } : moved;
}
