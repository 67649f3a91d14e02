/**
 * The house rules that a compiler or linter does not know: which room may import which, which
 * names are banned, what the hot rooms must not use, how long a file may be.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/**
 * The layers, ground floor first. A room's files may import from their own room and from the rooms
 * (or single files) named here.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  abi: ["base"],
  castore: ["base"],
  store: ["castore", "base"],
  fuse: ["abi", "base"],
  virtio: ["abi", "base"],
  layer: ["store", "castore", "base", "node-vhost-user"],
  fs: [
    "castore",
    "base",
    "abi",
    "fuse/file-system.ts",
    "fuse/modifications.ts",
    "store/local-reader.ts",
    "layer/rows.ts",
    "layer/batch.ts",
    "layer/layer-port.ts",
    "layer/extent-code.ts",
  ],
  device: ["fs", "virtio", "fuse", "layer", "store", "castore", "abi", "base", "node-vhost-user"],
  daemon: ["device", "fs", "fuse", "layer", "store", "castore", "abi", "base", "node-vhost-user"],
  cli: ["daemon", "layer", "store", "castore", "base", "node-vhost-user"],
};

/** Packages that only some files may know. */
const PACKAGE_HOLDERS: Readonly<Record<string, (file: string) => boolean>> = {
  koffi: (file) => file.startsWith("ffi/src/"),
  protobufjs: (file) => /^src\/castore\/(rpc-)?proto\.ts$/.test(file),
  "@aws-sdk": (file) => file === "src/store/object/s3-source.ts",
  "@grpc": (file) => file.startsWith("src/store/grpc/"),
  "grpc-health-check": (file) => file.startsWith("src/store/grpc/"),
  commander: (file) => file.startsWith("src/cli/"),
  "lru-cache": (file) => file === "src/store/cached-chunk-reader.ts",
};

/** Started by a command line or as a worker: nothing imports them. */
const ENTRIES = [
  "src/cli/main.ts",
  "src/cli/install.ts",
  "src/device/device-thread.ts",
  "src/layer/layer-thread.ts",
  "src/store/import-thread.ts",
  "src/store/upkeep/verify-thread.ts",
];

/** Part of the product, but nothing in it needs them yet: only tests import them. */
const ONLY_TESTED = ["src/store/memory-store.ts"];

const BANNED_NAMES = /^(utils?|helpers?|common|types|misc|shared|constants|index)\.ts$/;

/** Rooms that run on the device thread for every request. */
const HOT_ROOMS = ["fuse", "virtio", "fs", "device"];

const LINES_MAX = 400;
/** Files that may be longer, and why. */
const LONG_FILES: Readonly<Record<string, string>> = {};

interface SourceFile {
  readonly path: string;
  readonly lines: number;
  /** Without comments; string and template text is kept. */
  readonly code: string;
}

const files = [...sources("src"), ...sources("ffi/src")];
const ours = files.filter((file) => file.path.startsWith("src/"));

describe("tidy", () => {
  it("every room is in the table of layers", () => {
    const rooms = new Set(ours.map((file) => room(file.path)));
    expect([...rooms].filter((name) => !(name in MAY_IMPORT))).toEqual([]);
  });

  it("a file imports only from its own room and from rooms below it", () => {
    const wrong = ours.flatMap((file) =>
      imports(file)
        .filter((target) => isOurs(target) && !allowed(file.path, target))
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("node-vhost-user knows nothing of castorefs", () => {
    const wrong = files
      .filter((file) => file.path.startsWith("ffi/"))
      .flatMap((file) =>
        imports(file).filter((target) => !/^(ffi\/src\/|node:|koffi$)/.test(target)),
      );
    expect(wrong).toEqual([]);
  });

  it("packages stay in the rooms that wrap them", () => {
    const wrong = files.flatMap((file) =>
      imports(file)
        .filter((target) => PACKAGE_HOLDERS[target.split("/")[0] ?? ""]?.(file.path) === false)
        .map((target) => `${file.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it("no file is a junk drawer or a barrel", () => {
    expect(
      ours.map((file) => file.path).filter((path) => BANNED_NAMES.test(basename(path))),
    ).toEqual([]);
  });

  it("nothing below the command line writes to a console or reads argv or the environment", () => {
    const forbidden =
      /\bconsole\.|\bprocess\.(?:argv|env|std\w+)\b|\b(?:argv|env)\b[^;]* from "node:process"/;
    const wrong = ours.filter((file) => room(file.path) !== "cli" && forbidden.test(file.code));
    expect(wrong.map((file) => file.path)).toEqual([]);
  });

  it("the hot rooms use no promises and no BigInt", () => {
    const forbidden = /\basync\b|\bawait\b|\bPromise\b|\bBigInt\b|\bBig(?:Int|Uint)64|\b\d+n\b/;
    const wrong = ours
      .filter((file) => HOT_ROOMS.includes(room(file.path)))
      .flatMap((file) =>
        withoutText(file.code)
          .split("\n")
          .filter((line) => forbidden.test(line))
          .map((line) => `${file.path}: ${line.trim()}`),
      );
    expect(wrong).toEqual([]);
  });

  it("every file is imported by another or is an entry", () => {
    const imported = new Set(ours.flatMap(imports));
    const known = [...ENTRIES, ...ONLY_TESTED];
    const orphans = ours.filter(({ path }) => !imported.has(path) && !known.includes(path));
    expect(orphans.map((file) => file.path)).toEqual([]);
  });

  it("every import of ours names a file that exists", () => {
    const known = new Set(files.map((file) => file.path));
    const missing = ours.flatMap((file) =>
      imports(file).filter((target) => target.startsWith("src/") && !known.has(target)),
    );
    expect(missing).toEqual([]);
  });

  it("no file is too long to hold one idea", () => {
    const long = files.filter((file) => file.lines > LINES_MAX && !(file.path in LONG_FILES));
    expect(long.map((file) => `${file.path}: ${file.lines} lines`)).toEqual([]);
  });
});

function sources(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(join(ROOT, path), "utf8");
      return { path, lines: text.split("\n").length - 1, code: withoutComments(text) };
    });
}

/** The first folder inside src/; "ffi" for the workspace beside it. */
function room(path: string): string {
  return path.startsWith("ffi/") ? "ffi" : (path.split("/")[1] ?? "");
}

/** What a file imports: paths of ours from the root of the checkout on, or package names. */
function imports(file: SourceFile): string[] {
  const specifier =
    /\bfrom\s+"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"|\bnew URL\(\s*"(\.[^"]+\.[jt]s)",\s*import\.meta\.url/g;
  return [...file.code.matchAll(specifier)].map((match) => {
    const target = match[1] ?? match[2] ?? match[3] ?? "";
    return target.startsWith(".") ? normalize(join(dirname(file.path), target)) : target;
  });
}

function isOurs(target: string): boolean {
  return target.startsWith("src/") || target.startsWith("ffi/") || target === "node-vhost-user";
}

function allowed(from: string, target: string): boolean {
  if (target.startsWith("ffi/")) return false;
  const short = target.replace(/^src\//, "");
  return [room(from), ...(MAY_IMPORT[room(from)] ?? [])].some(
    (permitted) => short === permitted || short.startsWith(`${permitted}/`),
  );
}

/** Blanks comments, keeping strings and templates, in one pass that knows both. */
function withoutComments(text: string): string {
  const token =
    /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(token, (found) => (found.startsWith("/") ? " " : found));
}

function withoutText(code: string): string {
  return code.replace(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""');
}
