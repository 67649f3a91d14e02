/**
 * Walks a whole share as a guest's `find` and `cat` would: READDIRPLUS for every directory, READLINK
 * for every symlink, and every byte of every file, with as many files under way as the lane has
 * slots. OPEN and OPENDIR are sent until the daemon answers ENOSYS, as the kernel does.
 */
import {
  FUSE_ROOT_ID,
  fuseAttr,
  fuseDirent,
  fuseDirentplus,
  fuseEntryOut,
  fuseOpenOut,
} from "../../src/abi/fuse.ts";
import { ENOSYS } from "../../src/base/errno.ts";
import type { RequestLane } from "./request-lane.ts";
import { NOTHING } from "./split-ring-driver.ts";

const ANSWER_MILLISECONDS = 20_000;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const PAGE = 4096;

/** What a slot is waiting for. */
const IDLE = 0;
const OPENING = 1;
const READING = 2;
const RELEASING = 3;

export interface WalkPlan {
  /** Bytes of one READ. */
  readonly readBytes: number;
  /** Bytes of one READDIRPLUS. */
  readonly listBytes: number;
  /** List and read links only: files are counted, not read. */
  readonly skipData?: boolean;
  /** Called with every piece of every file; what is borrowed must be copied. Not for timed walks. */
  readonly onData?: (nodeid: number, offset: number, data: Uint8Array) => void;
  /** Called with every entry. Not for timed walks. */
  readonly onEntry?: (
    parent: number,
    nodeid: number,
    mode: number,
    size: number,
    name: string,
  ) => void;
}

export interface WalkResult {
  requests: number;
  directories: number;
  files: number;
  symlinks: number;
  bytes: number;
  seconds: number;
}

/** The daemon answered what a walk cannot go on from. */
export class WalkFailed extends Error {
  override readonly name = "WalkFailed";
}

interface FoundFile {
  readonly nodeid: number;
  readonly size: number;
}

export class TreeWalker {
  readonly #lane: RequestLane;
  readonly #plan: WalkPlan;
  /** What was seen so far. */
  readonly result: WalkResult = {
    requests: 0,
    directories: 0,
    files: 0,
    symlinks: 0,
    bytes: 0,
    seconds: 0,
  };
  readonly #directories: number[] = [];
  readonly #symlinks: number[] = [];
  readonly #files: FoundFile[] = [];
  /** Per slot: its state, file, handle, and the offset of the READ under way. */
  readonly #states: Uint8Array;
  readonly #current: (FoundFile | undefined)[];
  readonly #handles: Float64Array;
  readonly #offsets: Float64Array;
  readonly #scratch: Uint8Array;
  /** Where the listing under way goes on: opaque, in halves. */
  #nextLow = 0;
  #nextHigh = 0;
  #wantsOpen = true;
  #wantsOpendir = true;

  constructor(lane: RequestLane, plan: WalkPlan) {
    this.#lane = lane;
    this.#plan = plan;
    this.#states = new Uint8Array(lane.depth);
    this.#current = new Array(lane.depth).fill(undefined);
    this.#handles = new Float64Array(lane.depth);
    this.#offsets = new Float64Array(lane.depth);
    this.#scratch = new Uint8Array(Math.max(plan.readBytes, plan.listBytes));
  }

  /** Walks everything below `root`. A session must have begun. @throws WalkFailed. */
  walk(root: number = FUSE_ROOT_ID): WalkResult {
    const begin = performance.now();
    this.#directories.push(root);
    for (let next = this.#directories.pop(); next !== undefined; next = this.#directories.pop()) {
      this.#list(next);
      for (const symlink of this.#symlinks) this.#readlink(symlink);
      this.#symlinks.length = 0;
      this.#readFiles();
    }
    this.result.seconds = (performance.now() - begin) / 1000;
    return this.result;
  }

  #list(directory: number): void {
    const lane = this.#lane;
    this.result.directories++;
    let handle = 0;
    if (this.#wantsOpendir) {
      lane.opendir(0, directory);
      if (this.#exchange(-ENOSYS)) handle = this.#u64(lane.replyAt(0) + fuseOpenOut.at.fh);
      else this.#wantsOpendir = false;
    }
    this.#nextLow = 0;
    this.#nextHigh = 0;
    for (;;) {
      const { listBytes } = this.#plan;
      lane.readdirplus(0, directory, handle, this.#nextLow, this.#nextHigh, listBytes);
      this.#exchange();
      const length = lane.replyBytes(0);
      if (length === 0) break;
      lane.copyData(0, 0, length, this.#scratch, 0);
      this.#takeEntries(directory, length);
    }
    if (this.#wantsOpendir) {
      lane.releasedir(0, directory, handle);
      this.#exchange();
    }
  }

  /** Sorts the entries of one reply, and remembers the offset to go on from. */
  #takeEntries(directory: number, length: number): void {
    const view = new DataView(this.#scratch.buffer, 0, length);
    for (let at = 0; at < length; ) {
      const dirent = at + fuseDirentplus.at.dirent;
      this.#nextLow = view.getUint32(dirent + fuseDirent.at.off, true);
      this.#nextHigh = view.getUint32(dirent + fuseDirent.at.off + 4, true);
      const nameLength = view.getUint32(dirent + fuseDirent.at.namelen, true);
      const nodeid = this.#u64Of(view, at);
      const attributes = at + fuseEntryOut.at.attr;
      const size = this.#u64Of(view, attributes + fuseAttr.at.size);
      const mode = view.getUint32(attributes + fuseAttr.at.mode, true);
      const nameAt = at + fuseDirentplus.size;
      if (nodeid !== 0) this.#takeEntry(directory, nodeid, mode, size, nameAt, nameLength);
      at = nameAt + ((nameLength + 7) & ~7);
    }
  }

  #takeEntry(
    directory: number,
    nodeid: number,
    mode: number,
    size: number,
    nameAt: number,
    nameLength: number,
  ): void {
    // Some daemons look "." and ".." up, too.
    const first = this.#scratch[nameAt];
    if (first === 0x2e && nameLength === 1) return;
    if (first === 0x2e && nameLength === 2 && this.#scratch[nameAt + 1] === 0x2e) return;
    if (this.#plan.onEntry !== undefined) {
      const name = Buffer.from(this.#scratch.subarray(nameAt, nameAt + nameLength));
      this.#plan.onEntry(directory, nodeid, mode, size, name.toString("latin1"));
    }
    const type = mode & S_IFMT;
    if (type === S_IFDIR) this.#directories.push(nodeid);
    else if (type === S_IFREG && this.#plan.skipData === true) this.result.files++;
    else if (type === S_IFREG) this.#files.push({ nodeid, size });
    else if (type === S_IFLNK) this.#symlinks.push(nodeid);
  }

  #readlink(nodeid: number): void {
    this.result.symlinks++;
    this.#lane.readlink(0, nodeid);
    this.#exchange();
    this.result.bytes += this.#lane.replyBytes(0);
  }

  /** Reads all files that were found, every slot one file at a time. */
  #readFiles(): void {
    const lane = this.#lane;
    for (let slot = 0; slot < lane.depth; slot++) this.#nextFile(slot);
    lane.flush();
    while (lane.inFlight > 0) {
      let slot = lane.wait(ANSWER_MILLISECONDS);
      if (slot === NOTHING) throw new WalkFailed("the daemon did not answer");
      for (; slot !== NOTHING; slot = lane.poll()) this.#advance(slot);
      lane.flush();
    }
  }

  #nextFile(slot: number): void {
    const file = this.#files.pop();
    this.#current[slot] = file;
    this.#states[slot] = IDLE;
    if (file === undefined) return;
    this.result.files++;
    this.#offsets[slot] = 0;
    this.#handles[slot] = 0;
    if (this.#wantsOpen) {
      this.#states[slot] = OPENING;
      this.#count();
      this.#lane.open(slot, file.nodeid, 0);
    } else this.#read(slot, file);
  }

  #read(slot: number, file: FoundFile): void {
    const left = file.size - this.#offsets[slot]!;
    if (left <= 0) {
      this.#release(slot, file);
      return;
    }
    const size = Math.min(this.#plan.readBytes, Math.ceil(left / PAGE) * PAGE);
    this.#states[slot] = READING;
    this.#count();
    this.#lane.read(slot, file.nodeid, this.#handles[slot]!, this.#offsets[slot]!, size);
  }

  #release(slot: number, file: FoundFile): void {
    if (!this.#wantsOpen) {
      this.#nextFile(slot);
      return;
    }
    this.#states[slot] = RELEASING;
    this.#count();
    this.#lane.release(slot, file.nodeid, this.#handles[slot]!);
  }

  /** One answer has come: on to the slot's next request. */
  #advance(slot: number): void {
    const lane = this.#lane;
    const file = this.#current[slot]!;
    const error = lane.error(slot);
    const state = this.#states[slot];
    if (state === OPENING && error === -ENOSYS) this.#wantsOpen = false;
    else if (error !== 0) throw new WalkFailed(`nodeid ${file.nodeid} was answered ${error}`);
    if (state === RELEASING) {
      this.#nextFile(slot);
      return;
    }
    if (state === READING) this.#takeData(slot, file);
    else if (error === 0) this.#handles[slot] = this.#u64(lane.replyAt(slot) + fuseOpenOut.at.fh);
    this.#read(slot, file);
  }

  #takeData(slot: number, file: FoundFile): void {
    const length = this.#lane.replyBytes(slot);
    if (length === 0) throw new WalkFailed(`nodeid ${file.nodeid} ends before its size`);
    if (this.#plan.onData !== undefined) {
      this.#lane.copyData(slot, 0, length, this.#scratch, 0);
      this.#plan.onData(file.nodeid, this.#offsets[slot]!, this.#scratch.subarray(0, length));
    }
    this.#offsets[slot] = this.#offsets[slot]! + length;
    this.result.bytes += length;
  }

  /** Sends what slot 0 holds and waits for it. False when it was answered `borne`. */
  #exchange(borne = 0): boolean {
    const lane = this.#lane;
    this.#count();
    lane.flush();
    if (lane.wait(ANSWER_MILLISECONDS) !== 0) throw new WalkFailed("the daemon did not answer");
    const error = lane.error(0);
    if (error !== 0 && error !== borne) throw new WalkFailed(`the daemon answered ${error}`);
    return error === 0;
  }

  #count(): void {
    this.result.requests++;
  }

  #u64(offset: number): number {
    return this.#u64Of(this.#lane.region.view, offset);
  }

  #u64Of(view: DataView, at: number): number {
    return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  }
}
