/** Debian's programs at work on a tree that is the share: `debian.sh`, in a chroot of a small guest. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Guest, type GuestResult } from "../../vm-images/guest.ts";
import { WORKLOAD_PACKAGES } from "../../vm-images/images.ts";
import { section } from "../vm/sections.ts";
import { type Ground, mountCommand, sharesOf } from "./ground.ts";

export const WORKLOADS = ["copies", "git", "make", "sqlite", "fio", "stress", "install"] as const;

export type Workload = (typeof WORKLOADS)[number];

const SCRIPT_FILE = fileURLToPath(new URL("debian.sh", import.meta.url));
const AT = "/mnt/work";

export interface DebianRun {
  readonly workloads: readonly Workload[];
  /** How often or how long; 1 is what every test run can afford. */
  readonly scale: number;
  readonly timeoutSeconds: number;
  readonly cpus?: number;
  readonly onLine?: (line: string) => void;
}

export interface DebianResult {
  readonly result: GuestResult;
  /** What the workloads said: a line `ok NAME SECONDS` for each that went well. */
  readonly report: string;
}

/** Runs them on a ground that holds WORKLOAD_TREE. */
export async function runDebianPrograms(ground: Ground, run: DebianRun): Promise<DebianResult> {
  const packages = readdirSync(WORKLOAD_PACKAGES).filter((name) => name.endsWith(".deb"));
  const script = `
mkdir -p ${AT}
${mountCommand(ground.name, AT)} || exit 3
cd ${AT}
mkdir -p work packages proc dev sys
mount -t proc proc proc && mount --bind /dev dev && mount -t sysfs sys sys || exit 4
cp /debian.sh work/
cp /*.deb packages/
echo "@section report"
SCALE=${run.scale} chroot . /bin/sh -c 'cd /work && PATH=/usr/sbin:/usr/bin:/sbin:/bin exec bash debian.sh ${run.workloads.join(" ")}'
failed=$?
umount proc dev sys
cd /
sync
umount ${AT} || failed=99
echo "@section end"
exit $failed
`;
  await using daemon = await ground.serve();
  await using guest = await Guest.start({
    script,
    files: {
      "debian.sh": readFileSync(SCRIPT_FILE),
      ...Object.fromEntries(
        packages.map((name) => [name, readFileSync(join(WORKLOAD_PACKAGES, name))]),
      ),
    },
    shares: sharesOf(daemon),
    timeoutSeconds: run.timeoutSeconds,
    memoryMiB: 1536,
    ...(run.cpus === undefined ? {} : { cpus: run.cpus }),
    ...(run.onLine === undefined ? {} : { onLine: run.onLine }),
  });
  const result = await guest.result;
  await daemon?.stop();
  return { result, report: section(result.output, "report") };
}
