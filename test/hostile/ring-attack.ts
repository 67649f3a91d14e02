/**
 * One attack by way of the rings: descriptors, heads and indexes as bad as can be, on a queue that
 * runs. Watches that the device writes to nothing but what the descriptors let it write to.
 */
import { fuseGetattrIn } from "../../src/abi/fuse.ts";
import { FUSE_GETATTR } from "../../src/abi/fuse-constants.ts";
import { VRING_DESC_F_WRITE } from "../../src/abi/virtio.ts";
import { TouchedOutside } from "../frontend/chain-port.ts";
import { encodeRequest, uniqueOf } from "../frontend/fuse-request.ts";
import { DESCRIPTOR_BYTES, type SplitRingDriver } from "../frontend/split-ring-driver.ts";
import type { SyntheticMemory } from "../frontend/synthetic-memory.ts";
import { FIRST_REQUEST_QUEUE, type SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import { viewOf } from "../frontend/vhost-user-client.ts";

/** One descriptor: address (beyond 2^53 only as bigint), length, flags, next. */
export type RawDescriptor = readonly [
  address: number | bigint,
  length: number,
  flags?: number,
  next?: number,
];

interface Range {
  readonly start: number;
  readonly end: number;
}

export class RingAttack {
  readonly vmm: SyntheticVmm;
  readonly memory: SyntheticMemory;
  readonly ring: SplitRingDriver;
  /** A good GETATTR of the root: 56 bytes. */
  readonly request: number;
  /** Room for replies: 64 KiB. */
  readonly reply: number;
  /** The first guest address behind all memory. */
  readonly end: number;
  readonly #mayChange: Range[] = [];
  #before: Uint8Array[] = [];

  constructor(vmm: SyntheticVmm) {
    this.vmm = vmm;
    this.memory = vmm.memory;
    const queue = vmm.queues[FIRST_REQUEST_QUEUE]!;
    this.ring = queue.ring;
    const last = this.memory.regions.at(-1)!;
    this.end = last.guestAddress + last.size;
    const getattr = encodeRequest(FUSE_GETATTR, 1, [new Uint8Array(fuseGetattrIn.size)], {
      unique: uniqueOf(77),
    });
    this.request = this.memory.allocate(getattr.length, 16);
    this.memory.write(this.request, getattr);
    this.reply = this.memory.allocate(65_536, 4096);
    for (const other of vmm.queues) {
      const { usedRing, availRing, size } = other.ring;
      this.#mayChange.push({ start: usedRing, end: usedRing + 6 + 8 * size });
      // The driver's own: it goes on writing there while the attack is watched.
      this.#mayChange.push({ start: availRing, end: availRing + 6 + 2 * size });
    }
  }

  get requestBytes(): number {
    return 40 + fuseGetattrIn.size;
  }

  /** Writes descriptors from index `first` on. What they let the device write to may change. */
  descriptors(first: number, ...list: readonly RawDescriptor[]): void {
    this.writeTable(this.ring.descriptorTable + first * DESCRIPTOR_BYTES, list);
  }

  /** Lays an indirect table; returns its address. */
  indirectTable(...list: readonly RawDescriptor[]): number {
    const address = this.memory.allocate(list.length * DESCRIPTOR_BYTES, 16);
    this.writeTable(address, list);
    return address;
  }

  writeTable(address: number, list: readonly RawDescriptor[]): void {
    list.forEach((entry, index) => {
      this.memory.write(address + index * DESCRIPTOR_BYTES, encodeDescriptor(entry));
      const [start, length, flags = 0] = entry;
      if ((flags & VRING_DESC_F_WRITE) !== 0 && typeof start === "number") {
        this.mayChange(start, length);
      }
    });
  }

  mayChange(start: number, length: number): void {
    this.#mayChange.push({ start, end: start + length });
  }

  /** Puts heads into the avail ring, shows them, and kicks, whatever the device asks for. */
  go(...heads: readonly number[]): void {
    for (const head of heads) this.ring.push(head);
    this.remember();
    this.ring.publish();
    this.vmm.queues[FIRST_REQUEST_QUEUE]!.kick();
  }

  /** From here on only what may change may change. */
  remember(): void {
    this.#before = this.memory.regions.map((region) => region.bytes.slice());
  }

  /** @throws TouchedOutside */
  checkUntouched(): void {
    this.memory.regions.forEach((region, index) => {
      const before = this.#before[index]!;
      const now = region.bytes.slice();
      for (const { start, end } of this.#mayChange) {
        const from = Math.max(0, start - region.guestAddress);
        const to = Math.min(region.size, end - region.guestAddress);
        if (from < to) now.set(before.subarray(from, to), from);
      }
      if (Buffer.compare(before, now) === 0) return;
      const at = now.findIndex((byte, offset) => byte !== before[offset]);
      throw new TouchedOutside(`byte 0x${(region.guestAddress + at).toString(16)} changed`);
    });
  }
}

export function encodeDescriptor([
  address,
  length,
  flags = 0,
  next = 0,
]: RawDescriptor): Uint8Array {
  const bytes = new Uint8Array(DESCRIPTOR_BYTES);
  const view = viewOf(bytes);
  view.setBigUint64(0, BigInt(address), true);
  view.setUint32(8, length, true);
  view.setUint16(12, flags, true);
  view.setUint16(14, next, true);
  return bytes;
}
