/** The daemon's end of a layer's control socket (control-protocol.ts), on the control thread. */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "../base/logger.ts";
import { ControlLines } from "./control-lines.ts";
import {
  type ControlAnswer,
  type ControlQuestion,
  PIN_MILLISECONDS_MAX,
  parseQuestion,
} from "./control-protocol.ts";

/** Commands that talk to a daemon at a time. */
const CONNECTIONS_MAX = 16;

/** Holding a running layer, as the one who serves it does it. */
export interface LayerHolder {
  /**
   * Settles when all that the guest has written so far is in the layer, durable, and no batch will
   * come before `pinned` or `release`; from then on until `release` what the layer holds is neither
   * overwritten nor freed.
   * @throws LayerError: the layer has failed, the daemon is ending
   */
  hold(): Promise<void>;
  /** Batches may be made again. */
  pinned(): void;
  /** All is as before. Comes after every `hold`, one that failed, too. */
  release(): void;
}

export class ControlServer implements AsyncDisposable {
  readonly #path: string;
  readonly #holder: LayerHolder;
  readonly #logger: Logger;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #held: Socket | undefined;
  /** `#held` waits for the layer to be held. */
  #holding = false;

  private constructor(path: string, holder: LayerHolder, logger: Logger) {
    this.#path = path;
    this.#holder = holder;
    this.#logger = logger;
    this.#server = createServer((socket) => this.#serve(socket));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /**
   * Listens at `path`, where a daemon that was killed may have left its socket: the caller holds the
   * layer's lock. @throws an error of `node:net`
   */
  static async listen(path: string, holder: LayerHolder, logger: Logger): Promise<ControlServer> {
    rmSync(path, { force: true });
    const control = new ControlServer(path, holder, logger);
    const server = control.#server;
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen(path, listening.resolve);
    await listening.promise;
    server.off("error", listening.reject);
    server.on("error", (error) => logger.log("warn", "layer control", { error: error.message }));
    chmodSync(path, 0o600);
    return control;
  }

  /** Whatever is held is released. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    rmSync(this.#path, { force: true });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let work = Promise.resolve();
    const lines = new ControlLines((line) => {
      work = work.then(() => this.#answer(socket, line));
    });
    socket.on("data", (bytes) => {
      if (!lines.take(bytes)) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#release(socket);
    });
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    if (socket.destroyed) return;
    const begun = performance.now();
    const answer = await this.#perform(socket, parseQuestion(line)).then(
      (): ControlAnswer => ({ ok: true, milliseconds: performance.now() - begun }),
      (error: unknown): ControlAnswer => ({ ok: false, message: messageOf(error) }),
    );
    if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
  }

  async #perform(socket: Socket, question: ControlQuestion | undefined): Promise<void> {
    if (question === undefined) throw new Error("the daemon does not know what that asks");
    if (question.op === "hold") return await this.#hold(socket);
    if (this.#held !== socket) throw new Error("nothing is held");
    socket.setTimeout(0);
    this.#holder.pinned();
  }

  async #hold(socket: Socket): Promise<void> {
    if (this.#held !== undefined) throw new Error("another command is reading the layer");
    this.#held = socket;
    this.#holding = true;
    try {
      await this.#holder.hold();
    } catch (error) {
      this.#holding = false;
      this.#release(socket);
      throw error;
    }
    this.#holding = false;
    if (socket.destroyed) return this.#release(socket);
    socket.setTimeout(PIN_MILLISECONDS_MAX, () => {
      this.#logger.log("warn", "a command that held the layer went silent: it is released");
      socket.destroy();
    });
  }

  /** What is not held yet is released when it is. */
  #release(socket: Socket): void {
    if (this.#held !== socket || this.#holding) return;
    this.#held = undefined;
    this.#holder.release();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
