/** One running daemon with a session of its own, ready for any row. */
import { spawnSync } from "node:child_process";
import { DaemonProcess } from "../frontend/daemon-process.ts";
import { LINUX_INIT_FLAGS, OPEN_INIT_FLAGS } from "../frontend/fuse-client.ts";
import { RequestLane } from "../frontend/request-lane.ts";
import { SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { CallWaiter } from "./call-waiter.ts";
import type { Contender } from "./contenders.ts";
import { Pump } from "./pump.ts";
import { DATA_BYTES, DEPTH_MAX } from "./rows.ts";
import { learnShare, type ShareFacts } from "./share-facts.ts";

export interface TargetPlan {
  /** The cores that the daemon may use. One that gets fewer than the machine has must see so. */
  readonly daemonCore: number;
  readonly oneCore: boolean;
  readonly queues: number;
  /** How long the generator looks at its rings before it sleeps. */
  readonly driverSpinMicroseconds: number;
  /**
   * `handles`: the kernel wants OPEN and OPENDIR answered. `linux`: it offers to go without, as
   * Linux does; the walk is measured so, with a lane of its own depth.
   */
  readonly session: "handles" | "linux";
  readonly depth: number;
}

/** Entries of a ring: the most that QEMU gives, so that a chain of 1 MiB fits. */
const QUEUE_SIZE = 1024;
const PAGE = 4096;
/** Rings, tables, request slots and the port's arena, besides the data pages. */
const OTHER_BYTES = 16 << 20;

export class Target implements Disposable {
  readonly contender: Contender;
  readonly daemon: DaemonProcess;
  readonly vmm: SyntheticVmm;
  readonly lanes: readonly RequestLane[];
  readonly waiter: CallWaiter;
  readonly pump: Pump;
  readonly facts: ShareFacts;

  constructor(contender: Contender, plan: TargetPlan) {
    this.contender = contender;
    this.daemon = startDaemon(contender, plan);
    try {
      this.vmm = SyntheticVmm.start(this.daemon.socketPath, {
        memory: [{ guestAddress: 0x10_0000, bytes: memoryBytes(plan) }],
        requestQueues: plan.queues,
        queueSize: QUEUE_SIZE,
      });
    } catch (error) {
      this.daemon[Symbol.dispose]();
      throw new Error(`${contender.title}: ${this.daemon.log}`, { cause: error });
    }
    const fuse = this.vmm.fuse();
    const flags = plan.session === "handles" ? OPEN_INIT_FLAGS : LINUX_INIT_FLAGS;
    fuse.init({ flags, max_readahead: DATA_BYTES });
    this.facts = learnShare(fuse, plan.depth * plan.queues);
    const queues = this.vmm.queues.slice(1);
    const lanePlan = { depth: plan.depth, dataBytes: DATA_BYTES, indirect: this.vmm.hasIndirect };
    this.lanes = queues.map((queue) => new RequestLane(this.vmm.memory, queue, lanePlan));
    this.waiter = new CallWaiter(queues, this.vmm.client.fd, plan.driverSpinMicroseconds);
    this.pump = new Pump(this.lanes, this.waiter);
  }

  [Symbol.dispose](): void {
    this.vmm[Symbol.dispose]();
    this.daemon[Symbol.dispose]();
  }
}

function memoryBytes(plan: TargetPlan): number {
  const bytes = OTHER_BYTES + plan.queues * plan.depth * (DATA_BYTES + 64 * PAGE);
  return Math.ceil(bytes / (1 << 20)) << 20;
}

/** Slots of the generator's own lane, without a daemon. */
export const NULL_PLAN = { depth: DEPTH_MAX, dataBytes: DATA_BYTES, indirect: true };

/**
 * On one core the daemon knows from its start that it has no other. With a core of its own it is put
 * there only when it runs: it may believe that the machine is as large as it is.
 */
function startDaemon(contender: Contender, plan: TargetPlan): DaemonProcess {
  const pin = ["taskset", "-c", String(plan.daemonCore)];
  const command = plan.oneCore ? [...pin, ...contender.command] : contender.command;
  const daemon = DaemonProcess.start(command, contender.socketOption);
  if (!plan.oneCore) pinProcess(daemon.pid, plan.daemonCore);
  return daemon;
}

/** Puts all threads of a process on one core. */
export function pinProcess(pid: number, core: number): void {
  const { status, stderr } = spawnSync("taskset", ["-acp", String(core), String(pid)]);
  if (status !== 0) throw new Error(`taskset: ${stderr}`);
}
