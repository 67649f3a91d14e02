/**
 * A daemon under attack. After every case it must be as it was: alive, with the same number of file
 * descriptors, idle, and serving a well-behaved client at once.
 */
import { DaemonProcess, eventually, sleep } from "../frontend/daemon-process.ts";
import { makeShare, ROOT_NAME, type ShareFixture } from "../frontend/share-fixture.ts";
import type { RegionPlan } from "../frontend/synthetic-memory.ts";
import { SyntheticVmm } from "../frontend/synthetic-vmm.ts";

/** Little memory: connecting is to be cheap. */
export const SMALL_MEMORY: readonly RegionPlan[] = [{ guestAddress: 0x10_0000, bytes: 4 << 20 }];

/** How long file descriptors of a dead connection may linger. */
const SETTLE_MILLISECONDS = 10_000;
/** A daemon that is idle uses next to no CPU in a window of this length … */
const IDLE_WINDOW_MILLISECONDS = 25;
/** … less than this share of it. */
const IDLE_SHARE_MAX = 0.4;
/** A busy window may be a garbage collection: so many in a row are not. */
const BUSY_WINDOWS_MAX = 40;

/** The daemon did not survive a case in the state it was in. */
export class Harmed extends Error {
  override readonly name = "Harmed";
}

export class ProvingGround implements Disposable {
  readonly share: ShareFixture;
  readonly daemon: DaemonProcess;
  /** File descriptors when no client is there. */
  readonly #descriptors: number;

  /** A daemon that serves `share`; both become its own. */
  constructor(share: ShareFixture, daemon: DaemonProcess) {
    this.share = share;
    this.daemon = daemon;
    try {
      this.#descriptors = this.#settledDescriptors();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** `castorefs serve` on a share of its own. */
  static serve(...options: string[]): ProvingGround {
    const share = makeShare();
    return new ProvingGround(
      share,
      DaemonProcess.serve(share.store, "--root", ROOT_NAME, ...options),
    );
  }

  /** What is opened once (the index, segments, V8's own) is open after a few clients. */
  #settledDescriptors(): number {
    for (let client = 0; client < 3; client++) {
      this.#serveOne();
      sleep(100);
    }
    return this.daemon.descriptorCount;
  }

  /** A VM manager with everything up. */
  vmm(plan: Parameters<typeof SyntheticVmm.start>[1] = {}): SyntheticVmm {
    return SyntheticVmm.start(this.daemon.socketPath, { memory: SMALL_MEMORY, ...plan });
  }

  /** @throws Harmed */
  verify(): void {
    const { daemon } = this;
    if (!daemon.isAlive) throw new Harmed(`the daemon died: ${tail(daemon.log)}`);
    const settled = () => daemon.descriptorCount <= this.#descriptors;
    if (!eventually(settled, SETTLE_MILLISECONDS)) {
      const open = daemon.descriptors.join(" ");
      throw new Harmed(`more than ${this.#descriptors} descriptors: ${open}`);
    }
    if (!this.isIdle()) throw new Harmed("the daemon keeps a CPU busy");
    try {
      this.#serveOne();
    } catch (error) {
      throw new Harmed(`a good client is not served: ${error}; ${tail(daemon.log)}`, {
        cause: error,
      });
    }
  }

  /** A request met an error of ours: a bug, even if it was answered. @throws Harmed */
  verifyUnshaken(): void {
    const line = this.daemon.log.split("\n").find((one) => one.includes("request failed"));
    if (line !== undefined) throw new Harmed(line);
  }

  /** One well-behaved client: everything it asks for must be right. */
  #serveOne(): void {
    using vmm = this.vmm({ queueSize: 64 });
    const fuse = vmm.session();
    const hello = fuse.read(fuse.lookup(1, "hello").nodeid, 0, 4096).toString();
    if (hello !== "Hello World!") throw new Harmed(`wrong bytes: ${hello}`);
  }

  /** False: the daemon goes on using CPU although nobody asks for anything. */
  isIdle(): boolean {
    for (let window = 0; window < BUSY_WINDOWS_MAX; window++) {
      const before = this.daemon.cpuNanoseconds;
      const begin = performance.now();
      sleep(IDLE_WINDOW_MILLISECONDS);
      const elapsed = (performance.now() - begin) * 1e6;
      if ((this.daemon.cpuNanoseconds - before) / elapsed < IDLE_SHARE_MAX) return true;
    }
    return false;
  }

  [Symbol.dispose](): void {
    this.daemon[Symbol.dispose]();
    this.share[Symbol.dispose]();
  }
}

function tail(log: string): string {
  return log.slice(-2000);
}
