/**
 * A disk without power: from what strace(1) saw a process write and sync, the files that it may find
 * afterwards. What was not synced is there or not, block by block. Bytes that sync_file_range(2) has
 * given to the disk are safe at the next sync of any file, if their blocks were allocated before.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const BLOCK = 4096;

interface Change {
  readonly offset: number;
  /** Undefined: a hole. */
  readonly bytes: Uint8Array | undefined;
  readonly length: number;
}

/** One step of the process that was watched, in order. */
export type Step =
  | { readonly kind: "change"; readonly file: string; readonly change: Change }
  | { readonly kind: "cut"; readonly file: string; readonly size: number }
  | {
      readonly kind: "give";
      readonly file: string;
      readonly offset: number;
      readonly length: number;
    }
  | { readonly kind: "sync"; readonly file: string }
  | { readonly kind: "gone"; readonly file: string }
  | { readonly kind: "said"; readonly text: string };

class DiskFile {
  bytes = new Uint8Array();
  readonly allocated = new Set<number>();
  pending: Change[] = [];
  given: Change[] = [];

  /** Its fsync(2) or fdatasync(2) has returned. */
  sync(): void {
    for (const change of [...this.given, ...this.pending]) this.#settle(change);
    this.given = [];
    this.pending = [];
  }

  /** The disk's cache was flushed. */
  flush(): void {
    for (const change of this.given) this.#settle(change);
    this.given = [];
  }

  give(offset: number, length: number): void {
    const safe = ({ bytes, offset: at, length: count }: Change) =>
      bytes !== undefined &&
      at >= offset &&
      at + count <= offset + length &&
      this.allocated.has(Math.floor(at / BLOCK));
    this.given.push(...this.pending.filter(safe));
    this.pending = this.pending.filter((change) => !safe(change));
  }

  /** What may be found if the power goes now. */
  after(isThere: () => boolean): Uint8Array {
    const image = new DiskFile();
    image.bytes = this.bytes.slice();
    for (const change of [...this.given, ...this.pending]) if (isThere()) image.#settle(change);
    return image.bytes;
  }

  #settle({ offset, bytes, length }: Change): void {
    const end = offset + length;
    if (bytes === undefined) {
      this.bytes.fill(0, offset, Math.min(end, this.bytes.length));
      this.allocated.delete(Math.floor(offset / BLOCK));
      return;
    }
    if (end > this.bytes.length) {
      const larger = new Uint8Array(end);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(bytes, offset);
    this.allocated.add(Math.floor(offset / BLOCK));
  }

  cut(size: number): void {
    this.sync();
    const kept = new Uint8Array(size);
    kept.set(this.bytes.subarray(0, size));
    this.bytes = kept;
  }
}

export class Disk {
  readonly #files = new Map<string, DiskFile>();

  follow(step: Step): void {
    if (step.kind === "said") return;
    // What is made anew under a name is synced by SQLite and by us, with its folder.
    if (step.kind === "gone") {
      this.#files.delete(step.file);
      return;
    }
    const file = this.#file(step.file);
    if (step.kind === "change") file.pending.push(...inBlocks(step.change));
    else if (step.kind === "cut") file.cut(step.size);
    else if (step.kind === "give") file.give(step.offset, step.length);
    else {
      file.sync();
      for (const other of this.#files.values()) other.flush();
    }
  }

  /** Puts into `folder` what may be found if the power goes now. */
  write(folder: string, isThere: () => boolean): void {
    mkdirSync(folder, { recursive: true });
    for (const [name, file] of this.#files) {
      writeFileSync(join(folder, name), file.after(isThere));
    }
  }

  #file(name: string): DiskFile {
    const file = this.#files.get(name) ?? new DiskFile();
    this.#files.set(name, file);
    return file;
  }
}

function inBlocks({ offset, bytes, length }: Change): Change[] {
  const blocks: Change[] = [];
  for (let at = offset; at < offset + length; ) {
    const end = Math.min(offset + length, (Math.floor(at / BLOCK) + 1) * BLOCK);
    const part = bytes?.slice(at - offset, end - offset);
    blocks.push({ offset: at, bytes: part, length: end - at });
    at = end;
  }
  return blocks;
}

/** What strace is to be asked for, so that `parseTrace` understands its output. */
export const STRACE = [
  "strace",
  "-y",
  "-xx",
  "-s",
  "2000000",
  "-e",
  "trace=write,pwrite64,fdatasync,fsync,ftruncate,fallocate,sync_file_range,unlink",
] as const;

/** The steps that concern files below `folder`, and what was said on standard output. */
export function parseTrace(text: string, folder: string): Step[] {
  return text.split("\n").flatMap((line): Step | [] => {
    const [, removed] = /^unlink\("([^"]*)"\) += 0/.exec(line) ?? [];
    if (removed !== undefined) {
      const file = decodePath(removed);
      return isPart(file, folder) ? { kind: "gone", file: basename(file) } : [];
    }
    const [, call, fd, path, rest = ""] = /^(\w+)\((\d+)<([^>]*)>(.*)$/.exec(line) ?? [];
    if (call === undefined || path === undefined || / = -1 /.test(line)) return [];
    const file = decodePath(path);
    if (call === "write" && fd === "1") return { kind: "said", text: bytesIn(rest).toString() };
    if (!isPart(file, folder)) return [];
    return stepOf(call, basename(file), rest);
  });
}

/** What the layer consists of; not its lock, its pid, or memory that SQLite shares. */
function isPart(file: string, folder: string): boolean {
  return file.startsWith(`${folder}/`) && /^(data|layer\.sqlite(-wal)?)$/.test(basename(file));
}

function stepOf(call: string, file: string, rest: string): Step | [] {
  const numbers =
    rest
      .replace(/"[^"]*"/, "")
      .match(/\d+/g)
      ?.map(Number) ?? [];
  if (call === "pwrite64") {
    const bytes = bytesIn(rest);
    const [, offset = 0] = numbers;
    return { kind: "change", file, change: { offset, bytes, length: bytes.length } };
  }
  if (call === "fallocate") {
    const [offset = 0, length = 0] = numbers;
    return { kind: "change", file, change: { offset, bytes: undefined, length } };
  }
  if (call === "ftruncate") return { kind: "cut", file, size: numbers[0] ?? 0 };
  if (call === "sync_file_range") {
    // Begun, and not waited for: nobody knows how far it got.
    if (!rest.includes("SYNC_FILE_RANGE_WAIT_AFTER")) return [];
    return { kind: "give", file, offset: numbers[0] ?? 0, length: numbers[1] ?? 0 };
  }
  if (call === "fdatasync" || call === "fsync") return { kind: "sync", file };
  throw new Error(`${call} of ${file}: not expected`);
}

function bytesIn(rest: string): Buffer {
  const hex = /"([^"]*)"/.exec(rest)?.[1] ?? "";
  return Buffer.from(hex.replaceAll("\\x", ""), "hex");
}

/** With -xx strace prints paths in hexadecimal, too, in some versions. */
function decodePath(path: string): string {
  return path.startsWith("\\x") ? Buffer.from(path.replaceAll("\\x", ""), "hex").toString() : path;
}
