/**
 * The front-end's memory in this process: libvhost-user maps the regions, this looks at what it
 * mapped, lays views over it and has it guarded against SIGBUS. All of that ends, detached and
 * unguarded, before libvhost-user unmaps anything.
 */
import { layout } from "./layout.ts";
import { detach, viewNative } from "./native-memory.ts";
import { readPointer } from "./native-number.ts";
import { demand } from "./refusal.ts";
import { shim } from "./shim.ts";

/** A region larger than this is seen through several windows, one after another. */
export const WINDOW_BYTES = 2 ** 30;

/** Windows over all regions: 4 TiB of guest memory. */
export const MEMORY_WINDOWS_MAX = 4096;

/** A run of guest memory behind one ArrayBuffer, at most WINDOW_BYTES long. */
export interface MemoryWindow {
  /** Where it begins in the guest's physical memory. */
  readonly guestAddress: number;
  /** Where it begins in the front-end's address space: what SET_VRING_ADDR speaks of. */
  readonly userAddress: number;
  /** Where it begins in this process. */
  readonly hostAddress: number;
  /** The memory itself. Detached (length 0) once the memory table has changed. */
  readonly buffer: ArrayBuffer;
}

export interface MemoryRegion {
  readonly guestAddress: number;
  readonly userAddress: number;
  readonly hostAddress: number;
  /** Bytes. */
  readonly size: number;
  /** The region from its beginning to its end, WINDOW_BYTES each but for the last. */
  readonly windows: readonly MemoryWindow[];
}

/** What a device sees of the guest's memory. */
export interface GuestMemoryTable {
  /** In the order of their guest addresses. */
  readonly regions: readonly MemoryRegion[];
  /** All windows of all regions, in the same order. */
  readonly windows: readonly MemoryWindow[];
  /**
   * A view of `bytes` at `hostAddress`, which may lie on both sides of a border of windows;
   * undefined when they do not lie in one region. Dies with the memory table, as windows do.
   */
  view(hostAddress: number, bytes: number): ArrayBuffer | undefined;
}

export class MemoryTable implements GuestMemoryTable {
  #regions: readonly MemoryRegion[] = [];
  /** Where the guarded mappings begin. */
  #guarded: number[] = [];
  #extraViews: ArrayBuffer[] = [];
  /** Page sizes of the files behind the regions, by guest address. */
  readonly #pageBytes = new Map<number, number>();

  get regions(): readonly MemoryRegion[] {
    return this.#regions;
  }

  get windows(): readonly MemoryWindow[] {
    return this.#regions.flatMap((region) => region.windows);
  }

  /** The file of the region at `guestAddress`, which is about to be mapped, has such pages. */
  announce(guestAddress: number, pageBytes: number): void {
    this.#pageBytes.set(guestAddress, pageBytes);
  }

  view(hostAddress: number, bytes: number): ArrayBuffer | undefined {
    const inside = this.#regions.some(
      (region) =>
        hostAddress >= region.hostAddress &&
        hostAddress + bytes <= region.hostAddress + region.size,
    );
    if (!inside || bytes <= 0) return undefined;
    const buffer = viewNative(hostAddress, bytes);
    this.#extraViews.push(buffer);
    return buffer;
  }

  /** The address in this process of `bytes` at `userAddress`; 0: they lie in no region. */
  toHost(userAddress: number, bytes: number): number {
    for (const region of this.#regions) {
      const offset = userAddress - region.userAddress;
      if (offset >= 0 && offset + bytes <= region.size) return region.hostAddress + offset;
    }
    return 0;
  }

  /** Lays views over what libvhost-user has mapped: `count` VuDevRegions in `table`. */
  adopt(table: DataView, count: number): void {
    const regions: MemoryRegion[] = [];
    for (let index = 0; index < count; index++) {
      const at = index * layout.regionBytes;
      const mapping = readPointer(table, at + layout.regionMapAddress);
      const hostAddress = mapping + readPointer(table, at + layout.regionMapOffset);
      const guestAddress = readPointer(table, at + layout.regionGuestAddress);
      const userAddress = readPointer(table, at + layout.regionUserAddress);
      const size = readPointer(table, at + layout.regionSize);
      this.#guard(mapping, hostAddress + size - mapping, this.#pageBytes.get(guestAddress) ?? 4096);
      const windows = windowsOf(guestAddress, userAddress, hostAddress, size);
      regions.push({ guestAddress, userAddress, hostAddress, size, windows });
    }
    this.#regions = regions.sort((a, b) => a.guestAddress - b.guestAddress);
  }

  /** Cuts all views off and ends the guard: the memory may be unmapped now. */
  release(): void {
    for (const region of this.#regions) {
      for (const window of region.windows) detach(window.buffer);
    }
    for (const view of this.#extraViews) detach(view);
    for (const start of this.#guarded) shim.guardRemove(start);
    this.#regions = [];
    this.#extraViews = [];
    this.#guarded = [];
  }

  #guard(start: number, bytes: number, pageBytes: number): void {
    const whole = Math.ceil(bytes / pageBytes) * pageBytes;
    demand(shim.guardAdd(start, whole) === 0, "too many memory regions in this process");
    this.#guarded.push(start);
  }
}

function windowsOf(guest: number, user: number, host: number, size: number): MemoryWindow[] {
  const windows: MemoryWindow[] = [];
  for (let offset = 0; offset < size; offset += WINDOW_BYTES) {
    windows.push({
      guestAddress: guest + offset,
      userAddress: user + offset,
      hostAddress: host + offset,
      buffer: viewNative(host + offset, Math.min(WINDOW_BYTES, size - offset)),
    });
  }
  return windows;
}

/** Windows that regions of these sizes need. */
export function windowCount(sizes: Iterable<number>): number {
  let count = 0;
  for (const size of sizes) count += Math.ceil(size / WINDOW_BYTES);
  return count;
}
