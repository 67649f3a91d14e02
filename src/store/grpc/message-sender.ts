/** Sends the messages of a stream no faster than the peer takes them. */
import type { ServerWritableStream } from "@grpc/grpc-js";

/** Bytes of one stream that were given to the connection and not sent. */
export const UNSENT_BYTES_MAX = 1024 * 1024;

export class MessageSender {
  readonly #call: ServerWritableStream<Buffer, Buffer>;
  readonly #signal: AbortSignal;
  #unsent = 0;
  #wake: (() => void) | undefined;

  /** `signal` says that the call has ended. */
  constructor(call: ServerWritableStream<Buffer, Buffer>, signal: AbortSignal) {
    this.#call = call;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake?.());
  }

  /** Keeps `message`. Settles when there is room for the next. */
  async send(message: Uint8Array): Promise<void> {
    this.#write(message);
    while (this.#unsent > UNSENT_BYTES_MAX) await this.#progress();
  }

  /** Settles when `message` is needed no more. */
  async sendBorrowed(message: Uint8Array): Promise<void> {
    this.#write(message);
    while (this.#unsent > 0) await this.#progress();
  }

  #write(message: Uint8Array): void {
    this.#signal.throwIfAborted();
    this.#unsent += message.length;
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
    this.#call.write(bytes, () => {
      this.#unsent -= message.length;
      this.#wake?.();
    });
  }

  async #progress(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    this.#signal.throwIfAborted();
  }
}
