/** What V8 writes with --trace-gc and --trace-deopt, as numbers. */

export interface EngineEvents {
  /** What was allocated between the first and the last collection. */
  readonly garbageBytes: number;
  readonly youngCollections: number;
  readonly oldCollections: number;
  readonly longestPauseMilliseconds: number;
  /** Optimized code that was given up: function and reason. */
  readonly deoptimizations: readonly string[];
}

/** `[PID:ISOLATE]  123 ms: Scavenge 8.0 (11.0) -> 7.0 (11.3) MB, …, 0.23 / 0.00 ms …` */
const COLLECTION =
  /^\[\d+:(0x[0-9a-f]+)\].* ms: (Scavenge|Mark-Compact)[^0-9]* ([\d.]+) \([\d.]+\) -> ([\d.]+) \([\d.]+\) MB,.*?([\d.]+) \/ [\d.]+ ms/;

/** `[bailout (kind: deopt-eager, reason: wrong map): begin. deoptimizing 0x… <JSFunction name …` */
const BAILOUT = /^\[bailout .*?reason: (.*?)\): begin\..*?<JSFunction (?:([^ ()>]+) )?\(/;

const MIB = 2 ** 20;

/** The events in `log` from the character at `from` on. */
export function readEvents(log: string, from: number): EngineEvents {
  const left = new Map<string, number>();
  for (const line of log.slice(0, from).split("\n")) {
    const [, isolate, , , after] = COLLECTION.exec(line) ?? [];
    if (isolate !== undefined) left.set(isolate, Number(after));
  }
  let garbage = 0;
  let youngCollections = 0;
  let oldCollections = 0;
  let longestPauseMilliseconds = 0;
  const deoptimizations: string[] = [];
  for (const line of log.slice(from).split("\n")) {
    const [, reason, name] = BAILOUT.exec(line) ?? [];
    if (reason !== undefined) deoptimizations.push(`${name || "(a closure)"}: ${reason}`);
    const [, isolate, kind, before, after, pause] = COLLECTION.exec(line) ?? [];
    if (isolate === undefined) continue;
    if (kind === "Scavenge") youngCollections += 1;
    else oldCollections += 1;
    garbage += Math.max(0, Number(before) - (left.get(isolate) ?? Number(before)));
    left.set(isolate, Number(after));
    longestPauseMilliseconds = Math.max(longestPauseMilliseconds, Number(pause));
  }
  return {
    garbageBytes: garbage * MIB,
    youngCollections,
    oldCollections,
    longestPauseMilliseconds,
    deoptimizations,
  };
}
