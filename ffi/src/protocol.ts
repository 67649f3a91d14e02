/**
 * The vhost-user protocol: numbers of requests and feature bits, by the names of its specification
 * ("Vhost-user Protocol" in QEMU's documentation).
 */

/** Requests of the front-end. What is not here is unknown to this package. */
export const REQUEST = {
  GET_FEATURES: 1,
  SET_FEATURES: 2,
  SET_OWNER: 3,
  RESET_OWNER: 4,
  SET_MEM_TABLE: 5,
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
  GET_CONFIG: 24,
  SET_CONFIG: 25,
  RESET_DEVICE: 34,
  GET_MAX_MEM_SLOTS: 36,
  ADD_MEM_REG: 37,
  REM_MEM_REG: 38,
} as const;

/** Feature bits that every virtio device shares (virtio 1.2 section 6), and vhost-user's own. */
export const FEATURE = {
  RING_INDIRECT_DESC: 28,
  RING_EVENT_IDX: 29,
  VHOST_USER_PROTOCOL_FEATURES: 30,
  VERSION_1: 32,
} as const;

/** Bits of GET_PROTOCOL_FEATURES that a device here may offer. */
export const PROTOCOL_FEATURE = {
  MQ: 0,
  REPLY_ACK: 3,
  CONFIG: 9,
  RESET_DEVICE: 13,
  CONFIGURE_MEM_SLOTS: 15,
} as const;

/** Message header: request, flags, size of the payload; u32 each. */
export const HEADER_BYTES = 12;

export const FLAG_VERSION = 0x1;
export const FLAG_REPLY = 0x4;
export const FLAG_NEED_REPLY = 0x8;

/** In SET_VRING_KICK, CALL and ERR: the queue's index, and "no file descriptor comes with this". */
export const VRING_INDEX_MASK = 0xff;
export const VRING_NO_FD = 0x100;

/** What a message must look like before its meaning is looked at. */
export interface MessageRule {
  readonly name: keyof typeof REQUEST;
  /** Payload bytes. */
  readonly size: readonly [least: number, most: number];
  /** File descriptors. */
  readonly fds: readonly [least: number, most: number];
  /** It has a reply of its own: REPLY_ACK adds none. */
  readonly replies: boolean;
  /** The protocol feature that must have been acknowledged. */
  readonly needs?: number;
}

/** struct vhost_vring_state: index and num, u32 each. */
const STATE_BYTES = 8;
/** struct vhost_vring_addr: index and flags, u32; four addresses, u64. */
const ADDRESS_BYTES = 40;
/** One memory region: guest address, size, user address, offset in the file; u64 each. */
export const REGION_BYTES = 32;
/** What stands before the region in ADD_MEM_REG and REM_MEM_REG: padding, u64. */
export const REGION_PADDING_BYTES = 8;
/** What stands before the regions in SET_MEM_TABLE: their number and padding, u32 each. */
export const TABLE_HEADER_BYTES = 8;
/** Regions in SET_MEM_TABLE. */
export const TABLE_REGIONS_MAX = 8;
/** Before the bytes in GET_CONFIG and SET_CONFIG: offset, size and flags, u32 each. */
export const CONFIG_HEADER_BYTES = 12;
/** The largest config space (virtio allows more, the protocol does not). */
export const CONFIG_BYTES_MAX = 256;

const CONFIG_PAYLOAD = [CONFIG_HEADER_BYTES, CONFIG_HEADER_BYTES + CONFIG_BYTES_MAX] as const;
const ONE_REGION = REGION_PADDING_BYTES + REGION_BYTES;

export const MESSAGE_RULES: ReadonlyMap<number, MessageRule> = rules([
  ["GET_FEATURES", 0, 0, true],
  ["SET_FEATURES", 8, 0, false],
  ["SET_OWNER", 0, 0, false],
  ["RESET_OWNER", 0, 0, false],
  [
    "SET_MEM_TABLE",
    [TABLE_HEADER_BYTES, TABLE_HEADER_BYTES + TABLE_REGIONS_MAX * REGION_BYTES],
    [0, TABLE_REGIONS_MAX],
    false,
  ],
  ["SET_VRING_NUM", STATE_BYTES, 0, false],
  ["SET_VRING_ADDR", ADDRESS_BYTES, 0, false],
  ["SET_VRING_BASE", STATE_BYTES, 0, false],
  ["GET_VRING_BASE", STATE_BYTES, 0, true],
  ["SET_VRING_KICK", 8, [0, 1], false],
  ["SET_VRING_CALL", 8, [0, 1], false],
  ["SET_VRING_ERR", 8, [0, 1], false],
  ["GET_PROTOCOL_FEATURES", 0, 0, true],
  ["SET_PROTOCOL_FEATURES", 8, 0, false],
  ["GET_QUEUE_NUM", 0, 0, true],
  ["SET_VRING_ENABLE", STATE_BYTES, 0, false],
  ["GET_CONFIG", CONFIG_PAYLOAD, 0, true, PROTOCOL_FEATURE.CONFIG],
  ["SET_CONFIG", CONFIG_PAYLOAD, 0, false, PROTOCOL_FEATURE.CONFIG],
  ["RESET_DEVICE", 0, 0, false, PROTOCOL_FEATURE.RESET_DEVICE],
  ["GET_MAX_MEM_SLOTS", 0, 0, true, PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS],
  ["ADD_MEM_REG", ONE_REGION, 1, false, PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS],
  ["REM_MEM_REG", ONE_REGION, [0, 1], false, PROTOCOL_FEATURE.CONFIGURE_MEM_SLOTS],
]);

type Bounds = number | readonly [number, number];
type Row = readonly [keyof typeof REQUEST, Bounds, Bounds, boolean, number?];

function rules(rows: readonly Row[]): ReadonlyMap<number, MessageRule> {
  const bounds = (value: Bounds) => (typeof value === "number" ? ([value, value] as const) : value);
  return new Map(
    rows.map(([name, size, fds, replies, needs]) => [
      REQUEST[name],
      {
        name,
        size: bounds(size),
        fds: bounds(fds),
        replies,
        ...(needs !== undefined && { needs }),
      },
    ]),
  );
}
