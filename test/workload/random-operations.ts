/** The two checkers in one guest, and what is there afterwards in the next. */
import { Guest, type GuestResult } from "../../vm-images/guest.ts";
import { section } from "../vm/sections.ts";
import { type Ground, mountCommand, sharesOf } from "./ground.ts";
import { guestPrograms } from "./programs.ts";

export interface RandomOperations {
  readonly seeds: readonly number[];
  /** Of each process, for each seed. */
  readonly fileSteps: number;
  readonly treeSteps: number;
  readonly fileProcesses: number;
  readonly treeProcesses: number;
  /** A limit for each checker and seed, however many steps that is. */
  readonly secondsEach: number;
  readonly cpus?: number;
  readonly timeoutSeconds: number;
  readonly onLine?: (line: string) => void;
}

/** What the first guest found; its manifest is that of the tree as it left it. */
export interface RandomOperationsResult {
  readonly result: GuestResult;
  /** Lines of the checkers: what they did, and what was wrong. */
  readonly report: string;
  readonly manifest: string;
  /** Of the same tree: after the guest forgot what it had, and after it mounted it again. */
  readonly forgotten: string;
  readonly mountedAgain: string;
}

const AT = "/mnt/work";
/** Not every server keeps ctime, and a tmpfs is gone with its mount. */
const keepsAll = (ground: Ground) => ground.name === "castorefs";

const prologue = (ground: Ground) => `
mkdir -p ${AT}
${mountCommand(ground.name, AT)} || exit 3
manifest() { /tree-ops manifest ${keepsAll(ground) ? "--ctime" : ""} ${AT}; }
`;

function script(ground: Ground, what: RandomOperations): string {
  const limit = `--seconds ${what.secondsEach}`;
  // Both have the kernel collect writes, and answer its questions about holes in what they lack.
  const seeks = ground.name.startsWith("virtiofsd") ? "--sync-before-seek" : "";
  const changed = keepsAll(ground) ? "--ctime" : "";
  return `${prologue(ground)}
echo "@section report"
failed=0
mkdir -p ${AT}/files
for seed in ${what.seeds.join(" ")}; do
  mkdir -p ${AT}/tree-$seed
  /file-ops --keep ${seeks} --seed $((seed * 100)) --processes ${what.fileProcesses} \\
    --steps ${what.fileSteps} ${limit} ${AT}/files || failed=1
  /tree-ops run ${changed} --seed $seed --processes ${what.treeProcesses} \\
    --steps ${what.treeSteps} ${limit} ${AT}/tree-$seed || failed=1
done
echo "@section manifest"
manifest || failed=1
sync
echo 3 >/proc/sys/vm/drop_caches
echo "@section forgotten"
manifest || failed=1
${ground.name === "tmpfs" ? "" : `umount ${AT} && ${mountCommand(ground.name, AT)} || failed=1`}
echo "@section mounted again"
manifest || failed=1
umount ${AT} || failed=1
echo "@section end"
exit $failed
`;
}

/** Runs both checkers, in one guest, with the ground served by a daemon of its own. */
export async function runRandomOperations(
  ground: Ground,
  what: RandomOperations,
): Promise<RandomOperationsResult> {
  await using daemon = await ground.serve();
  await using guest = await Guest.start({
    script: script(ground, what),
    files: guestPrograms(),
    shares: sharesOf(daemon),
    timeoutSeconds: what.timeoutSeconds,
    memoryMiB: 768,
    ...(what.cpus === undefined ? {} : { cpus: what.cpus }),
    ...(what.onLine === undefined ? {} : { onLine: what.onLine }),
  });
  const result = await guest.result;
  await daemon?.stop();
  return {
    result,
    report: section(result.output, "report"),
    manifest: section(result.output, "manifest"),
    forgotten: section(result.output, "forgotten"),
    mountedAgain: section(result.output, "mounted again"),
  };
}

/** What a new daemon shows to a new guest. */
export async function manifestNow(ground: Ground, timeoutSeconds: number): Promise<string> {
  await using daemon = await ground.serve();
  await using guest = await Guest.start({
    script: `${prologue(ground)}\necho "@section manifest"; manifest; umount ${AT}`,
    files: guestPrograms(),
    shares: sharesOf(daemon),
    timeoutSeconds,
  });
  const { output, exitCode, end, console, errors } = await guest.result;
  await daemon?.stop();
  if (exitCode !== 0) throw new Error(`the guest failed (${end}): ${output}${console}${errors}`);
  return section(output, "manifest");
}

/** The first lines in which two manifests differ; empty when they are the same. */
export function firstDifferences(before: string, after: string, shown = 10): string[] {
  const known = new Set(before.split("\n"));
  const now = new Set(after.split("\n"));
  return [
    ...[...known].filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...[...now].filter((line) => !known.has(line)).map((line) => `+ ${line}`),
  ]
    .toSorted((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1))
    .slice(0, shown);
}
