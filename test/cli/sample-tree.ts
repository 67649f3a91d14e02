/** A small tree with a bit of everything, and a way to compare two trees on disk. */
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

const ODD_NAMES = ["plain", "with space", "ünïcode-世界", "-dash", "$(dollar)", "new\nline"];
const NOT_UTF8 = Buffer.from([0x6e, 0x6f, 0xff, 0xfe]);

/** Files at the sizes where pages and chunks begin and end. */
const SIZES = [0, 1, 4095, 4096, 4097, 300_000];

export function makeSampleTree(path: string): void {
  mkdirSync(`${path}/empty`, { recursive: true });
  mkdirSync(`${path}/sizes`);
  for (const size of SIZES) writeFileSync(`${path}/sizes/${size}`, patterned(size));
  mkdirSync(`${path}/names`);
  for (const name of ODD_NAMES) writeFileSync(`${path}/names/${name}`, `I am ${name}`);
  writeFileSync(Buffer.concat([Buffer.from(`${path}/names/`), NOT_UTF8]), "not UTF-8");
  writeFileSync(`${path}/names/${"n".repeat(255)}`, "long");
  mkdirSync(`${path}/bin`);
  writeFileSync(`${path}/bin/run`, "#!/bin/sh\n");
  chmodSync(`${path}/bin/run`, 0o755);
  writeFileSync(`${path}/bin/same-but-plain`, "#!/bin/sh\n");
  symlinkSync("run", `${path}/bin/link`);
  symlinkSync("/nowhere/at/all", `${path}/dangling`);
}

function patterned(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i += 1) bytes[i] = (i * 7 + (i >> 8) * 13) & 0xff;
  return bytes;
}

/** Everything below `path` that castore keeps, by path, with names as latin1. */
export function treeContents(path: string | Buffer, under = ""): Map<string, string> {
  const found = new Map<string, string>();
  const base = Buffer.from(path as string);
  for (const entry of readdirSync(base, { withFileTypes: true, encoding: "buffer" })) {
    const inner = Buffer.concat([base, Buffer.from("/"), entry.name]);
    const name = `${under}/${entry.name.toString("latin1")}`;
    if (entry.isDirectory()) {
      found.set(name, "directory");
      for (const [key, value] of treeContents(inner, name)) found.set(key, value);
    } else if (entry.isSymbolicLink()) {
      found.set(name, `-> ${readlinkSync(inner, "latin1")}`);
    } else {
      const kind = statSync(inner).mode & 0o100 ? "executable" : "file";
      found.set(name, `${kind} ${readFileSync(inner).toString("base64")}`);
    }
  }
  return found;
}
