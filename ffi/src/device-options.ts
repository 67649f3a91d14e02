/** What a device is made of, as its author says it. */
import { type FeatureBits, featureBits } from "./feature-bits.ts";
import { CONFIG_BYTES_MAX, FEATURE, PROTOCOL_FEATURE } from "./protocol.ts";

/** The protocol has one byte for the index of a queue. */
export const QUEUES_MAX = 256;

/** Entries of a ring, unless `maxQueueSize` says otherwise; QEMU's limit. */
export const QUEUE_SIZE_DEFAULT_MAX = 1024;

/** Entries of a split ring that virtio allows. */
const SPLIT_RING_ENTRIES_MAX = 32768;

/** How far a ring has been processed: counters modulo 2^16, as in the rings. */
export interface RingPosition {
  /** Entries taken from the available ring. */
  readonly lastAvail: number;
  /** used.idx as last written. */
  readonly used: number;
}

/**
 * What happens on the control plane. All are called inside `dispatch()`, on its thread; none may
 * dispose the device.
 */
export interface DeviceEvents {
  /**
   * Memory regions came or went; `memory.regions` has the new ones. Views of the old ones are
   * detached. Addresses of started rings have changed too, or are 0 until they come back.
   */
  memoryChanged?(): void;
  /** The driver's choice is in `features`. */
  featuresNegotiated?(): void;
  /** The ring may be looked at from now on (while it is enabled). */
  queueStarted?(index: number): void;
  /** The ring must not be touched any more. */
  queueStopped?(index: number): void;
  /**
   * How far a started ring has been processed. Asked just before it stops or is disabled: finish or
   * give up what is being processed, and write the used ring. `lastAvail` of the queue keeps it.
   */
  ringPosition?(index: number): RingPosition;
  /** RESET_DEVICE: all rings have been stopped; forget what the driver had set. */
  deviceReset?(): void;
}

export type DeviceLog = (
  level: "debug" | "warn",
  message: string,
  fields?: Readonly<Record<string, string | number>>,
) => void;

export interface DeviceOptions {
  /** Number of virtqueues, 1 to QUEUES_MAX. */
  readonly queues: number;
  /**
   * Feature bits to offer (virtio 1.2 section 6, and the device type's own). VERSION_1 and vhost-
   * user's own bit 30 are always offered; LOG_ALL (26), the packed ring (34) never.
   */
  readonly features: readonly number[];
  /** Bits of PROTOCOL_FEATURE to offer. CONFIG needs `config`. */
  readonly protocolFeatures: readonly number[];
  /** The device's configuration space, read-only, at most 256 bytes. Read at every GET_CONFIG. */
  readonly config?: Uint8Array;
  /** Most entries that a ring may have: a power of two; QUEUE_SIZE_DEFAULT_MAX by default. */
  readonly maxQueueSize?: number;
  readonly log?: DeviceLog;
  readonly events?: DeviceEvents;
}

const LOG_ALL = 26;
const RING_PACKED = 34;

/** The feature bits to offer. @throws RangeError for what libvhost-user or this cannot do. */
export function offeredFeatures(options: DeviceOptions): FeatureBits {
  for (const bit of options.features) {
    if (!Number.isInteger(bit) || bit < 0 || bit > 63 || bit === LOG_ALL || bit === RING_PACKED) {
      throw new RangeError(`feature bit ${bit} cannot be offered`);
    }
  }
  return featureBits([
    ...options.features,
    FEATURE.VERSION_1,
    FEATURE.VHOST_USER_PROTOCOL_FEATURES,
  ]);
}

/** The protocol feature bits to offer. @throws RangeError */
export function offeredProtocolFeatures(options: DeviceOptions): FeatureBits {
  const known: readonly number[] = Object.values(PROTOCOL_FEATURE);
  for (const bit of options.protocolFeatures) {
    if (!known.includes(bit)) throw new RangeError(`protocol feature ${bit} cannot be offered`);
  }
  const hasConfig = options.protocolFeatures.includes(PROTOCOL_FEATURE.CONFIG);
  if (hasConfig !== (options.config !== undefined)) {
    throw new RangeError("CONFIG and a configuration space go together");
  }
  return featureBits(options.protocolFeatures);
}

/** @throws RangeError */
export function checkLimits(options: DeviceOptions): void {
  const { queues, config, maxQueueSize = QUEUE_SIZE_DEFAULT_MAX } = options;
  if (!Number.isInteger(queues) || queues < 1 || queues > QUEUES_MAX) {
    throw new RangeError(`${queues} queues`);
  }
  if (config !== undefined && config.length > CONFIG_BYTES_MAX) {
    throw new RangeError(`a configuration space of ${config.length} bytes`);
  }
  const isPower = maxQueueSize > 0 && (maxQueueSize & (maxQueueSize - 1)) === 0;
  if (!isPower || maxQueueSize > SPLIT_RING_ENTRIES_MAX) {
    throw new RangeError(`rings of ${maxQueueSize} entries`);
  }
}
