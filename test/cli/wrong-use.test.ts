import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { castorefs, temporaryDirectory } from "./command-line.ts";

/** Wrong use: exit code 2, one line that says what, one with a hint, nothing else. */
const WRONG_USES: readonly (readonly [args: string, complaint: RegExp])[] = [
  ["", /no such command/],
  ["frobnicate", /unknown command 'frobnicate'/],
  ["help frobnicate", /no such command/],
  ["ls --no-such-option", /unknown option '--no-such-option'/],
  ["ls", /no store given/],
  ["import --store s", /missing required argument 'path'/],
  ["cat --store s", /missing required argument 'target'/],
  ["cat --store s blake3-abc", /bad digest: "blake3-abc"/],
  ["ls --store s root/../etc", /name is \. or \.\./],
  ["tree --store s --depth 0 x", /whole number from 1 to/],
  ["serve --store s", /no socket to serve on/],
  ["serve --socket-path x", /no store given/],
  ["serve --store s --socket-path a --fd 3", /exclude one another/],
  ["serve --store s --fd 3 --socket-mode 0600", /need --socket-path/],
  ["serve --store s --fd -1", /whole number/],
  ["serve --store s --socket-path a --socket-mode 0999", /in octal/],
  ["serve --store s --socket-path a --queues 0", /whole number from 1 to 64/],
  ["serve --store s --socket-path a --queues 1e1", /whole number from 1 to 64/],
  ["serve --store s --socket-path a --spin soon", /whole number from 0 to 1000/],
  ["serve --store s --socket-path a --log-level loud", /Allowed choices are debug/],
  [`serve --store s --socket-path a --tag ${"t".repeat(37)}`, /1 to 36 bytes/],
  [`serve --store s --socket-path /${"p".repeat(107)}`, /1 to 107 bytes, not 108/],
  ["export --store s x", /nowhere to export to/],
  ["verify --store s --repair", /nothing to repair from/],
  ["verify --store s --source /elsewhere", /--source is of use with --repair only/],
  ["gc --store s --wait soon", /whole number from 0 to/],
  ["gc --store s --waste 101", /whole number from 0 to 100/],
  ["gc --store s --keep nonsense", /bad digest/],
  ["diff --store s only-one", /missing required argument 'after'/],
  ["layer", /no such command/],
  ["layer commit", /missing required argument 'layer'/],
  ["layer commit d --name a/b", /cannot be the name of a root/],
  ["layer rebase d", /required option '--onto <target>' not specified/],
  ["layer discard d /", /the root of the share cannot be discarded/],
  ["layer ls", /no store given/],
  ["completion tcsh", /Allowed choices are bash, zsh, fish/],
];

describe.concurrent("wrong use", () => {
  it.each(WRONG_USES)(
    "castorefs %s is refused in one line with a hint",
    async (args, complaint) => {
      const ran = await castorefs(args === "" ? [] : args.split(" "));
      expect(ran.err).toMatch(complaint);
      expect(ran.err.trimEnd().split("\n")).toEqual([
        expect.stringMatching(/^castorefs: /),
        expect.stringMatching(/^castorefs: hint: /),
      ]);
      expect(ran.text).toBe("");
      expect(ran.code).toBe(2);
    },
  );
});

describe.concurrent("failures", () => {
  it("an absent store ends with 3 and a hint, not with a stack trace", async () => {
    const absent = join(temporaryDirectory(), "no-store");
    for (const args of [
      ["ls"],
      ["roots"],
      ["cat", "x"],
      ["rm", "x"],
      ["verify"],
      ["gc"],
      ["gc", "-n"],
      ["du"],
      ["stats"],
    ]) {
      const ran = await castorefs([...args, "--store", absent]);
      expect(ran.err).toMatch(/^castorefs: .*no-store.*\ncastorefs: hint: .*\n$/);
      expect(ran.code).toBe(3);
    }
  });

  it("serve without a store ends with 3", async () => {
    const directory = temporaryDirectory();
    const ran = await castorefs([
      "serve",
      ...["--store", join(directory, "none")],
      ...["--socket-path", join(directory, "s")],
    ]);
    expect(ran.err).toMatch(/^castorefs: .*\ncastorefs: hint: .*\n$/);
    expect(ran.code).toBe(3);
  });

  it("CASTOREFS_DEBUG=1 adds where it happened", async () => {
    const ran = await castorefs(["ls"], { env: { CASTOREFS_DEBUG: "1" } });
    expect(ran.err).toMatch(/\n +at .*store-option\.ts/);
    expect(ran.code).toBe(2);
  });
});

describe.concurrent("help", () => {
  it("lists every command, the exit codes and examples", async () => {
    const ran = await castorefs(["--help"]);
    for (const command of "import serve ls tree cat stat roots rm verify gc du diff stats export completion".split(
      " ",
    )) {
      expect(ran.text).toMatch(new RegExp(`^  ${command} `, "m"));
    }
    expect(ran.text).toMatch(/Exit codes:/);
    expect(ran.text).not.toMatch(/complete-words/);
    expect(ran.code).toBe(0);
  });

  it.each(
    "import serve ls tree cat stat roots rm verify gc du diff stats export completion".split(" "),
  )("castorefs %s --help has examples", async (command) => {
    const ran = await castorefs([command, "--help"]);
    expect(ran.text).toMatch(/\nExamples:\n {2}castorefs |\nExamples:\n {2}source /);
    expect(ran.code).toBe(0);
  });

  it("--version prints the version alone", async () => {
    expect((await castorefs(["--version"])).text).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("serve --print-capabilities prints what QEMU's back-end convention asks for", async () => {
    const ran = await castorefs(["serve", "--print-capabilities"]);
    expect(JSON.parse(ran.text)).toEqual({ type: "fs" });
    expect(ran.code).toBe(0);
  });
});
