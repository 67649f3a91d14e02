/**
 * Random operations on the files of a layer beside plain arrays of bytes, with batches that are
 * written, committed and settled at any time, with holds and crashes. Every check throws.
 */
import { EINVAL, ENOSPC, ENXIO } from "../../../src/base/errno.ts";
import { MISSING } from "../../../src/base/missing.ts";
import { WAITING } from "../../../src/base/waiting.ts";
import type { FileContents } from "../../../src/fs/writable/file-contents.ts";
import { BASE, type Base, eachExtent, LAYER } from "../../../src/layer/extent-code.ts";
import { PIECE_BYTES, type PieceRow } from "../../../src/layer/rows.ts";
import { ContentsRig, sourceOf } from "./contents-rig.ts";
import { SparseModel } from "./sparse-model.ts";

const BLOB_SIZES = [5000, 4096, 300_001];
const FILES_MAX = 6;
/** Files are used at their beginning and around the first border of two pieces. */
const ZONES = [0, PIECE_BYTES - 64 * 1024];
const ZONE_BYTES = 160 * 1024;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** What is written is some of it. */
const PATTERN = new Uint8Array(1_300_000).map((_, i) => (i * 13 + (i >> 8) * 3) & 255);

interface File {
  readonly id: number;
  readonly origin: Base | undefined;
  contents: FileContents;
  model: SparseModel;
}

interface Saved {
  readonly origin: Base | undefined;
  readonly model: SparseModel;
}

/** What a batch makes of all files. */
type State = ReadonlyMap<number, Saved>;

/** A batch: of all that changed, or of bytes only. */
interface Made {
  readonly state: State;
  readonly withRows: boolean;
}

interface Hold {
  readonly state: State;
  /** The rows that were pinned with it. */
  readonly rows: ReadonlyMap<number, PieceRow[]>;
}

export class RandomContents {
  readonly rig: ContentsRig;
  readonly #random: () => number;
  readonly #files = new Map<number, File>();
  #nextId = 2;
  #committed: State = new Map();
  /** Batches whose data may be in the file without their rows. */
  #halfway: Made[] = [];
  #hold: Hold | undefined;
  /** How often each operation did something. */
  readonly counts: Record<string, number> = {};

  constructor(seed: number, memoryBytes: number, layerBytes?: number) {
    this.rig = new ContentsRig(BLOB_SIZES, memoryBytes);
    this.rig.limits = { layerBytes, memoryBytes };
    this.#random = generator(seed);
  }

  step(): void {
    const file = this.#anyFile();
    const kind = this.#below(100);
    if (kind < 34) this.#write(file);
    else if (kind < 52) this.#check(file, this.#offset(file), this.#below(100_000));
    else if (kind < 59) this.#resize(file);
    else if (kind < 68) this.#fallocate(file);
    else if (kind < 76) this.#copy(file);
    else if (kind < 80) this.#seek(file);
    else if (kind < 82) this.#discard(file);
    else if (kind < 84) this.#reload(file);
    else if (kind < 88) this.#collect();
    else if (kind < 90) this.#collectBlocks();
    else if (kind < 98) this.#advance();
    else if (kind < 99) this.#turnHold();
    else if (this.#below(4) === 0) this.#crash();
  }

  /** All is written back and nothing leaks. */
  finish(): void {
    this.#release();
    for (const file of this.#files.values()) this.#checkAll(file);
    for (const file of [...this.#files.values()]) this.#discard(file);
    this.#settleAll(true);
    this.#settleAll(true);
    const { usedBytes, dirtyBytes, isDirty } = this.rig.contents;
    check(usedBytes === 0 && dirtyBytes === 0 && !isDirty, `${usedBytes} bytes are left over`);
  }

  #write(file: File): void {
    const offset = this.#offset(file);
    const most = this.#below(40) === 0 ? 1_200_000 : this.#below(3) === 0 ? 40_000 : 5000;
    let length = 1 + this.#below(most);
    if (this.#below(2) === 0) length = Math.ceil(length / 4096) * 4096;
    const first = this.#below(PATTERN.length - length);
    const bytes = PATTERN.subarray(first, first + length);
    const written = this.#do("write", () => file.contents.write(offset, sourceOf(bytes)));
    if (written !== -ENOSPC) {
      check(written === length || this.#isLimited, `write() gives ${written}, not ${length}`);
      file.model.write(offset, bytes.subarray(0, written));
    }
    this.#checkSize(file);
  }

  #resize(file: File): void {
    const size = this.#below(8) === 0 ? 0 : this.#offset(file);
    check(this.#do("resize", () => file.contents.resize(size)) === 0, "resize() fails");
    file.model.resize(size);
    this.#checkSize(file);
  }

  #fallocate(file: File): void {
    const offset = this.#offset(file);
    const length = 1 + this.#below(this.#below(3) === 0 ? 70_000 : 9000);
    const mode = [0, 1, 3, 16, 17][this.#below(5)]!;
    const status = this.#do(`fallocate ${mode}`, () =>
      file.contents.fallocate(offset, length, mode),
    );
    if (status === -ENOSPC && this.#isLimited) {
      this.#settleZeros(file, offset, length, mode);
      return;
    }
    check(status === 0, `fallocate() gives ${status}`);
    const keepsSize = (mode & 1) !== 0;
    if (mode >= 3) file.model.zero(offset, length);
    if (!keepsSize) file.model.resize(Math.max(file.model.size, offset + length));
    this.#checkSize(file);
  }

  /** What was to be zeroed may be, or not, block by block, when there was no room for the rest. */
  #settleZeros(file: File, offset: number, length: number, mode: number): void {
    const end = mode < 3 ? offset : Math.min(offset + length, file.model.size);
    for (let at = offset; at < end; ) {
      const stop = Math.min(end, (Math.floor(at / 4096) + 1) * 4096);
      if (this.#read(file, at, stop - at).every((byte) => byte === 0)) {
        file.model.zero(at, stop - at);
      }
      at = stop;
    }
    this.#check(file, Math.max(0, offset - 5000), length + 10_000);
    this.#checkSize(file);
  }

  #copy(to: File): void {
    const from = this.#anyFile();
    const fromOffset = this.#offset(from);
    let toOffset = this.#offset(to);
    if (this.#below(2) === 0) toOffset += (fromOffset - toOffset) % 4096;
    toOffset = Math.max(0, toOffset);
    const length = 1 + this.#below(this.#below(2) === 0 ? 200_000 : 10_000);
    const name = from === to ? "copy within" : "copy";
    const bytes = this.#do(name, () =>
      to.contents.copyFrom(from.contents, fromOffset, toOffset, length),
    );
    const most = Math.min(length, from.model.size - fromOffset);
    if (most > 0 && from === to && Math.abs(fromOffset - toOffset) < most) {
      check(bytes === -EINVAL, "ranges of one file that overlap are not copied");
      return;
    }
    if (bytes === -ENOSPC && this.#isLimited) return;
    check(most > 0 ? bytes > 0 && bytes <= most : bytes === 0, `copy gives ${bytes} of ${most}`);
    if (bytes > 0) to.model.write(toOffset, from.model.read(fromOffset, bytes));
    this.#checkSize(to);
    this.#check(to, Math.max(0, toOffset - 100), bytes + 200);
  }

  #seek(file: File): void {
    const { contents, model } = file;
    const offset = this.#offset(file);
    const data = contents.seek(offset, SEEK_DATA);
    const hole = contents.seek(offset, SEEK_HOLE);
    if (offset >= model.size) {
      check(data === -ENXIO && hole === -ENXIO, "seek() beyond the end finds something");
      return;
    }
    check(hole >= offset && hole <= model.size, "a hole is not where it may be");
    check((hole === offset) === (data !== offset), "an offset is data or a hole");
    const end = data === -ENXIO ? model.size : data;
    check(end >= offset && end <= model.size, "data are not where they may be");
    const zeros = model.read(offset, Math.min(end - offset, 50_000));
    check(
      zeros.every((byte) => byte === 0),
      "there are data in a hole",
    );
    if (hole < model.size) check(model.read(hole, 1)[0] === 0, "a hole is not zero");
  }

  #discard(file: File): void {
    file.contents.discard();
    this.#files.delete(file.id);
    this.#count("discard");
  }

  /** Drops what is in memory of a file, and loads it from its rows. */
  #reload(file: File): void {
    if (!file.contents.isSettled) return;
    file.contents = this.#load(file.id, file.model.size, file.origin);
    this.#checkAll(file);
    this.#count("reload");
  }

  #collect(durable = this.#below(2) === 0): void {
    this.rig.collect(durable, { state: this.#state(), withRows: true } satisfies Made);
    this.#count("collect");
  }

  #collectBlocks(): void {
    const most = 1 + this.#below(this.#below(2) === 0 ? 20 : 1000);
    this.rig.collectBlocks(most, { state: this.#state(), withRows: false } satisfies Made);
    this.#count("collect blocks");
  }

  #state(): State {
    const state = new Map<number, Saved>();
    for (const { id, origin, model } of this.#files.values()) {
      state.set(id, { origin, model: model.copy() });
    }
    return state;
  }

  /** One batch gets a step further. */
  #advance(): void {
    const kind = this.#below(3);
    if (kind === 0) {
      this.#writeBatch();
    } else if (kind === 1) {
      this.#commit();
    } else {
      this.rig.settleNext();
    }
    if (this.#hold !== undefined && this.#below(4) === 0) this.#checkHeld(this.#hold);
  }

  #writeBatch(): void {
    const made = this.rig.writeNext() as Made | undefined;
    if (made !== undefined) this.#halfway.push(made);
  }

  #commit(): void {
    const made = this.rig.commitNext() as Made | undefined;
    // Without rows the bytes stay as if they were halfway there.
    if (made === undefined || !made.withRows) return;
    this.#halfway.splice(0, this.#halfway.indexOf(made) + 1);
    const { state } = made;
    this.#committed = state;
    for (const id of this.rig.rows.keys()) if (!state.has(id)) this.rig.rows.delete(id);
  }

  #settleAll(durable: boolean): void {
    this.#collect(durable);
    this.#drain();
  }

  /** All batches are written, committed and settled. */
  #drain(): void {
    while (this.rig.batchesUnderWay > 0) {
      this.#writeBatch();
      this.#commit();
      this.rig.settleNext();
    }
  }

  #turnHold(): void {
    if (this.#hold !== undefined) {
      this.#release();
      return;
    }
    this.#collect(true);
    this.rig.contents.hold();
    this.#drain();
    const ids = [...this.#committed.keys()];
    const rows = new Map(ids.map((id) => [id, this.rig.pieces(id)]));
    this.#hold = { state: this.#committed, rows };
    this.#count("hold");
  }

  #release(): void {
    if (this.#hold === undefined) return;
    this.#checkHeld(this.#hold);
    this.#hold = undefined;
    this.rig.contents.release();
  }

  /** What a commit reads while the layer is held: the pinned rows, and the data file as it is now. */
  #checkHeld({ state, rows }: Hold): void {
    for (const [id, { origin, model }] of state) {
      const held = new SparseModel();
      held.size = model.size;
      eachExtent(model.size, origin, rows.get(id)!, (offset, length, kind, source, base) => {
        if (kind === LAYER) held.write(offset, this.rig.mapped(2 ** 40 + source, length));
        if (kind !== BASE) return;
        const { bytes } = this.rig.blobs[base!.digest[0]! - 1]!;
        held.write(offset, bytes.subarray(source, source + length));
      });
      for (const zone of ZONES) {
        const length = Math.max(0, Math.min(ZONE_BYTES, model.size - zone));
        const same = Buffer.compare(held.read(zone, length), model.read(zone, length)) === 0;
        check(same, `file ${id} is not as it was held`);
      }
    }
  }

  #crash(): void {
    this.#hold = undefined;
    this.rig.crash();
    this.#files.clear();
    for (const [id, { origin, model }] of this.#committed) {
      const contents = this.#load(id, model.size, origin);
      const file = { id, origin, contents, model: model.copy() };
      this.#files.set(id, file);
      for (const zone of ZONES) this.#adopt(file, zone);
    }
    this.#halfway = [];
    this.#committed = this.#state();
    this.#count("crash");
  }

  /**
   * After a crash a byte is that of the last batch that was committed, or that of a later one that
   * went over it in place. The model goes on with what is there.
   */
  #adopt(file: File, offset: number): void {
    const length = Math.max(0, Math.min(ZONE_BYTES * 12, file.model.size - offset));
    const found = this.#read(file, offset, length);
    const states = [this.#committed, ...this.#halfway.map(({ state }) => state)];
    const candidates = states.flatMap(
      (state) => state.get(file.id)?.model.read(offset, length) ?? [],
    );
    if (Buffer.compare(found, candidates[0]!) === 0) return;
    let i = 0;
    while (i < length && candidates.some((bytes) => bytes[i] === found[i])) i += 1;
    check(i === length, `byte ${offset + i} of file ${file.id} was never so`);
    file.model.write(offset, found);
  }

  #load(id: number, size: number, origin: Base | undefined): FileContents {
    return this.rig.contents.file({ id, size, origin, pieces: this.rig.pieces(id) });
  }

  #checkAll(file: File): void {
    for (const zone of ZONES) this.#check(file, zone, ZONE_BYTES * 2);
  }

  #check(file: File, offset: number, length: number): void {
    const bytes = Math.max(0, Math.min(length, file.model.size - offset));
    const found = this.#read(file, offset, bytes);
    const wanted = file.model.read(offset, bytes);
    check(found.length === bytes, `${found.length} bytes are read instead of ${bytes}`);
    if (Buffer.compare(found, wanted) === 0) return;
    const at = found.findIndex((byte, i) => byte !== wanted[i]);
    const what = `${found[at]}, not ${wanted[at]}`;
    throw new Error(`byte ${offset + at} of file ${file.id} (${file.model.size} bytes) is ${what}`);
  }

  #read(file: File, offset: number, length: number): Uint8Array {
    for (;;) {
      const sink = this.rig.sink();
      const status = file.contents.read(offset, length, sink);
      if (status === 0) return sink.bytes;
      check(status === MISSING, `read() gives ${status}`);
    }
  }

  #checkSize({ contents, model }: File): void {
    check(contents.size === model.size, `the file has ${contents.size} bytes, not ${model.size}`);
    const { usedBytes, roomBytes } = this.rig.contents;
    // What is overwritten while the layer is held takes room besides what it was.
    const isWithin = usedBytes <= this.#limit || this.#hold !== undefined;
    check(roomBytes >= 0 && isWithin, `${usedBytes} bytes are used`);
    check(usedBytes >= 0 && contents.allocatedBytes >= 0, "bytes are counted wrong");
  }

  /** Does it again while it waits or lacks something. */
  #do(name: string, operation: () => number): number {
    if (this.#below(4) === 0) this.rig.absences = this.#below(3);
    for (let i = 0; i < 20; i += 1) {
      const result = operation();
      if (result === WAITING) {
        const { mustFlush, mustFlushDurably } = this.rig.contents;
        const goesOn = mustFlush || mustFlushDurably || this.rig.batchesUnderWay > 0;
        check(goesOn, "it waits for ever");
        if (this.#below(2) === 0) this.#collectBlocks();
        this.#settleAll(this.rig.contents.mustFlushDurably);
        this.#count("wait");
      } else if (result !== MISSING) {
        this.#count(result === -ENOSPC ? "no room" : name);
        return result;
      }
    }
    throw new Error(`${name} never ends`);
  }

  #anyFile(): File {
    const files = [...this.#files.values()];
    if (files.length > 0 && (files.length >= FILES_MAX || this.#below(20) !== 0)) {
      return files[this.#below(files.length)]!;
    }
    const id = this.#nextId++;
    const blob = this.rig.blobs[this.#below(this.rig.blobs.length + 1)];
    const model = new SparseModel();
    if (blob !== undefined) model.write(0, blob.bytes);
    const origin = blob?.base;
    const file = { id, origin, contents: this.#load(id, model.size, origin), model };
    this.#files.set(id, file);
    return file;
  }

  #offset(file: File): number {
    if (this.#below(6) === 0) return file.model.size;
    const zone = ZONES[this.#below(4) === 0 ? 1 : 0]!;
    const offset = zone + this.#below(ZONE_BYTES);
    return this.#below(2) === 0 ? offset : Math.floor(offset / 4096) * 4096;
  }

  get #isLimited(): boolean {
    return this.rig.limits.layerBytes !== undefined;
  }

  get #limit(): number {
    return this.rig.limits.layerBytes ?? Number.POSITIVE_INFINITY;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }
}

function check(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}

/** Mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
