/**
 * `castorefs` as tests and the demonstration run it: from source, which is never older than itself, or
 * by the command that CASTOREFS_COMMAND names.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Transcript } from "./transcript.ts";

const CHECKOUT = fileURLToPath(new URL("..", import.meta.url));

/** How long `serve` may take until its socket is there, in seconds. */
const LISTEN_SECONDS_MAX = 20;

/** What it logs once virtual machines can connect. */
const SERVING = / info serving /;

/** How long a daemon may take to end after SIGTERM, in seconds; a slower one is killed. */
const STOP_SECONDS_MAX = 10;

const { CASTOREFS_COMMAND } = process.env;

/** The program and its first arguments. */
function launcher(): string[] {
  if (CASTOREFS_COMMAND) return [CASTOREFS_COMMAND];
  const main = join(CHECKOUT, "src", "cli", "main.ts");
  return [process.execPath, "--conditions=castorefs-source", main];
}

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export function castorefs(...args: readonly string[]): CommandResult {
  const [program, ...first] = launcher() as [string, ...string[]];
  const run = spawnSync(program, [...first, ...args], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status: run.status, stdout: run.stdout, stderr: run.stderr };
}

/** Runs a command that must succeed, and answers the JSON that it prints with `--json`. */
export function castorefsJson(...args: readonly string[]): unknown {
  const run = castorefs(...args, "--json");
  if (run.status !== 0) throw new Error(`castorefs ${args.join(" ")}: ${run.stderr}`);
  return JSON.parse(run.stdout);
}

/** A daemon that serves one share. */
export class ShareDaemon implements AsyncDisposable {
  readonly socketPath: string;
  readonly #process: ChildProcess;
  readonly #log: Transcript;
  /** Its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | string>;

  /** Starts `castorefs serve --socket-path socketPath ...args`; settles once it listens. */
  static async serve(socketPath: string, args: readonly string[]): Promise<ShareDaemon> {
    const command = [...launcher(), "serve", "--socket-path", socketPath, ...args];
    const daemon = new ShareDaemon(socketPath, command);
    try {
      // The socket's file alone says nothing: a killed daemon leaves its own behind.
      await daemon.#log.waitFor(SERVING, LISTEN_SECONDS_MAX);
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw new Error(`${command.join(" ")}: does not listen`, { cause: error });
    }
    return daemon;
  }

  /** Starts `castorefs serve --fd 3 ...args` with a socket that listens at socketPath already. */
  static serveOnSocket(
    listeningFd: number,
    socketPath: string,
    args: readonly string[],
  ): ShareDaemon {
    return new ShareDaemon(socketPath, [...launcher(), "serve", "--fd", "3", ...args], listeningFd);
  }

  /** Starts any vhost-user daemon that makes the socket by itself. */
  static async start(socketPath: string, command: readonly string[]): Promise<ShareDaemon> {
    const daemon = new ShareDaemon(socketPath, command);
    const deadline = performance.now() + LISTEN_SECONDS_MAX * 1000;
    while (!existsSync(socketPath)) {
      const end = await Promise.race([daemon.ended, sleep(20)]);
      if (end === undefined && performance.now() < deadline) continue;
      await daemon[Symbol.asyncDispose]();
      throw new Error(`${command.join(" ")}: does not listen (${end}): ${daemon.log}`);
    }
    return daemon;
  }

  private constructor(socketPath: string, command: readonly string[], inheritedFd?: number) {
    this.socketPath = socketPath;
    // However this process ends, the daemon ends with it.
    this.#process = spawn("setpriv", ["--pdeathsig", "KILL", ...command], {
      stdio: ["ignore", "ignore", "pipe", ...(inheritedFd === undefined ? [] : [inheritedFd])],
    });
    if (this.#process.stderr === null) throw new Error("unreachable: stderr is piped");
    this.#log = new Transcript(this.#process.stderr);
    this.ended = new Promise((resolve) => {
      this.#process.once("error", (error) => resolve(error.message));
      this.#process.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
    });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error("the daemon did not start");
    return this.#process.pid;
  }

  /** What it wrote to stderr so far. */
  get log(): string {
    return this.#log.text;
  }

  /** Still running. */
  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** How many file descriptors it has open. */
  openFiles(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Stops it from answering (SIGSTOP) until `resume`. */
  pause(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  /** Ends it in good order (SIGTERM); answers its exit code, or the signal when it had to be killed. */
  async stop(): Promise<number | string> {
    this.resume();
    this.#process.kill("SIGTERM");
    const end = await Promise.race([this.ended, sleep(STOP_SECONDS_MAX * 1000)]);
    if (end !== undefined) return end;
    this.kill();
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.alive) return;
    this.kill();
    await this.ended;
  }
}
