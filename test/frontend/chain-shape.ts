/**
 * How a request and its room for the reply are cut into descriptors. virtio 1.2 §2.7.4.2 lets the
 * driver cut wherever it likes ("message framing"), and a device must not care.
 */

/** Where the descriptors stand. */
export type Placement =
  /** All in the ring's own table. */
  | "direct"
  /** All in one indirect table. */
  | "indirect"
  /** The first ones in the ring's table, the rest in an indirect table that the last refers to. */
  | "tail";

export interface ChainShape {
  readonly name: string;
  /** Sizes of the device-readable pieces; the last one is used again until all is covered. */
  readonly readable: readonly number[];
  /** Sizes of the device-writable pieces, likewise. */
  readonly writable: readonly number[];
  readonly placement: Placement;
}

const ALL = Number.MAX_SAFE_INTEGER;
const PAGE = 4096;

/** As Linux lays out a request: header, arguments; reply header, then pages. */
export const LINUX_SHAPE: ChainShape = {
  name: "as Linux does it",
  readable: [40, ALL],
  writable: [16, PAGE],
  placement: "indirect",
};

/** One piece in each direction, in the ring's own table. */
export const PLAIN_SHAPE: ChainShape = {
  name: "two descriptors",
  readable: [ALL],
  writable: [ALL],
  placement: "direct",
};

/** Every legal shape that the conformance tests run the operations over. */
export const SHAPES: readonly ChainShape[] = [
  PLAIN_SHAPE,
  LINUX_SHAPE,
  { ...LINUX_SHAPE, name: "as Linux does it, without indirect tables", placement: "direct" },
  { name: "indirect, two pieces", readable: [ALL], writable: [ALL], placement: "indirect" },
  { name: "request byte by byte", readable: [1], writable: [ALL], placement: "indirect" },
  {
    name: "reply header byte by byte",
    readable: [ALL],
    writable: [...Array(16).fill(1), ALL],
    placement: "indirect",
  },
  {
    name: "reply header in odd pieces",
    readable: [3, 5, 7, 11],
    writable: [5, 1, 7, 3, 1021],
    placement: "direct",
  },
  {
    name: "data across the reply header",
    readable: [39, 2, ALL],
    writable: [15, 2, 4095, 1, PAGE],
    placement: "indirect",
  },
  {
    name: "arguments split in the middle of a field",
    readable: [20, 21, 6, ALL],
    writable: [17, PAGE],
    placement: "direct",
  },
  {
    name: "the rest in an indirect table",
    readable: [40, ALL],
    writable: [16, PAGE],
    placement: "tail",
  },
  { name: "pieces of 64 KiB", readable: [ALL], writable: [65536], placement: "indirect" },
];

/**
 * Cuts `total` bytes by a shape's list. The last entry is used until all is covered.
 */
export function cut(total: number, sizes: readonly number[]): number[] {
  const pieces: number[] = [];
  let left = total;
  for (let index = 0; left > 0; index++) {
    const size = sizes[Math.min(index, sizes.length - 1)]!;
    pieces.push(Math.min(size, left));
    left -= Math.min(size, left);
  }
  return pieces;
}
