/**
 * A vhost-user front-end for tests: speaks the protocol byte by byte, says what it is told to, right
 * or wrong. Device and front-end live in one thread: send, let the device dispatch, receive.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  acceptUnix,
  closeFd,
  connectUnix,
  type DeviceOptions,
  type DispatchResult,
  EventFd,
  FEATURE,
  listenUnix,
  PROTOCOL_FEATURE,
  REQUEST,
  type SharedMemory,
  sendMessage,
  tryReceiveMessage,
  VhostUserDevice,
} from "node-vhost-user";

export const VERSION = 1;
export const NEED_REPLY = 8;
export const MIB = 2 ** 20;

/** All that a device here can offer. */
export const OPTIONS: DeviceOptions = {
  queues: 3,
  features: [FEATURE.RING_INDIRECT_DESC, FEATURE.RING_EVENT_IDX],
  protocolFeatures: Object.values(PROTOCOL_FEATURE),
  config: Uint8Array.from({ length: 44 }, (_, i) => i + 1),
  maxQueueSize: 256,
};

/** Where the test's guest has its memory, and where the front-end claims to have mapped it. */
export const GUEST = 0x10_0000;
export const USER = 0x7f00_0000_0000;

export interface Reply {
  readonly request: number;
  readonly flags: number;
  readonly payload: DataView;
}

export function socketPair(): [device: number, frontEnd: number] {
  const directory = mkdtempSync(join(tmpdir(), "nvu-"));
  const listening = listenUnix(join(directory, "s"));
  const frontEnd = connectUnix(join(directory, "s"));
  const device = acceptUnix(listening)!;
  closeFd(listening);
  rmSync(directory, { recursive: true });
  return [device, frontEnd];
}

export class FrontEnd implements Disposable {
  readonly device: VhostUserDevice;
  readonly fd: number;
  /** Lines that the device logged. */
  readonly log: string[] = [];
  #open = true;

  constructor(options: Partial<DeviceOptions> = {}) {
    const [device, frontEnd] = socketPair();
    this.fd = frontEnd;
    this.device = new VhostUserDevice(device, {
      ...OPTIONS,
      log: (_level, message, fields) =>
        this.log.push(`${message}: ${fields?.["request"]}: ${fields?.["reason"]}`),
      ...options,
    });
  }

  /** Sends a message without letting the device look. */
  post(request: number, payload: Uint8Array = NOTHING, fds: number[] = [], flags = VERSION): void {
    sendMessage(this.fd, message(request, payload, flags), fds);
  }

  /** Sends a message, lets the device handle it. */
  send(
    request: number,
    payload: Uint8Array = NOTHING,
    fds: number[] = [],
    flags = VERSION,
  ): DispatchResult {
    this.post(request, payload, fds, flags);
    return this.device.dispatch();
  }

  /** The device's next message; undefined when there is none. */
  receive(): Reply | undefined {
    const header = new Uint8Array(12);
    const received = tryReceiveMessage(this.fd, header);
    if (received === undefined || received.length === 0) return undefined;
    const view = new DataView(header.buffer);
    const payload = new Uint8Array(view.getUint32(8, true));
    if (payload.length > 0) tryReceiveMessage(this.fd, payload);
    return {
      request: view.getUint32(0, true),
      flags: view.getUint32(4, true),
      payload: new DataView(payload.buffer),
    };
  }

  /** Sends a message with a reply, returns the reply's payload. */
  ask(request: number, payload: Uint8Array = NOTHING): DataView {
    const result = this.send(request, payload);
    const reply = this.receive();
    if (result !== "handled" || reply?.request !== request || reply.flags !== 5) {
      throw new Error(`request ${request}: ${result}, ${JSON.stringify(reply)}, ${this.log}`);
    }
    return reply.payload;
  }

  /** Sends a message that must be handled without any answer. */
  tell(request: number, payload: Uint8Array = NOTHING, fds: number[] = []): void {
    const result = this.send(request, payload, fds);
    const reply = this.receive();
    if (result !== "handled" || reply !== undefined) {
      throw new Error(`request ${request}: ${result}, ${JSON.stringify(reply)}, ${this.log}`);
    }
  }

  /** The verdict on a message sent with NEED_REPLY: 0 is success; undefined: none came. */
  verdictOn(
    request: number,
    payload: Uint8Array = NOTHING,
    fds: number[] = [],
  ): number | undefined {
    this.send(request, payload, fds, VERSION | NEED_REPLY);
    const reply = this.receive();
    return reply?.payload.getUint32(0, true);
  }

  /** Agrees on all protocol features and on VERSION_1 with `features`. */
  negotiate(features: readonly number[] = [FEATURE.VERSION_1, 30]): void {
    this.tell(REQUEST.SET_OWNER);
    this.tell(REQUEST.SET_PROTOCOL_FEATURES, bits(OPTIONS.protocolFeatures));
    this.tell(REQUEST.SET_FEATURES, bits(features));
  }

  /** Gives the device one region of memory. */
  shareMemory(memory: SharedMemory, size = memory.bytes.length): void {
    this.tell(REQUEST.SET_MEM_TABLE, table([{ size }]), [memory.fd]);
  }

  /** Sets up a ring at `at` bytes into the region and starts it. Returns its eventfds. */
  startRing(index: number, size = 16, at = 0, base = 0): { kick: EventFd; call: EventFd } {
    const kick = new EventFd();
    const call = new EventFd();
    this.tell(REQUEST.SET_VRING_NUM, state(index, size));
    this.tell(REQUEST.SET_VRING_BASE, state(index, base));
    this.tell(REQUEST.SET_VRING_ADDR, ring(index, USER + at, size));
    this.tell(REQUEST.SET_VRING_KICK, u64(index), [kick.fd]);
    this.tell(REQUEST.SET_VRING_CALL, u64(index), [call.fd]);
    this.tell(REQUEST.SET_VRING_ENABLE, state(index, 1));
    return { kick, call };
  }

  hangUp(): void {
    if (this.#open) closeFd(this.fd);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.hangUp();
    this.device[Symbol.dispose]();
  }
}

const NOTHING = new Uint8Array(0);

export function message(
  request: number,
  payload: Uint8Array = NOTHING,
  flags = VERSION,
  size = payload.length,
): Uint8Array {
  const bytes = new Uint8Array(12 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, flags, true);
  view.setUint32(8, size, true);
  bytes.set(payload, 12);
  return bytes;
}

/** Any numbers as u64. */
export function u64(...values: (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setBigUint64(8 * i, BigInt(value), true);
  return bytes;
}

export function bits(set: readonly number[]): Uint8Array {
  return u64(set.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n));
}

export function state(index: number, num: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(index, num).buffer);
}

export interface RegionFields {
  readonly guest?: number | bigint;
  readonly size: number | bigint;
  readonly user?: number | bigint;
  readonly offset?: number | bigint;
}

function region({ guest = GUEST, size, user = USER, offset = 0 }: RegionFields): Uint8Array {
  return u64(guest, size, user, offset);
}

export function table(regions: RegionFields[], count = regions.length): Uint8Array {
  return Buffer.concat([u64(count), ...regions.map(region)]);
}

export function oneRegion(fields: RegionFields): Uint8Array {
  return Buffer.concat([u64(0), region(fields)]);
}

export function address(
  index: number,
  descriptors: number | bigint,
  used: number | bigint,
  avail: number | bigint,
): Uint8Array {
  return Buffer.concat([state(index, 0), u64(descriptors, used, avail, 0)]);
}

/** A ring whose parts follow one another: descriptors, available, used. */
export function ring(index: number, at: number, size: number): Uint8Array {
  const avail = at + 16 * size;
  return address(index, at, avail + 16 * Math.ceil((6 + 2 * size) / 16), avail);
}

export function config(offset: number, size: number, data = size): Uint8Array {
  return Buffer.concat([
    new Uint8Array(Uint32Array.of(offset, size, 0).buffer),
    Buffer.alloc(data),
  ]);
}

/** Open file descriptors of this process. */
export function openFds(): string[] {
  return readdirSync("/proc/self/fd");
}

/** Mappings of memfds in this process. */
export function sharedMappings(): number {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return maps.split("\n").filter((line) => line.includes("memfd:node-vhost-user")).length;
}
