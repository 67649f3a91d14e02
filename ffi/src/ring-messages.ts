/**
 * SET_VRING_*: checked before libvhost-user acts on them. It would take any size, look at the first
 * byte of each part of a ring only, and write to whatever file descriptor it gets.
 */
import { type FeatureBits, hasFeature } from "./feature-bits.ts";
import type { MemoryTable } from "./memory-table.ts";
import { readU64 } from "./native-number.ts";
import { FEATURE, VRING_INDEX_MASK, VRING_NO_FD } from "./protocol.ts";
import { NO_ADDRESSES, type QueueRecord, type RingAddresses } from "./queue-record.ts";
import { demand } from "./refusal.ts";
import { shim } from "./shim.ts";

/** virtio 1.2 section 2.7: sizes and alignments of the parts of a split ring. */
const DESCRIPTOR_BYTES = 16;
const USED_ELEMENT_BYTES = 8;
const DESCRIPTOR_ALIGNMENT = 16;
const AVAIL_ALIGNMENT = 2;
const USED_ALIGNMENT = 4;

/** The queue with that index. @throws Refusal */
export function queueOf(queues: readonly QueueRecord[], index: number): QueueRecord {
  const queue = queues[index];
  demand(queue !== undefined, `queue ${index} of ${queues.length}`);
  return queue;
}

/** struct vhost_vring_state { index, num } */
export function readState(
  payload: DataView,
  queues: readonly QueueRecord[],
): { queue: QueueRecord; num: number } {
  return {
    queue: queueOf(queues, payload.getUint32(0, true)),
    num: payload.getUint32(4, true),
  };
}

/** SET_VRING_NUM. @throws Refusal */
export function checkSize(queue: QueueRecord, size: number, maxQueueSize: number): void {
  const isPower = size > 0 && (size & (size - 1)) === 0;
  demand(isPower && size <= maxQueueSize, `a ring of ${size} entries`);
  demand(!queue.started || size === queue.size, "another size for a running ring");
}

/** SET_VRING_BASE. @throws Refusal */
export function checkBase(queue: QueueRecord, base: number): void {
  demand(base <= 0xffff, `a ring position of ${base}`);
  demand(!queue.started, "another position for a running ring");
}

/** SET_VRING_ADDR: struct vhost_vring_addr. @throws Refusal */
export function readAddresses(
  payload: DataView,
  queues: readonly QueueRecord[],
): { queue: QueueRecord; addresses: RingAddresses } {
  return {
    queue: queueOf(queues, payload.getUint32(0, true)),
    addresses: {
      descriptorTable: readU64(payload, 8, "an address"),
      usedRing: readU64(payload, 16, "an address"),
      availRing: readU64(payload, 24, "an address"),
    },
  };
}

/**
 * Where a ring lies in this process; NO_ADDRESSES when some of it lies in no region, or where it
 * cannot be.
 */
export function locateRing(
  addresses: RingAddresses,
  size: number,
  memory: MemoryTable,
  features: FeatureBits,
): RingAddresses {
  const event = hasFeature(features, FEATURE.RING_EVENT_IDX) ? 2 : 0;
  const descriptorTable = memory.toHost(addresses.descriptorTable, size * DESCRIPTOR_BYTES);
  const availRing = memory.toHost(addresses.availRing, 4 + 2 * size + event);
  const usedRing = memory.toHost(addresses.usedRing, 4 + USED_ELEMENT_BYTES * size + event);
  if (descriptorTable === 0 || availRing === 0 || usedRing === 0) return NO_ADDRESSES;
  const aligned =
    descriptorTable % DESCRIPTOR_ALIGNMENT === 0 &&
    availRing % AVAIL_ALIGNMENT === 0 &&
    usedRing % USED_ALIGNMENT === 0;
  return aligned ? { descriptorTable, availRing, usedRing } : NO_ADDRESSES;
}

/**
 * SET_VRING_KICK, CALL and ERR: the queue, and the eventfd (undefined: none is to be used). The
 * eventfd is non-blocking afterwards: nobody shall make this process wait on it.
 * @throws Refusal
 */
export function readEvent(
  payload: DataView,
  fds: readonly number[],
  queues: readonly QueueRecord[],
): { queue: QueueRecord; fd: number | undefined } {
  const word = payload.getUint32(0, true);
  const known = (word & ~(VRING_INDEX_MASK | VRING_NO_FD)) === 0;
  demand(known && payload.getUint32(4, true) === 0, "unknown bits beside a queue's index");
  const queue = queueOf(queues, word & VRING_INDEX_MASK);
  const [fd] = fds;
  demand((fd === undefined) === ((word & VRING_NO_FD) !== 0), "an eventfd too many or too few");
  if (fd === undefined) return { queue, fd };
  demand(shim.isEventfd(fd) === 1, "a file descriptor that is not an eventfd");
  demand(shim.setNonblocking(fd) === 0, "an eventfd that stays blocking");
  return { queue, fd };
}
