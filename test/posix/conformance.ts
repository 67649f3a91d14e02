/** Runs the conformance suite in a guest, on one file system after the other, and reads what it says. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootGuest } from "../../vm-images/guest.ts";
import { section } from "../vm/sections.ts";
import { type FileSystem, mountCommand, ServedFileSystem } from "./file-systems.ts";

const BUILD = fileURLToPath(new URL("build.sh", import.meta.url));

/** A guest that has not ended by then is stuck. */
export const GUEST_SECONDS_MAX = 420;

export interface Tally {
  readonly cases: number;
  readonly assertions: number;
  readonly seconds: number;
  /** What each failing case found, by "GROUP: TITLE". */
  readonly failures: ReadonlyMap<string, string>;
}

export interface Run {
  /** Undefined: the suite did not come to its end there. */
  readonly tallies: ReadonlyMap<FileSystem, Tally | undefined>;
  /** Everything that was said, for people who look into it. */
  readonly transcript: string;
}

/** `groups` are the suite's groups to run: all when it is empty. */
export async function runSuite(
  fileSystems: readonly FileSystem[],
  groups: readonly string[] = [],
  note: (text: string) => void = () => {},
): Promise<Run> {
  const built = execFileSync("sh", [BUILD], { encoding: "utf8" }).trim();
  await using served = new AsyncDisposableStack();
  const posix = join(built, "posix");
  const shares: { tag: string; socketPath: string }[] = [];
  const logs: ServedFileSystem[] = [];
  const here: FileSystem[] = [];
  for (const name of fileSystems) {
    const share = await ServedFileSystem.start(name, posix, note);
    if (share === undefined && name !== "tmpfs" && name !== "ext4") continue;
    here.push(name);
    if (share === undefined) continue;
    served.use(share);
    logs.push(share);
    shares.push({ tag: name, socketPath: share.socketPath });
  }
  const { output, console, errors } = await bootGuest({
    script: scriptFor(here, groups),
    files: {
      posix: readFileSync(posix),
      ...(here.includes("ext4") ? { "ext4.img": readFileSync(join(built, "ext4.img")) } : {}),
    },
    shares,
    memoryMiB: 768,
    timeoutSeconds: GUEST_SECONDS_MAX,
  });
  const tallies = new Map(here.map((name) => [name, tallyOf(section(output, name))]));
  const daemons = logs.map(({ name, log }) => `@daemon ${name}\n${log}`);
  return { tallies, transcript: [output, console, errors, ...daemons].join("\n") };
}

function scriptFor(fileSystems: readonly FileSystem[], groups: readonly string[]): string {
  const lines = ["chmod 755 /posix"];
  for (const name of fileSystems) {
    const at = `/mnt/${name}`;
    lines.push(`echo "@section ${name}"`, `mkdir ${at}`, `${mountCommand(name, at)} || exit 3`);
    const isGuestsOwn = name === "tmpfs" || name === "ext4";
    if (isGuestsOwn) lines.push(`/posix --make-before ${at} || exit 4`);
    // A control tells whether a case is right, which takes no forgetting.
    const options = isGuestsOwn ? "" : "--set-clock --forget";
    lines.push(`/posix ${options} ${at} ${groups.map((group) => `'${group}'`).join(" ")}`);
  }
  return [...lines, 'echo "@section end"', "exit 0", ""].join("\n");
}

function tallyOf(output: string): Tally | undefined {
  const end = output.match(/^# cases (\d+) failed (\d+) assertions (\d+) seconds ([\d.]+)$/m);
  if (end === null) return undefined;
  const failures = new Map<string, string>();
  for (const [, name, found] of output.matchAll(
    /^FAIL ([^:]+: .*?): ((?:line|its|ended|\().*)$/gm,
  )) {
    failures.set(name as string, found as string);
  }
  if (failures.size !== Number(end[2])) {
    throw new Error(`${end[2]} cases failed, of which ${failures.size} were understood`);
  }
  return {
    cases: Number(end[1]),
    assertions: Number(end[3]),
    seconds: Number(end[4]),
    failures,
  };
}
