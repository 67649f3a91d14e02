/**
 * SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG, checked in full before libvhost-user acts on them: it
 * takes the number of regions, and that the memory is there, on trust.
 */
import { layout } from "./layout.ts";
import { MEMORY_WINDOWS_MAX, type MemoryRegion, windowCount } from "./memory-table.ts";
import { readU64 } from "./native-number.ts";
import {
  REGION_BYTES,
  REGION_PADDING_BYTES,
  TABLE_HEADER_BYTES,
  TABLE_REGIONS_MAX,
} from "./protocol.ts";
import { demand } from "./refusal.ts";

/** A region as a message describes it. */
export interface RegionRequest {
  readonly guestAddress: number;
  readonly size: number;
  readonly userAddress: number;
  readonly fileOffset: number;
}

/** The smallest page of any machine this runs on. */
const PAGE_BYTES = 4096;

/** The regions of SET_MEM_TABLE. @throws Refusal */
export function readMemoryTable(payload: DataView, size: number, fds: number): RegionRequest[] {
  const count = payload.getUint32(0, true);
  demand(count <= TABLE_REGIONS_MAX, `${count} memory regions`);
  demand(size === TABLE_HEADER_BYTES + count * REGION_BYTES, "a memory table of another length");
  demand(count === fds, `${count} memory regions with ${fds} file descriptors`);
  return Array.from({ length: count }, (_, index) =>
    readRegion(payload, TABLE_HEADER_BYTES + index * REGION_BYTES),
  );
}

/** The region of ADD_MEM_REG or REM_MEM_REG. @throws Refusal */
export function readOneRegion(payload: DataView): RegionRequest {
  return readRegion(payload, REGION_PADDING_BYTES);
}

function readRegion(payload: DataView, at: number): RegionRequest {
  const guestAddress = readU64(payload, at, "a guest address");
  const size = readU64(payload, at + 8, "a region's size");
  const userAddress = readU64(payload, at + 16, "a user address");
  const fileOffset = readU64(payload, at + 24, "an offset in a file");
  demand(size > 0, "an empty memory region");
  for (const start of [guestAddress, userAddress, fileOffset]) {
    demand(Number.isSafeInteger(start + size), "a memory region that ends beyond 2^53");
    demand(start % PAGE_BYTES === 0, "a memory region that is not aligned to pages");
  }
  return { guestAddress, size, userAddress, fileOffset };
}

/** No two of `wanted` and `present` may overlap, and there must be room. @throws Refusal */
export function checkRoom(
  wanted: readonly RegionRequest[],
  present: readonly MemoryRegion[],
): void {
  const all = [...present, ...wanted];
  demand(all.length <= layout.memorySlotsMax, "no memory slot is free");
  const windows = windowCount(all.map((region) => region.size));
  demand(windows <= MEMORY_WINDOWS_MAX, "more guest memory than this can look at");
  for (const start of ["guestAddress", "userAddress"] as const) {
    const sorted = all.toSorted((a, b) => a[start] - b[start]);
    for (let i = 1; i < sorted.length; i++) {
      const before = sorted[i - 1]!;
      demand(before[start] + before.size <= sorted[i]![start], "memory regions overlap");
    }
  }
}

/** The region that REM_MEM_REG speaks of. @throws Refusal when there is none. */
export function findRegion(wanted: RegionRequest, present: readonly MemoryRegion[]): MemoryRegion {
  const found = present.find((region) => region.guestAddress === wanted.guestAddress);
  const same =
    found !== undefined && found.size === wanted.size && found.userAddress === wanted.userAddress;
  demand(same, "a memory region that is not there");
  return found;
}
