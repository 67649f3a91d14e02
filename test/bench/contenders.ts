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
export const WRITE_ROOT_NAME = "bench-write";

export interface Contender {
  /** For --peers, and in the JSON file. */
  readonly name: string;
  readonly title: string;
  /** Ours: the rows' goals are about it. */
  readonly isOurs: boolean;
  readonly command: readonly string[];
  /** The same for a writable share, which no other contender has; undefined: it was not asked for. */
  readonly writableCommand: readonly string[] | undefined;
  /** What of it people would choose. */
  readonly writableOptions: string;
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
  /** For a writable share: the folder that a peer serves and changes; castorefs puts a layer there. */
  readonly written?: string;
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
    writableCommand:
      tree.written === undefined
        ? undefined
        : [
            ...[program, "serve", "--store", tree.store, "--root", WRITE_ROOT_NAME],
            ...["--writable", "--layer", tree.written, ...options],
          ],
    writableOptions: ["--writable", "--layer DIR", ...options].join(" "),
    socketOption: "--socket-path",
  };
}

/** Runs `castorefs import`. @throws when it fails. */
export function importTree(
  program: string,
  tree: SharedTree,
  options: readonly string[] = [],
  name = ROOT_NAME,
): void {
  const where = ["--store", tree.store, "--name", name];
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
    const serve = (folder: string, mode: string) => [
      ...[...program, "-f", "-o", `source=${folder},cache=always,sandbox=chroot${mode}`],
      ...C_OPTIONS,
    ];
    return {
      name,
      title: `C ${version[1]}`,
      isOurs: false,
      command: serve(tree.folder, ""),
      writableCommand: tree.written === undefined ? undefined : serve(tree.written, C_WRITABLE),
      writableOptions: ["-o cache=always,sandbox=chroot,writeback", ...C_OPTIONS].join(" "),
      socketOption: "--socket-path=",
    };
  }
  const serve = (folder: string) => [...program, "--shared-dir", folder, ...RUST_OPTIONS];
  return {
    name,
    title: `Rust ${version[1]}`,
    isOurs: false,
    command: [...serve(tree.folder), ...options],
    writableCommand:
      tree.written === undefined ? undefined : [...serve(tree.written), RUST_WRITABLE],
    writableOptions: [...RUST_OPTIONS, RUST_WRITABLE].join(" "),
    socketOption: "--socket-path",
  };
}

/** As fast as each is when told to be: no pool of threads for one queue, everything cached. */
const C_OPTIONS = ["--thread-pool-size=0"];
const RUST_OPTIONS = ["--sandbox", "none", "--cache", "always", "--thread-pool-size", "0"];
/** What those add who write much: the guest's kernel collects writes. */
const C_WRITABLE = ",writeback";
const RUST_WRITABLE = "--writeback";

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/** Words for whoever forgot to build. */
export function unbuilt(program: string): string | undefined {
  return existsSync(program) && spawnSync(program, ["--version"]).status === 0
    ? undefined
    : `${program} does not run: make build`;
}
