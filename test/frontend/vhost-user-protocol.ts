/**
 * The vhost-user protocol as a VM manager speaks it (QEMU's docs/interop/vhost-user.rst): request
 * numbers, message layouts, feature bits. All little-endian on the machines we run on.
 */
import { struct } from "../../src/abi/struct.ts";

/** Every message begins with this; `size` counts the payload. */
export const messageHeader = struct({ request: "u32", flags: "u32", size: "u32" });

/** Header flags: bits 0–1 hold the version. */
export const VERSION_1 = 1;
export const IS_REPLY = 4;
export const NEED_REPLY = 8;

/** `frontend message id` of the specification. */
export const REQUEST = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
  SET_LOG_BASE: 6,
  SET_LOG_FD: 7,
  SET_VRING_NUM: 8,
  SET_VRING_ADDR: 9,
  SET_VRING_BASE: 10,
  GET_VRING_BASE: 11,
  SET_VRING_KICK: 12,
  SET_VRING_CALL: 13,
  SET_VRING_ERR: 14,
  GET_PROTOCOL_FEATURES: 15,
  SET_PROTOCOL_FEATURES: 16,
  GET_QUEUE_NUM: 17,
  SET_VRING_ENABLE: 18,
  SEND_RARP: 19,
  NET_SET_MTU: 20,
  SET_BACKEND_REQ_FD: 21,
  IOTLB_MSG: 22,
  SET_VRING_ENDIAN: 23,
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  CREATE_CRYPTO_SESSION: 26,
  CLOSE_CRYPTO_SESSION: 27,
  POSTCOPY_ADVISE: 28,
  POSTCOPY_LISTEN: 29,
  POSTCOPY_END: 30,
  GET_INFLIGHT_FD: 31,
  SET_INFLIGHT_FD: 32,
  GPU_SET_SOCKET: 33,
  RESET_DEVICE: 34,
  VRING_KICK: 35,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
  SET_STATUS: 39,
  GET_STATUS: 40,
  GET_SHARED_OBJECT: 41,
  SET_DEVICE_STATE_FD: 42,
  CHECK_DEVICE_STATE: 43,
  GET_SHMEM_CONFIG: 44,
} as const;

export type RequestName = keyof typeof REQUEST;

/** Payloads. */
export const u64Payload = struct({ value: "u64" });
export const vringState = struct({ index: "u32", num: "u32" });
export const vringAddress = struct({
  index: "u32",
  flags: "u32",
  descriptor: "u64",
  used: "u64",
  available: "u64",
  log: "u64",
});
export const memoryHeader = struct({ count: "u32", padding: "u32" });
export const memoryRegion = struct({
  guestAddress: "u64",
  size: "u64",
  userAddress: "u64",
  fileOffset: "u64",
});
/** ADD_MEM_REG and REM_MEM_REG: padding, then one region. */
export const ONE_REGION_PADDING = 8;
export const configHeader = struct({ offset: "u32", size: "u32", flags: "u32" });

/** SET_MEM_TABLE carries at the most so many regions. */
export const TABLE_REGIONS_MAX = 8;

/** In the payload of SET_VRING_KICK, CALL and ERR: no file descriptor comes with it. */
export const NO_FD = 0x100;

/** Device feature bits that matter here (virtio 1.2 §6, vhost-user.rst). */
export const FEATURE = {
  NOTIFY_ON_EMPTY: 24,
  LOG_ALL: 26,
  INDIRECT_DESC: 28,
  EVENT_IDX: 29,
  PROTOCOL_FEATURES: 30,
  VERSION_1: 32,
  ACCESS_PLATFORM: 33,
  RING_PACKED: 34,
} as const;

/** Protocol feature bits. */
export const PROTOCOL_FEATURE = {
  MQ: 0,
  LOG_SHMFD: 1,
  RARP: 2,
  REPLY_ACK: 3,
  MTU: 4,
  BACKEND_REQ: 5,
  CROSS_ENDIAN: 6,
  CRYPTO_SESSION: 7,
  PAGEFAULT: 8,
  CONFIG: 9,
  BACKEND_SEND_FD: 10,
  HOST_NOTIFIER: 11,
  INFLIGHT_SHMFD: 12,
  RESET_DEVICE: 13,
  INBAND_NOTIFICATIONS: 14,
  CONFIGURE_MEM_SLOTS: 15,
  STATUS: 16,
} as const;

/** A set of feature bits. 64 of them do not fit a number; nothing here is on a request's path. */
export class FeatureBits {
  readonly low: number;
  readonly high: number;

  constructor(low: number, high: number) {
    this.low = low >>> 0;
    this.high = high >>> 0;
  }

  static of(...bits: number[]): FeatureBits {
    let low = 0;
    let high = 0;
    for (const bit of bits) {
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit - 32);
    }
    return new FeatureBits(low, high);
  }

  has(bit: number): boolean {
    return bit < 32 ? ((this.low >>> bit) & 1) === 1 : ((this.high >>> (bit - 32)) & 1) === 1;
  }

  and(other: FeatureBits): FeatureBits {
    return new FeatureBits(this.low & other.low, this.high & other.high);
  }

  without(...bits: number[]): FeatureBits {
    const { low, high } = FeatureBits.of(...bits);
    return new FeatureBits(this.low & ~low, this.high & ~high);
  }

  get bits(): number[] {
    return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => this.has(bit));
  }
}
