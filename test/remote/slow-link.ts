/**
 * A slow line between two programs of this host: a TCP proxy on loopback that adds latency and
 * shares a bandwidth among its connections. It can go dead and come back, and can garble what the
 * server says. Counts what goes through.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Bytes on their way in one direction of a connection, at the most: its sender waits. */
const WINDOW_BYTES = 1024 * 1024;

export interface SlowLinkOptions {
  /** Where the server listens: a port of 127.0.0.1. */
  readonly serverPort: number;
  /** Added to a round trip, half of it each way. */
  readonly latencyMilliseconds: number;
  /** Of each direction, for all connections together; left out: as fast as loopback is. */
  readonly bitsPerSecond?: number;
}

/** One direction of the line: when its next byte can leave. */
interface Direction {
  freeAt: number;
  bytes: number;
}

export class SlowLink implements AsyncDisposable {
  readonly #options: SlowLinkOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #up: Direction = { freeAt: 0, bytes: 0 };
  readonly #down: Direction = { freeAt: 0, bytes: 0 };
  #dead = false;
  /** Every so many bytes of what the server says one is changed; 0: none. */
  garbleEvery = 0;
  connections = 0;

  private constructor(options: SlowLinkOptions) {
    this.#options = options;
    this.#server = createServer((client) => this.#join(client));
  }

  static async open(options: SlowLinkOptions): Promise<SlowLink> {
    const link = new SlowLink(options);
    await new Promise<void>((resolve, reject) => {
      link.#server.once("error", reject);
      link.#server.listen(0, "127.0.0.1", resolve);
    });
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Bytes that the server sent through it. */
  get bytesDown(): number {
    return this.#down.bytes;
  }

  get bytesUp(): number {
    return this.#up.bytes;
  }

  /** Cuts every connection; new ones are cut at once, too. */
  die(): void {
    this.#dead = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  revive(): void {
    this.#dead = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.die();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    if (this.#dead) {
      client.destroy();
      return;
    }
    this.connections += 1;
    const server = connect(this.#options.serverPort, "127.0.0.1");
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      socket.on("error", () => socket.destroy());
    }
    this.#carry(client, server, this.#up);
    this.#carry(server, client, this.#down);
  }

  #carry(from: Socket, to: Socket, direction: Direction): void {
    const delay = this.#options.latencyMilliseconds / 2;
    const { bitsPerSecond } = this.#options;
    let onTheWay = 0;
    // Timers of nearly the same time may change places: whichever fires, the oldest goes first.
    const waiting: (() => void)[] = [];
    const later = (bytes: number, deliver: () => void): void => {
      const now = performance.now();
      const taken = bitsPerSecond === undefined ? 0 : (bytes * 8000) / bitsPerSecond;
      direction.freeAt = Math.max(direction.freeAt, now) + taken;
      waiting.push(deliver);
      setTimeout(() => waiting.shift()!(), direction.freeAt + delay - now);
    };
    from.on("data", (data: Buffer) => {
      if (direction === this.#down) this.#garble(data);
      direction.bytes += data.length;
      onTheWay += data.length;
      if (onTheWay > WINDOW_BYTES) from.pause();
      later(data.length, () => {
        onTheWay -= data.length;
        if (!to.destroyed) to.write(data);
        if (onTheWay <= WINDOW_BYTES) from.resume();
      });
    });
    from.once("end", () => later(0, () => to.end()));
    from.once("close", () => later(0, () => to.destroySoon()));
  }

  #garble(data: Buffer): void {
    const every = this.garbleEvery;
    if (every === 0) return;
    const first = every - (this.#down.bytes % every) - 1;
    for (let at = first; at < data.length; at += every) data[at] = data[at]! ^ 0x55;
  }
}
