/** What the conformance suite runs on, in one guest: two controls, a peer, and our writable share. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { castorefs, ShareDaemon } from "../../vm-images/share-daemon.ts";

/** `virtiofsd` is the Rust one, `virtiofsd-c` QEMU's former one; both over a directory of the host. */
export type FileSystem = "tmpfs" | "ext4" | "virtiofsd" | "virtiofsd-c" | "castorefs";

export const FILE_SYSTEMS: readonly FileSystem[] = [
  "tmpfs",
  "ext4",
  "virtiofsd",
  "virtiofsd-c",
  "castorefs",
];

const PEERS = fileURLToPath(new URL("../bench/peers.sh", import.meta.url));

/** Shell commands of the guest that mount it on `at`. */
export function mountCommand(name: FileSystem, at: string): string {
  if (name === "tmpfs") return `mount -t tmpfs -o nr_inodes=0 tmpfs ${at}`;
  if (name === "ext4") return `losetup /dev/loop0 /ext4.img && mount -t ext4 /dev/loop0 ${at}`;
  return `mount -t virtiofs ${name} ${at}`;
}

/** `posix` makes on it what its cases want to be there from the beginning. */
function makeBefore(posix: string, directory: string): void {
  const run = spawnSync(posix, ["--make-before", directory], { encoding: "utf8" });
  if (run.status !== 0) throw new Error(`${posix} --make-before: ${run.stderr}`);
}

/** A share of the host, in a directory of its own that goes with it. */
export class ServedFileSystem implements AsyncDisposable {
  readonly name: FileSystem;
  readonly socketPath: string;
  readonly #directory: string;
  readonly #daemon: ShareDaemon;

  /**
   * Undefined for the guest's own file systems. `posix` is the suite's program, `note` is told why a
   * peer is left out.
   */
  static async start(
    name: FileSystem,
    posix: string,
    note: (text: string) => void = () => {},
  ): Promise<ServedFileSystem | undefined> {
    if (name === "tmpfs" || name === "ext4") return undefined;
    const directory = mkdtempSync(join(tmpdir(), "castorefs-posix-"));
    try {
      const daemon = await start(name, directory, posix, note);
      if (daemon !== undefined) return new ServedFileSystem(name, directory, daemon);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    rmSync(directory, { recursive: true, force: true });
    return undefined;
  }

  private constructor(name: FileSystem, directory: string, daemon: ShareDaemon) {
    this.name = name;
    this.socketPath = daemon.socketPath;
    this.#directory = directory;
    this.#daemon = daemon;
  }

  /** What its daemon wrote to stderr. */
  get log(): string {
    return this.#daemon.log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function start(
  name: FileSystem,
  directory: string,
  posix: string,
  note: (text: string) => void,
): Promise<ShareDaemon | undefined> {
  const work = join(directory, "work");
  const socket = join(directory, "socket");
  mkdirSync(work);
  makeBefore(posix, work);
  if (name === "castorefs") {
    const store = join(directory, "store");
    const run = castorefs("import", "--store", store, "--name", "before", work);
    if (run.status !== 0) throw new Error(`castorefs import: ${run.stderr}`);
    const layer = join(directory, "layer");
    return await ShareDaemon.serve(socket, [
      ...["--store", store, "--root", "before", "--writable", "--layer", layer],
    ]);
  }
  const peer = spawnSync("sh", [PEERS, name === "virtiofsd" ? "trixie" : "c"], {
    encoding: "utf8",
  });
  if (peer.status !== 0) {
    note(`${name} is not to be had: ${peer.stderr.trim().split("\n").at(-1)}`);
    return undefined;
  }
  const options =
    name === "virtiofsd"
      ? [
          ...["--socket-path", socket, "--shared-dir", work, "--sandbox", "none"],
          ...["--cache", "always", "--writeback", "--posix-acl"],
        ]
      : [
          ...[`--socket-path=${socket}`, "-f", "-o"],
          `source=${work},cache=always,writeback,xattr,posix_acl`,
        ];
  return await ShareDaemon.start(socket, [...peer.stdout.trim().split("\n"), ...options]);
}
