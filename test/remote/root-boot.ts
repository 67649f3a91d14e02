/** A Debian that boots from a store which is empty at first: everything comes from a source. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Guest, type Share } from "../../vm-images/guest.ts";
import { ShareDaemon } from "../../vm-images/share-daemon.ts";

const BOOT_SECONDS_MAX = 240;
const COMMAND_SECONDS_MAX = 120;
const PROMPT = /root@castorefs-guest:~# $/;

/** The local store of one host, empty at first. */
export class ColdHost implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "castorefs-cold-"));
  readonly store = join(this.directory, "store");
  #sockets = 0;

  /** Serves the tree `root` from that store, over what `args` say. */
  async serve(root: string, ...args: readonly string[]): Promise<ShareDaemon> {
    const socket = join(this.directory, `socket-${this.#sockets++}`);
    return await ShareDaemon.serve(socket, ["--store", this.store, "--root", root, ...args]);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A guest with the share as its root file system, to be talked to at its prompt. */
export class RootGuest implements AsyncDisposable {
  readonly guest: Guest;
  /** From QEMU's start to the prompt. */
  readonly bootSeconds: number;

  private constructor(guest: Guest, bootSeconds: number) {
    this.guest = guest;
    this.bootSeconds = bootSeconds;
  }

  /** Boots to the prompt: with the root file system for writing, and further shares, if wanted. */
  static async boot(
    socketPath: string,
    writable = false,
    shares: readonly Share[] = [],
  ): Promise<RootGuest> {
    const begun = performance.now();
    const guest = await Guest.start({
      rootFs: { tag: "rootfs", writable },
      shares: [{ tag: "rootfs", socketPath }, ...shares],
      timeoutSeconds: BOOT_SECONDS_MAX + 4 * COMMAND_SECONDS_MAX,
    });
    try {
      await guest.console.waitFor(PROMPT, BOOT_SECONDS_MAX);
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
    return new RootGuest(guest, (performance.now() - begun) / 1000);
  }

  /** What a command says, up to the next prompt. */
  async run(command: string): Promise<string> {
    const { console: screen } = this.guest;
    const before = screen.text.length;
    this.guest.type(command);
    await screen.waitFor(PROMPT, COMMAND_SECONDS_MAX, before);
    return screen.text.slice(before).replaceAll("\r", "");
  }

  /** Shuts down; true when that went in good order. */
  async powerOff(): Promise<boolean> {
    this.guest.type("poweroff");
    const { end, console: screen } = await this.guest.result;
    return end === "poweroff" && /reboot: Power down/.test(screen);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guest[Symbol.asyncDispose]();
  }
}
