/**
 * The extents of one file, ascending, none over another: leaves of some hundred extents each, so that
 * a change in the middle of very many moves few. What goes on in a straight line is one extent.
 *
 * An extent has a tag: ZERO, LAYER, or BASE + the number of a blob (layer/extent-code.ts says what
 * they mean). No tag, HOLE: no extent.
 */
import { BASE, HOLE, LAYER, ZERO } from "../../layer/extent-code.ts";
import { REGION_BYTES } from "./data-space.ts";

/** What replaced or cut extents were. */
export interface CutListener {
  /** The range [start, end) of the file is not in an extent of `tag` from `source` on any more. */
  cut(start: number, end: number, tag: number, source: number): void;
}

/** Numbers of one extent: start, end, tag, source. */
const WIDTH = 4;
const END = 1;
const TAG = 2;
const SOURCE = 3;
const LEAF_EXTENTS_MIN = 2;
const LEAF_EXTENTS_MAX = 64;

class Leaf {
  entries: Float64Array;
  /** Extents in it; never 0 in a map. */
  count: number;

  constructor(entries: Float64Array, count: number) {
    this.entries = entries;
    this.count = count;
  }
}

export class ExtentMap {
  /** The extent that `seek` or `next` came to; beyond the last one `start` is Infinity. */
  start = Number.POSITIVE_INFINITY;
  end = 0;
  tag = HOLE;
  source = 0;
  /** Extents. */
  count = 0;
  /** Bytes in extents. */
  coveredBytes = 0;
  /** Bytes in ZERO extents. */
  zeroBytes = 0;
  readonly #leaves: Leaf[] = [];
  /** Where the first extent of each leaf begins: packed, since it is what a search goes through. */
  #lows = new Float64Array(1);
  /** Where the current extent is, and whether the fields still are what is there. */
  #leaf = 0;
  #index = 0;
  #isShown = false;
  #markedLeaf = 0;
  #markedIndex = 0;

  /** Goes to the first extent that ends behind `offset`: it holds it, or is the next. */
  seek(offset: number): void {
    if (this.#isAt(offset)) return;
    const lows = this.#lows;
    let low = 0;
    let high = this.#leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (lows[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    this.#leaf = low;
    this.#index = 0;
    const leaf = this.#leaves[low];
    if (leaf !== undefined) this.#seekIn(leaf, offset);
    this.#show();
  }

  /** Whether the current extent is the one to go to; where it is a leaf's first, nobody knows. */
  #isAt(offset: number): boolean {
    if (!this.#isShown || this.#index === 0 || offset >= this.end) return false;
    return this.#leaves[this.#leaf]!.entries[(this.#index - 1) * WIDTH + END]! <= offset;
  }

  #seekIn({ entries, count }: Leaf, offset: number): void {
    let first = 0;
    let last = count;
    while (first < last) {
      const middle = (first + last) >>> 1;
      if (entries[middle * WIDTH + END]! <= offset) first = middle + 1;
      else last = middle;
    }
    if (first < count) {
      this.#index = first;
    } else {
      this.#leaf += 1;
    }
  }

  /** Goes to the extent after the current one. */
  next(): void {
    this.#index += 1;
    if (this.#index >= (this.#leaves[this.#leaf]?.count ?? 0)) {
      this.#leaf += 1;
      this.#index = 0;
    }
    this.#show();
  }

  /** Goes to the extent before the current one. False: there is none, and nothing changed. */
  previous(): boolean {
    if (this.#index > 0) this.#index -= 1;
    else if (this.#leaf > 0) this.#index = this.#leaves[--this.#leaf]!.count - 1;
    else return false;
    this.#show();
    return true;
  }

  /** Remembers the current extent, for `back`; until the next `put`. */
  mark(): void {
    this.#markedLeaf = this.#leaf;
    this.#markedIndex = this.#index;
  }

  /** Goes to the extent that was marked. */
  back(): void {
    this.#leaf = this.#markedLeaf;
    this.#index = this.#markedIndex;
    this.#show();
  }

  /**
   * Makes [start, end) an extent of `tag` from `source` on, or with HOLE none. Tells `listener` what
   * was there. The current extent is void then.
   */
  put(start: number, end: number, tag: number, source: number, listener: CutListener): void {
    if (this.#isBeyond(start)) {
      this.#leaf = this.#leaves.length;
      this.#index = 0;
      this.#show();
    } else {
      this.#cut(start, end, listener);
      this.seek(start);
    }
    if (tag !== HOLE) this.#insert(start, end, tag, source);
    this.#isShown = false;
  }

  /** Whether all extents end by `offset`. */
  #isBeyond(offset: number): boolean {
    const leaf = this.#leaves[this.#leaves.length - 1];
    return leaf === undefined || leaf.entries[(leaf.count - 1) * WIDTH + END]! <= offset;
  }

  #show(): void {
    this.#isShown = true;
    const leaf = this.#leaves[this.#leaf];
    if (leaf === undefined) {
      this.start = Number.POSITIVE_INFINITY;
      this.end = Number.POSITIVE_INFINITY;
      this.tag = HOLE;
      return;
    }
    const at = this.#index * WIDTH;
    const { entries } = leaf;
    this.start = entries[at]!;
    this.end = entries[at + END]!;
    this.tag = entries[at + TAG]!;
    this.source = entries[at + SOURCE]!;
  }

  #cut(start: number, end: number, listener: CutListener): void {
    this.seek(start);
    if (this.start < start) {
      const { tag, source, start: first, end: last } = this;
      this.#setEnd(start);
      this.next();
      const stop = Math.min(last, end);
      this.#uncover(tag, stop - start);
      if (last > end) {
        this.#add(end, last, tag, moved(tag, source, end - first));
        // `#add` counts it anew.
        this.#uncover(tag, last - end);
      }
      listener.cut(start, stop, tag, moved(tag, source, start - first));
    }
    while (this.start < end && this.end <= end) {
      this.#uncover(this.tag, this.end - this.start);
      listener.cut(this.start, this.end, this.tag, this.source);
      this.#removeRun(end, listener);
    }
    if (this.start < end) {
      const { tag, source, start: first } = this;
      const entries = this.#leaves[this.#leaf]!.entries;
      entries[this.#index * WIDTH] = end;
      entries[this.#index * WIDTH + SOURCE] = moved(tag, source, end - first);
      if (this.#index === 0) this.#lows[this.#leaf] = end;
      this.#uncover(tag, end - first);
      this.#show();
      listener.cut(first, end, tag, source);
    }
  }

  /** Removes the current extent, and those after it in its leaf that end by `end`. */
  #removeRun(end: number, listener: CutListener): void {
    const leaf = this.#leaves[this.#leaf]!;
    const { entries } = leaf;
    let stop = this.#index + 1;
    for (; stop < leaf.count && entries[stop * WIDTH + END]! <= end; stop += 1) {
      const at = stop * WIDTH;
      const tag = entries[at + TAG]!;
      this.#uncover(tag, entries[at + END]! - entries[at]!);
      listener.cut(entries[at]!, entries[at + END]!, tag, entries[at + SOURCE]!);
    }
    this.#removeEntries(this.#index, stop);
  }

  /** Removes entries of the current leaf; the one behind them becomes the current one. */
  #removeEntries(first: number, stop: number): void {
    const leaf = this.#leaves[this.#leaf]!;
    leaf.entries.copyWithin(first * WIDTH, stop * WIDTH, leaf.count * WIDTH);
    leaf.count -= stop - first;
    this.count -= stop - first;
    this.#index = first;
    if (leaf.count === 0) {
      this.#leaves.splice(this.#leaf, 1);
      this.#lows.copyWithin(this.#leaf, this.#leaf + 1);
      this.#index = 0;
    } else if (first === leaf.count) {
      this.#leaf += 1;
      this.#index = 0;
    } else if (first === 0) {
      this.#lows[this.#leaf] = leaf.entries[0]!;
    }
    this.#show();
  }

  /** Nothing is in the way, and the current extent is the one behind. */
  #insert(start: number, end: number, tag: number, source: number): void {
    const meetsNext =
      this.start === end && continues(this.tag, this.source, tag, source, end - start);
    if (this.previous()) {
      const length = this.end - this.start;
      if (this.end === start && continues(tag, source, this.tag, this.source, length)) {
        this.#cover(tag, end - start);
        this.#setEnd(end);
        if (!meetsNext) return;
        this.next();
        const last = this.end;
        this.#removeEntries(this.#index, this.#index + 1);
        this.previous();
        this.#setEnd(last);
        return;
      }
      this.next();
    }
    if (!meetsNext) {
      this.#add(start, end, tag, source);
      return;
    }
    const entries = this.#leaves[this.#leaf]!.entries;
    entries[this.#index * WIDTH] = start;
    entries[this.#index * WIDTH + SOURCE] = source;
    if (this.#index === 0) this.#lows[this.#leaf] = start;
    this.#cover(tag, end - start);
  }

  #setEnd(end: number): void {
    this.#leaves[this.#leaf]!.entries[this.#index * WIDTH + END] = end;
  }

  /** Puts an extent before the current one; it becomes the current one. */
  #add(start: number, end: number, tag: number, source: number): void {
    const leaf = this.#roomyLeaf();
    const at = this.#index * WIDTH;
    const { entries } = leaf;
    if (this.#index < leaf.count) entries.copyWithin(at + WIDTH, at, leaf.count * WIDTH);
    entries[at] = start;
    entries[at + END] = end;
    entries[at + TAG] = tag;
    entries[at + SOURCE] = source;
    if (at === 0) this.#lows[this.#leaf] = start;
    leaf.count += 1;
    this.count += 1;
    this.#cover(tag, end - start);
    this.#show();
  }

  /** The leaf for an extent before the current one, with room for it. */
  #roomyLeaf(): Leaf {
    const leaves = this.#leaves;
    if (leaves.length === 0) {
      leaves.push(new Leaf(new Float64Array(LEAF_EXTENTS_MIN * WIDTH), 0));
      this.#leaf = 0;
      this.#index = 0;
    } else if (this.#index === 0 && this.#leaf > 0) {
      // Between two leaves, and behind the last: it goes to the end of the one before.
      this.#leaf -= 1;
      this.#index = leaves[this.#leaf]!.count;
    }
    const leaf = leaves[this.#leaf]!;
    if (leaf.count * WIDTH < leaf.entries.length) return leaf;
    if (leaf.count < LEAF_EXTENTS_MAX) {
      const entries = new Float64Array(leaf.entries.length * 2);
      entries.set(leaf.entries);
      leaf.entries = entries;
      return leaf;
    }
    return this.#split(leaf);
  }

  /** Halves a full leaf, or leaves it full where extents are being appended. */
  #split(leaf: Leaf): Leaf {
    const kept = this.#index === leaf.count ? leaf.count : leaf.count >> 1;
    const entries = new Float64Array(leaf.entries.length);
    entries.set(leaf.entries.subarray(kept * WIDTH));
    const other = new Leaf(entries, leaf.count - kept);
    leaf.count = kept;
    this.#leaves.splice(this.#leaf + 1, 0, other);
    if (this.#leaves.length > this.#lows.length) {
      const lows = new Float64Array(this.#lows.length * 2);
      lows.set(this.#lows);
      this.#lows = lows;
    }
    this.#lows.copyWithin(this.#leaf + 2, this.#leaf + 1, this.#leaves.length - 1);
    this.#lows[this.#leaf + 1] = entries[0]!;
    if (this.#index < kept) return leaf;
    this.#leaf += 1;
    this.#index -= kept;
    return other;
  }

  #cover(tag: number, bytes: number): void {
    this.coveredBytes += bytes;
    if (tag === ZERO) this.zeroBytes += bytes;
  }

  #uncover(tag: number, bytes: number): void {
    this.#cover(tag, -bytes);
  }
}

/** The source of an extent whose beginning is cut off by `bytes`. */
function moved(tag: number, source: number, bytes: number): number {
  return tag === ZERO ? 0 : source + bytes;
}

/** Whether an extent goes on where the one before it, of `length` bytes, ends. */
function continues(
  tag: number,
  source: number,
  tagBefore: number,
  sourceBefore: number,
  length: number,
): boolean {
  if (tag !== tagBefore) return false;
  if (tag === ZERO) return true;
  if (source !== sourceBefore + length) return false;
  return tag >= BASE || (tag === LAYER && source % REGION_BYTES !== 0);
}
