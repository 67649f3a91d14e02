/**
 * Where the reference cuts. The numbers are what the function `cut`, the masks and the gear table of
 * the Rust crate `fastcdc` gave for the inputs described here (module `v2020` of its repository at
 * commit 008332045a40, normalisation level 1, 128, 256 and 512 KiB), compiled by themselves with
 * rustc; the hash that the crate's own test expects for zeros came out right there. snix uses this
 * module with these sizes. Its published cuts have been the same since version 3.0.
 */
import { noise } from "./temporary.ts";

interface Vector {
  readonly what: string;
  readonly bytes: Uint8Array;
  /** Lengths of the chunks. */
  readonly chunks: readonly number[];
}

/** `noise(length, seed)` is xorshift32, the low byte of each state. */
const cut = noise(524_300, 5);

export const VECTORS: readonly Vector[] = [
  {
    what: "8 MiB of noise, seed 1",
    bytes: noise(8_388_608, 1),
    chunks: [
      524288, 334031, 513450, 334333, 307917, 341086, 312893, 262326, 288302, 280013, 280909,
      312231, 498582, 378065, 524288, 316655, 165349, 182076, 264916, 524288, 379319, 388191,
      261434, 267692, 145974,
    ],
  },
  {
    what: "8 MiB of noise, seed 2025",
    bytes: noise(8_388_608, 2025),
    chunks: [
      329687, 277527, 524288, 266315, 314847, 461640, 506456, 347915, 414264, 323919, 314083,
      385212, 524288, 301521, 302408, 327207, 319445, 425307, 329967, 511589, 307522, 524288, 48913,
    ],
  },
  {
    what: "4 MiB of 0 and 1: the lowest bit of noise, seed 3",
    bytes: noise(4_194_304, 3).map((byte) => byte & 1),
    chunks: [
      219718, 436972, 519477, 285691, 524288, 376084, 460686, 524288, 147535, 292057, 284766,
      122742,
    ],
  },
  {
    what: "4 MiB of lines `line 0`, `line 1` and so on",
    bytes: lines(4_194_304),
    chunks: [
      414230, 524288, 200428, 524288, 266709, 170873, 422187, 218084, 336849, 307718, 399500,
      409150,
    ],
  },
  {
    what: "2 MiB of the bytes 0 to 250 over and over",
    bytes: new Uint8Array(2_097_152).map((_, index) => index % 251),
    chunks: [524288, 524288, 524288, 524288],
  },
  {
    what: "zeros",
    bytes: new Uint8Array(1_572_869),
    chunks: [524288, 524288, 524288, 5],
  },
  ...[1, 131071, 131072, 131073, 131074, 131075, 262143, 262144, 262145, 262146].map((length) => ({
    what: `${length} bytes of noise, seed 5: no cut`,
    bytes: cut.subarray(0, length),
    chunks: [length],
  })),
  ...[524287, 524288, 524289, 524290].map((length) => ({
    what: `${length} bytes of noise, seed 5: one cut`,
    bytes: cut.subarray(0, length),
    chunks: [345999, length - 345999],
  })),
];

function lines(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let line = 0, at = 0; at < length; line += 1) {
    const text = Buffer.from(`line ${line}\n`).subarray(0, length - at);
    bytes.set(text, at);
    at += text.length;
  }
  return bytes;
}
