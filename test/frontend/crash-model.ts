/**
 * What a guest has done to a share, so that the share can be judged after its daemon was killed:
 * everything up to the last syncfs is there, what each fsync was for, and the rest up to some request.
 */
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import type { WritableClient } from "./writable-client.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

/** Bytes that were written, or cut off, since the last fsync. */
interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export class FileModel {
  nodeid: number;
  bytes: Uint8Array;
  /** As of the last fsync, and what was done since. */
  #synced: Uint8Array;
  #changes: Change[] = [];
  /** Bytes from here on may be zeros: the file ended here at some time since. */
  #shortest: number;

  constructor(nodeid: number, bytes: Uint8Array) {
    this.nodeid = nodeid;
    this.bytes = bytes;
    this.#synced = bytes;
    this.#shortest = bytes.length;
  }

  sync(): void {
    this.#synced = this.bytes;
    this.#changes = [];
    this.#shortest = this.bytes.length;
  }

  write(offset: number, bytes: Uint8Array): void {
    const after = new Uint8Array(Math.max(this.bytes.length, offset + bytes.length));
    after.set(this.bytes);
    after.set(bytes, offset);
    this.bytes = after;
    this.#changes.push({ offset, bytes });
  }

  truncate(size: number): void {
    const after = new Uint8Array(size);
    after.set(this.bytes.subarray(0, size));
    this.bytes = after;
    this.#shortest = Math.min(this.#shortest, size);
  }

  /** Where the bytes that were found are none that ever stood there since the last fsync; -1: nowhere. */
  wrongAt(found: Uint8Array): number {
    const candidates = [this.#synced, this.bytes];
    for (let at = 0; at < found.length; at += 1) {
      if (candidates.some((bytes) => bytes[at] === found[at])) continue;
      if (found[at] === 0 && at >= this.#shortest) continue;
      const written = this.#changes.some(({ offset, bytes }) => bytes[at - offset] === found[at]);
      if (!written) return at;
    }
    return -1;
  }
}

/** A tree at one time: what it looks like, and its files by path. */
interface Snapshot {
  readonly text: string;
  readonly files: ReadonlyMap<string, FileModel>;
}

export class CrashModel {
  /** By path; the root's is "". */
  directories = new Map<string, number>();
  files = new Map<string, FileModel>();
  /** After each request since the last syncfs, and before the first. */
  #snapshots: Snapshot[] = [];

  /** Everything is as the share shows it, and durable. */
  static read(client: WritableClient): CrashModel {
    const model = new CrashModel();
    const walk = (path: string, nodeid: number): void => {
      model.directories.set(path, nodeid);
      for (const { name, entry } of client.readdirplus(nodeid)) {
        if (name.toString() === "." || name.toString() === "..") continue;
        const below = `${path}/${name}`;
        if ((entry.attr.mode & S_IFMT) === S_IFDIR) walk(below, entry.nodeid);
        else if (!model.#known(below, entry.nodeid)) {
          model.files.set(below, new FileModel(entry.nodeid, client.readAll(entry.nodeid)));
        }
      }
    };
    walk("", FUSE_ROOT_ID);
    model.synced();
    return model;
  }

  /** Another name of an inode. */
  #known(path: string, nodeid: number): boolean {
    const file = [...this.files.values()].find((known) => known.nodeid === nodeid);
    if (file !== undefined) this.files.set(path, file);
    return file !== undefined;
  }

  /** A request has been answered that changed something. */
  changed(): void {
    this.#snapshots.push(this.#snapshot());
  }

  /** A syncfs has been answered: nothing before it may be lost. */
  synced(): void {
    for (const file of new Set(this.files.values())) file.sync();
    this.#snapshots = [this.#snapshot()];
  }

  /**
   * What is wrong with the tree that another daemon shows. The request that was on its way when the
   * first was killed may have been performed: it was told to `this` before it was sent.
   */
  faultsOf(found: CrashModel): string[] {
    const { text } = found.#snapshot();
    const at = this.#snapshots.findLast((snapshot) => snapshot.text === text);
    if (at === undefined) {
      return this.#nearest(text);
    }
    return [...found.files].flatMap(([path, { bytes }]) => {
      const wrong = at.files.get(path)?.wrongAt(bytes) ?? 0;
      return wrong < 0 || bytes.length === 0 ? [] : [`${path} is wrong at byte ${wrong}`];
    });
  }

  /** How the tree that was found differs from the one since the last syncfs that is most like it. */
  #nearest(found: string): string[] {
    const differences = this.#snapshots.map(({ text }, index) => {
      const [wanted, have] = [new Set(text.split("\n")), new Set(found.split("\n"))];
      const missing = [...wanted].filter((line) => !have.has(line)).map((line) => `- ${line}`);
      const extra = [...have].filter((line) => !wanted.has(line)).map((line) => `+ ${line}`);
      return [`beside state ${index} of ${this.#snapshots.length}:`, ...missing, ...extra];
    });
    return differences.reduce((least, next) => (next.length < least.length ? next : least));
  }

  #snapshot(): Snapshot {
    const lines = [
      ...[...this.directories.keys()].map((path) => `${path}/`),
      ...[...this.files].map(([path, { bytes }]) => `${path} ${bytes.length}`),
    ];
    return { text: lines.sort().join("\n"), files: new Map(this.files) };
  }
}
