/** The checker itself: known digests, and every kind of difference is seen. No guest is needed. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packArchive } from "../../vm-images/archive.ts";
import { noise } from "../../vm-images/corpus.ts";
import { CHECKER, prepare } from "../../vm-images/images.ts";
import { compareManifests, expectedManifest, type Manifest } from "../../vm-images/manifest.ts";

const EMPTY = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";

describe("the checker", () => {
  let directory: string;
  const at = (...names: readonly string[]) => join(directory, ...names);
  const check = (...args: readonly string[]) => execFileSync(CHECKER, args, { encoding: "utf8" });

  beforeEach(() => {
    prepare("stock");
    directory = mkdtempSync(join(tmpdir(), "castorefs-checker-"));
  }, 120_000);

  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it.each([
    ["nothing", Buffer.alloc(0), EMPTY],
    [
      "Hello World!",
      Buffer.from("Hello World!"),
      "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c",
    ],
    [
      "a megabyte",
      Buffer.from(Array.from({ length: 255 * 4096 }, (_, i) => i % 255)),
      "a82c5154a7a0c262c6fdb929a317585646f8fbcf80326d0a7b8747edaf2d99d2",
    ],
  ])("knows the BLAKE3 of %s", (_, content, digest) => {
    writeFileSync(at("file"), content);
    expect(check("digest", at("file"))).toBe(`${digest}  ${at("file")}\n`);
  });

  it("knows castore's digest of an empty directory, and of one with directories and a link", () => {
    expect(check("root", directory)).toBe(`root ${EMPTY}\n`);
    mkdirSync(at("keep"));
    writeFileSync(at("keep", ".keep"), "");
    writeFileSync(at(".keep"), "");
    symlinkSync("/nix/store/somewhereelse", at("aa"));
    expect(check("root", directory)).toBe(
      "root 3f951a15afd586fb3121ef4d13d582e811ce0e5a7f21c0497fd87490e9e2355a\n",
    );
  });

  it("comes to the same manifest alone and with several processes", () => {
    for (let i = 0; i < 50; i++) writeFileSync(at(`file-${i}`), noise(i * 100, i));
    const lines = (...args: readonly string[]) =>
      check("manifest", "--expected", ...args, directory)
        .split("\n")
        .filter((line) => line.startsWith("f "));
    expect(lines("--jobs", "7")).toEqual(lines());
    expect(lines()).toHaveLength(50);
  });

  it.each<[string, () => void]>([
    ["a changed byte", () => writeFileSync(at("d", "file"), "contenT")],
    ["a file that is longer", () => writeFileSync(at("d", "file"), "content!")],
    ["a missing file", () => unlinkSync(at("d", "file"))],
    ["a file too many", () => writeFileSync(at("d", "more"), "")],
    ["a name", () => renameSync(at("d"), at("D"))],
    ["the executable bit", () => chmodSync(at("d", "file"), 0o755)],
    [
      "a link's target",
      () => {
        unlinkSync(at("link"));
        symlinkSync("d/fil", at("link"));
      },
    ],
    [
      "a link instead of a file",
      () => {
        unlinkSync(at("d", "file"));
        symlinkSync("content", at("d", "file"));
      },
    ],
  ])("sees %s", (_, change) => {
    mkdirSync(at("d"));
    writeFileSync(at("d", "file"), "content");
    symlinkSync("d/file", at("link"));
    const before: Manifest = expectedManifest(directory);
    expect(compareManifests(before, expectedManifest(directory))).toEqual([]);
    const root = check("root", directory);
    change();
    expect(compareManifests(before, expectedManifest(directory))).not.toEqual([]);
    expect(check("root", directory)).not.toBe(root);
  });

  it("refuses to try what changes things on a file system that is not FUSE", () => {
    expect(() => check("behaviour", directory)).toThrow(/not a FUSE file system/);
  });

  it("finds what was packed for the guest in the archive", () => {
    const archive = packArchive({ script: "exit 0\n", "odd.bin": noise(4097, 1) });
    const listing = execFileSync("cpio", ["-itv", "--quiet"], { input: archive, encoding: "utf8" });
    expect(listing).toMatch(/ 7 .* script\n.* 4097 .* odd\.bin\n/);
  });
});
