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

export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
  /** As `uname -r` says it. */
  readonly version: string;
}

/**
 * Runs `setup.sh`: quick when everything is there, else it installs, downloads and builds, and says
 * so on stderr. Throws when something cannot be had; what and why is on stderr.
 */
export function prepare(what: KernelName | "rootfs"): void {
  const setup = spawnSync(join(IMAGES_DIRECTORY, "setup.sh"), [what], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (setup.status !== 0) throw new Error(`vm-images/setup.sh ${what} failed (see above)`);
}

/** Whether the mirror has a kernel newer than the suite's own; fetches it where it has. */
export function canPrepareNewer(): boolean {
  try {
    prepare("newer");
    return true;
  } catch {
    return false; // setup.sh has said why
  }
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
