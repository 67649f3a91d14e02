/**
 * A real guest runs the POSIX conformance suite on file systems of its own, where a case that fails
 * is wrong itself, on a peer, and on a writable share.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { GUEST_SECONDS_MAX, type Run, runSuite } from "./conformance.ts";
import type { FileSystem } from "./file-systems.ts";
import { knownFailures } from "./known-failures.ts";

const FILE_SYSTEMS: readonly FileSystem[] = ["tmpfs", "ext4", "virtiofsd", "castorefs"];

describe("the POSIX conformance suite in a guest", () => {
  let run: Run;
  const notes: string[] = [];

  beforeAll(
    async () => {
      run = await runSuite(FILE_SYSTEMS, [], (text) => notes.push(text));
    },
    (GUEST_SECONDS_MAX + 60) * 1000,
  );

  it.for(FILE_SYSTEMS)("fails on %s where it is known to, and nowhere else", (name, context) => {
    if (!run.tallies.has(name)) context.skip(notes.join("; "));
    const tally = run.tallies.get(name);
    expect(tally, run.transcript.slice(-4000)).toBeDefined();
    if (tally === undefined) return;
    const known = knownFailures(name);
    const unknown = [...tally.failures].filter(([title]) => !known.has(title));
    const gone = [...known.keys()].filter((title) => !tally.failures.has(title));
    expect({ unknown, gone }).toEqual({ unknown: [], gone: [] });
    expect(tally.cases).toBeGreaterThan(500);
  });

  it("fails on the writable share nowhere but where the peer fails", (context) => {
    if (!run.tallies.has("virtiofsd")) context.skip(notes.join("; "));
    const peer = run.tallies.get("virtiofsd")?.failures ?? new Map();
    const ours = run.tallies.get("castorefs")?.failures ?? new Map();
    expect([...ours.keys()].filter((title) => !peer.has(title))).toEqual([]);
  });
});
