/**
 * The guest's physical memory as the synthetic VM manager lays it out: regions of shared memory at
 * guest-physical addresses, possibly with gaps between them, each also known to the device by a
 * made-up "user address" (what the VM manager's own mapping would be). The two address spaces
 * differ on purpose: a device that mixes them up finds nothing.
 */
import { SharedMemory } from "node-vhost-user";

export interface RegionPlan {
  readonly guestAddress: number;
  readonly bytes: number;
}

/** One region of 32 MiB, not at zero. */
export const ONE_REGION: readonly RegionPlan[] = [{ guestAddress: 0x10_0000, bytes: 32 << 20 }];

/** What a `pc` machine gives: 640 KiB at zero, a hole, and the rest. */
export const PC_REGIONS: readonly RegionPlan[] = [
  { guestAddress: 0, bytes: 640 << 10 },
  { guestAddress: 0xc_0000, bytes: 16 << 20 },
];

/** Two regions that touch, so that a buffer can lie across their border; a third one above 4 GiB. */
export const TOUCHING_REGIONS: readonly RegionPlan[] = [
  { guestAddress: 0x10_0000, bytes: 4 << 20 },
  { guestAddress: 0x50_0000, bytes: 4 << 20 },
  { guestAddress: 0x1_4000_0000, bytes: 4 << 20 },
];

/** Where the first region's made-up user address lies; every further one is far from the last. */
const USER_ADDRESS_BASE = 0x7e00_0000_0000;
const USER_ADDRESS_STEP = 0x10_0000_0000;
const PAGE = 4096;

/** One region: its place in the guest, its file, and this process's views of its bytes. */
export class SyntheticRegion {
  readonly guestAddress: number;
  readonly userAddress: number;
  readonly size: number;
  readonly fd: number;
  /** Where the region begins in the file behind `fd`. */
  readonly fileOffset: number;
  readonly bytes: Uint8Array;
  readonly words16: Uint16Array;
  readonly words32: Uint32Array;
  readonly view: DataView;
  /** Offset of the first byte that `allocate` has not handed out. */
  next = 0;

  constructor(plan: RegionPlan, index: number, memory: SharedMemory, fileOffset: number) {
    this.guestAddress = plan.guestAddress;
    this.userAddress = USER_ADDRESS_BASE + index * USER_ADDRESS_STEP;
    this.size = plan.bytes;
    this.fd = memory.fd;
    this.fileOffset = fileOffset;
    const { buffer, byteOffset } = memory.bytes;
    const start = byteOffset + fileOffset;
    this.bytes = new Uint8Array(buffer, start, plan.bytes);
    this.words16 = new Uint16Array(buffer, start, plan.bytes >>> 1);
    this.words32 = new Uint32Array(buffer, start, plan.bytes >>> 2);
    this.view = new DataView(buffer, start, plan.bytes);
  }
}

export interface MemoryOptions {
  /** All regions lie in one file, one after another, as QEMU does it on a `pc` machine. */
  readonly oneFile?: boolean;
}

export class SyntheticMemory implements Disposable {
  readonly regions: readonly SyntheticRegion[];
  readonly #files: SharedMemory[] = [];

  constructor(plans: readonly RegionPlan[] = ONE_REGION, options: MemoryOptions = {}) {
    const total = plans.reduce((sum, plan) => sum + plan.bytes, 0);
    if (options.oneFile === true) this.#files.push(SharedMemory.create(total));
    let fileOffset = 0;
    this.regions = plans.map((plan, index) => {
      if (options.oneFile === true) {
        const region = new SyntheticRegion(plan, index, this.#files[0]!, fileOffset);
        fileOffset += plan.bytes;
        return region;
      }
      const file = SharedMemory.create(plan.bytes);
      this.#files.push(file);
      return new SyntheticRegion(plan, index, file, 0);
    });
  }

  /** The region with the most bytes: rings and request slots go there. */
  get largest(): SyntheticRegion {
    return this.regions.reduce((best, region) => (region.size > best.size ? region : best));
  }

  /**
   * Hands out `bytes` of zeroed memory; returns the guest address.
   * @throws RangeError when the region is used up: the test wants a larger plan.
   */
  allocate(bytes: number, alignment = 16, region: SyntheticRegion = this.largest): number {
    const start = Math.ceil(region.next / alignment) * alignment;
    if (start + bytes > region.size) throw new RangeError(`no ${bytes} bytes left in the region`);
    region.next = start + bytes;
    region.bytes.fill(0, start, start + bytes);
    return region.guestAddress + start;
  }

  /** `count` pages in descending order, so that no two neighbours can be merged. */
  allocatePages(count: number, region: SyntheticRegion = this.largest): number[] {
    const first = this.allocate(count * PAGE, PAGE, region);
    return Array.from({ length: count }, (_, index) => first + (count - 1 - index) * PAGE);
  }

  /** Everything handed out may be handed out again. */
  forgetAllocations(): void {
    for (const region of this.regions) region.next = 0;
  }

  regionOf(guestAddress: number): SyntheticRegion {
    for (const region of this.regions) {
      const offset = guestAddress - region.guestAddress;
      if (offset >= 0 && offset < region.size) return region;
    }
    throw new RangeError(`no guest memory at 0x${guestAddress.toString(16)}`);
  }

  userAddress(guestAddress: number): number {
    const region = this.regionOf(guestAddress);
    return guestAddress - region.guestAddress + region.userAddress;
  }

  /** A view of bytes inside one region. */
  slice(guestAddress: number, length: number): Uint8Array {
    const region = this.regionOf(guestAddress);
    const offset = guestAddress - region.guestAddress;
    if (offset + length > region.size) throw new RangeError("the bytes leave their region");
    return region.bytes.subarray(offset, offset + length);
  }

  /** Copies bytes into guest memory, across touching regions where need be. */
  write(guestAddress: number, source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      const region = this.regionOf(guestAddress + done);
      const offset = guestAddress + done - region.guestAddress;
      const part = source.subarray(
        done,
        done + Math.min(source.length - done, region.size - offset),
      );
      region.bytes.set(part, offset);
      done += part.length;
    }
  }

  /** Copies bytes out of guest memory, across touching regions where need be. */
  read(guestAddress: number, length: number): Uint8Array {
    const copy = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const region = this.regionOf(guestAddress + done);
      const offset = guestAddress + done - region.guestAddress;
      const count = Math.min(length - done, region.size - offset);
      copy.set(region.bytes.subarray(offset, offset + count), done);
      done += count;
    }
    return copy;
  }

  [Symbol.dispose](): void {
    for (const file of this.#files) file[Symbol.dispose]();
  }
}
