/** A small tree with everything in it that is easy to get wrong. */
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { noise } from "./temporary.ts";

/** Not UTF-8. */
export const RAW_NAME = Buffer.from([0x66, 0xff, 0xfe, 0x20, 0x0a, 0x80]);
export const LONG_NAME = "n".repeat(255);

/** Makes the tree at `root`, which must not exist; `deep`, a chain of folders beyond PATH_MAX too. */
export function makeCorpus(root: string): void {
  mkdirSync(root);
  const raw = (name: Uint8Array) => Buffer.concat([Buffer.from(`${root}/`), name]);
  writeFileSync(join(root, "empty"), "");
  for (const size of [4095, 4096, 4097, 131_071, 131_073, 600_000]) {
    writeFileSync(join(root, `size-${size}`), noise(size, size));
  }
  writeFileSync(join(root, "large"), noise(9_000_001, 9));
  writeFileSync(join(root, "run.sh"), "#!/bin/sh\necho hello\n");
  chmodSync(join(root, "run.sh"), 0o755);
  writeFileSync(join(root, "run.sh-not-executable"), "#!/bin/sh\necho hello\n");
  writeFileSync(join(root, LONG_NAME), "a long name");
  writeFileSync(raw(RAW_NAME), "a name that is not UTF-8");
  writeFileSync(join(root, "größe-日本"), "a name that is");
  writeFileSync(join(root, "dir-"), "sorts between dir and dir/");
  mkdirSync(join(root, "dir"));
  mkdirSync(join(root, "dir", "empty"));
  mkdirSync(raw(Buffer.from([0xff])));
  writeFileSync(join(root, "dir", "file"), "in a folder");
  linkSync(join(root, "dir", "file"), join(root, "dir", "hard-link"));
  symlinkSync("nowhere/at/all", join(root, "dangling"));
  symlinkSync("/etc/passwd", join(root, "absolute"));
  symlinkSync(Buffer.from([0xff, 0x2f, 0xfe]), join(root, "raw-target"));
  symlinkSync("t".repeat(4000), join(root, "long-target"));
  mkdirSync(join(root, "many"));
  for (let i = 0; i < 400; i += 1) writeFileSync(join(root, "many", `${i}`), `${i % 7}`);
}
