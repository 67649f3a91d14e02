/** `castorefs store serve` as a process of its own, on a port of its choice. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

export class CastoreServer implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(port: number, process: ChildProcess) {
    this.port = port;
    this.#process = process;
  }

  /** Serves the store in `directory`, read-only; settles once it listens. */
  static async start(directory: string): Promise<CastoreServer> {
    const command = ["store", "serve", "--read-only", "--store", directory];
    const child = spawn(
      process.execPath,
      ["--conditions=castorefs-source", MAIN, ...command, "--listen", "127.0.0.1:0"],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const said = (await lines.next()).value as string | undefined;
    const port = /^listening on 127\.0\.0\.1:(\d+)$/.exec(said ?? "")?.[1];
    if (port === undefined) throw new Error(`the server does not listen: ${said}`);
    return new CastoreServer(Number(port), child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
  }
}
