/**
 * Random operations on names, attributes and contents, done to a file system and to a model at once,
 * with batches settled in between, forgetting, new sessions and crashes.
 */
import type { NodeId } from "../../../src/base/brands.ts";
import { EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY } from "../../../src/base/errno.ts";
import type { DirectoryNode } from "../../../src/castore/node.ts";
import type { FakeStore } from "../fake-store.ts";
import { randomOf } from "./random-numbers.ts";
import { type ModelInode, modelInode, shownByKernel, shownByModel } from "./tree-model.ts";
import { afterCrash, ROOT, type Share, type ShareOptions, shareOf } from "./writing-kernel.ts";

const NAMES = ["a", "b", "c", "d", "e0", "e1", "dir", "sub", "link"];
const FILE_BYTES_MAX = 20_000;

interface Place {
  readonly parents: readonly ModelInode[];
  readonly directory: ModelInode;
  readonly node: NodeId;
}

export class RandomTree {
  share: Share;
  model: ModelInode;
  readonly done = new Map<string, number>();
  readonly #options: ShareOptions;
  readonly #store: FakeStore;
  readonly #root: DirectoryNode;
  readonly #random: (below: number) => number;
  /** The model when each batch that is not settled was submitted. */
  #submitted: ModelInode[] = [];
  /** And when the last settled one was. */
  #settled: ModelInode;
  #isHeld = false;
  /** Files without a name that somebody has open. */
  #orphans: { readonly node: NodeId; readonly inode: ModelInode }[] = [];
  /** Nodeids that were looked up and not forgotten. */
  #lookedUp: NodeId[] = [];

  constructor(
    store: FakeStore,
    root: DirectoryNode,
    model: ModelInode,
    seed: number,
    options: ShareOptions = {},
  ) {
    this.#store = store;
    this.#root = root;
    this.share = shareOf(store, root, undefined, options);
    this.#options = options;
    this.model = model;
    this.#random = randomOf(seed);
    this.#settled = structuredClone(model);
  }

  step(): void {
    const kinds = [
      "create",
      "create",
      "mkdir",
      "symlink",
      "link",
      "unlink",
      "unlink",
      "rmdir",
      "rename",
      "rename",
      "rename",
      "write",
      "write",
      "truncate",
      "chmod",
      "xattr",
      "sync",
      "settle",
      "settle",
      "forget",
      "hold",
      "orphan",
    ] as const;
    const rare = this.#random(400);
    if (rare === 0) this.#crash();
    else if (rare === 1) this.#newSession();
    else this.#perform(kinds[this.#random(kinds.length)] as (typeof kinds)[number]);
    this.#noteBatches();
  }

  #perform(kind: string): void {
    const from = this.#place();
    const name = this.#name();
    const before = from.directory.entries.get(name);
    const { kernel } = this.share;
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
    switch (kind) {
      case "create":
      case "mkdir":
      case "symlink":
        this.#make(kind, from, name, before);
        return;
      case "link":
        this.#link(from, name, before);
        return;
      case "unlink":
      case "rmdir":
        this.#remove(kind, from, name, before);
        return;
      case "rename":
        this.#rename(from, name, before);
        return;
      case "sync":
        kernel.changes.syncfs();
        return;
      case "settle":
        this.#settle();
        return;
      case "orphan":
        this.#useOrphan();
        return;
      case "hold":
        // A commit begins, or, if one is under way, ends.
        this.#isHeld = !this.#isHeld;
        if (this.#isHeld) this.share.layer.hold();
        else this.share.layer.release();
        kernel.changes.layerChanged();
        return;
      case "forget":
        for (const node of this.#lookedUp.splice(0)) kernel.fs.forget(node, 1);
        return;
      default:
        if (before !== undefined) this.#change(kind, from, name, before);
    }
  }

  /** Gets everything that was done into the layer. */
  settleAll(): void {
    const { changes } = this.share.kernel;
    for (let round = 0; changes.syncfs() !== 0; round += 1) {
      if (round === 100) throw new Error("the layer does not settle");
      this.#noteBatches();
      while (this.#settle()) this.#noteBatches();
      // A hold may wait for its snapshot.
      changes.layerChanged();
    }
  }

  /** False: no batch is under way. */
  #settle(): boolean {
    if (this.share.layer.settleNext() === undefined) return false;
    this.#settled = this.#submitted.shift() as ModelInode;
    this.share.kernel.changes.layerChanged();
    return true;
  }

  #make(kind: "create" | "mkdir" | "symlink", at: Place, name: string, before?: ModelInode): void {
    const { kernel } = this.share;
    let status = 0;
    try {
      if (kind === "create") kernel.create(at.node, name);
      else if (kind === "mkdir") kernel.mkdir(at.node, name);
      else kernel.symlink(at.node, name, `to ${name}`);
      this.#lookedUp.push(kernel.entry.nodeid);
    } catch (error) {
      status = Number(String(error).split(": ").at(-1));
    }
    expectStatus(status, before === undefined ? 0 : -EEXIST, kind);
    if (status !== 0) return;
    const kinds = { create: "file", mkdir: "directory", symlink: "symlink" } as const;
    const modes = { create: 0o644, mkdir: 0o755, symlink: 0o777 };
    const made = modelInode(kinds[kind], modes[kind]);
    if (kind === "symlink") made.target = `to ${name}`;
    if (kind === "mkdir") at.directory.links += 1;
    at.directory.entries.set(name, made);
  }

  #link(from: Place, name: string, inode?: ModelInode): void {
    if (inode === undefined || inode.kind === "directory") return;
    const to = this.#place();
    const newName = this.#name();
    const node = this.#lookup(from.node, name);
    const status = this.share.kernel.link(node, to.node, newName);
    expectStatus(status, to.directory.entries.has(newName) ? -EEXIST : 0, "link");
    if (status !== 0) return;
    this.#lookedUp.push(node);
    to.directory.entries.set(newName, inode);
    inode.links += 1;
  }

  #remove(kind: "unlink" | "rmdir", at: Place, name: string, inode?: ModelInode): void {
    const opened = inode?.kind === "file" && inode.links === 1 && this.#random(2) === 0;
    if (opened) this.#orphans.push({ node: this.#open(at.node, name), inode });
    const status = this.share.kernel[kind](at.node, name);
    expectStatus(status, this.#removeStatus(kind, inode), kind);
    if (status !== 0 || inode === undefined) {
      if (opened) this.#close(this.#orphans.length - 1);
      return;
    }
    at.directory.entries.delete(name);
    this.#lose(at.directory, inode);
  }

  #open(parent: NodeId, name: string): NodeId {
    expectStatus(this.share.kernel.lookup(parent, name), 0, `open of ${name}`);
    return this.share.kernel.entry.nodeid;
  }

  #close(at: number): void {
    const [orphan] = this.#orphans.splice(at, 1);
    if (orphan !== undefined) this.share.fs.forget(orphan.node, 1);
  }

  #useOrphan(): void {
    const at = this.#random(Math.max(1, this.#orphans.length));
    const orphan = this.#orphans[at];
    if (orphan === undefined) return;
    const { node, inode } = orphan;
    const kind = ["write", "truncate", "check", "close"][this.#random(4)] as string;
    if (kind === "close") {
      this.#close(at);
    } else if (kind === "check") {
      const found = this.share.kernel.contentOf(node);
      if (!found.equals(inode.content)) throw new Error("an open file has other contents");
      expectStatus(this.share.kernel.attributes(node).nlink, 0, "links of an open file");
    } else {
      this.#changeContent(kind, node, inode);
    }
  }

  #removeStatus(kind: "unlink" | "rmdir", inode?: ModelInode): number {
    if (inode === undefined) return -ENOENT;
    const isDirectory = inode.kind === "directory";
    if (kind === "unlink") return isDirectory ? -EISDIR : 0;
    if (!isDirectory) return -ENOTDIR;
    return inode.entries.size === 0 ? 0 : -ENOTEMPTY;
  }

  #lose(directory: ModelInode, inode: ModelInode): void {
    inode.links -= 1;
    if (inode.kind === "directory") directory.links -= 1;
  }

  #rename(from: Place, name: string, inode?: ModelInode): void {
    const to = this.#place();
    const newName = this.#name();
    const flags = [0, 0, 0, 1, 2][this.#random(5)] as number;
    const target = to.directory.entries.get(newName);
    const status = this.share.kernel.rename(from.node, name, to.node, newName, flags);
    const expected = this.#renameStatus(from, to, flags, inode, target);
    expectStatus(status, expected, `rename of ${name} to ${newName} with ${flags}`);
    if (status !== 0 || inode === undefined || inode === target) return;
    if (flags === 2) {
      from.directory.entries.set(name, target as ModelInode);
      if (inode.kind === "directory") from.directory.links -= 1;
      if (target?.kind === "directory") from.directory.links += 1;
      if (target?.kind === "directory") to.directory.links -= 1;
    } else {
      if (target !== undefined) this.#lose(to.directory, target);
      from.directory.entries.delete(name);
      if (inode.kind === "directory") from.directory.links -= 1;
    }
    if (inode.kind === "directory") to.directory.links += 1;
    to.directory.entries.set(newName, inode);
  }

  #renameStatus(
    from: Place,
    to: Place,
    flags: number,
    inode?: ModelInode,
    target?: ModelInode,
  ): number {
    if (inode === undefined) return -ENOENT;
    if (to.parents.includes(inode)) return -EINVAL;
    if (target === undefined) return flags === 2 ? -ENOENT : 0;
    if (flags === 1) return -EEXIST;
    if (flags === 2) return from.parents.includes(target) ? -EINVAL : 0;
    if (inode === target) return 0;
    if (inode.kind !== "directory") return target.kind === "directory" ? -EISDIR : 0;
    if (target.kind !== "directory") return -ENOTDIR;
    return target.entries.size === 0 ? 0 : -ENOTEMPTY;
  }

  #change(kind: string, at: Place, name: string, inode: ModelInode): void {
    const { kernel } = this.share;
    const node = this.#lookup(at.node, name);
    if (kind === "chmod" && inode.kind !== "symlink") {
      const mode = this.#random(0o1000);
      expectStatus(kernel.chmod(node, mode), 0, kind);
      inode.mode = mode;
    } else if (kind === "xattr") {
      const value = `value ${this.#random(1000)}`;
      const key = `user.${this.#random(3)}`;
      const remove = inode.xattrs.has(key) && this.#random(2) === 0;
      expectStatus(
        remove ? kernel.removexattr(node, key) : kernel.setxattr(node, key, value),
        0,
        kind,
      );
      if (remove) inode.xattrs.delete(key);
      else inode.xattrs.set(key, value);
    } else if (inode.kind === "file") {
      this.#changeContent(kind, node, inode);
    }
  }

  #changeContent(kind: string, node: NodeId, inode: ModelInode): void {
    const { kernel } = this.share;
    const size = this.#random(FILE_BYTES_MAX);
    if (kind === "truncate") {
      expectStatus(kernel.truncate(node, size), 0, kind);
      inode.content = Buffer.concat([inode.content, Buffer.alloc(size)]).subarray(0, size);
    } else if (kind === "write") {
      const bytes = Buffer.alloc(1 + this.#random(5000), 1 + this.#random(255));
      expectStatus(kernel.write(node, size, bytes), bytes.length, kind);
      const end = Math.max(inode.content.length, size + bytes.length);
      const content = Buffer.alloc(end);
      inode.content.copy(content);
      bytes.copy(content, size);
      inode.content = content;
    }
  }

  /** A random directory, in the model and by its nodeid. */
  #place(): Place {
    const parents = [this.model];
    let node = ROOT;
    for (let at = this.model; this.#random(3) > 0; ) {
      const inner = [...at.entries].filter(([, child]) => child.kind === "directory");
      const next = inner[this.#random(Math.max(1, inner.length))];
      if (next === undefined) break;
      node = this.#lookup(node, next[0]);
      at = next[1];
      parents.push(at);
    }
    return { parents, directory: parents.at(-1) as ModelInode, node };
  }

  #lookup(parent: NodeId, name: string): NodeId {
    const { kernel } = this.share;
    expectStatus(kernel.lookup(parent, name), 0, `lookup of ${name}`);
    this.#lookedUp.push(kernel.entry.nodeid);
    return kernel.entry.nodeid;
  }

  #name(): string {
    return NAMES[this.#random(NAMES.length)] as string;
  }

  #noteBatches(): void {
    while (this.#submitted.length < this.share.layer.batches.length) {
      this.#submitted.push(structuredClone(this.model));
    }
  }

  #crash(): void {
    this.share = afterCrash(this.#store, this.#root, this.share, this.#options);
    this.#isHeld = false;
    this.#orphans = [];
    this.#lookedUp = [];
    this.#submitted = [];
    this.model = structuredClone(this.#settled);
    for (const inode of filesIn(this.model)) inode.content = Buffer.from(inode.content);
    this.done.set("crash", (this.done.get("crash") ?? 0) + 1);
    this.check();
  }

  #newSession(): void {
    this.share.fs.reset();
    this.#orphans = [];
    this.#lookedUp = [];
    this.done.set("session", (this.done.get("session") ?? 0) + 1);
    this.check();
  }

  /** Throws unless the file system shows what the model does. */
  check(): void {
    const expected = shownByModel(this.model);
    const shown = shownByKernel(this.share.kernel);
    for (const [path, text] of expected) {
      if (shown.get(path) === text) continue;
      const [found, wanted] = [shown.get(path), text].map((line) => line?.slice(0, 300));
      throw new Error(`${path || "/"} is\n${found}\ninstead of\n${wanted}`);
    }
    for (const path of shown.keys()) {
      if (!expected.has(path)) throw new Error(`${path} should not be there`);
    }
  }
}

function filesIn(inode: ModelInode): ModelInode[] {
  return [inode, ...[...inode.entries.values()].flatMap(filesIn)];
}

function expectStatus(status: number, expected: number, what: string): void {
  if (status !== expected) throw new Error(`${what}: ${status} instead of ${expected}`);
}
