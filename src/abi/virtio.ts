/**
 * Virtio 1.2 split virtqueues (section 2.7) and the virtio-fs device (section 5.11): layouts, flags
 * and feature bits, named as linux/virtio_ring.h, virtio_config.h and virtio_fs.h name them.
 *
 * The three parts of a ring, with `n` the queue size:
 *
 *     descriptor table   n × vringDesc                                 driver writes
 *     available ring     vringAvail, n × u16 ring, u16 used_event      driver writes
 *     used ring          vringUsed, n × vringUsedElem, u16 avail_event device writes
 */
import { struct } from "./struct.ts";

export const vringDesc = struct({
  addr: "u64",
  len: "u32",
  flags: "u16",
  next: "u16",
});

export const vringAvail = struct({
  flags: "u16",
  idx: "u16",
});

export const vringUsedElem = struct({
  id: "u32",
  len: "u32",
});

export const vringUsed = struct({
  flags: "u16",
  idx: "u16",
});

export const virtioFsConfig = struct({
  tag: "bytes(36)",
  num_request_queues: "u32",
});

/** Bits of `vringDesc.flags`. */
export const VRING_DESC_F_NEXT = 1;
export const VRING_DESC_F_WRITE = 2;
export const VRING_DESC_F_INDIRECT = 4;

/** Bit of `vringUsed.flags`: no kicks please. Without EVENT_IDX only. */
export const VRING_USED_F_NO_NOTIFY = 1;
/** Bit of `vringAvail.flags`: no interrupts please. Without EVENT_IDX only. */
export const VRING_AVAIL_F_NO_INTERRUPT = 1;

/** What the parts of a ring must be aligned to, in bytes (section 2.7). */
export const VRING_DESC_ALIGN_SIZE = 16;
export const VRING_AVAIL_ALIGN_SIZE = 2;
export const VRING_USED_ALIGN_SIZE = 4;

/** Numbers of feature bits. */
export const VIRTIO_RING_F_INDIRECT_DESC = 28;
export const VIRTIO_RING_F_EVENT_IDX = 29;
export const VIRTIO_F_VERSION_1 = 32;
