/**
 * The made corpus: one directory with everything that a store and a file system get wrong. It is the
 * same bytes every time, so that its root digest can be compared between machines.
 */
import { createCipheriv } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** Raised when the corpus changes, so that a kept one is made anew. */
const VERSION = 2;

const MANY_ENTRIES = 10_000;
/** Over 100 MiB, and not a multiple of a page. */
const HUGE_BYTES = 101 * 1024 * 1024 + 4321;
const EDGE_SIZES = [1, 4095, 4096, 4097, 65_535, 65_536, 131_072, 131_073, 1_048_576, 1_048_577];
const DEEP_LEVELS = 40;

/** Makes the corpus at `directory`, unless it is there already. */
export function makeCorpus(directory: string): void {
  const stamp = `${directory}.version-${VERSION}`;
  if (existsSync(stamp)) return;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  makeSizes(join(directory, "sizes"));
  makeNames(join(directory, "names"));
  makeLinks(join(directory, "links"));
  makeExecutables(join(directory, "executables"));
  makeDirectories(directory);
  writeFileSync(stamp, "");
}

/** Bytes that no compressor and no deduplication makes smaller, from a seed. */
export function noise(bytes: number, seed: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed, 0);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function makeSizes(directory: string): void {
  mkdirSync(directory);
  writeFileSync(join(directory, "empty"), "");
  for (const size of EDGE_SIZES) writeFileSync(join(directory, String(size)), noise(size, size));
  writeFileSync(join(directory, "zeros"), Buffer.alloc(3_000_000));
  const huge = openSync(join(directory, "huge"), "w");
  const step = 1024 * 1024;
  for (let at = 0; at < HUGE_BYTES; at += step) {
    writeSync(huge, noise(Math.min(step, HUGE_BYTES - at), 1_000_000 + at / step));
  }
  closeSync(huge);
}

function makeNames(directory: string): void {
  const names: (string | Buffer)[] = [
    "with space",
    " ",
    "-dash",
    "...",
    ".hidden",
    "new\nline",
    "tab\tand\\backslash",
    "quote\"'`$",
    "\x01\x7f",
    "Ünïcödé – 名前 – 🙂",
    "e\u0301 and \u00e9", // the same letter, composed and not: two different names
    "\u00e9 and e\u0301",
    Buffer.from([0xff, 0xfe, 0x80]), // not UTF-8
    Buffer.from([0xed, 0xa0, 0x80]), // a surrogate, as WTF-8 has it
    Buffer.from([0xc3]), // a sequence cut short
    "é".repeat(127), // 254 bytes
    "n".repeat(255),
    Buffer.alloc(255, 0xf0),
  ];
  mkdirSync(directory);
  for (const [index, name] of names.entries()) {
    const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name as string)]);
    writeFileSync(path, `file ${index}\n`);
  }
  writeFileSync(join(directory, "..", "x".repeat(255)), "at the top\n");
}

function makeLinks(directory: string): void {
  mkdirSync(directory);
  symlinkSync("nowhere", join(directory, "dangling"));
  symlinkSync("/proc/self/mounts", join(directory, "absolute"));
  symlinkSync("loop", join(directory, "loop"));
  symlinkSync("../sizes/4096", join(directory, "relative"));
  symlinkSync("..", join(directory, "parent"));
  symlinkSync("t".repeat(255), join(directory, "long-name"));
  symlinkSync(`${"d/".repeat(2047)}e`, join(directory, "target-of-4095-bytes"));
  symlinkSync(Buffer.from([0x2f, 0xff, 0xfe]), join(directory, "target-not-utf8"));
}

function makeExecutables(directory: string): void {
  mkdirSync(directory);
  const script = "#!/bin/sh\nexit 42\n";
  writeFileSync(join(directory, "runs"), script, { mode: 0o755 });
  writeFileSync(join(directory, "plain"), script, { mode: 0o644 });
}

function makeDirectories(directory: string): void {
  mkdirSync(join(directory, "empty-directory"));
  const many = join(directory, "many");
  mkdirSync(many);
  for (let i = 0; i < MANY_ENTRIES; i++) {
    const name = join(many, `entry-${String(i).padStart(5, "0")}`);
    if (i % 1000 === 999) mkdirSync(name);
    else if (i % 100 === 99) symlinkSync(`entry-${i - 1}`, name);
    else writeFileSync(name, i % 10 === 0 ? "" : `${i}\n`);
  }
  for (const twin of ["left", "right"]) {
    const deep = join(directory, "twins", twin, "same", "deep");
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "file"), "the same in both\n");
  }
  const bottom = join(directory, "deep", ...Array.from({ length: DEEP_LEVELS }, (_, i) => `${i}`));
  mkdirSync(bottom, { recursive: true });
  writeFileSync(join(bottom, "bottom"), "far down\n");
}
