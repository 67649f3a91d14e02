/** A command's end of a layer's control socket (control-protocol.ts). */
import { connect, type Socket } from "node:net";
import { ControlLines } from "./control-lines.ts";
import { type ControlAnswer, type ControlQuestion, parseAnswer } from "./control-protocol.ts";
import { LayerError } from "./errors.ts";

/** Everything that a guest has written may have to be written back before a daemon answers. */
const ANSWER_MILLISECONDS_MAX = 120_000;

/** What a running layer is held by. Disposing of it releases the layer. */
export class LayerHold implements Disposable {
  readonly #socket: Socket;
  #answers: PromiseWithResolvers<ControlAnswer> | undefined;
  #failure: LayerError | undefined;
  readonly #lost = new AbortController();

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines = new ControlLines((line) => {
      const answer = parseAnswer(line);
      if (answer === undefined) this.#fail("the daemon answers what makes no sense");
      else this.#answers?.resolve(answer);
    });
    socket.on("data", (bytes) => {
      if (!lines.take(bytes)) this.#fail("the daemon answers what makes no sense");
    });
    socket.on("error", (error) => this.#fail("the daemon cannot be reached", error));
    socket.on("close", () => this.#fail("the daemon has gone away"));
    socket.setTimeout(ANSWER_MILLISECONDS_MAX, () => this.#fail("the daemon does not answer"));
  }

  /**
   * Has the daemon at `path` hold its layer, so that a snapshot can be taken: then call `pinned`.
   * Returns how long that took the daemon, too.
   * @throws LayerError
   */
  static async take(path: string): Promise<[hold: LayerHold, milliseconds: number]> {
    const hold = new LayerHold(connect(path));
    try {
      return [hold, await hold.#ask({ op: "hold" })];
    } catch (error) {
      hold[Symbol.dispose]();
      throw error;
    }
  }

  /** Tells that the snapshot is taken. @throws LayerError: the layer may not have been held then. */
  async pinned(): Promise<void> {
    await this.#ask({ op: "pinned" });
    this.#socket.setTimeout(0);
  }

  /** @throws LayerError when the layer is not held any more: what was read may be anything. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Aborted when the layer is not held any more, disposed of or not, with the reason. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  /** Returns what the answer says of its milliseconds. */
  async #ask(question: ControlQuestion): Promise<number> {
    this.check();
    this.#answers = Promise.withResolvers();
    this.#socket.write(`${JSON.stringify(question)}\n`);
    const answer = await this.#answers.promise;
    this.#answers = undefined;
    if (!answer.ok) throw new LayerError(`the daemon refuses: ${answer.message}`);
    return answer.milliseconds;
  }

  #fail(message: string, cause?: unknown): void {
    this.#failure ??= new LayerError(message, { cause, remedy: "try again" });
    this.#answers?.reject(this.#failure);
    this.#lost.abort(this.#failure);
    this.#socket.destroy();
  }
}
