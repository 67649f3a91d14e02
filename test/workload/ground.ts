/**
 * What workloads run on: our writable share, and what it is compared with, since a workload that
 * fails on these, too, is wrong itself.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Share } from "../../vm-images/guest.ts";
import { castorefs, ShareDaemon } from "../../vm-images/share-daemon.ts";

export type GroundName = "castorefs" | "tmpfs" | "virtiofsd-c" | "virtiofsd-rust";

export const GROUNDS: readonly GroundName[] = [
  "castorefs",
  "tmpfs",
  "virtiofsd-c",
  "virtiofsd-rust",
];

const PEERS = fileURLToPath(new URL("../bench/peers.sh", import.meta.url));
const TAG = "work";

/** One place to work on. It outlives its daemon: `serve` again, and the same is there. */
export class Ground implements Disposable {
  readonly name: GroundName;
  readonly directory: string;
  readonly #extra: readonly string[];
  #sockets = 0;

  /**
   * `tree` is what is there at first: an empty directory by default. `extra` are options of
   * `castorefs serve`.
   */
  constructor(name: GroundName, tree?: string, extra: readonly string[] = []) {
    this.name = name;
    this.#extra = extra;
    this.directory = mkdtempSync(join(tmpdir(), "castorefs-workload-"));
    try {
      this.#fill(tree);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get store(): string {
    return join(this.directory, "store");
  }

  get layer(): string {
    return join(this.directory, "layer");
  }

  #fill(tree: string | undefined): void {
    const work = join(this.directory, "work");
    mkdirSync(work);
    if (this.name === "castorefs") {
      const words = ["import", "--store", this.store, "--name", "base", tree ?? work];
      const { status, stderr } = castorefs(...words);
      if (status !== 0) throw new Error(`castorefs import: ${stderr}`);
    } else if (tree !== undefined) {
      const copy = spawnSync("cp", ["-a", `${tree}/.`, work]);
      if (copy.status !== 0) throw new Error(`cp: ${copy.stderr}`);
    }
  }

  /** Starts what serves it; nothing for a tmpfs, which is the guest's own and empty at first. */
  async serve(): Promise<ShareDaemon | undefined> {
    if (this.name === "tmpfs") return undefined;
    const socket = join(this.directory, `socket-${this.#sockets++}`);
    if (this.name === "castorefs") {
      const words = ["--store", this.store, "--root", "base", "--writable", "--layer", this.layer];
      return await ShareDaemon.serve(socket, [...words, ...this.#extra]);
    }
    const work = join(this.directory, "work");
    const [kind, options] =
      this.name === "virtiofsd-c"
        ? [
            "c",
            [`--socket-path=${socket}`, "-f", "-o", `source=${work},cache=always,writeback,xattr`],
          ]
        : ["trixie", ["--socket-path", socket, "--shared-dir", work, ...RUST_OPTIONS]];
    const peer = spawnSync("sh", [PEERS, kind as string], { encoding: "utf8" });
    if (peer.status !== 0) throw new Error(`${this.name}: ${peer.stderr}`);
    return await ShareDaemon.start(socket, [...peer.stdout.trim().split("\n"), ...options]);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const RUST_OPTIONS = ["--sandbox", "none", "--cache", "always", "--writeback", "--xattr"];

/** The shares that a guest needs for it. */
export function sharesOf(daemon: ShareDaemon | undefined): readonly Share[] {
  return daemon === undefined ? [] : [{ tag: TAG, socketPath: daemon.socketPath }];
}

/** A shell command of the guest that mounts it. */
export function mountCommand(name: GroundName, at: string): string {
  return name === "tmpfs" ? `mount -t tmpfs work ${at}` : `mount -t virtiofs ${TAG} ${at}`;
}
