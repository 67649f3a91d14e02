/** Where the guest's parts lie once `setup.sh` has made them. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** `stock`: the kernel of the suite that the machine runs; `newer`: its backports suite's. */
export type KernelName = "stock" | "newer";

const IMAGES_DIRECTORY = fileURLToPath(new URL(".", import.meta.url));

const { CASTOREFS_VM_CACHE } = process.env;

/** Holds everything that is built or downloaded for guests. */
export const CACHE_DIRECTORY = CASTOREFS_VM_CACHE ?? join(IMAGES_DIRECTORY, "..", ".cache", "vm");

/** The checker as it runs on this machine; the guest has it as `check`. */
export const CHECKER = join(CACHE_DIRECTORY, "bin", "check");

/** A Debian tree that a guest can have as its root file system, after `prepare("rootfs")`. */
export const ROOT_TREE = join(CACHE_DIRECTORY, "rootfs");

/** The same with programs installed, and packages that it lacks, after `prepare("workload")`. */
export const WORKLOAD_TREE = join(CACHE_DIRECTORY, "workload-tree");
export const WORKLOAD_PACKAGES = join(CACHE_DIRECTORY, "workload-packages");

export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
  /** As `uname -r` says it. */
  readonly version: string;
}

/** `setup.sh` leaves with this when something optional is not to be had on this machine. */
const NOT_HERE_STATUS = 77;

/**
 * Runs `setup.sh`: quick when everything is there, else it installs, downloads and builds, and says
 * so on stderr. Answers false when this machine cannot have it: no newer kernel in its suite, no root
 * for debootstrap. Throws when something goes wrong; what and why is on stderr.
 */
export function prepare(what: KernelName | "rootfs" | "workload"): boolean {
  const setup = spawnSync(join(IMAGES_DIRECTORY, "setup.sh"), [what], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (setup.status === NOT_HERE_STATUS) return false;
  if (setup.status !== 0) throw new Error(`vm-images/setup.sh ${what} failed (see above)`);
  return true;
}

export function guestImage(name: KernelName): GuestImage {
  const directory = join(CACHE_DIRECTORY, `kernel-${name}`);
  if (!existsSync(join(directory, "complete"))) prepare(name);
  return {
    kernel: join(directory, "vmlinuz"),
    initramfs: join(CACHE_DIRECTORY, `initramfs-${name}.cpio`),
    version: readFileSync(join(directory, "version"), "utf8").trim(),
  };
}
