/** Booting a Debian whose root file system is the share: to the prompt, and to the power switch. */
import { Guest } from "../../vm-images/guest.ts";
import { DaemonProcess } from "../frontend/daemon-process.ts";
import type { Contender } from "./contenders.ts";

const TAG = "rootfs";
const PROMPT = /root@castorefs-guest:~# $/;
const BOOT_SECONDS_MAX = 180;

export interface RootBoot {
  /** From starting QEMU to the prompt. */
  readonly seconds: number;
  /** CPU time of the daemon until then. */
  readonly daemonSeconds: number;
}

/** @throws when no prompt comes. */
export async function bootRoot(contender: Contender): Promise<RootBoot> {
  using daemon = DaemonProcess.start(contender.command, contender.socketOption);
  const cpuBefore = daemon.cpuNanoseconds;
  const begun = performance.now();
  await using guest = await Guest.start({
    rootFs: { tag: TAG },
    shares: [{ tag: TAG, socketPath: daemon.socketPath }],
    timeoutSeconds: BOOT_SECONDS_MAX + 60,
  });
  await guest.console.waitFor(PROMPT, BOOT_SECONDS_MAX);
  const seconds = (performance.now() - begun) / 1000;
  const daemonSeconds = (daemon.cpuNanoseconds - cpuBefore) / 1e9;
  guest.type("poweroff");
  await guest.result;
  return { seconds, daemonSeconds };
}
