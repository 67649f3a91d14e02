/**
 * The smallest useful vhost-user device: virtio-rng (virtio 1.2 section 5.4). It has one queue; the
 * driver puts buffers into it, the device fills them with random bytes and hands them back.
 *
 *   node examples/rng.ts /tmp/rng.sock
 *   qemu-system-x86_64 ... \
 *     -object memory-backend-memfd,id=m,size=512M,share=on -numa node,memdev=m \
 *     -chardev socket,id=rng,path=/tmp/rng.sock \
 *     -device vhost-user-rng-pci,chardev=rng,indirect_desc=off,event_idx=off
 *
 * Then, in the guest: head -c 16 /dev/hwrng | od -x
 *
 * (QEMU's rng device offers the driver indirect descriptors and event indexes whether the back-end
 * has them or not, hence the two options.)
 */
import { randomFillSync } from "node:crypto";
import {
  acceptUnix,
  drainFd,
  guestMemoryFaulted,
  listenUnix,
  PollSet,
  PROTOCOL_FEATURE,
  signalFd,
  VhostUserDevice,
  type VhostUserQueue,
} from "node-vhost-user";

/** Descriptor flags (virtio 1.2 section 2.7.5). */
const NEXT = 1;
const WRITE = 2;
/** In avail.flags: the driver does not want to be told. */
const NO_INTERRUPT = 1;

const SOCKET = 0;
const KICK = 1;

/** Views of the three parts of the ring; they die with every change of the guest's memory. */
interface Ring {
  /** struct virtq_desc { le64 addr; le32 len; le16 flags; le16 next; } */
  readonly descriptors: DataView;
  /** le16 flags, idx, ring[size] */
  readonly avail: Uint16Array;
  /** le16 flags, idx; then pairs of le32 (id, len), seen through `usedElements` */
  readonly used: Uint16Array;
  readonly usedElements: Uint32Array;
}

export class RngDevice implements Disposable {
  readonly #device: VhostUserDevice;
  readonly #poll = new PollSet(2);
  #ring: Ring | undefined;
  /** How many buffers have been taken and given back, modulo 2^16: the ring's own counters. */
  #taken = 0;
  #given = 0;

  /** Takes over a connected socket. */
  constructor(socket: number) {
    this.#device = new VhostUserDevice(socket, {
      queues: 1,
      features: [],
      protocolFeatures: [PROTOCOL_FEATURE.REPLY_ACK, PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS],
      events: {
        ringPosition: () => ({ lastAvail: this.#taken, used: this.#given }),
        queueStopped: () => {
          this.#ring = undefined;
        },
      },
    });
    this.#poll.set(SOCKET, this.#device.fd);
  }

  /** Waits and does what there is to do. False: the front-end has gone, or must go. */
  step(timeoutMilliseconds: number): boolean {
    this.#poll.wait(timeoutMilliseconds);
    const queue = this.#device.queue(0);
    if (this.#poll.isReady(KICK)) drainFd(queue.kickFd);
    if (this.#poll.isReady(SOCKET)) {
      if (this.#device.dispatch() !== "handled") return false;
      this.#follow(queue);
    }
    if (this.#ring !== undefined) this.#serve(this.#ring, queue);
    return !guestMemoryFaulted();
  }

  /** Any message may have moved the ring, or changed its eventfds. */
  #follow(queue: VhostUserQueue): void {
    const isReady = queue.started && queue.enabled && queue.descriptorTable !== 0;
    if (isReady) {
      const used = this.#device.memory.view(queue.usedRing, 4 + 8 * queue.size)!;
      const isNew = this.#ring === undefined;
      this.#ring = {
        descriptors: new DataView(
          this.#device.memory.view(queue.descriptorTable, 16 * queue.size)!,
        ),
        avail: new Uint16Array(this.#device.memory.view(queue.availRing, 4 + 2 * queue.size)!),
        used: new Uint16Array(used),
        usedElements: new Uint32Array(used),
      };
      if (isNew) {
        this.#taken = queue.lastAvail;
        this.#given = this.#ring.used[1]!;
      }
    } else {
      this.#ring = undefined;
    }
    this.#poll.set(KICK, isReady ? queue.kickFd : -1);
  }

  #serve(ring: Ring, queue: VhostUserQueue): void {
    const before = this.#given;
    // At most a ring full: the index is the guest's to write, and must not make us spin.
    for (let budget = queue.size; budget > 0; budget--) {
      // Atomics: what the index announces must be read after it (section 2.7.13).
      if (Atomics.load(ring.avail, 1) === this.#taken) break;
      const head = ring.avail[2 + (this.#taken % queue.size)]!;
      this.#taken = (this.#taken + 1) & 0xffff;
      const slot = 1 + 2 * (this.#given % queue.size);
      ring.usedElements[slot] = head;
      ring.usedElements[slot + 1] = this.#fill(ring.descriptors, head, queue.size);
      this.#given = (this.#given + 1) & 0xffff;
    }
    if (this.#given === before) return;
    Atomics.store(ring.used, 1, this.#given);
    if ((Atomics.load(ring.avail, 0) & NO_INTERRUPT) === 0 && queue.callFd >= 0) {
      signalFd(queue.callFd);
    }
  }

  /** Fills the chain of buffers that begins at `head`; returns how many bytes were written. */
  #fill(descriptors: DataView, head: number, size: number): number {
    let written = 0;
    let index = head;
    // A chain is no longer than the ring: one that loops ends here.
    for (let left = size; left > 0 && index < size; left--) {
      const at = 16 * index;
      const address = Number(descriptors.getBigUint64(at, true));
      const length = descriptors.getUint32(at + 8, true);
      const flags = descriptors.getUint16(at + 12, true);
      const buffer = (flags & WRITE) === 0 ? undefined : this.#guestBytes(address, length);
      if (buffer === undefined) break;
      randomFillSync(buffer);
      written += buffer.length;
      if ((flags & NEXT) === 0) break;
      index = descriptors.getUint16(at + 14, true);
    }
    return written;
  }

  /** Guest memory at `address`, as far as one window goes; undefined where there is none. */
  #guestBytes(address: number, length: number): Uint8Array | undefined {
    for (const { guestAddress, buffer } of this.#device.memory.windows) {
      const offset = address - guestAddress;
      if (offset < 0 || offset >= buffer.byteLength) continue;
      return new Uint8Array(buffer, offset, Math.min(length, buffer.byteLength - offset));
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#poll[Symbol.dispose]();
    this.#device[Symbol.dispose]();
  }
}

/** Serves one front-end after another on a socket. */
function serve(path: string): never {
  const listening = listenUnix(path);
  const poll = new PollSet(1);
  poll.set(0, listening);
  for (;;) {
    poll.wait(-1);
    const socket = acceptUnix(listening);
    if (socket === undefined) continue;
    using rng = new RngDevice(socket);
    while (rng.step(-1)) {
      // All is done in step().
    }
  }
}

if (import.meta.main) serve(process.argv[2] ?? "/tmp/rng.sock");
