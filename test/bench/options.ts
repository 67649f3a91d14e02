/** The bench's command line. */
import { parseArgs } from "node:util";
import { PEERS, type Peer } from "./contenders.ts";
import { ROWS, type Row } from "./rows.ts";

export interface BenchOptions {
  readonly rows: readonly Row[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  /** Length of a window, and of the warming up of a row on a daemon. */
  readonly windowMilliseconds: number;
  readonly warmMilliseconds: number;
  /**
   * Length of a window of a row of changes: more than the second after which castorefs writes back
   * what has changed, so that this work is in the figures.
   */
  readonly changeWindowMilliseconds: number;
  readonly oneCore: boolean;
  readonly queues: number;
  readonly driverSpinMicroseconds: number;
  /** Other builds of castorefs to measure beside this one. */
  readonly builds: readonly NamedBuild[];
  readonly json: string | undefined;
  readonly svg: string | undefined;
}

export interface NamedBuild {
  readonly name: string;
  /** Path of its castorefs.sh. */
  readonly program: string;
  /** Options of its serve command. */
  readonly options: readonly string[];
}

export const USAGE = `Usage: node --conditions=castorefs-source test/bench/main.ts [options]

castorefs and its peers answer the same requests over a vhost-user socket; no VM takes part.

  --quick            a few short rounds
  --rounds N         rounds over all daemons (7; with --quick 3)
  --rows A,B         only these rows: ${ROWS.map((row) => row.name).join(", ")}
  --peers A,B|none   only these peers: ${PEERS.join(", ")}
  --one-core         generator and daemon share a core; nobody spins
  --queues N         request queues; every one is kept at the given depth (1)
  --driver-spin US   how long the generator looks for the interrupt before it sleeps, as KVM's
                     halt polling does for a guest (50; 0 with --one-core)
  --build NAME=WORDS another castorefs.sh to measure beside this one, and options of its serve
                     command, blanks between them; may be repeated
  --json FILE        write everything that was measured
  --svg FILE         write a chart
`;

export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError. */
export function parseOptions(args: readonly string[]): BenchOptions | "help" {
  const { values } = parse(args);
  if (values.help) return "help";
  const quick = values.quick ?? false;
  const oneCore = values["one-core"] ?? false;
  const spin = values["driver-spin"];
  return {
    rows: chosen(values.rows, ROWS, (row) => row.name, "row"),
    peers: values.peers === "none" ? [] : chosen(values.peers, PEERS, (name) => name, "peer"),
    rounds: number(values.rounds, quick ? 3 : 7, 1, 1000, "--rounds"),
    windowMilliseconds: quick ? 60 : 100,
    warmMilliseconds: quick ? 150 : 300,
    changeWindowMilliseconds: quick ? 1100 : 1200,
    oneCore,
    queues: number(values.queues, 1, 1, 16, "--queues"),
    driverSpinMicroseconds: oneCore ? 0 : number(spin, 50, 0, 10_000, "--driver-spin"),
    builds: (values.build ?? []).map(namedBuild),
    json: values.json,
    svg: values.svg,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean" },
        quick: { type: "boolean" },
        rounds: { type: "string" },
        rows: { type: "string" },
        peers: { type: "string" },
        "one-core": { type: "boolean" },
        queues: { type: "string" },
        "driver-spin": { type: "string" },
        build: { type: "string", multiple: true },
        json: { type: "string" },
        svg: { type: "string" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function number(
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
  option: string,
): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`${option} is a whole number from ${least} to ${most}`);
}

function chosen<T>(
  text: string | undefined,
  all: readonly T[],
  nameOf: (item: T) => string,
  what: string,
): readonly T[] {
  if (text === undefined) return all;
  return text.split(",").map((name) => {
    const found = all.find((item) => nameOf(item) === name);
    if (found !== undefined) return found;
    throw new UsageError(`no ${what} ${name}: ${all.map(nameOf).join(", ")}`);
  });
}

function namedBuild(text: string): NamedBuild {
  const at = text.indexOf("=");
  const [program, ...options] = text.slice(at + 1).split(" ");
  if (at > 0 && program) return { name: text.slice(0, at), program, options };
  throw new UsageError("--build wants NAME=WORDS");
}
