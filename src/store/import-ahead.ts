/**
 * Importing a tree with worker threads. The walk runs ahead and gives files to the crew; what they
 * find is stored in the order of the walk, so that the store, the result, and the first error are
 * the same as without them.
 */

import type { ImportCrew } from "./import-crew.ts";
import type { CrewMember, Found } from "./import-crew-member.ts";
import { fileFailure } from "./import-failure.ts";
import { importedFile } from "./import-file.ts";
import { displayPlace, OpenFolder, type Place, storeFolder } from "./import-place.ts";
import type { ImportSession } from "./import-session.ts";
import type { BlobStat, Chunk } from "./services.ts";

/** Files and ends of folders that the walk is ahead of what is stored. */
const STEPS_AHEAD_MAX = 4096;
/** Folders among them: an open one can hold a file descriptor. */
const FOLDERS_AHEAD_MAX = 256;

/** A file that a worker was given. */
interface FileStep {
  readonly path: Buffer;
  readonly place: Place;
  readonly member: CrewMember;
  /** Of a file that comes in pieces: those that came. */
  chunks: Chunk[];
  size: number;
}

type Step = FileStep | OpenFolder;

/** Imports what is at that path, and none of it is a file that was listed as one. */
export type Revisit = (path: Buffer, place: Place) => Promise<void>;

export class ImportAhead implements AsyncDisposable {
  readonly #session: ImportSession;
  readonly #crew: ImportCrew;
  readonly #revisit: Revisit;
  /** From `#next` on they are still to be stored. */
  readonly #steps: Step[] = [];
  #next = 0;
  #folders = 0;
  #hasFailed = false;

  /** `revisit` is called for what has ceased to be a file. */
  constructor(session: ImportSession, crew: ImportCrew, revisit: Revisit) {
    this.#session = session;
    this.#crew = crew;
    this.#revisit = revisit;
  }

  /** True once something could not be stored: nothing more will be. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Takes over the file at `path`. */
  async file(path: Buffer, place: Place): Promise<void> {
    if (this.#isFull) await this.#store(() => this.#isFull);
    this.#steps.push({ path, place, member: this.#crew.submit(path), chunks: [], size: 0 });
  }

  /** Takes over a folder that the walk has been through. */
  async leave(folder: OpenFolder): Promise<void> {
    this.#steps.push(folder);
    this.#folders += 1;
    if (this.#isFull) await this.#store(() => this.#isFull);
  }

  /** Settles when everything is stored that was taken over. */
  async finish(): Promise<void> {
    await this.#store(() => this.#next < this.#steps.length);
  }

  /** What is being stored now, as people read it; undefined: nothing. */
  describe(): string | undefined {
    const step = this.#steps[this.#next];
    if (step === undefined) return undefined;
    return displayPlace(step.place);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const step of this.#steps) if (step instanceof OpenFolder) step[Symbol.dispose]();
    await this.#crew[Symbol.asyncDispose]();
  }

  get #isFull(): boolean {
    return (
      !this.#crew.hasRoom ||
      this.#steps.length - this.#next >= STEPS_AHEAD_MAX ||
      this.#folders >= FOLDERS_AHEAD_MAX
    );
  }

  /** Stores what there is, in order, for as long as `wanted` says. */
  async #store(wanted: () => boolean): Promise<void> {
    try {
      while (wanted()) await this.#storeNext();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
  }

  async #storeNext(): Promise<void> {
    const step = this.#steps[this.#next]!;
    if (step instanceof OpenFolder) {
      storeFolder(this.#session, step);
      this.#folders -= 1;
      this.#done();
    } else {
      const found = step.member.take();
      if (found === undefined) {
        this.#crew.flush();
        await this.#crew.news(this.#session.options.signal);
      } else {
        if (found.kind === "not a file") await this.#revisit(step.path, step.place);
        else this.#storeFound(step, found);
        step.member.release();
        if (found.kind !== "piece" && found.kind !== "again") this.#done();
      }
    }
    if (this.#session.due) await this.#session.pause();
  }

  #done(): void {
    this.#next += 1;
    if (this.#next < STEPS_AHEAD_MAX) return;
    this.#steps.splice(0, this.#next);
    this.#next = 0;
  }

  #storeFound(step: FileStep, found: Exclude<Found, { kind: "not a file" }>): void {
    const { writer, progress } = this.#session;
    if (found.kind === "failed") throw fileFailure(found.failure, displayPlace(step.place));
    if (found.kind === "again") {
      progress.bytes -= step.size;
      step.chunks = [];
      step.size = 0;
      return;
    }
    if (found.kind === "piece") {
      const size = this.#putChunks(found.chunks, found.at);
      step.chunks.push(...found.chunks);
      step.size += size;
      progress.bytes += size;
      return;
    }
    let blob: BlobStat & Chunk;
    if (found.kind === "end") {
      blob = { digest: found.digest, size: step.size, chunks: step.chunks };
    } else {
      blob = found.blob;
      this.#putChunks(blob.chunks, found.at);
      progress.bytes += blob.size;
    }
    writer.endBlob(blob);
    const { parent, name } = step.place;
    parent.add(name, importedFile(this.#session, blob, found.status));
  }

  /** Returns how many bytes they have. */
  #putChunks(chunks: readonly Chunk[], begin: number): number {
    let at = begin;
    for (const chunk of chunks) {
      const end = at + chunk.size;
      this.#session.writer.putChunk(chunk, this.#crew.bytes.subarray(at, end));
      at = end;
    }
    return at - begin;
  }
}
