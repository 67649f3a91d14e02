/** One running daemon with a session of its own, ready for any row of one kind of share. */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { DaemonProcess } from "../frontend/daemon-process.ts";
import { type FuseClient, LINUX_INIT_FLAGS, OPEN_INIT_FLAGS } from "../frontend/fuse-client.ts";
import { RequestLane } from "../frontend/request-lane.ts";
import { FIRST_REQUEST_QUEUE, SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { PROTOCOL_FEATURE } from "../frontend/vhost-user-protocol.ts";
import { CallWaiter } from "./call-waiter.ts";
import type { Contender } from "./contenders.ts";
import { Pump } from "./pump.ts";
import { DATA_BYTES } from "./rows.ts";
import { learnShare, type ShareFacts } from "./share-facts.ts";
import { verifyAnswers, verifyLanes } from "./verify.ts";
import { learnWriteShare, type WriteFacts, writeInitFlags } from "./write-tree.ts";

export interface TargetPlan {
  /** The cores that the daemon may use. One that gets fewer than the machine has must see so. */
  readonly daemonCore: number;
  readonly oneCore: boolean;
  readonly queues: number;
  /** How long the generator looks at its rings before it sleeps. */
  readonly driverSpinMicroseconds: number;
  readonly depth: number;
}

/**
 * `handles`: the kernel wants OPEN and OPENDIR answered. `linux`: it offers to go without, as Linux
 * does; the walk is measured so, with a lane of its own depth.
 */
export type ReadSession = "handles" | "linux";

/** What a kind of share brings along. */
interface Share<F> {
  readonly command: readonly string[];
  readonly initFlags: number;
  readonly learn: (fuse: FuseClient, streams: number) => F;
  readonly verify: (fuse: FuseClient, facts: F) => void;
  readonly verifyLanes: (lanes: readonly RequestLane[], facts: F) => void;
}

/** A session on the read-only share. @throws when the daemon does not start, or answers wrongly. */
export function readTarget(
  contender: Contender,
  session: ReadSession,
  plan: TargetPlan,
): Target<ShareFacts> {
  return new Target(contender, plan, {
    command: contender.command,
    initFlags: session === "handles" ? OPEN_INIT_FLAGS : LINUX_INIT_FLAGS,
    learn: learnShare,
    verify: verifyAnswers,
    verifyLanes,
  });
}

/** A session on the writable share, whose rows verify what they did. @throws as readTarget. */
export function writeTarget(contender: Contender, plan: TargetPlan): Target<WriteFacts> {
  const command = contender.writableCommand;
  if (command === undefined) throw new Error("it has no writable share here");
  return new Target(contender, plan, {
    command,
    initFlags: OPEN_INIT_FLAGS | writeInitFlags,
    learn: learnWriteShare,
    verify: () => {},
    verifyLanes: () => {},
  });
}

/** Entries of a ring: the most that QEMU gives, so that a chain of 1 MiB fits. */
const QUEUE_SIZE = 1024;
const PAGE = 4096;
/** Rings, tables, request slots and the port's arena, besides the data pages. */
const OTHER_BYTES = 16 << 20;

export class Target<F> implements Disposable {
  readonly contender: Contender;
  readonly daemon: DaemonProcess;
  readonly vmm: SyntheticVmm;
  readonly lanes: readonly RequestLane[];
  readonly waiter: CallWaiter;
  readonly pump: Pump;
  readonly facts: F;
  readonly #started: DisposableStack;

  constructor(contender: Contender, plan: TargetPlan, share: Share<F>) {
    using started = new DisposableStack();
    this.contender = contender;
    this.daemon = started.use(startDaemon(share.command, contender.socketOption, plan));
    this.vmm = started.use(
      SyntheticVmm.negotiate(this.daemon.socketPath, {
        memory: [{ guestAddress: 0x10_0000, bytes: memoryBytes(plan) }],
        requestQueues: plan.queues,
        queueSize: QUEUE_SIZE,
      }),
    );
    if (plan.queues > 1) requireQueues(this.vmm, 1 + plan.queues);
    this.vmm.shareMemory();
    this.vmm.startQueues();
    const fuse = this.vmm.fuse();
    fuse.init({ flags: share.initFlags, max_readahead: DATA_BYTES });
    this.facts = share.learn(fuse, plan.depth * plan.queues);
    // The client and the lanes lay their chains out in the same ring: from here on, lanes only.
    share.verify(fuse, this.facts);
    const queues = this.vmm.queues.slice(FIRST_REQUEST_QUEUE);
    const lanePlan = { depth: plan.depth, dataBytes: DATA_BYTES, indirect: this.vmm.hasIndirect };
    this.lanes = queues.map((queue) => new RequestLane(this.vmm.memory, queue, lanePlan));
    this.waiter = new CallWaiter(queues, this.vmm.client.fd, plan.driverSpinMicroseconds);
    this.pump = new Pump(this.lanes, this.waiter);
    share.verifyLanes(this.lanes, this.facts);
    this.#started = started.move();
  }

  [Symbol.dispose](): void {
    this.#started[Symbol.dispose]();
  }
}

/** @throws when the device has fewer queues, the one of high priority among them. */
function requireQueues({ client, protocolFeatures }: SyntheticVmm, wanted: number): void {
  const count = protocolFeatures.has(PROTOCOL_FEATURE.MQ) ? client.getQueueCount() : 2;
  if (count < wanted) throw new Error(`it serves ${count - 1} request queue(s)`);
}

function memoryBytes(plan: TargetPlan): number {
  const bytes = OTHER_BYTES + plan.queues * plan.depth * (DATA_BYTES + 64 * PAGE);
  return Math.ceil(bytes / (1 << 20)) << 20;
}

/** As taskset writes it: 0-1, say. */
const ALL_CORES = `0-${cpus().length - 1}`;

/**
 * On one core the daemon knows from its start that it has no other. With a core of its own it is put
 * there only when it runs: it may believe that the machine is as large as it is.
 */
function startDaemon(
  serve: readonly string[],
  socketOption: string,
  plan: TargetPlan,
): DaemonProcess {
  // Said in any case: the generator has been put on its core, and children inherit that.
  const cores = plan.oneCore ? String(plan.daemonCore) : ALL_CORES;
  const daemon = DaemonProcess.start(["taskset", "-c", cores, ...serve], socketOption);
  if (!plan.oneCore) pinProcess(daemon.pid, plan.daemonCore);
  return daemon;
}

/** Puts all threads of a process on one core. */
export function pinProcess(pid: number, core: number): void {
  const { status, stderr } = spawnSync("taskset", ["-acp", String(core), String(pid)]);
  if (status !== 0) throw new Error(`taskset: ${stderr}`);
}
