import { Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { ArgumentBytes } from "../../src/cli/argument-bytes.ts";
import { Output } from "../../src/cli/output.ts";
import { Progress } from "../../src/cli/progress.ts";
import { StderrLogger } from "../../src/cli/stderr-logger.ts";

/** A stream that collects, posing as a terminal or not. */
function collector(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const posing = Object.assign(stream, { isTTY, columns: 100 }) as unknown as NodeJS.WriteStream;
  return { stream: posing, text: () => Buffer.concat(chunks).toString("latin1") };
}

describe("Output", () => {
  it("colours and escapes names on a terminal", async () => {
    const { stream, text } = collector(true);
    const out = new Output(stream, false);
    await out.line(out.name(Buffer.from([0x61, 0x1b, 0xff]), "blue"));
    await out.flush();
    expect(text()).toBe("\x1b[34ma\\x1b\\xff\x1b[0m\n");
  });

  it("has no colours with NO_COLOR, but still escapes", async () => {
    const { stream, text } = collector(true);
    const out = new Output(stream, true);
    await out.line(out.styled("red", "x"), out.name(Buffer.from([0x1b]), "blue"));
    await out.flush();
    expect(text()).toBe("x\\x1b\n");
  });

  it("writes bytes as they are into a pipe", async () => {
    const { stream, text } = collector(false);
    const out = new Output(stream, false);
    await out.line(out.name(Buffer.from([0x61, 0x1b, 0xff]), "blue"), out.styled("red", "x"));
    await out.flush();
    expect(text()).toBe("a\x1b\xffx\n");
  });
});

describe("Progress", () => {
  it("draws a bar in place on a terminal and takes it away", () => {
    const { stream, text } = collector(true);
    const progress = new Progress(new Output(stream, true), "importing");
    progress.expect({ files: 4, bytes: 4096 });
    progress.update({ files: 2, bytes: 2048 });
    progress.clear();
    const [, drawn, after] = text().split("\r\x1b[K");
    expect(drawn).toMatch(/^importing \[#{12}-{12}\] {2}50% 2 files, 2\.0 KiB, .*\/s$/);
    expect(after).toBe("");
  });

  it("draws what was done when nobody knows the total", () => {
    const { stream, text } = collector(true);
    new Progress(new Output(stream, true), "verifying", "object").update({ files: 1, bytes: 9 });
    expect(text()).toMatch(/verifying 1 object, 9 B, /);
  });

  it("draws what is new, and the end of the path where there is room", () => {
    const { stream, text } = collector(true);
    const progress = new Progress(new Output(stream, true), "importing");
    const path = `${"/on".repeat(99)}/and/the/file\x1b[2J`;
    progress.update({ files: 1, bytes: 9, newBytes: 4, path });
    const [, drawn] = text().split("\r\x1b[K");
    expect(drawn).toMatch(
      /^importing 1 file, 9 B, 4 B new, .*\/s {2}\.\.\.\S*\/the\/file\\x1b\[2J$/,
    );
    expect(drawn).toHaveLength(99);
  });

  it("draws nothing into a pipe", () => {
    const { stream, text } = collector(false);
    const progress = new Progress(new Output(stream, true), "importing");
    progress.update({ files: 1, bytes: 1 });
    progress.clear();
    expect(text()).toBe("");
  });
});

describe("StderrLogger", () => {
  it("writes one line with fields, from its level on", () => {
    const lines: string[] = [];
    const logger = new StderrLogger("warn", (line) => lines.push(line));
    logger.log("info", "quiet");
    logger.log("error", "bad\nnews", { digest: "blake3-x+/=", text: 'a "b"', absent: undefined });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\S+Z error bad\\nnews digest=blake3-x\+\/= text="a \\"b\\""\n$/);
  });
});

describe("ArgumentBytes", () => {
  it("gives back the bytes that Node could not decode", () => {
    const commandLine = Buffer.from("node\0main\0ls\0a\xff\0", "latin1");
    const args = new ArgumentBytes(["ls", "a\ufffd"], commandLine);
    expect(args.of("a\ufffd")).toEqual(Buffer.from([0x61, 0xff]));
    expect(args.of("ls")).toEqual(Buffer.from("ls"));
  });
});
