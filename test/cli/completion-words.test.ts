import { describe, expect, it } from "vitest";
import { ArgumentBytes } from "../../src/cli/argument-bytes.ts";
import { wantedCompletion } from "../../src/cli/completion-words.ts";
import { Output } from "../../src/cli/output.ts";
import { makeProgram } from "../../src/cli/program.ts";

const program = makeProgram({
  out: new Output(process.stdout, true),
  err: new Output(process.stderr, true),
  args: ArgumentBytes.ofThisProcess([]),
});

function words(...typed: string[]): string[] | string {
  const wanted = wantedCompletion(program, typed);
  return wanted.kind === "words" ? wanted.candidates.map(({ text }) => text) : wanted.kind;
}

describe("completion", () => {
  it("offers the commands that begin as typed, and no hidden one", () => {
    expect(words("ex")).toEqual(["export"]);
    expect(words("com")).toEqual(["completion"]);
  });

  it("offers a command's own options", () => {
    expect(words("serve", "--sock")).toEqual(["--socket-path", "--socket-group", "--socket-mode"]);
  });

  it("offers the commands and options below a command", () => {
    expect(words("store", "")).toEqual(["serve"]);
    expect(words("store", "serve", "--li")).toEqual(["--listen"]);
    expect(words("layer", "")).toEqual(["ls", "diff", "commit", "rebase", "discard"]);
    expect(words("layer", "commit", "--st")).toEqual(["--strict", "--store"]);
  });

  it("leaves directories of layers to the shell, and asks the store for their new roots", () => {
    expect(words("layer", "diff", "")).toBe("file");
    expect(words("layer", "ls", "/var/lib")).toBe("file");
    expect(words("layer", "rebase", "d", "--onto", "")).toBe("target");
  });

  it("offers the values of an option that has a few", () => {
    expect(words("serve", "--log-level", "w")).toEqual(["warn"]);
  });

  it("offers the shells", () => {
    expect(words("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });

  it("leaves the store's directory and what is imported to the shell", () => {
    expect(words("ls", "--store", "")).toBe("file");
    expect(words("import", "--store", "s", "/e")).toBe("file");
  });

  it("asks the store for roots and paths, however the store was given", () => {
    expect(wantedCompletion(program, ["ls", "--store", "s", "d"])).toEqual({
      kind: "target",
      store: "s",
    });
    expect(wantedCompletion(program, ["rm", "--store=s", ""])).toEqual({
      kind: "root",
      store: "s",
    });
    expect(wantedCompletion(program, ["serve", "--root", ""])).toEqual({
      kind: "root",
      store: undefined,
    });
  });
});
