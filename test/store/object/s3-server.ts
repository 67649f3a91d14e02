/**
 * A real S3 server on loopback: Ceph's object gateway, one process that keeps everything in a folder
 * of its own. `make servers` fetches it (s3-server.sh), tests never do.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const { CASTOREFS_VM_CACHE } = process.env;
const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));
const PROGRAMS = CASTOREFS_VM_CACHE
  ? join(dirname(CASTOREFS_VM_CACHE), "s3-server")
  : join(CHECKOUT, ".cache", "s3-server");
const GATEWAY = join(PROGRAMS, "radosgw");

const MEMORY = "/dev/shm";

const START_MILLISECONDS = 20_000;

const USER = "tester";
const ACCESS_KEY = "castorefs";
const SECRET_KEY = "castorefs-secret";

/** What the usual tools of S3 want in their environment to use the server, and nothing else. */
export const S3_ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: ACCESS_KEY,
  AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
} as const;

/** Why there is no S3 server on this machine, for the tests that are skipped; or undefined. */
export function s3ServerMissing(): string | undefined {
  if (existsSync(GATEWAY)) return undefined;
  const reason = join(PROGRAMS, "why-not");
  if (!existsSync(reason)) return "no S3 server here: make servers fetches one";
  return `no S3 server here: ${readFileSync(reason, "utf8").trim()}`;
}

export class S3Server implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.port = port;
  }

  static async start(): Promise<S3Server> {
    // It syncs for every object: in memory that costs nothing.
    const parent = existsSync(MEMORY) ? MEMORY : tmpdir();
    const folder = await mkdtemp(join(parent, "castorefs-s3-"));
    const server = new S3Server(folder, await freePort());
    try {
      await server.#makeUser();
      await server.revive();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The address of a bucket as castorefs takes it. */
  address(bucket: string, prefix = ""): string {
    return `s3://${bucket}/${prefix}?endpoint=${this.endpoint}&region=us-east-1`;
  }

  /** Bytes of memory that it takes now. */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.#process?.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  }

  /** Ends it as a crash would; what it said was stored stays. */
  async kill(): Promise<void> {
    const running = this.#process;
    this.#process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once("exit", resolve));
    running.kill("SIGKILL");
    await ended;
  }

  /** Starts it, again if need be, at the same address and with what it has stored. */
  async revive(): Promise<void> {
    const frontend = `beast endpoint=127.0.0.1:${this.port}`;
    this.#process = spawn(
      GATEWAY,
      [...this.#options(), "-f", "--rgw-enable-apis=s3", `--rgw-frontends=${frontend}`],
      { stdio: "ignore" },
    );
    const deadline = Date.now() + START_MILLISECONDS;
    while (!(await this.#answers())) {
      if (this.#process.exitCode === null && Date.now() < deadline) continue;
      throw new Error(`the S3 server does not start:\n${await this.#log()}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #makeUser(): Promise<void> {
    const admin = spawn(
      join(PROGRAMS, "radosgw-admin"),
      [
        ...this.#options(),
        ...["user", "create", `--uid=${USER}`, `--display-name=${USER}`],
        ...[`--access-key=${ACCESS_KEY}`, `--secret-key=${SECRET_KEY}`],
      ],
      { stdio: "ignore" },
    );
    const ended = new Promise((resolve) => admin.once("exit", resolve));
    const deadline = Date.now() + START_MILLISECONDS;
    while (!this.#hasUser() && admin.exitCode === null && Date.now() < deadline) await sleep(50);
    // At times it never ends after its work is done.
    admin.kill("SIGKILL");
    await ended;
    if (!this.#hasUser()) throw new Error(`the S3 server gets no user:\n${await this.#log()}`);
  }

  #hasUser(): boolean {
    const database = join(this.#folder, "dbstore-default_ns");
    try {
      using index = new DatabaseSync(`${database}.db`, { readOnly: true });
      const users = index.prepare(`SELECT 1 FROM '${database}_user_table' WHERE UserID = ?`);
      return users.get(USER) !== undefined;
    } catch {
      // Not made yet, or being written to.
      return false;
    }
  }

  #options(): string[] {
    return [
      ...["--no-mon-config", "-c", "/dev/null", "-n", "client.castorefs"],
      ...["--rgw-backend-store=dbstore", "--rgw-config-store=dbstore"],
      `--dbstore-db-dir=${this.#folder}`,
      `--dbstore-config-uri=file://${this.#folder}/config.db`,
      ...[`--rgw-data=${this.#folder}`, `--run-dir=${this.#folder}`, "--admin-socket="],
      ...[`--log-file=${this.#folder}/log`, "--log-to-stderr=false"],
    ];
  }

  async #answers(): Promise<boolean> {
    try {
      const { status } = await fetch(this.endpoint, { signal: AbortSignal.timeout(2000) });
      return status > 0;
    } catch {
      await sleep(50);
      return false;
    }
  }

  async #log(): Promise<string> {
    return await readFile(join(this.#folder, "log"), "utf8").catch(String);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
