/**
 * Whether guests run on KVM or in emulation. /dev/kvm alone says little: on some machines it answers
 * and a stock kernel then hangs on it. So one tiny guest is tried, and the verdict is kept until the
 * machine boots again.
 */
import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CACHE_DIRECTORY } from "./images.ts";

export type Acceleration = "kvm" | "tcg";

/** A stock guest says its first line on KVM within two seconds; this leaves room for a busy machine. */
export const KVM_TRIAL_SECONDS = 10;

const VERDICT_FILE = join(CACHE_DIRECTORY, "acceleration.json");

/**
 * QEMU's options for each. In emulation several CPUs take turns on one thread: on threads of their own
 * one of them may run code that another has just patched, and the kernel then dies of a breakpoint
 * that it set itself. Without cmpxchg16b: QEMU 7.2 gets its flags wrong with several CPUs, and kernels
 * of 6.12 then fault in their slab allocator, share or no share.
 */
export const ACCELERATION_OPTIONS: Readonly<Record<Acceleration, readonly string[]>> = {
  kvm: ["-accel", "kvm", "-cpu", "host"],
  tcg: ["-accel", "tcg,thread=single", "-cpu", "max,-cx16"],
};

/**
 * Chooses, by CASTOREFS_VM_ACCEL (`kvm` or `tcg`), the kept verdict, or a trial. `bootsOnKvm` boots a
 * guest and answers whether it came to its end in KVM_TRIAL_SECONDS.
 */
export async function chooseAcceleration(
  bootsOnKvm: () => Promise<boolean>,
): Promise<Acceleration> {
  const { CASTOREFS_VM_ACCEL: wanted } = process.env;
  if (wanted === "kvm" || wanted === "tcg") return wanted;
  if (!mayOpenKvm()) return "tcg";
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const kept = keptVerdict(boot);
  if (kept !== undefined) return kept;
  const accel: Acceleration = (await bootsOnKvm()) ? "kvm" : "tcg";
  writeFileSync(VERDICT_FILE, JSON.stringify({ boot, accel }));
  return accel;
}

function mayOpenKvm(): boolean {
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function keptVerdict(boot: string): Acceleration | undefined {
  try {
    const kept = JSON.parse(readFileSync(VERDICT_FILE, "utf8")) as {
      boot?: unknown;
      accel?: unknown;
    };
    if (kept.boot !== boot) return undefined;
    return kept.accel === "kvm" || kept.accel === "tcg" ? kept.accel : undefined;
  } catch {
    return undefined; // not there yet, or not ours: tried again
  }
}
