/**
 * Guest-physical memory: a sorted table of windows, each a run of addresses behind one ArrayBuffer
 * over the VM manager's shared memory. A region larger than one buffer may hold is several windows,
 * one after another.
 *
 * The buffers are borrowed: they die when the VM manager changes its memory table, and whoever made
 * this object drops it, and every queue started on it, before that.
 */

/** Windows in one table. */
export const MAX_WINDOWS = 4096;

/** Offsets in a window are 32-bit. */
const MAX_WINDOW_BYTES = 0xffff_ffff;

export interface MemoryWindow {
  /** Where it begins for the guest. Bytes. */
  readonly guestAddress: number;
  /** Where it begins in this process. Bytes; a multiple of the page size. */
  readonly hostAddress: number;
  /** The memory itself, its length the window's. */
  readonly buffer: ArrayBuffer;
}

/** `length` bytes of this process from `address` on; undefined when they are not in one region. */
export type ViewAcross = (address: number, length: number) => ArrayBuffer | undefined;

export interface HostView {
  readonly buffer: ArrayBuffer;
  /** Where in the buffer it begins. */
  readonly offset: number;
}

/** The VM manager's memory table makes no sense. */
export class InvalidMemoryTable extends Error {
  override readonly name = "InvalidMemoryTable";
}

export class GuestMemory {
  /** The windows' bytes, in the order of the table: what `find` gives an index into. */
  readonly bytes: readonly Uint8Array[];
  readonly words: readonly Uint32Array[];
  readonly views: readonly DataView[];
  /** Where the windows begin in this process. */
  readonly hosts: Float64Array;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #viewAcross: ViewAcross;
  /** The window that `find` found last: where it begins for the guest, and where it ends. */
  foundStart = 0;
  foundEnd = 0;
  /** What makes a guest address in it one of this process, when added. */
  foundShift = 0;
  #found = 0;

  /**
   * `viewAcross` makes a view of host memory that lies on both sides of a border of windows.
   * Throws InvalidMemoryTable for windows that overlap, are empty, or lie beyond 2^53.
   */
  constructor(windows: readonly MemoryWindow[], viewAcross: ViewAcross = () => undefined) {
    this.#viewAcross = viewAcross;
    if (windows.length > MAX_WINDOWS) throw new InvalidMemoryTable("too many memory windows");
    const sorted = windows.toSorted((a, b) => a.guestAddress - b.guestAddress);
    this.#starts = Float64Array.from(sorted, (window) => window.guestAddress);
    this.#ends = Float64Array.from(sorted, (w) => w.guestAddress + w.buffer.byteLength);
    this.hosts = Float64Array.from(sorted, (window) => window.hostAddress);
    this.bytes = sorted.map((window) => new Uint8Array(window.buffer));
    this.words = sorted.map(({ buffer }) => new Uint32Array(buffer, 0, buffer.byteLength >>> 2));
    this.views = sorted.map((window) => new DataView(window.buffer));
    let end = 0;
    for (const [index, { guestAddress, hostAddress, buffer }] of sorted.entries()) {
      const length = buffer.byteLength;
      if (length === 0 || length > MAX_WINDOW_BYTES) {
        throw new InvalidMemoryTable(`a memory window of ${length} bytes`);
      }
      if (!(guestAddress >= end)) throw new InvalidMemoryTable("memory windows overlap");
      if (!Number.isSafeInteger(guestAddress + length)) {
        throw new InvalidMemoryTable("a memory window beyond 2^53");
      }
      if (!Number.isSafeInteger(hostAddress + length)) {
        throw new InvalidMemoryTable("a host address beyond 2^53");
      }
      end = this.#ends[index]!;
    }
  }

  /** The window that holds guest address `address`, or -1. Mostly it is the same as last time. */
  find(address: number): number {
    if (address >= this.foundStart && address < this.foundEnd) return this.#found;
    return this.#search(address);
  }

  /** Where window `index` begins for the guest. */
  start(index: number): number {
    return this.#starts[index]!;
  }

  /** The guest address after window `index`. */
  end(index: number): number {
    return this.#ends[index]!;
  }

  /**
   * All of `[address, address + length)` in this process, as one run of bytes; undefined when it is
   * not in one region.
   */
  viewHost(address: number, length: number): HostView | undefined {
    for (let index = 0; index < this.bytes.length; index++) {
      const bytes = this.bytes[index]!;
      const offset = address - this.hosts[index]!;
      if (offset >= 0 && offset + length <= bytes.length) {
        return { buffer: bytes.buffer as ArrayBuffer, offset };
      }
    }
    const buffer = this.#viewAcross(address, length);
    return buffer === undefined ? undefined : { buffer, offset: 0 };
  }

  /**
   * Copies guest memory that may straddle windows to the start of `target`. False, and `target`
   * partly written, when some of it is no memory. Byte by byte: for the rare short straddle.
   */
  copyStraddling(address: number, length: number, target: Uint8Array): boolean {
    for (let done = 0; done < length; done++) {
      const window = this.find(address + done);
      if (window < 0) return false;
      target[done] = this.bytes[window]![address + done - this.start(window)]!;
    }
    return true;
  }

  #search(address: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (address < this.#starts[middle]!) high = middle - 1;
      else if (address >= this.#ends[middle]!) low = middle + 1;
      else {
        this.#found = middle;
        this.foundStart = this.#starts[middle]!;
        this.foundEnd = this.#ends[middle]!;
        this.foundShift = this.hosts[middle]! - this.foundStart;
        return middle;
      }
    }
    return -1;
  }
}
