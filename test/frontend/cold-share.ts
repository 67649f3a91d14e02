/** A share whose store is empty but for its root, over a source that does as a test says. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CASTOREFS, castorefs, DaemonProcess, eventually } from "./daemon-process.ts";
import { ROOT_NAME, type ShareFixture } from "./share-fixture.ts";

const DAEMON = fileURLToPath(new URL("held-daemon.ts", import.meta.url));

/** What becomes of fetches; see held-daemon.ts. */
export type SourceMode = "pass" | "hold" | "down" | "absent" | "trickle";

export interface ColdShareOptions {
  readonly timeoutMilliseconds?: number;
  /** A store that is there already. */
  readonly store?: string;
}

export class ColdShare implements Disposable {
  readonly daemon: DaemonProcess;
  /** The local store. */
  readonly store: string;
  readonly #folder: string;
  readonly #control: string;

  constructor(share: ShareFixture, options: ColdShareOptions = {}) {
    this.#folder = mkdtempSync(join(tmpdir(), "castorefs-cold-"));
    this.store = options.store ?? join(this.#folder, "store");
    this.#control = join(this.#folder, "control");
    mkdirSync(this.#control);
    this.source("pass");
    const timeout = options.timeoutMilliseconds ?? 20_000;
    try {
      const [node, condition] = CASTOREFS;
      const command = [node!, condition!, DAEMON, this.store, share.store, this.#control];
      this.daemon = DaemonProcess.start([...command, `${timeout}`, rootDigest(share)]);
    } catch (error) {
      rmSync(this.#folder, { recursive: true, force: true });
      throw error;
    }
    this.forget();
  }

  /** What the source does from now on. */
  source(mode: SourceMode): void {
    const path = join(this.#control, "mode");
    writeFileSync(`${path}.new`, mode);
    // In one step: the other side reads it all the time.
    renameSync(`${path}.new`, path);
  }

  /** What was asked of the source: kind, digest, `heal`. */
  get fetches(): string[] {
    const path = join(this.#control, "fetches");
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  }

  /** Forgets what was asked so far. */
  forget(): void {
    rmSync(join(this.#control, "fetches"), { force: true });
  }

  /** Waits until so many fetches were asked. */
  asked(count: number): boolean {
    return eventually(() => this.fetches.length >= count, 10_000);
  }

  [Symbol.dispose](): void {
    this.daemon[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export function rootDigest(share: ShareFixture): string {
  const [root] = JSON.parse(castorefs("roots", "--store", share.store, "--json")) as {
    name: string;
    digest: string;
  }[];
  if (root?.name !== ROOT_NAME) throw new Error("not the share that was expected");
  return root.digest;
}
