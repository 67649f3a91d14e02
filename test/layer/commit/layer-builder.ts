/**
 * Makes layers as a file system would, row by row, and beside each a model of what it shows: plain
 * trees in memory, of which the digest is known by importing them.
 */
import { writeFileSync } from "node:fs";
import { Directory } from "../../../src/castore/directory.ts";
import { parseName } from "../../../src/castore/name.ts";
import {
  type DirectoryNode,
  directoryNode,
  fileNode,
  type Node,
  symlinkNode,
} from "../../../src/castore/node.ts";
import {
  BASE,
  type Base,
  ExtentWriter,
  eachExtent,
  HOLE,
  LAYER,
} from "../../../src/layer/extent-code.ts";
import { openLayerDatabase } from "../../../src/layer/layer-database.ts";
import { LayerDirectory } from "../../../src/layer/layer-directory.ts";
import { dataPath } from "../../../src/layer/layer-files.ts";
import { type RowChanges, RowWriter } from "../../../src/layer/row-writer.ts";
import {
  type EntryRow,
  type InodeRow,
  PIECE_BYTES,
  type PieceRow,
  ROOT_ID,
} from "../../../src/layer/rows.ts";
import type { StoreWriter } from "../../../src/store/store-writer.ts";
import { inodeRow, NO_CHANGES } from "../layer-rows.ts";

export type Model = ModelDirectory | ModelFile | ModelSymlink | ModelSpecial;
export interface ModelDirectory {
  readonly kind: "directory";
  readonly children: Map<string, Model>;
}
export interface ModelFile {
  readonly kind: "file";
  bytes: Uint8Array;
  executable: boolean;
}
export interface ModelSymlink {
  readonly kind: "symlink";
  readonly target: string;
}
/** Nothing that castore keeps. */
export interface ModelSpecial {
  readonly kind: "special";
}

export function directory(children: Readonly<Record<string, Model>> = {}): ModelDirectory {
  return { kind: "directory", children: new Map(Object.entries(children)) };
}

export function file(contents: string | Uint8Array, executable = false): ModelFile {
  const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
  return { kind: "file", bytes, executable };
}

export function symlink(target: string): ModelSymlink {
  return { kind: "symlink", target };
}

/** Stores a model as an import would. */
export function putModel(writer: StoreWriter, model: ModelDirectory): DirectoryNode {
  const entries = [];
  for (const [name, child] of model.children) {
    const node = nodeOf(writer, child);
    if (node !== undefined) entries.push({ name: parseName(name), node });
  }
  return writer.putDirectory(Directory.of(entries));
}

function nodeOf(writer: StoreWriter, model: Model): Node | undefined {
  if (model.kind === "directory") return putModel(writer, model);
  if (model.kind === "symlink") return symlinkNode(model.target);
  if (model.kind === "special") return undefined;
  const { digest, size } = writer.putBlob(model.bytes);
  return fileNode(digest, size, model.executable);
}

/** A file's bytes or node, copied, so that base and layer change apart. */
export function copyModel(model: Model): Model {
  if (model.kind === "file") return { ...model, bytes: Uint8Array.from(model.bytes) };
  if (model.kind !== "directory") return model;
  return {
    kind: "directory",
    children: new Map([...model.children].map(([name, child]) => [name, copyModel(child)])),
  };
}

interface Extent {
  start: number;
  length: number;
  kind: number;
  source: number;
  base: Base | undefined;
}

/** A node of the base beneath a directory, by the model's object. */
type BaseNodes = ReadonlyMap<Model, Node>;

/** Builds a layer over `base`; paths are names with slashes between them, "" is the root. */
export class LayerBuilder {
  /** What the layer shows now. */
  readonly model: ModelDirectory;
  readonly #base: DirectoryNode;
  readonly #nodes: BaseNodes;
  readonly #inodes = new Map<number, InodeRow>();
  readonly #entries = new Map<number, Map<string, EntryRow>>();
  readonly #extents = new Map<number, Extent[]>();
  readonly #xattrs: { inode: number; name: Uint8Array; value: Uint8Array }[] = [];
  /** What is beneath each directory of the layer. */
  readonly #beneath = new Map<number, ModelDirectory>();
  readonly #shownBy = new Map<Model, number>();
  readonly #data: Uint8Array[] = [];
  #dataBytes = 0;
  #next = ROOT_ID + 1;

  /** Stores `base` with `writer`; its directories have the sizes older writers gave them, if told. */
  constructor(writer: StoreWriter, base: ModelDirectory, olderSizes = false) {
    const nodes = new Map<Model, Node>();
    const store = (model: ModelDirectory): DirectoryNode => {
      const entries = [...model.children].map(([name, child]) => {
        const node = child.kind === "directory" ? store(child) : nodeOf(writer, child)!;
        nodes.set(child, node);
        return { name: parseName(name), node };
      });
      const { digest, size } = writer.putDirectory(Directory.of(entries));
      return directoryNode(digest, olderSizes ? size + entries.length : size);
    };
    this.#base = store(base);
    nodes.set(base, this.#base);
    this.#nodes = nodes;
    this.model = this.#show(base) as ModelDirectory;
    const mode = 0o040755;
    this.#inodes.set(ROOT_ID, inodeRow(ROOT_ID, { mode, origin: this.#origin(base) }));
    this.#shownBy.set(this.model, ROOT_ID);
    this.#beneath.set(ROOT_ID, base);
  }

  get base(): DirectoryNode {
    return this.#base;
  }

  write(path: string, offset: number, bytes: Uint8Array): void {
    const model = this.find(path) as ModelFile;
    const id = this.#materialise(path);
    const size = Math.max(model.bytes.length, offset + bytes.length);
    const grown = new Uint8Array(size);
    grown.set(model.bytes);
    grown.set(bytes, offset);
    model.bytes = grown;
    this.#splice(id, offset, bytes.length, LAYER, this.#dataBytes, undefined);
    this.#data.push(Uint8Array.from(bytes));
    this.#dataBytes += bytes.length;
    this.change(path, { size });
  }

  truncate(path: string, size: number): void {
    const model = this.find(path) as ModelFile;
    const id = this.#materialise(path);
    const cut = new Uint8Array(size);
    cut.set(model.bytes.subarray(0, size));
    const old = model.bytes.length;
    model.bytes = cut;
    if (size < old) this.#splice(id, size, old - size, HOLE, 0, undefined);
    this.change(path, { size });
  }

  /** Makes [offset, offset + length) of a file the bytes of a base file: copy_file_range(2). */
  refer(path: string, offset: number, from: ModelFile, source: number, length: number): void {
    const model = this.find(path) as ModelFile;
    const id = this.#materialise(path);
    const size = Math.max(model.bytes.length, offset + length);
    const grown = new Uint8Array(size);
    grown.set(model.bytes);
    grown.set(from.bytes.subarray(source, source + length), offset);
    model.bytes = grown;
    this.#splice(id, offset, length, BASE, source, this.#origin(from));
    this.change(path, { size });
  }

  create(path: string, model: Model, row: Partial<InodeRow> = {}): void {
    const [parent, name] = split(path);
    const parentId = this.#materialise(parent);
    const id = this.#next++;
    const plain =
      model.kind === "directory"
        ? directory()
        : model.kind === "file"
          ? file("", model.executable)
          : model;
    (this.find(parent) as ModelDirectory).children.set(name, plain);
    this.#shownBy.set(plain, id);
    this.#inodes.set(id, inodeRow(id, { ...rowOf(model), ...row }));
    this.#put(parentId, name, id);
    if (model.kind === "file" && model.bytes.length > 0) this.write(path, 0, model.bytes);
    if (model.kind !== "directory") return;
    for (const [child, inner] of model.children) this.create(`${path}/${child}`, inner);
  }

  /** Another name for a file. */
  link(path: string, newPath: string): void {
    const id = this.#materialise(path);
    const [parent, name] = split(newPath);
    const parentId = this.#materialise(parent);
    (this.find(parent) as ModelDirectory).children.set(name, this.find(path)!);
    this.#put(parentId, name, id);
    this.change(path, { links: this.#inodes.get(id)!.links + 1 });
  }

  remove(path: string): void {
    const [parent, name] = split(path);
    const parentId = this.#materialise(parent);
    (this.find(parent) as ModelDirectory).children.delete(name);
    this.#put(parentId, name, undefined);
  }

  rename(path: string, newPath: string): void {
    const id = this.#materialise(path);
    const moved = this.find(path)!;
    this.remove(path);
    const [parent, name] = split(newPath);
    const parentId = this.#materialise(parent);
    (this.find(parent) as ModelDirectory).children.set(name, moved);
    this.#put(parentId, name, id);
  }

  setExecutable(path: string, executable: boolean): void {
    (this.find(path) as ModelFile).executable = executable;
    this.change(path, { mode: 0o100000 | (executable ? 0o755 : 0o644) });
  }

  /** Changes the row of what is at `path`. */
  change(path: string, changes: Partial<InodeRow>): void {
    const id = this.#materialise(path);
    this.#inodes.set(id, { ...this.#inodes.get(id)!, ...changes });
  }

  setXattr(path: string, name: string, value: string): void {
    const inode = this.#materialise(path);
    const text = new TextEncoder();
    this.#xattrs.push({ inode, name: text.encode(name), value: text.encode(value) });
  }

  find(path: string): Model | undefined {
    let model: Model | undefined = this.model;
    for (const name of names(path)) {
      model = model?.kind === "directory" ? model.children.get(name) : undefined;
    }
    return model;
  }

  /** Writes the layer to disk; nobody holds it afterwards. */
  save(folder: string, storeDirectory: string): void {
    using layer = LayerDirectory.open(folder, { storeDirectory, root: this.#base });
    writeFileSync(dataPath(layer.directory), Buffer.concat(this.#data));
    using database = openLayerDatabase(folder, "write");
    new RowWriter(database).apply(this.#rows());
  }

  #rows(): RowChanges {
    const entries = [...this.#entries.values()].flatMap((rows) => [...rows.values()]);
    const pieces = [...this.#extents].flatMap(([id, extents]) => pieceRows(id, extents));
    const inodes = [...this.#inodes.values()];
    return { ...NO_CHANGES, inodes, entries, pieces, xattrs: this.#xattrs, nextInode: this.#next };
  }

  /** A copy that stands for the same things of the base. */
  #show(base: Model): Model {
    if (base.kind !== "directory") {
      const copy = copyModel(base);
      this.#unchanged.set(copy, base);
      return copy;
    }
    const children = [...base.children].map(([name, child]): [string, Model] => [
      name,
      this.#show(child),
    ]);
    const copy: ModelDirectory = { kind: "directory", children: new Map(children) };
    this.#unchanged.set(copy, base);
    return copy;
  }

  readonly #unchanged = new Map<Model, Model>();

  #materialise(path: string): number {
    const model = this.find(path);
    if (model === undefined) throw new Error(`no ${path}`);
    const known = this.#shownBy.get(model);
    if (known !== undefined) return known;
    const [parent, name] = split(path);
    const parentId = this.#materialise(parent);
    const base = this.#unchanged.get(model)!;
    const id = this.#next++;
    const time = { seconds: 0, nanoseconds: 0 };
    const times = { atime: time, mtime: time, ctime: time, btime: time };
    const origin = base.kind === "symlink" ? undefined : this.#origin(base);
    this.#inodes.set(id, inodeRow(id, { ...rowOf(base), ...times, origin }));
    this.#shownBy.set(model, id);
    if (base.kind === "directory") this.#beneath.set(id, base);
    this.#put(parentId, name, id);
    return id;
  }

  #origin(base: Model): NonNullable<InodeRow["origin"]> {
    const node = this.#nodes.get(base)!;
    if (node.kind === "symlink") throw new Error("a symlink has no origin");
    const executable = node.kind === "file" && node.executable;
    return { kind: node.kind, digest: node.digest.bytes, size: node.size, executable };
  }

  /** `inode` undefined: the name is gone. */
  #put(parent: number, name: string, inode: number | undefined): void {
    const rows = this.#entries.get(parent) ?? new Map<string, EntryRow>();
    this.#entries.set(parent, rows);
    const below = [...(this.#beneath.get(parent)?.children.keys() ?? [])].sort();
    const index = below.indexOf(name);
    if (inode === undefined && index < 0) {
      rows.delete(name);
      return;
    }
    const position = index < 0 ? below.length + rows.size : index;
    rows.set(name, { parent, name: Buffer.from(name), position, inode });
  }

  #splice(
    id: number,
    offset: number,
    length: number,
    kind: number,
    source: number,
    base: Base | undefined,
  ): void {
    const { size, origin } = this.#inodes.get(id)!;
    const old: Extent[] = this.#extents.get(id) ?? [];
    if (!this.#extents.has(id)) {
      eachExtent(size, origin, [], (start, bytes, k, from, blob) => {
        old.push({ start, length: bytes, kind: k, source: from, base: blob });
      });
    }
    const end = offset + length;
    const kept = old.flatMap((extent) => {
      const stop = extent.start + extent.length;
      const parts: Extent[] = [];
      if (extent.start < offset) {
        parts.push({ ...extent, length: Math.min(stop, offset) - extent.start });
      }
      if (stop > end) {
        const start = Math.max(extent.start, end);
        const from = extent.source + start - extent.start;
        parts.push({ ...extent, start, length: stop - start, source: from });
      }
      return parts;
    });
    if (kind !== HOLE && length > 0) kept.push({ start: offset, length, kind, source, base });
    this.#extents.set(
      id,
      kept.sort((a, b) => a.start - b.start),
    );
  }
}

function rowOf(model: Model): Partial<InodeRow> {
  if (model.kind === "directory") return { mode: 0o040755 };
  if (model.kind === "symlink") return { mode: 0o120777, target: Buffer.from(model.target) };
  if (model.kind === "special") return { mode: 0o010644 };
  return { mode: 0o100000 | (model.executable ? 0o755 : 0o644), size: model.bytes.length };
}

function pieceRows(inode: number, extents: readonly Extent[]): PieceRow[] {
  const writer = new ExtentWriter();
  const last = extents.at(-1);
  const count = last === undefined ? 1 : Math.ceil((last.start + last.length) / PIECE_BYTES);
  return Array.from({ length: count }, (_, piece) => {
    const begin = piece * PIECE_BYTES;
    writer.begin();
    for (const { start, length, kind, source, base } of extents) {
      const from = Math.max(start, begin);
      const to = Math.min(start + length, begin + PIECE_BYTES);
      if (to > from) writer.add(from - begin, to - from, kind, source + from - start, base);
    }
    return { inode, piece, extents: writer.finish() };
  });
}

function names(path: string): string[] {
  return path === "" ? [] : path.split("/");
}

function split(path: string): [parent: string, name: string] {
  const slash = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)];
}
