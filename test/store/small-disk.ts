/** A disk with little room, for tests of what happens when it is full. */
import { execFileSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { temporaryFolder } from "./temporary.ts";

/** Only root may mount; elsewhere tests limit the size of files instead. */
export const mayMount = process.getuid?.() === 0 && tryMount();

/** The folder of a file system with room for `megabytes`, for the time of the test. */
export function smallDisk(megabytes: number): string {
  const folder = temporaryFolder();
  mount(folder, megabytes);
  onTestFinished(() => {
    execFileSync("umount", ["--lazy", folder]);
  });
  return folder;
}

function mount(folder: string, megabytes: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder]);
}

function tryMount(): boolean {
  try {
    // In a mount namespace of its own, which ends with it.
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}
