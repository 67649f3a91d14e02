/**
 * One attack by way of the vhost-user socket: messages that no VM manager sends. Every method here
 * says something wrongly, or says something right at the wrong time.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventFd, SharedMemory } from "node-vhost-user";
import type { SyntheticVmm } from "../frontend/synthetic-vmm.ts";
import {
  encodeMessage,
  encodeVringState,
  type VhostUserClient,
  viewOf,
} from "../frontend/vhost-user-client.ts";
import { REQUEST, VERSION_1 } from "../frontend/vhost-user-protocol.ts";

/** How long a device may take to say something; silence after that is its answer. */
const QUIET_MILLISECONDS = 15;

/** How far the connection has come when the attack begins. */
export type Stage = "connected" | "negotiated" | "running";

/** A region as a message says it: any 64-bit values. */
export interface RawRegion {
  readonly guest?: bigint | number;
  readonly size?: bigint | number;
  readonly user?: bigint | number;
  readonly offset?: bigint | number;
}

const REGION_BYTES = 32;
const USER = 0x7000_0000_0000;

export class ManagerAttack implements Disposable {
  readonly client: VhostUserClient;
  /** Undefined at the stage "connected". */
  readonly vmm: SyntheticVmm | undefined;
  readonly #owned: Disposable[] = [];

  constructor(client: VhostUserClient, vmm?: SyntheticVmm) {
    this.client = client;
    this.vmm = vmm;
  }

  /** Sends any message; what comes back is thrown away. True: the device closed the connection. */
  say(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
    flags = VERSION_1,
    size = payload.length,
  ): boolean {
    return this.bytes(encodeMessage(request, payload, flags, size), fds);
  }

  bytes(bytes: Uint8Array, fds: readonly number[] = [], quiet = QUIET_MILLISECONDS): boolean {
    return !this.client.sendRaw(bytes, fds) || this.client.drain(quiet);
  }

  /** SET_MEM_TABLE with any regions, any count, any file descriptors. */
  memoryTable(regions: readonly RawRegion[], fds: readonly number[], count = regions.length): void {
    const payload = new Uint8Array(8 + regions.length * REGION_BYTES);
    viewOf(payload).setUint32(0, count, true);
    regions.forEach((region, index) => {
      payload.set(encodeRegion(region), 8 + index * REGION_BYTES);
    });
    this.say(REQUEST.SET_MEM_TABLE, payload, fds);
  }

  addRegion(region: RawRegion, fds: readonly number[]): void {
    this.say(REQUEST.ADD_MEM_REG, oneRegion(region), fds);
  }

  removeRegion(region: RawRegion, fds: readonly number[] = []): void {
    this.say(REQUEST.REM_MEM_REG, oneRegion(region), fds);
  }

  vring(request: number, index: number, num: number): void {
    this.say(request, encodeVringState(index, num));
  }

  /** SET_VRING_ADDR with any 64-bit addresses. */
  vringAddress(
    index: number,
    descriptor: bigint | number,
    used: bigint | number,
    available: bigint | number,
    flags = 0,
  ): void {
    const payload = new Uint8Array(40);
    const view = viewOf(payload);
    view.setUint32(0, index, true);
    view.setUint32(4, flags, true);
    view.setBigUint64(8, BigInt(descriptor), true);
    view.setBigUint64(16, BigInt(used), true);
    view.setBigUint64(24, BigInt(available), true);
    this.say(REQUEST.SET_VRING_ADDR, payload);
  }

  /** SET_VRING_KICK, CALL or ERR. */
  vringFd(request: number, payload: number | bigint, fds: readonly number[]): void {
    this.say(request, u64(payload), fds);
  }

  /** A memfd of so many bytes. */
  memfd(bytes: number): number {
    return this.#own(SharedMemory.create(Math.max(bytes, 4096)), (memory) => {
      if (bytes < 4096) ftruncateSync(memory.fd, bytes);
      return memory.fd;
    });
  }

  eventfd(): number {
    return this.#own(new EventFd(), (event) => event.fd);
  }

  /** An open file. */
  file(path: string, flags: string | number = "r"): number {
    const fd = openSync(path, flags);
    this.#owned.push({ [Symbol.dispose]: () => closeSync(fd) });
    return fd;
  }

  /** A new folder that goes away with the attack. */
  folder(): string {
    const path = mkdtempSync(join(tmpdir(), "castorefs-attack-"));
    this.#owned.push({ [Symbol.dispose]: () => rmSync(path, { recursive: true }) });
    return path;
  }

  #own<T extends Disposable>(thing: T, of: (thing: T) => number): number {
    this.#owned.push(thing);
    return of(thing);
  }

  [Symbol.dispose](): void {
    if (this.vmm !== undefined) this.vmm[Symbol.dispose]();
    else this.client.close();
    for (const owned of this.#owned) owned[Symbol.dispose]();
  }
}

/** Any u64. */
export function u64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value), true);
  return bytes;
}

export function u32s(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, index) => {
    viewOf(bytes).setUint32(4 * index, value, true);
  });
  return bytes;
}

function encodeRegion({ guest = 0x10_0000, size = 1 << 20, user = USER, offset = 0 }: RawRegion) {
  return Buffer.concat([u64(guest), u64(size), u64(user), u64(offset)]);
}

function oneRegion(region: RawRegion): Uint8Array {
  return Buffer.concat([u64(0), encodeRegion(region)]);
}
