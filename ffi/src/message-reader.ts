/**
 * Receives one message of the vhost-user protocol at a time, whole, without ever waiting: a client
 * that sends half a message is simply not heard until it sends the rest. The bytes go straight into
 * the structure from which libvhost-user will read them.
 */
import { SystemError } from "./errors.ts";
import { FLAG_NEED_REPLY, FLAG_VERSION, HEADER_BYTES, MESSAGE_RULES } from "./protocol.ts";
import { demand, Refusal } from "./refusal.ts";
import { shim } from "./shim.ts";
import { tryReceiveMessage } from "./unix-socket.ts";

/** File descriptors in one message: SET_MEM_TABLE's regions. */
const FDS_MAX = 8;

export class MessageReader implements Disposable {
  readonly #socket: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #have = 0;
  #fds: number[] = [];

  /** `bytes`: header and payload of a VhostUserMsg, room for the largest payload. */
  constructor(socket: number, bytes: Uint8Array) {
    this.#socket = socket;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /**
   * Receives what has arrived of the message; "complete" when nothing is missing any more.
   * @throws Refusal when the header cannot be that of a message.
   */
  advance(): "complete" | "incomplete" | "closed" {
    for (;;) {
      const wanted = this.#have < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + this.size;
      if (this.#have === wanted) return "complete";
      // Never more than this message: what follows it has its own file descriptors.
      const received = this.#receive(this.#bytes.subarray(this.#have, wanted));
      if (received <= 0) return received === 0 ? "closed" : "incomplete";
      this.#have += received;
      if (this.#have === HEADER_BYTES) this.#screenHeader();
    }
  }

  get request(): number {
    return this.#view.getUint32(0, true);
  }

  get flags(): number {
    return this.#view.getUint32(4, true);
  }

  /** Bytes of payload. */
  get size(): number {
    return this.#view.getUint32(8, true);
  }

  /** The payload, followed by zeroes. */
  get payload(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    return new DataView(buffer, byteOffset + HEADER_BYTES, byteLength - HEADER_BYTES);
  }

  /** File descriptors that came with the message; this owns them. */
  get fds(): readonly number[] {
    return this.#fds;
  }

  /** What libvhost-user sees: it must not answer for REPLY_ACK, it reports success when it gave up. */
  clearNeedReply(): void {
    this.#view.setUint32(4, FLAG_VERSION, true);
  }

  /** Hands the file descriptors over: the caller owns them now. */
  takeFds(): number[] {
    const fds = this.#fds;
    this.#fds = [];
    return fds;
  }

  /** Forgets the message and makes room for the next; file descriptors that nobody took are closed. */
  reset(): void {
    for (const fd of this.takeFds()) shim.close(fd);
    this.#bytes.fill(0);
    this.#have = 0;
  }

  [Symbol.dispose](): void {
    for (const fd of this.takeFds()) shim.close(fd);
  }

  /** Bytes received; 0: the other side has closed; -1: nothing there yet. */
  #receive(target: Uint8Array): number {
    try {
      const received = tryReceiveMessage(this.#socket, target, FDS_MAX);
      if (received === undefined) return -1;
      this.#fds.push(...received.fds);
      demand(this.#fds.length <= FDS_MAX, "too many file descriptors");
      return received.length;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (error.code === "EMSGSIZE") throw new Refusal("too many file descriptors");
      return 0; // ECONNRESET: closed with our replies unread.
    }
  }

  #screenHeader(): void {
    const { flags, size, request } = this;
    demand((flags & ~FLAG_NEED_REPLY) === FLAG_VERSION, `flags 0x${flags.toString(16)}`);
    const rule = MESSAGE_RULES.get(request);
    demand(size <= this.#bytes.length - HEADER_BYTES, `a payload of ${size} bytes`);
    if (rule === undefined) return;
    const [least, most] = rule.size;
    demand(size >= least && size <= most, `${rule.name} with ${size} bytes`);
  }
}
