/** The daemons that are measured: how each is started on the same tree, or why it cannot be. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("../..", import.meta.url));

/** The command line as people run it: built. */
export const CASTOREFS = join(checkout, "src/cli/castorefs.sh");

/** What it starts, for who wants to give Node.js options of its own. */
export const BUILT_MAIN = join(checkout, "dist/cli/main.js");

export const ROOT_NAME = "bench";

export interface Contender {
  /** For --peers, and in the JSON file. */
  readonly name: string;
  readonly title: string;
  /** Ours: the rows' goals are about it. */
  readonly isOurs: boolean;
  readonly command: readonly string[];
  /** The option that names the socket; one that ends with "=" is joined with it. */
  readonly socketOption: string;
}

export interface Missing {
  readonly name: string;
  readonly reason: string;
}

export const PEERS = ["c", "trixie", "sid"] as const;
export type Peer = (typeof PEERS)[number];

export interface SharedTree {
  /** The folder that peers serve. */
  readonly folder: string;
  /** The store into which it was imported. */
  readonly store: string;
}

/** castorefs, at `program`: another build of it may be compared, too. */
export function castorefs(
  program: string,
  name: string,
  tree: SharedTree,
  options: readonly string[],
): Contender {
  return {
    name,
    title: name,
    isOurs: true,
    command: [program, "serve", "--store", tree.store, "--root", ROOT_NAME, ...options],
    socketOption: "--socket-path",
  };
}

/** Runs `castorefs import`. @throws when it fails. */
export function importTree(
  program: string,
  tree: SharedTree,
  options: readonly string[] = [],
): void {
  const where = ["--store", tree.store, "--name", ROOT_NAME];
  const words = ["import", ...where, "--json", ...options, tree.folder];
  const { status, stderr, error } = spawnSync(program, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} import failed: ${stderr}`, { cause: error });
}

/** A peer on the same tree; fetched when it is not there yet. */
export function peer(
  name: Peer,
  tree: SharedTree,
  options: readonly string[] = [],
): Contender | Missing {
  const script = join(checkout, "test/bench/peers.sh");
  const { status, stdout, stderr } = spawnSync("sh", [script, name], { encoding: "utf8" });
  if (status !== 0) return { name, reason: lastLine(stderr) || "it could not be fetched" };
  const program = stdout.trimEnd().split("\n");
  const [first, ...rest] = program;
  const asked = spawnSync(first!, [...rest, "--version"], { encoding: "utf8" });
  const version = /(\d+\.\d+)(\.\d+)?/.exec(asked.stdout + asked.stderr);
  if (version === null) return { name, reason: `it does not run here: ${lastLine(asked.stderr)}` };
  if (name === "c") {
    return {
      name,
      title: `C ${version[1]}`,
      isOurs: false,
      command: [
        ...program,
        "-f",
        "-o",
        `source=${tree.folder},cache=always,sandbox=chroot`,
        ...C_OPTIONS,
      ],
      socketOption: "--socket-path=",
    };
  }
  return {
    name,
    title: `Rust ${version[1]}`,
    isOurs: false,
    command: [...program, "--shared-dir", tree.folder, ...RUST_OPTIONS, ...options],
    socketOption: "--socket-path",
  };
}

/** As fast as each is when told to be: no pool of threads for one queue, everything cached. */
const C_OPTIONS = ["--thread-pool-size=0"];
const RUST_OPTIONS = ["--sandbox", "none", "--cache", "always", "--thread-pool-size", "0"];

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/** Words for whoever forgot to build. */
export function unbuilt(program: string): string | undefined {
  return existsSync(program) && spawnSync(program, ["--version"]).status === 0
    ? undefined
    : `${program} does not run: make build`;
}
