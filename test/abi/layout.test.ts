import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as fuse from "../../src/abi/fuse.ts";
import * as fuseConstants from "../../src/abi/fuse-constants.ts";
import type { Struct } from "../../src/abi/struct.ts";
import * as virtio from "../../src/abi/virtio.ts";

/**
 * What this machine's headers may be too old to know. Everything else must be in them: the C
 * program does not compile otherwise. Each of these has a check by hand below.
 */
const NEWER = new Map([
  ["fuse_sx_time", 39],
  ["fuse_statx", 39],
  ["fuse_statx_in", 39],
  ["fuse_statx_out", 39],
  ["FUSE_STATX", 39],
  ["FUSE_COPY_FILE_RANGE_64", 45],
  ["fuse_copy_file_range_out", 45],
]);

/** Ours, not the header's: the version we settle on, and the length of a table. */
const OURS = new Set(["FUSE_KERNEL_MINOR_VERSION", "FUSE_OPCODES_END"]);

const everything = Object.entries({ ...fuse, ...fuseConstants, ...virtio });
const structs = everything.flatMap(([name, value]) =>
  typeof value === "object" ? [{ c: snakeCase(name), table: value as Struct }] : [],
);
const constants = everything.flatMap(([name, value]) =>
  typeof value === "number" && !OURS.has(name) ? [{ c: name, value }] : [],
);

/** Facts by C expression: `sizeof fuse_attr`, `at fuse_attr.ino`, `bytes fuse_attr.ino`, names. */
const facts = new Map<string, number>();
let directory = "";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "castorefs-abi-"));
  const source = join(directory, "abi.c");
  const program = join(directory, "abi");
  writeFileSync(source, cProgram());
  execFileSync("cc", ["-std=gnu11", "-Wall", "-Werror", "-o", program, source]);
  for (const line of execFileSync(program, { encoding: "utf8" }).trim().split("\n")) {
    const [key, value] = line.split("=");
    facts.set(key!, Number(value));
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each(structs)("struct $c", ({ c, table }) => {
  test("has the sizes and offsets that the C compiler gives it", (context) => {
    if (!knownHere(c)) context.skip(`not in this machine's linux/fuse.h`);
    expect(table.size).toBe(facts.get(`sizeof ${c}`));
    const offsets = Object.fromEntries(
      Object.keys(table.fields).map((field) => [field, facts.get(`at ${c}.${field}`)]),
    );
    expect(table.at).toEqual(offsets);
    expect(widths(table)).toEqual(
      Object.fromEntries(
        Object.keys(table.fields).map((field) => [field, facts.get(`bytes ${c}.${field}`)]),
      ),
    );
  });
});

test("every constant has the value that the C headers give it", () => {
  const checkable = constants.filter(({ c }) => knownHere(c));
  expect(Object.fromEntries(checkable.map(({ c, value }) => [c, value]))).toEqual(
    Object.fromEntries(checkable.map(({ c }) => [c, facts.get(c)])),
  );
});

test("nothing but the listed newcomers goes unchecked", () => {
  const unchecked = [...structs, ...constants].filter(
    ({ c }) => !facts.has(c) && !facts.has(`sizeof ${c}`),
  );
  for (const { c } of unchecked) expect(NEWER.has(c), c).toBe(true);
  expect(structs.length + constants.length - unchecked.length).toBeGreaterThan(100);
});

test("structs since 7.39 have the sizes that the kernel checks replies against", () => {
  expect(fuse.fuseSxTime.size).toBe(16);
  expect(fuse.fuseStatxIn.size).toBe(24);
  expect(fuse.fuseStatx.size).toBe(256);
  expect(fuse.fuseStatx.at.ino).toBe(32);
  expect(fuse.fuseStatx.at.atime).toBe(64);
  expect(fuse.fuseStatx.at.rdev_major).toBe(128);
  expect(fuse.fuseStatxOut.size).toBe(288);
  expect(fuse.fuseStatxOut.at.stat).toBe(32);
  expect(fuse.fuseCopyFileRangeOut.size).toBe(8);
});

test("a table by opcode ends after the last one", () => {
  expect(fuseConstants.FUSE_OPCODES_END).toBe(fuseConstants.FUSE_COPY_FILE_RANGE_64 + 1);
});

function knownHere(c: string): boolean {
  const since = NEWER.get(c);
  return since === undefined || since <= facts.get("header minor")!;
}

function widths(table: Struct): Record<string, number> {
  const sizes: Record<string, number> = {
    u8: 1,
    u16: 2,
    u32: 4,
    i32: 4,
    u64: 8,
    i64: 8,
    opaque64: 8,
  };
  return Object.fromEntries(
    Object.entries(table.fields).map(([name, type]) => {
      if (typeof type === "object") return [name, type.size];
      return [name, sizes[type] ?? Number(/\d+/.exec(type)![0])];
    }),
  );
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function cProgram(): string {
  const lines = structs.flatMap(({ c, table }) =>
    guarded(c, [
      `printf("sizeof ${c}=%zu\\n", sizeof(struct ${c}));`,
      ...Object.keys(table.fields).flatMap((field) => [
        `printf("at ${c}.${field}=%zu\\n", offsetof(struct ${c}, ${field}));`,
        `printf("bytes ${c}.${field}=%zu\\n", sizeof(((struct ${c} *)0)->${field}));`,
      ]),
    ]),
  );
  const values = constants.flatMap(({ c }) =>
    guarded(c, [`printf("${c}=%lld\\n", (long long)(${c}));`]),
  );
  return `
#include <stddef.h>
#include <stdio.h>
#include <linux/fuse.h>
#include <linux/stat.h>
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ring.h>
int main(void) {
  printf("header minor=%d\\n", FUSE_KERNEL_MINOR_VERSION);
  ${[...lines, ...values].join("\n")}
  return 0;
}`;
}

function guarded(c: string, lines: string[]): string[] {
  const since = NEWER.get(c);
  if (since === undefined) return lines;
  return [`#if FUSE_KERNEL_MINOR_VERSION >= ${since}`, ...lines, "#endif"];
}
