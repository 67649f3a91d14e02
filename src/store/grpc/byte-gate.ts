/**
 * Holds messages of one stream back. grpc-js reads up to 16 messages ahead of who takes them, and a
 * peer decides how large they are.
 */

/**
 * Bytes of one stream that were received and not taken; one more message may be beyond. While it is
 * held back nothing is read from the peer.
 */
export const UNTAKEN_BYTES_MAX = 2 * 1024 * 1024;

export class ByteGate {
  #untaken = 0;
  #held: { readonly bytes: number; readonly pass: () => void } | undefined;

  /** Calls `pass` at once, or when enough was taken. grpc-js comes with one message at a time. */
  admit(bytes: number, pass: () => void): void {
    if (this.#untaken > 0 && this.#untaken + bytes > UNTAKEN_BYTES_MAX) {
      this.#held = { bytes, pass };
      return;
    }
    this.#untaken += bytes;
    pass();
  }

  /** That many bytes, of messages that were admitted, are needed no more. */
  taken(bytes: number): void {
    this.#untaken -= bytes;
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.admit(held.bytes, held.pass);
  }
}
