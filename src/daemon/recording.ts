/** Writes what devices read first to a file: now and then, so that a crash loses little, and at the end. */
import { existsSync } from "node:fs";
import type { Logger } from "../base/logger.ts";
import type { Digest } from "../castore/digest.ts";
import { AccessRecorder } from "../store/tiers/trace.ts";

/** How long the file may lag behind. */
export const RECORD_SAVE_MILLISECONDS = 10_000;

/** Saving looks at every object; it may take this share of the control thread's time. */
const SAVING_SHARE_MAX = 0.05;

export interface RecordingOptions {
  readonly path: string;
  readonly storeDirectory: string;
  /** What is being served; undefined: all roots. */
  readonly root: Digest | undefined;
  readonly logger: Logger;
}

export class Recording implements Disposable {
  readonly recorder = new AccessRecorder();
  readonly #options: RecordingOptions;
  #savedSize = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @throws StoreError when the file cannot be written: better now than at the end. */
  constructor(options: RecordingOptions) {
    this.#options = options;
    if (!existsSync(options.path)) this.#write();
    this.#saveLater(RECORD_SAVE_MILLISECONDS);
  }

  /** Writes the rest. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#save();
    const { path, logger } = this.#options;
    logger.log("info", "recorded", { file: path, objects: this.recorder.size });
  }

  #saveLater(milliseconds: number): void {
    this.#timer = setTimeout(() => {
      const before = performance.now();
      this.#save();
      const took = performance.now() - before;
      this.#saveLater(Math.max(RECORD_SAVE_MILLISECONDS, took / SAVING_SHARE_MAX));
    }, milliseconds);
    this.#timer.unref();
  }

  #save(): void {
    if (this.recorder.size === this.#savedSize) return;
    try {
      this.#write();
    } catch (error) {
      const { path, logger } = this.#options;
      const reason = error instanceof Error ? error.message : String(error);
      logger.log("error", "the recording cannot be written", { file: path, reason });
    }
  }

  #write(): void {
    const { path, storeDirectory, root } = this.#options;
    this.recorder.save(path, storeDirectory, root);
    this.#savedSize = this.recorder.size;
  }
}
