/**
 * The worker threads of an import, seen from the main thread. Files are handed to them in the order
 * of the walk and in batches; each worker gives back what it found in the order it was given.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { ImportError } from "./errors.ts";
import { CrewMember } from "./import-crew-member.ts";
import type { FromImportThread, ImportThreadData } from "./import-messages.ts";
import { ImportSlots } from "./import-slots.ts";

/** Beyond, the main thread is what an import waits for, and workers only cost memory. */
export const IMPORT_THREADS_MAX = 8;
/** Slots of all workers together, as far as that gives each of them SLOTS_MIN. */
const SLOTS = 32;
const SLOTS_MIN = 4;
const SLOTS_MAX = 8;

/** Workers do little but call native code: what they may keep of garbage is memory wasted. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 } as const;

/** This file's own ending tells whether sources or compiled files are running. */
const THREAD_FILE = import.meta.url.endsWith(".ts") ? "import-thread.ts" : "import-thread.js";

export class ImportCrew implements AsyncDisposable {
  /** What CrewMember.take says where contents are in. */
  readonly bytes: Uint8Array;
  readonly #members: CrewMember[] = [];
  /** Who gets the files that come next. */
  #current: CrewMember | undefined;
  #failure: unknown;
  #wake: (() => void) | undefined;
  #news = false;

  /** `threadFile` is another worker, for tests. */
  constructor(threads: number, threadFile = new URL(THREAD_FILE, import.meta.url)) {
    const perThread = Math.max(SLOTS_MIN, Math.min(SLOTS_MAX, Math.floor(SLOTS / threads)));
    const slots = ImportSlots.create(threads * perThread);
    this.bytes = slots.bytes;
    for (const [index, peers] of connect(threads).entries()) {
      const workerData: ImportThreadData = {
        memory: slots.memory,
        firstSlot: index * perThread,
        slots: perThread,
        peers,
      };
      const worker = new Worker(threadFile, {
        workerData,
        transferList: [...peers],
        resourceLimits: RESOURCE_LIMITS,
        name: "import",
      });
      const member = new CrewMember(worker, slots, index * perThread, perThread);
      worker.on("message", (message: FromImportThread) => {
        // The last who was at work in a slot says so: that may be a helper.
        if (message.kind === "failure") member.failed(message.failure);
        else this.#members[Math.floor(message.slot / perThread)]!.ready(message.slot);
        this.#notify();
      });
      worker.on("error", (error) => this.#fail(error));
      worker.on("exit", (code) => this.#fail(new Error(`it ended with code ${code}`)));
      this.#members.push(member);
    }
  }

  /** True when another file can be handed out. */
  get hasRoom(): boolean {
    return (this.#current ?? this.#leastBusy()).hasRoom;
  }

  /** Has a file imported by the worker that it returns. */
  submit(path: Buffer): CrewMember {
    const member = this.#current ?? this.#leastBusy();
    this.#current = member.add(path) ? member : undefined;
    return member;
  }

  /** Sends off a batch that is not full: nothing more comes for now. */
  flush(): void {
    this.#current?.send();
    this.#current = undefined;
  }

  /**
   * Settles when a worker has sent something since the last time.
   * @throws ImportError when a worker has died; the reason of `signal`.
   */
  async news(signal: AbortSignal | undefined): Promise<void> {
    const wake = () => this.#wake?.();
    signal?.addEventListener("abort", wake);
    while (!this.#news && this.#failure === undefined && signal?.aborted !== true) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    signal?.removeEventListener("abort", wake);
    signal?.throwIfAborted();
    this.#news = false;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Ends all workers, whatever they are doing, and waits until they have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    // That they end is no failure from now on.
    this.#failure ??= new Error("the threads of the import were told to end");
    await Promise.all(this.#members.map((member) => member.end()));
  }

  #leastBusy(): CrewMember {
    return this.#members.reduce((best, member) => (member.files < best.files ? member : best));
  }

  #fail(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause);
    this.#failure ??= new ImportError(`a thread of the import died: ${message}`, { cause });
    this.#notify();
  }

  #notify(): void {
    this.#news = true;
    this.#wake?.();
  }
}

/** For each of so many workers the ports to all others: first to the one after it, and so on. */
function connect(threads: number): MessagePort[][] {
  const ports: MessagePort[][] = Array.from({ length: threads }, () => []);
  for (let one = 0; one < threads; one += 1) {
    for (let other = one + 1; other < threads; other += 1) {
      const { port1, port2 } = new MessageChannel();
      ports[one]![other - one - 1] = port1;
      ports[other]![threads + one - other - 1] = port2;
    }
  }
  return ports;
}
