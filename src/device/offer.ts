/** What this device offers in the negotiation: feature bits, protocol features, config space. */
import {
  VIRTIO_F_VERSION_1,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
  virtioFsConfig,
} from "../abi/virtio.ts";

export const DEVICE_FEATURES = [
  VIRTIO_RING_F_INDIRECT_DESC,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_F_VERSION_1,
] as const;

/** Protocol feature bits (vhost-user specification, "Protocol features"). */
const PROTOCOL_F_MQ = 0;
const PROTOCOL_F_REPLY_ACK = 3;
const PROTOCOL_F_CONFIG = 9;
const PROTOCOL_F_RESET_DEVICE = 13;
const PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15;

/** CONFIG is offered only with a tag: QEMU has its own and warns about a second one. */
export function protocolFeatures(tag: string | undefined): number[] {
  const always = [
    PROTOCOL_F_MQ,
    PROTOCOL_F_REPLY_ACK,
    PROTOCOL_F_RESET_DEVICE,
    PROTOCOL_F_CONFIGURE_MEM_SLOTS,
  ];
  return tag === undefined ? always : [...always, PROTOCOL_F_CONFIG];
}

/** `struct virtio_fs_config` (virtio 1.2 §5.11.4): the tag padded with NULs, the queue count. */
export function configSpace(tag: string, requestQueues: number): Uint8Array {
  const bytes = new Uint8Array(virtioFsConfig.size);
  bytes.set(new TextEncoder().encode(tag), virtioFsConfig.at.tag);
  new DataView(bytes.buffer).setUint32(virtioFsConfig.at.num_request_queues, requestQueues, true);
  return bytes;
}
