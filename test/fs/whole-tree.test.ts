/** Random trees, walked through the interface as a kernel would, against what they were made of. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { NodeId } from "../../src/base/brands.ts";
import { silentLogger } from "../../src/base/logger.ts";
import type { Node } from "../../src/castore/node.ts";
import { CastoreFileSystem } from "../../src/fs/castore-file-system.ts";
import { FakeStore } from "./fake-store.ts";
import { copyOf, type Found, inoOf, Kernel, type Listed, ROOT } from "./kernel.ts";

type Plan =
  | { kind: "file"; content: Uint8Array; executable: boolean }
  | { kind: "symlink"; target: string }
  | { kind: "directory"; children: Map<string, Plan> };

const name = fc
  .oneof(
    fc.constantFrom("a", "b", "c", "a'", "bin", "."),
    fc
      .uint8Array({ minLength: 1, maxLength: 255, size: "max" })
      .map((bytes) => Buffer.from(bytes).toString("latin1"))
      .filter((text) => !/[/\0]/.test(text)),
  )
  .filter((text) => text !== "." && text !== "..");

// Few contents, so that equal files and directories at several places are common.
const content = fc.oneof(
  fc.constantFrom("", "same", "other").map((text) => new Uint8Array(Buffer.from(text))),
  fc.uint8Array({ maxLength: 600 }),
);

const { directory } = fc.letrec<{ plan: Plan; directory: Plan }>((tie) => ({
  plan: fc.oneof(
    { maxDepth: 4 },
    fc.record({ kind: fc.constant("file"), content, executable: fc.boolean() }) as never,
    fc.record({
      kind: fc.constant("symlink"),
      target: fc.constantFrom("a", "../b", "/x".repeat(500)),
    }) as never,
    tie("directory"),
    tie("directory"),
  ) as fc.Arbitrary<Plan>,
  directory: fc
    .array(fc.tuple(name, tie("plan")), { maxLength: 6 })
    .map((children) => ({ kind: "directory", children: new Map(children) })) as fc.Arbitrary<Plan>,
}));

function build(store: FakeStore, plan: Plan): Node {
  if (plan.kind === "file") return store.file(plan.content, plan.executable);
  if (plan.kind === "symlink") return store.symlink(plan.target);
  return store.tree(
    [...plan.children].map(([name, child]) => [Buffer.from(name, "latin1"), build(store, child)]),
  );
}

/** What tells inodes apart: nodeids are equal exactly when these are. */
function identity(path: string, plan: Plan): string {
  if (plan.kind === "directory") return `directory ${path}`;
  if (plan.kind === "symlink") return `symlink ${plan.target}`;
  return `file ${plan.executable} ${Buffer.from(plan.content).toString("hex")}`;
}

class Walk {
  readonly kernel: Kernel;
  /** Lookups to give back. */
  readonly lookups: NodeId[] = [];
  readonly nodes = new Map<string, NodeId>();
  readonly inos = new Map<string, string>();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  check(path: string, node: NodeId, plan: Plan): void {
    if (plan.kind === "file") this.#checkFile(node, plan);
    else if (plan.kind === "symlink") {
      expect(String(this.kernel.readlink(node))).toBe(plan.target);
    } else this.#checkDirectory(path, node, plan.children);
  }

  #checkFile(node: NodeId, plan: Extract<Plan, { kind: "file" }>): void {
    const { mode, size, blocks } = this.kernel.attributes(node);
    expect([mode, size]).toEqual([plan.executable ? 0o100555 : 0o100444, plan.content.length]);
    expect(blocks).toBe(Math.ceil(plan.content.length / 512));
    const whole = this.kernel.read(node, 0, 2 ** 20) as Buffer;
    expect(Buffer.compare(whole, plan.content)).toBe(0);
  }

  #checkDirectory(path: string, node: NodeId, children: Map<string, Plan>): void {
    const before = this.kernel.attributes(node);
    expect(before.mode).toBe(0o40555);
    const directories = [...children.values()].filter(({ kind }) => kind === "directory");
    expect(before.nlink).toBe(2 + directories.length);
    const listed = this.#list(node);
    const expected = [...children.keys()].sort((a, b) =>
      Buffer.compare(Buffer.from(a, "latin1"), Buffer.from(b, "latin1")),
    );
    expect(listed.map((entry) => entry.name)).toEqual([".", "..", ...expected]);
    expect(inoOf(listed[0] as Listed)).toBe(inoOf(before));
    for (const { name, entry, inoLow, inoHigh } of listed.slice(2)) {
      const child = children.get(name) as Plan;
      expect(this.kernel.lookup(node, name)).toBe(0);
      this.lookups.push(this.kernel.entry.nodeid);
      expect(copyOf(this.kernel.entry)).toEqual(entry);
      expect(inoOf({ inoLow, inoHigh })).toBe(inoOf(this.kernel.entry.attributes));
      this.#checkIdentity(`${path}/${name}`, child, entry as Found);
      this.check(`${path}/${name}`, (entry as Found).nodeid, child);
    }
    expect(this.kernel.attributes(node)).toEqual(before);
  }

  /** READDIRPLUS in small pieces, READDIR beside it. */
  #list(node: NodeId): Listed[] {
    const all: Listed[] = [];
    for (let offset = 0; ; offset = all.at(-1)?.next ?? 0) {
      const plus = this.kernel.readdirplus(node, offset, 3) as Listed[];
      const plain = this.kernel.readdir(node, offset, 3) as Listed[];
      expect(plain).toEqual(plus.map((listed) => ({ ...listed, entry: undefined })));
      for (const { entry } of plus) if (entry?.nodeid) this.lookups.push(entry.nodeid);
      if (plus.length === 0) return all;
      all.push(...plus);
    }
  }

  #checkIdentity(path: string, plan: Plan, entry: Found): void {
    const key = identity(path, plan);
    const ino = inoOf(entry.attributes);
    expect(this.nodes.get(key) ?? entry.nodeid).toBe(entry.nodeid);
    expect(this.inos.get(key) ?? ino).toBe(ino);
    this.nodes.set(key, entry.nodeid);
    this.inos.set(key, ino);
  }
}

it("a whole tree comes out as it went in, and is forgotten to the last inode", () => {
  fc.assert(
    fc.property(directory, fc.constantFrom(1, 10_000, 1e7), (plan, directoryCacheBytes) => {
      const store = new FakeStore();
      const root = build(store, plan);
      if (root.kind !== "directory") return;
      const options = { root, listRoot: true, showXattr: false, logger: silentLogger };
      const fs = new CastoreFileSystem(store, {
        ...options,
        directoryCacheBytes,
        blobReaderCount: 2,
      });
      const walk = new Walk(new Kernel(fs));
      walk.check("", ROOT, plan);
      // Different identities, different nodeids and numbers.
      expect(new Set(walk.nodes.values()).size).toBe(walk.nodes.size);
      expect(new Set(walk.inos.values()).size).toBe(walk.inos.size);
      expect(fs.inodes).toBe(walk.nodes.size + 1);
      for (const node of walk.lookups) fs.forget(node, 1);
      expect(fs.inodes).toBe(1);
    }),
    { numRuns: 150 },
  );
});
