/**
 * A virtio-fs daemon as a process of its own, so that a crash is seen as the death of a process.
 * Everything here is read synchronously from /proc, because the tests that use it block in poll().
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const node = join(repository, "node_modules/.bin/node");

/** The command line from a checkout, without a build. */
export const CASTOREFS: readonly string[] = [
  node,
  "--conditions=castorefs-source",
  join(repository, "src/cli/main.ts"),
];

/** How long a daemon may take until its socket is there, and to end when asked. */
const START_MILLISECONDS = 40_000;
const STOP_MILLISECONDS = 5_000;

export interface StoreOnDisk extends Disposable {
  readonly directory: string;
  readonly root: string;
}

/** Runs `castorefs ARGS` to its end; returns its standard output. @throws when it fails. */
export function castorefs(...args: string[]): string {
  const [program, ...rest] = [...CASTOREFS, ...args];
  const { status, stdout, stderr } = spawnSync(program!, rest, { encoding: "utf8" });
  if (status !== 0) throw new Error(`castorefs ${args.join(" ")} ended with ${status}: ${stderr}`);
  return stdout;
}

/** Blocks this thread. The tests are synchronous: the daemon is another process. */
export function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Asks again and again until it holds; false when time is up. */
export function eventually(holds: () => boolean, timeoutMilliseconds: number): boolean {
  const deadline = performance.now() + timeoutMilliseconds;
  while (!holds()) {
    if (performance.now() > deadline) return false;
    sleep(5);
  }
  return true;
}

export class DaemonProcess implements Disposable {
  readonly socketPath: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #log: string;

  private constructor(child: ChildProcess, folder: string, socketPath: string, log: string) {
    this.#child = child;
    this.#folder = folder;
    this.#log = log;
    this.socketPath = socketPath;
    this.pid = child.pid ?? -1;
  }

  /** Starts `command`, whose socket path is appended after `socketFlag`; waits for the socket. */
  static start(command: readonly string[], socketFlag = "--socket-path"): DaemonProcess {
    const folder = mkdtempSync(join(tmpdir(), "castorefs-daemon-"));
    const socketPath = join(folder, "socket");
    const log = join(folder, "log");
    const [program, ...args] = [
      ...command,
      ...(socketFlag.endsWith("=") ? [socketFlag + socketPath] : [socketFlag, socketPath]),
    ];
    const output = openSync(log, "w");
    const child = spawn(program!, args, { stdio: ["ignore", output, output] });
    closeSync(output);
    const daemon = new DaemonProcess(child, folder, socketPath, log);
    const started = eventually(() => existsSync(socketPath) || !daemon.isAlive, START_MILLISECONDS);
    if (!started || !existsSync(socketPath)) {
      const lines = daemon.log;
      daemon[Symbol.dispose]();
      throw new Error(`the daemon did not start: ${lines}`);
    }
    return daemon;
  }

  /** `castorefs serve` on a store. */
  static serve(storeDirectory: string, ...options: string[]): DaemonProcess {
    return DaemonProcess.start([...CASTOREFS, "serve", "--store", storeDirectory, ...options]);
  }

  /** `castorefs serve --fd` on a socket that this process opened at `socketPath`. */
  static inherit(
    fd: number,
    socketPath: string,
    storeDirectory: string,
    ...options: string[]
  ): DaemonProcess {
    const folder = mkdtempSync(join(tmpdir(), "castorefs-daemon-"));
    const log = join(folder, "log");
    const [program, ...args] = CASTOREFS;
    const output = openSync(log, "w");
    const serve = ["serve", "--store", storeDirectory, "--fd", "3", ...options];
    const child = spawn(program!, [...args, ...serve], { stdio: ["ignore", output, output, fd] });
    closeSync(output);
    return new DaemonProcess(child, folder, socketPath, log);
  }

  /** What the process wrote to its standard output and error so far. */
  get log(): string {
    return readFileSync(this.#log, "utf8");
  }

  /** False once it has ended, also before anybody has waited for it. */
  get isAlive(): boolean {
    const state = this.#stat()?.[0];
    return state !== undefined && state !== "Z" && state !== "X";
  }

  /** Open file descriptors. */
  get descriptorCount(): number {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** What they stand for. */
  get descriptors(): string[] {
    return readdirSync(`/proc/${this.pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${this.pid}/fd/${fd}`);
      } catch {
        return "closed meanwhile";
      }
    });
  }

  /** CPU time of all its threads so far, in nanoseconds. */
  get cpuNanoseconds(): number {
    let sum = 0;
    for (const task of readdirSync(`/proc/${this.pid}/task`)) {
      const line = readFileSync(`/proc/${this.pid}/task/${task}/schedstat`, "utf8");
      sum += Number(line.split(" ")[0]);
    }
    return sum;
  }

  /** Resident memory, in bytes. */
  get residentBytes(): number {
    const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"));
    return Number(line?.[1] ?? 0) * 1024;
  }

  /** Its memory mappings, one line each. */
  get mappings(): string[] {
    return readFileSync(`/proc/${this.pid}/maps`, "utf8").trimEnd().split("\n");
  }

  signal(name: NodeJS.Signals): void {
    if (this.isAlive) process.kill(this.pid, name);
  }

  /** Waits until it has ended by itself. */
  ended(timeoutMilliseconds: number): boolean {
    return eventually(() => !this.isAlive, timeoutMilliseconds);
  }

  /** Resolves with the exit code, or with the name of the signal that killed it. */
  async outcome(): Promise<number | string> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode ?? -1;
    return new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve(code ?? signal ?? -1));
    });
  }

  /** Fields of /proc/PID/stat after the name, or undefined when the process is gone. */
  #stat(): string[] | undefined {
    try {
      const line = readFileSync(`/proc/${this.pid}/stat`, "utf8");
      return line.slice(line.lastIndexOf(")") + 2).split(" ");
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    this.signal("SIGTERM");
    if (!this.ended(STOP_MILLISECONDS)) this.signal("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
