import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { castorefs, type Ran, temporaryDirectory } from "./command-line.ts";
import { makeSampleTree, treeContents } from "./sample-tree.ts";

const DIGEST = /blake3-[A-Za-z0-9+/]{43}=/;

let home: string;
let tree: string;
let store: string;
let imported: Ran;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "castorefs-cli-"));
  tree = join(home, "sample");
  store = join(home, "store");
  makeSampleTree(tree);
  imported = await castorefs(["import", "--store", store, tree]);
  expect(imported.err).toBe("");
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

function withStore(command: string, ...args: string[]): Promise<Ran> {
  return castorefs([command, "--store", store, ...args]);
}

async function digestOf(target: string): Promise<string> {
  return JSON.parse((await withStore("stat", "--json", target)).text).digest;
}

describe("castorefs import", () => {
  it("prints the root digest, and what it counted", async () => {
    expect(imported.code).toBe(0);
    expect(imported.text).toMatch(/^sample +blake3-/);
    expect(DIGEST.exec(imported.text)?.[0]).toBe(await digestOf("sample"));
    expect(imported.text).toMatch(/16 files, 5 directories, 2 symlinks/);
  });

  it("draws no progress into a pipe", () => {
    expect(imported.err).toBe("");
    expect(imported.text).not.toMatch(/\r|\p{Cc}\[/u);
  });

  it("--json says the same to a script", async () => {
    const ran = await withStore("import", "--json", "--name", "again", tree);
    const [root] = JSON.parse(ran.text);
    expect(root).toMatchObject({
      name: "again",
      kind: "directory",
      files: 16,
      directories: 5,
      symlinks: 2,
      newBytes: 0,
      skipped: [],
    });
    expect(root.digest).toBe(await digestOf("sample"));
  });

  it("makes a root of each path, named by its base name", async () => {
    const file = join(home, "hello");
    writeFileSync(file, "Hello World!");
    const ran = await withStore("import", join(tree, "bin"), file, join(tree, "dangling"));
    expect(ran.text.match(/^\S+/gm)).toEqual(["bin", "hello", "dangling"]);
    expect(await digestOf("hello")).toBe(
      `blake3-${Buffer.from("5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c", "hex").toString("base64")}`,
    );
  });

  it("takes a tar archive from standard input and finds the same tree", async () => {
    const archive = execFileSync("tar", ["-C", tree, "-cf", "-", "."], { maxBuffer: 1 << 26 });
    const ran = await castorefs(["import", "--store", store, "--name", "tarred", "-"], {
      input: archive,
    });
    expect(ran.err).toBe("");
    expect(await digestOf("tarred")).toBe(await digestOf("sample"));
  });

  it("takes a tar archive by its name, and with --plain as the file it is", async () => {
    const archive = join(home, "archive.tar");
    execFileSync("tar", ["-C", tree, "-cf", archive, "."]);
    expect((await withStore("import", archive)).text).toMatch(/^archive /);
    expect(await digestOf("archive")).toBe(await digestOf("sample"));
    await withStore("import", "--plain", archive);
    const cat = await withStore("cat", "archive.tar");
    expect(cat.out.equals(readFileSync(archive))).toBe(true);
  });

  it("refuses special files, naming them, and with --skip-special says what was left out", async () => {
    const special = join(home, "special");
    mkdirSync(special);
    writeFileSync(join(special, "file"), "x");
    execFileSync("mkfifo", [join(special, "pipe")]);
    const refused = await withStore("import", special);
    expect(refused.err).toMatch(/pipe/);
    expect(refused.err).toMatch(/hint: .*--skip-special/);
    expect(refused.code).toBe(1);
    const skipped = await withStore("import", "--skip-special", special);
    expect(skipped.text).toMatch(/skipped 1 special file/);
    expect(skipped.text + skipped.err).toMatch(/pipe/);
    expect(skipped.code).toBe(0);
  });

  it("imports a path whose name is not UTF-8", async () => {
    const odd = Buffer.concat([Buffer.from(`${home}/odd-`), Buffer.from([0xff])]);
    writeFileSync(odd, "odd");
    // Only a shell can hand over such an argument.
    const ran = execFileSync("bash", [
      "-c",
      `exec "$0" --conditions=castorefs-source src/cli/main.ts import --store "$1" "$2"/odd-$'\\xff'`,
      process.execPath,
      store,
      home,
    ]);
    expect(ran.toString("latin1")).toMatch(/^odd-\xff /);
  });

  it.each([
    [["/nonexistent/path"], 1, /\/nonexistent\/path: no such file/],
    [["--name", "a/b", "/etc/hostname"], 2, /slash/],
    [["--name", "x", "/etc/hostname", "/etc/hosts"], 2, /--name/],
    [["/etc/hostname", "/usr/../etc/hostname"], 2, /hostname/],
    [["-"], 2, /--name/],
    [["/"], 2, /--name/],
  ])("import %j ends with %d", async (args, code, complaint) => {
    const ran = await withStore("import", ...args);
    expect(ran.err).toMatch(complaint);
    expect(ran.err).toMatch(/^castorefs: [^\n]*\n(castorefs: hint: [^\n]*\n)?$/);
    expect(ran.code).toBe(code);
  });
});

describe("looking at a store", () => {
  it("roots lists digests and names", async () => {
    const ran = await withStore("roots");
    expect(ran.text).toMatch(/^dr-xr-xr-x .* blake3-.* {2}sample\/$/m);
    const roots = JSON.parse((await withStore("roots", "--json")).text);
    expect(roots).toContainEqual({
      name: "sample",
      kind: "directory",
      digest: await digestOf("sample"),
      entries: 22,
    });
  });

  it("ls lists raw names into a pipe, one a line", async () => {
    const ran = await withStore("ls", "sample/names");
    expect(ran.out.includes(Buffer.from([0x6e, 0x6f, 0xff, 0xfe, 0x0a]))).toBe(true);
    expect(ran.out.includes("ünïcode-世界\n")).toBe(true);
  });

  it("ls --json carries names that are not UTF-8", async () => {
    const entries = JSON.parse((await withStore("ls", "--json", "sample/names")).text);
    expect(entries).toContainEqual(expect.objectContaining({ nameBase64: "bm//" + "/g==" }));
    expect(entries.map((entry: { name: string }) => entry.name)).toContain("new\nline");
  });

  it("ls -l shows mode, size and digest; of a file, itself", async () => {
    const ran = await withStore("ls", "-l", "sample/bin");
    expect(ran.text).toMatch(/^-r-xr-xr-x .* 10 B {2}blake3-.* {2}run\*$/m);
    expect(ran.text).toMatch(/^lrwxrwxrwx .* link -> run$/m);
    expect((await withStore("ls", "sample/bin/run")).text).toBe("run\n");
  });

  it("a digest is a target, too, with or without a path", async () => {
    const digest = await digestOf("sample");
    expect((await withStore("ls", `${digest}/bin`)).text).toBe("link\nrun\nsame-but-plain\n");
    const file = await digestOf("sample/bin/run");
    expect((await withStore("cat", file)).text).toBe("#!/bin/sh\n");
    const hex = Buffer.from(file.slice(7), "base64").toString("hex");
    expect((await withStore("cat", hex)).text).toBe("#!/bin/sh\n");
  });

  it("tree draws everything and counts", async () => {
    const ran = await withStore("tree", "sample/bin");
    expect(ran.text).toBe(
      "sample/bin/\n├── link -> run\n├── run*\n└── same-but-plain\n\n0 directories, 2 files (20 B), 1 symlink\n",
    );
    expect((await withStore("tree", "--depth", "1", "sample")).text).not.toMatch(/same-but-plain/);
  });

  it("tree --json is one object a line", async () => {
    const lines = (await withStore("tree", "--json", "sample")).text.trimEnd().split("\n");
    const paths = lines.map((line) => JSON.parse(line).path);
    expect(paths).toContain("bin/run");
    expect(paths).toHaveLength(23);
  });

  it("cat writes every byte, several files one after another", async () => {
    const sizes = ["0", "4097", "300000"];
    const ran = await withStore("cat", ...sizes.map((size) => `sample/sizes/${size}`));
    const expected = Buffer.concat(sizes.map((size) => readFileSync(join(tree, "sizes", size))));
    expect(ran.out.equals(expected)).toBe(true);
  });

  it.each([
    ["ls", "nope", /no root is named nope/],
    ["ls", "sample/nope/x", /sample\/nope: no such entry/],
    ["ls", "sample/bin/run/x", /run is a file, not a directory/],
    ["cat", "sample/bin", /is a directory, not a file/],
    ["cat", "sample/bin/link", /is a symlink, not a file/],
    ["tree", "ab".repeat(32), /no directory and no file with the digest/],
    ["rm", "nope", /no root is named nope/],
    ["export", "nope", /no root is named nope/],
  ])("castorefs %s %s ends with 1", async (command, target, complaint) => {
    const more = command === "export" ? [join(home, "never")] : [];
    const ran = await withStore(command, target, ...more);
    expect(ran.err).toMatch(complaint);
    expect(ran.code).toBe(1);
  });

  it("completion offers roots and paths of the store", async () => {
    const words = async (...typed: string[]) =>
      (await castorefs(["complete-words", "--", ...typed])).text.match(/^[^\t]+/gm);
    expect(await words("ls", "--store", store, "sam")).toEqual(["sample/"]);
    expect(await words("ls", "--store", store, "sample/b")).toEqual(["sample/bin/"]);
    expect(await words("cat", "--store", store, "sample/bin/")).toEqual([
      "sample/bin/link",
      "sample/bin/run",
      "sample/bin/same-but-plain",
    ]);
    expect(await words("rm", "--store", store, "sam")).toEqual(["sample"]);
    expect(await words("ls", "--store", "/nonexistent", "")).toBeNull();
  });

  it("bash completes by the script that `completion bash` prints", () => {
    const directory = temporaryDirectory();
    const main = "src/cli/main.ts";
    writeFileSync(
      join(directory, "castorefs"),
      `#!/bin/sh\nexec ${process.execPath} --conditions=castorefs-source ${main} "$@"\n`,
      { mode: 0o755 },
    );
    const script = `source <(castorefs completion bash)
      COMP_WORDS=(castorefs ls --store "$0" sample/b); COMP_CWORD=4; compopt() { :; }
      _castorefs; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: `${directory}:${process.env["PATH"]}` };
    expect(execFileSync("bash", ["-c", script, store], { env }).toString()).toBe("sample/bin/\n");
  });
});

describe("castorefs export", () => {
  it("writes the tree back byte for byte", async () => {
    const target = join(temporaryDirectory(), "out");
    const ran = await withStore("export", "sample", target);
    expect(ran.err).toBe("");
    expect(ran.code).toBe(0);
    expect(treeContents(target)).toEqual(treeContents(tree));
  });

  it("writes a tar archive that tar unpacks to the same tree", async () => {
    const target = temporaryDirectory();
    const ran = await withStore("export", "--tar", "-", "sample");
    execFileSync("tar", ["-C", target, "-xf", "-"], { input: ran.out });
    expect(treeContents(target)).toEqual(treeContents(tree));
  });

  it("a tar archive comes back to the same digest", async () => {
    const archive = join(temporaryDirectory(), "sample.tar");
    await withStore("export", "--tar", archive, "sample");
    await withStore("import", "--name", "from-tar", archive);
    expect(await digestOf("from-tar")).toBe(await digestOf("sample"));
  });

  it("does not write over what is there", async () => {
    const target = temporaryDirectory();
    writeFileSync(join(target, "mine"), "precious");
    const ran = await withStore("export", "sample", target);
    expect(ran.err).toMatch(/^castorefs: .*\n/);
    expect(ran.code).toBe(1);
    expect(readFileSync(join(target, "mine"), "utf8")).toBe("precious");
  });
});

describe("castorefs verify and rm", () => {
  it("verify finds a sound store sound", async () => {
    const ran = await withStore("verify", "--json");
    expect(JSON.parse(ran.text)).toMatchObject({ sound: true, damaged: [] });
    expect(ran.code).toBe(0);
    expect((await withStore("verify")).text).toMatch(/sound/);
  });

  it("rm takes the name and leaves the content", async () => {
    await withStore("import", "--name", "doomed", join(tree, "bin"));
    const digest = await digestOf("doomed");
    expect((await withStore("rm", "doomed")).code).toBe(0);
    expect((await withStore("ls", "doomed")).code).toBe(1);
    expect((await withStore("ls", digest)).text).toMatch(/same-but-plain/);
    expect((await withStore("rm", "--force", "doomed")).code).toBe(0);
  });

  it("tag names what has a digest only, or is a part of another root", async () => {
    const digest = await digestOf("sample/bin");
    expect((await withStore("tag", digest, "by-digest")).code).toBe(0);
    const tagged = await withStore("tag", "sample/bin", "by-path");
    expect(tagged.text).toMatch(/blake3-.* by-path\/$/m);
    for (const name of ["by-digest", "by-path"]) expect(await digestOf(name)).toBe(digest);
    expect((await withStore("tag", "sample/nope", "x")).code).toBe(1);
    expect((await withStore("tag", "sample/bin", "a/b")).code).not.toBe(0);
    await withStore("rm", "by-digest", "by-path");
  });

  it("verify ends with 1 when content is rotten, and names the digest", async () => {
    const rotten = join(temporaryDirectory(), "store");
    await castorefs(["import", "--store", rotten, tree]);
    const segment = join(rotten, "segments/00000001.seg");
    const bytes = readFileSync(segment);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(segment, bytes);
    const ran = await castorefs(["verify", "--store", rotten]);
    expect(ran.text + ran.err).toMatch(DIGEST);
    expect(ran.code).toBe(1);
    const json = JSON.parse((await castorefs(["verify", "--json", "--store", rotten])).text);
    expect(json.sound).toBe(false);
    expect(json.damaged.length).toBeGreaterThan(0);
  });
});

describe("castorefs serve", () => {
  it("a taken socket ends with 4 and a hint", async () => {
    const path = join(temporaryDirectory(), "taken.sock");
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    const ran = await withStore("serve", "--socket-path", path, "--root", "sample");
    server.close();
    expect(ran.err).toMatch(/castorefs: .*\ncastorefs: hint: /);
    expect(ran.code).toBe(4);
  });

  it("an absent root ends before there is a socket", async () => {
    const path = join(temporaryDirectory(), "s.sock");
    const ran = await withStore("serve", "--socket-path", path, "--root", "nope");
    expect(ran.err).toMatch(/nope/);
    expect([1, 4]).toContain(ran.code);
  });
});

describe("output", () => {
  const shell = (script: string) =>
    spawnSync(
      "bash",
      [
        "-c",
        `castorefs() { "$0" --conditions=castorefs-source src/cli/main.ts "$@"; }\n${script}`,
        process.execPath,
        store,
      ],
      { encoding: "utf8" },
    );

  it("a reader that goes away ends a command with 141, quietly", () => {
    const ran = shell(
      'castorefs cat --store "$1" sample/sizes/300000 | head -c 1; exit $PIPESTATUS',
    );
    expect(ran.stderr).toBe("");
    expect(ran.stdout).toHaveLength(1);
    expect(ran.status).toBe(141);
  });

  it("output that cannot be written is a failure", () => {
    const ran = shell('castorefs tree --store "$1" sample > /dev/full');
    expect(ran.stderr).toMatch(/^castorefs: the output cannot be written: .*no space left.*\n$/);
    expect(ran.status).toBe(1);
  });
});
