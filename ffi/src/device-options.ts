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

/** What a device offers to its front-end, checked. */
export interface DeviceOffer {
  readonly features: FeatureBits;
  readonly protocolFeatures: FeatureBits;
  readonly config: Uint8Array | undefined;
  readonly maxQueueSize: number;
}

/** @throws RangeError for what the protocol, libvhost-user or this package cannot do. */
export function deviceOffer(options: DeviceOptions): DeviceOffer {
  const { queues, config, maxQueueSize = QUEUE_SIZE_DEFAULT_MAX } = options;
  check(Number.isInteger(queues) && queues >= 1 && queues <= QUEUES_MAX, `${queues} queues`);
  for (const bit of options.features) {
    const isPossible = Number.isInteger(bit) && bit >= 0 && bit < 64;
    check(isPossible && bit !== LOG_ALL && bit !== RING_PACKED, `feature bit ${bit}`);
  }
  const known: readonly number[] = Object.values(PROTOCOL_FEATURE);
  for (const bit of options.protocolFeatures) {
    check(known.includes(bit), `protocol feature ${bit}`);
  }
  const hasConfig = options.protocolFeatures.includes(PROTOCOL_FEATURE.CONFIG);
  check(
    hasConfig === (config !== undefined),
    "CONFIG without a configuration space, or the reverse",
  );
  const configBytes = config?.length ?? 0;
  check(configBytes <= CONFIG_BYTES_MAX, `a configuration space of ${configBytes} bytes`);
  const isPower = maxQueueSize > 0 && (maxQueueSize & (maxQueueSize - 1)) === 0;
  check(isPower && maxQueueSize <= SPLIT_RING_ENTRIES_MAX, `rings of ${maxQueueSize} entries`);
  const always = [FEATURE.VERSION_1, FEATURE.VHOST_USER_PROTOCOL_FEATURES];
  return {
    features: featureBits([...options.features, ...always]),
    protocolFeatures: featureBits(options.protocolFeatures),
    config,
    maxQueueSize,
  };
}

function check(isPossible: boolean, what: string): void {
  if (!isPossible) throw new RangeError(`a device cannot have ${what}`);
}
