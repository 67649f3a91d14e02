/** The worker threads of a verification; or none, for what is done before they would have started. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { StoreError } from "../errors.ts";
import type {
  FromVerifyThread,
  VerifyOutcome,
  VerifyTask,
  VerifyThreadData,
} from "./verify-messages.ts";
import { VerifyWork } from "./verify-work.ts";

/** Beyond, the disk is what a verification waits for. */
export const VERIFY_THREADS_MAX = 16;
/** For a worker: one to work on, and one to go on with. */
const TASKS_AHEAD_MAX = 2;

/** Workers do little but call native code: what they may keep of garbage is memory wasted. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 8 } as const;

/** This file's own ending tells whether sources or compiled files are running. */
const THREAD_FILE = import.meta.url.endsWith(".ts") ? "verify-thread.ts" : "verify-thread.js";

interface Member {
  readonly worker: Worker;
  /** What becomes of the answers that are due, in their order. */
  readonly due: PromiseWithResolvers<VerifyOutcome>[];
}

export class VerifyCrew implements AsyncDisposable {
  readonly #members: Member[] = [];
  readonly #alone: VerifyWork | undefined;
  #failure: unknown;

  /** `threads` of them; 0: tasks are done on this thread. */
  constructor(data: VerifyThreadData, threads: number) {
    this.#alone = threads === 0 ? new VerifyWork(data) : undefined;
    for (let i = 0; i < Math.min(threads, VERIFY_THREADS_MAX); i += 1) this.#start(data);
  }

  /** Tasks that may be under way at a time. */
  get tasksMax(): number {
    return Math.max(1, this.#members.length * TASKS_AHEAD_MAX);
  }

  /** @throws StoreError: the index cannot be read, or the like. */
  async run(task: VerifyTask): Promise<VerifyOutcome> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#alone !== undefined) {
      await nextTurn();
      return this.#alone.run(task);
    }
    const { worker, due } = this.#freest();
    const answer = Promise.withResolvers<VerifyOutcome>();
    due.push(answer);
    worker.postMessage(task);
    return await answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#alone?.[Symbol.dispose]();
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  #freest(): Member {
    return this.#members.reduce((a, b) => (b.due.length < a.due.length ? b : a));
  }

  #start(data: VerifyThreadData): void {
    const file = new URL(THREAD_FILE, import.meta.url);
    const worker = new Worker(file, { workerData: data, resourceLimits: RESOURCE_LIMITS });
    const member: Member = { worker, due: [] };
    worker.on("message", (message: FromVerifyThread) => this.#take(member, message));
    worker.on("error", (error) => this.#fail(member, error));
    this.#members.push(member);
  }

  #take({ due }: Member, message: FromVerifyThread): void {
    const answer = due.shift();
    if (message.kind === "done") answer?.resolve(message.outcome);
    else answer?.reject(new StoreError(message.failure.message, remedyOf(message.failure.remedy)));
  }

  /** It has ended: a bug of ours, or no memory is left. */
  #fail({ due }: Member, error: unknown): void {
    this.#failure = error;
    for (const { reject } of due.splice(0)) reject(error);
  }
}

function remedyOf(remedy: string | undefined): { remedy?: string } {
  return remedy === undefined ? {} : { remedy };
}
