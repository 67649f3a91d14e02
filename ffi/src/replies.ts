/** What a device sends to its front-end. */
import { type FeatureBits, hasFeature } from "./feature-bits.ts";
import {
  FLAG_NEED_REPLY,
  FLAG_REPLY,
  FLAG_VERSION,
  HEADER_BYTES,
  PROTOCOL_FEATURE,
} from "./protocol.ts";
import { demand } from "./refusal.ts";
import { shim } from "./shim.ts";

const NO_FDS = new Int32Array(0);

/** Sends a reply to `request`. @throws Refusal when it cannot be sent at once. */
export function sendReply(socket: number, request: number, payload: Uint8Array): void {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, request, true);
  view.setUint32(4, FLAG_VERSION | FLAG_REPLY, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_BYTES);
  const sent = shim.send(socket, bytes, bytes.length, NO_FDS, 0);
  demand(sent === bytes.length, "a reply that could not be sent");
}

export function sendFeatures(socket: number, request: number, features: FeatureBits): void {
  const payload = new Uint8Array(8);
  new DataView(payload.buffer).setUint32(0, features.low, true);
  new DataView(payload.buffer).setUint32(4, features.high, true);
  sendReply(socket, request, payload);
}

/** The verdict on a message, where REPLY_ACK asks for one: 0 is success. */
export function sendVerdict(socket: number, request: number, verdict: 0 | 1): void {
  sendReply(socket, request, Uint8Array.of(verdict, 0, 0, 0, 0, 0, 0, 0));
}

/** Does the front-end wait for a verdict? The flag means nothing before REPLY_ACK is agreed on. */
export function wantsVerdict(flags: number, protocolFeatures: FeatureBits): boolean {
  const isAgreed = hasFeature(protocolFeatures, PROTOCOL_FEATURE.REPLY_ACK);
  return isAgreed && (flags & FLAG_NEED_REPLY) !== 0;
}

/**
 * Replies are small and the socket's buffer is not: it is full when the client does not read. Then
 * writing would block, so nothing is begun. @throws Refusal
 */
export function checkRoomForReply(socket: number): void {
  demand(shim.writable(socket) === 1, "the client does not read its replies");
}
