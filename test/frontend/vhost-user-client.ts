/**
 * The VM manager's end of a vhost-user socket: one method for each message it may send, and a way
 * to send what it must not.
 */
import { closeFd, connectUnix, PollSet, receiveMessage, sendMessage } from "node-vhost-user";
import type { SyntheticRegion } from "./synthetic-memory.ts";
import {
  configHeader,
  FeatureBits,
  IS_REPLY,
  memoryHeader,
  memoryRegion,
  messageHeader,
  NEED_REPLY,
  NO_FD,
  ONE_REGION_PADDING,
  REQUEST,
  VERSION_1,
  vringAddress,
  vringState,
} from "./vhost-user-protocol.ts";

/** How long a device may take to answer a message. */
const ANSWER_MILLISECONDS = 20_000;
/** How long a daemon may take from making its socket to listening on it. */
const CONNECT_MILLISECONDS = 500;
/** The largest payload a device may send us. */
const PAYLOAD_MAX = 4096;
const FDS_MAX = 8;
/** Virtio's largest config space in a vhost-user message. */
export const CONFIG_BYTES_MAX = 256;

export interface Message {
  readonly request: number;
  readonly flags: number;
  readonly payload: Uint8Array;
  readonly fds: readonly number[];
}

/** The device closed the connection, or stayed silent. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";
}

/** The device answered REPLY_ACK with a failure. */
export class Refused extends Error {
  override readonly name = "Refused";
}

export class VhostUserClient implements Disposable {
  readonly fd: number;
  /** With REPLY_ACK every message asks for an answer, and its answer is awaited. */
  replyAck = false;
  readonly #poll = new PollSet(1);
  readonly #buffer = new Uint8Array(messageHeader.size + PAYLOAD_MAX);
  #closed = false;

  constructor(fd: number) {
    this.fd = fd;
    this.#poll.set(0, fd);
  }

  /** A socket's file is there an instant before anybody listens on it: asks again for a while. */
  static connect(path: string): VhostUserClient {
    const deadline = performance.now() + CONNECT_MILLISECONDS;
    for (;;) {
      try {
        return new VhostUserClient(connectUnix(path));
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
    }
  }

  /** Sends bytes as they are, with any file descriptors. False: the device is gone. */
  sendRaw(bytes: Uint8Array, fds: readonly number[] = []): boolean {
    try {
      sendMessage(this.fd, bytes, [...fds]);
      return true;
    } catch {
      return false;
    }
  }

  /** Sends one message, well-formed but for what the caller puts into it. */
  send(request: number, payload: Uint8Array, fds: readonly number[] = [], flags = VERSION_1): void {
    if (!this.sendRaw(encodeMessage(request, payload, flags), fds)) {
      throw new ConnectionLost(`request ${request} could not be sent`);
    }
  }

  /** Sends a message that has no reply of its own; with REPLY_ACK waits for the verdict. */
  command(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
  ): void {
    this.send(request, payload, fds, this.replyAck ? VERSION_1 | NEED_REPLY : VERSION_1);
    if (!this.replyAck) return;
    const verdict = viewOf(this.#replyTo(request)).getUint32(0, true);
    if (verdict !== 0) throw new Refused(`request ${request} was answered ${verdict}`);
  }

  /** Sends a message that has a reply; returns its payload. */
  ask(request: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
    this.send(request, payload);
    return this.#replyTo(request);
  }

  /** The next message from the device; undefined when it closed the connection. */
  receive(timeoutMilliseconds = ANSWER_MILLISECONDS): Message | undefined {
    const fds: number[] = [];
    const header = this.#read(messageHeader.size, fds, timeoutMilliseconds);
    if (header === undefined) return undefined;
    const { request, flags, size } = messageHeader.read(viewOf(header), 0);
    if (size > PAYLOAD_MAX) throw new ConnectionLost(`a reply of ${size} bytes`);
    const payload = size === 0 ? new Uint8Array(0) : this.#read(size, fds, timeoutMilliseconds);
    return payload && { request, flags, payload, fds };
  }

  /**
   * Throws away what the device sends until it has been quiet for so long. True: it closed the
   * connection.
   */
  drain(quietMilliseconds: number): boolean {
    while (this.#isReadable(quietMilliseconds)) {
      try {
        const { length, fds } = receiveMessage(this.fd, this.#buffer, FDS_MAX);
        for (const fd of fds) closeFd(fd);
        if (length === 0) return true;
      } catch {
        return true;
      }
    }
    return false;
  }

  getFeatures(): FeatureBits {
    return decodeFeatures(this.ask(REQUEST.GET_FEATURES));
  }

  setFeatures(features: FeatureBits): void {
    this.command(REQUEST.SET_FEATURES, encodeFeatures(features));
  }

  getProtocolFeatures(): FeatureBits {
    return decodeFeatures(this.ask(REQUEST.GET_PROTOCOL_FEATURES));
  }

  setProtocolFeatures(features: FeatureBits): void {
    this.command(REQUEST.SET_PROTOCOL_FEATURES, encodeFeatures(features));
  }

  getQueueCount(): number {
    return viewOf(this.ask(REQUEST.GET_QUEUE_NUM)).getUint32(0, true);
  }

  getMemorySlots(): number {
    return viewOf(this.ask(REQUEST.GET_MAX_MEM_SLOTS)).getUint32(0, true);
  }

  setOwner(): void {
    this.command(REQUEST.SET_OWNER);
  }

  resetDevice(): void {
    this.command(REQUEST.RESET_DEVICE);
  }

  setMemoryTable(regions: readonly SyntheticRegion[]): void {
    this.command(
      REQUEST.SET_MEM_TABLE,
      encodeMemoryTable(regions),
      regions.map((region) => region.fd),
    );
  }

  addMemoryRegion(region: SyntheticRegion): void {
    this.command(REQUEST.ADD_MEM_REG, encodeOneRegion(region), [region.fd]);
  }

  removeMemoryRegion(region: SyntheticRegion): void {
    this.command(REQUEST.REM_MEM_REG, encodeOneRegion(region));
  }

  setVringNum(index: number, entries: number): void {
    this.command(REQUEST.SET_VRING_NUM, encodeVringState(index, entries));
  }

  setVringBase(index: number, base: number): void {
    this.command(REQUEST.SET_VRING_BASE, encodeVringState(index, base));
  }

  /** Stops the ring; returns the index of the next chain the device would have taken. */
  getVringBase(index: number): number {
    const reply = this.ask(REQUEST.GET_VRING_BASE, encodeVringState(index, 0));
    return vringState.read(viewOf(reply), 0).num;
  }

  setVringEnable(index: number, enabled: boolean): void {
    this.command(REQUEST.SET_VRING_ENABLE, encodeVringState(index, enabled ? 1 : 0));
  }

  /** Addresses are user addresses of the VM manager. */
  setVringAddress(index: number, descriptor: number, available: number, used: number): void {
    this.command(
      REQUEST.SET_VRING_ADDR,
      encodeVringAddress({ index, flags: 0, descriptor, used, available, log: 0 }),
    );
  }

  setVringKick(index: number, fd?: number): void {
    this.#setVringFd(REQUEST.SET_VRING_KICK, index, fd);
  }

  setVringCall(index: number, fd?: number): void {
    this.#setVringFd(REQUEST.SET_VRING_CALL, index, fd);
  }

  setVringErr(index: number, fd?: number): void {
    this.#setVringFd(REQUEST.SET_VRING_ERR, index, fd);
  }

  /** Bytes of the device's config space. */
  getConfig(offset: number, size: number): Uint8Array {
    const payload = new Uint8Array(configHeader.size + size);
    configHeader.write(viewOf(payload), 0, { offset, size, flags: 0 });
    return this.ask(REQUEST.GET_CONFIG, payload).subarray(configHeader.size);
  }

  #setVringFd(request: number, index: number, fd: number | undefined): void {
    const payload = encodeU64(index | (fd === undefined ? NO_FD : 0));
    this.command(request, payload, fd === undefined ? [] : [fd]);
  }

  #replyTo(request: number): Uint8Array {
    const reply = this.receive();
    if (reply === undefined) throw new ConnectionLost(`no reply to request ${request}`);
    if (reply.request !== request || (reply.flags & IS_REPLY) === 0) {
      throw new ConnectionLost(`request ${request} was answered with ${reply.request}`);
    }
    return reply.payload;
  }

  #read(length: number, fds: number[], timeoutMilliseconds: number): Uint8Array | undefined {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      if (!this.#isReadable(timeoutMilliseconds)) {
        throw new ConnectionLost("the device stayed silent");
      }
      const part = receiveMessage(this.fd, bytes.subarray(done), FDS_MAX);
      if (part.length === 0) return undefined;
      fds.push(...part.fds);
      done += part.length;
    }
    return bytes;
  }

  /** Waits, also when a signal (a daemon that ended, say) cuts the wait short. */
  #isReadable(timeoutMilliseconds: number): boolean {
    const deadline = performance.now() + timeoutMilliseconds;
    for (let left = timeoutMilliseconds; left > 0; left = deadline - performance.now()) {
      if (this.#poll.wait(Math.ceil(left)) > 0) return true;
    }
    return false;
  }

  close(): void {
    if (!this.#closed) closeFd(this.fd);
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A view of an array's own bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeMessage(
  request: number,
  payload: Uint8Array,
  flags = VERSION_1,
  size = payload.length,
): Uint8Array {
  const bytes = new Uint8Array(messageHeader.size + payload.length);
  messageHeader.write(viewOf(bytes), 0, { request, flags, size });
  bytes.set(payload, messageHeader.size);
  return bytes;
}

/** A u64 below 2^53. */
export function encodeU64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, value % 2 ** 32, true);
  viewOf(bytes).setUint32(4, Math.floor(value / 2 ** 32), true);
  return bytes;
}

export function encodeFeatures(features: FeatureBits): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, features.low, true);
  viewOf(bytes).setUint32(4, features.high, true);
  return bytes;
}

function decodeFeatures(payload: Uint8Array): FeatureBits {
  const view = viewOf(payload);
  return new FeatureBits(view.getUint32(0, true), view.getUint32(4, true));
}

export function encodeVringState(index: number, num: number): Uint8Array {
  const bytes = new Uint8Array(vringState.size);
  vringState.write(viewOf(bytes), 0, { index, num });
  return bytes;
}

export function encodeVringAddress(fields: Parameters<typeof vringAddress.write>[2]): Uint8Array {
  const bytes = new Uint8Array(vringAddress.size);
  vringAddress.write(viewOf(bytes), 0, fields);
  return bytes;
}

export type RegionFields = Pick<
  SyntheticRegion,
  "guestAddress" | "size" | "userAddress" | "fileOffset"
>;

export function encodeMemoryTable(
  regions: readonly RegionFields[],
  count = regions.length,
): Uint8Array {
  const bytes = new Uint8Array(memoryHeader.size + regions.length * memoryRegion.size);
  memoryHeader.write(viewOf(bytes), 0, { count, padding: 0 });
  regions.forEach((region, index) => {
    memoryRegion.write(viewOf(bytes), memoryHeader.size + index * memoryRegion.size, region);
  });
  return bytes;
}

export function encodeOneRegion(region: RegionFields): Uint8Array {
  const bytes = new Uint8Array(ONE_REGION_PADDING + memoryRegion.size);
  memoryRegion.write(viewOf(bytes), ONE_REGION_PADDING, region);
  return bytes;
}
