/**
 * A small tree that holds one of everything, imported into a store of its own: what the conformance
 * and hostile tests serve.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { castorefs } from "./daemon-process.ts";

/** The name that the tree has in the store. */
export const ROOT_NAME = "tree";

/** Entries of the directory `many`. */
export const MANY = 1000;

/** Bytes of the file `large`: not a multiple of anything, above one 1 MiB request. */
export const LARGE_BYTES = 3_333_333;

export const LONG_NAME = "n".repeat(255);
/** Not UTF-8. */
export const ODD_NAME: Uint8Array = Uint8Array.from([0x66, 0xff, 0xfe, 0x80, 0x67]);
export const UNICODE_NAME = "größe-寸法-🌲";

export interface ShareFixture extends Disposable {
  /** The store's folder. */
  readonly store: string;
  /** The imported tree, as it is on the host. */
  readonly source: string;
  /** Contents of every regular file at the top, by name. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** Bytes that look random and are the same each time: xorshift32 from `seed`. */
export function noise(length: number, seed: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed | 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

/** Builds the tree and imports it as ROOT_NAME. */
export function makeShare(): ShareFixture {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-share-"));
  const source = join(folder, "source");
  const store = join(folder, "store");
  const files = buildTree(source);
  castorefs("import", "--store", store, "--name", ROOT_NAME, source);
  return {
    store,
    source,
    files,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function buildTree(source: string): Map<string, Buffer> {
  mkdirSync(source);
  const files = new Map<string, Buffer>([
    ["empty", Buffer.alloc(0)],
    ["one", Buffer.from("1")],
    ["hello", Buffer.from("Hello World!")],
    ["p4095", noise(4095, 1)],
    ["p4096", noise(4096, 2)],
    ["p4097", noise(4097, 3)],
    ["zeros", Buffer.alloc(300_000)],
    ["large", noise(LARGE_BYTES, 4)],
    ["run", Buffer.from("#!/bin/sh\nexit 0\n")],
    ["plain-run", Buffer.from("#!/bin/sh\nexit 0\n")],
    [LONG_NAME, Buffer.from("long")],
    [UNICODE_NAME, Buffer.from("unicode")],
  ]);
  for (const [name, bytes] of files) writeFileSync(join(source, name), bytes);
  writeFileSync(Buffer.concat([Buffer.from(`${source}/`), ODD_NAME]), "odd");
  chmodSync(join(source, "run"), 0o755);
  mkdirSync(join(source, "empty-directory"));
  mkdirSync(join(source, "deep/er/and/deeper"), { recursive: true });
  writeFileSync(join(source, "deep/er/and/deeper/leaf"), "leaf");
  mkdirSync(join(source, "many"));
  for (let index = 0; index < MANY; index++) {
    writeFileSync(join(source, "many", `entry-${index}`), `${index}`);
  }
  symlinkSync("hello", join(source, "to-hello"));
  symlinkSync("/nix/store/somewhere/else", join(source, "absolute"));
  symlinkSync("x".repeat(4095), join(source, "dangling"));
  return files;
}
