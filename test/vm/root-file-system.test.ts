/** A whole Debian out of the store: the share is the guest's root file system. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Guest, type GuestResult } from "../../vm-images/guest.ts";
import { prepare, ROOT_TREE } from "../../vm-images/images.ts";
import { CorpusStore } from "./corpus-store.ts";

const BOOT_SECONDS_MAX = 180;
const COMMAND_SECONDS_MAX = 60;
const PROMPT = /root@castorefs-guest:~# $/;

describe.runIf(prepare("rootfs"))("a Debian root file system from the store", () => {
  let store: CorpusStore;
  let result: GuestResult;
  let answers: string;

  beforeAll(async () => {
    store = new CorpusStore(ROOT_TREE);
    await using daemon = await store.serve();
    await using guest = await Guest.start({
      rootFs: { tag: "rootfs" },
      shares: [{ tag: "rootfs", socketPath: daemon.socketPath }],
      timeoutSeconds: BOOT_SECONDS_MAX + COMMAND_SECONDS_MAX + 60,
    });
    await guest.console.waitFor(PROMPT, BOOT_SECONDS_MAX);
    const atPrompt = guest.console.text.length;
    guest.type(
      "cat /etc/debian_version; findmnt -no FSTYPE,SOURCE /; dpkg --verify | grep -v /var/log || echo whole",
    );
    await guest.console.waitFor(PROMPT, COMMAND_SECONDS_MAX, atPrompt);
    answers = guest.console.text.slice(atPrompt).replaceAll("\r", "");
    guest.type("poweroff");
    result = await guest.result;
  }, 600_000);

  afterAll(() => store?.[Symbol.dispose]());

  it("boots to a shell prompt that answers commands", () => {
    expect(answers).toMatch(/^\d+\.\d+$/m);
  });

  it("has the share as /", () => {
    expect(answers).toMatch(/^virtiofs +rootfs$/m);
  });

  it("holds every file that Debian's packages came with, unchanged", () => {
    expect(answers).toMatch(/^whole$/m);
  });

  it("shuts down in good order", () => {
    expect(result.end).toBe("poweroff");
    expect(result.console).toMatch(/reboot: Power down/);
  });

  it.runIf(prepare("newer"))(
    "is mounted by a kernel that needs no initramfs",
    async () => {
      await using daemon = await store.serve();
      await using guest = await Guest.start({
        rootFs: { tag: "rootfs", init: "/bin/sh", withoutInitramfs: true },
        shares: [{ tag: "rootfs", socketPath: daemon.socketPath }],
        kernel: "newer",
        timeoutSeconds: COMMAND_SECONDS_MAX * 2,
      });
      await guest.console.waitFor(/# $/, COMMAND_SECONDS_MAX);
      guest.type("mount -t proc proc /proc && grep ' / ' /proc/mounts; poweroff -f");
      const { console, end } = await guest.result;
      expect(console).toMatch(/^\S+ \/ virtiofs ro,/m);
      expect(end).toBe("poweroff");
    },
    COMMAND_SECONDS_MAX * 4000,
  );
});
