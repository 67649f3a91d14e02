/**
 * A connection to a gRPC server, made when it is first needed and again when it was lost, and the
 * kinds of calls over it. Messages are bytes here: who calls encodes and decodes them.
 */
import {
  Client,
  type ClientOptions,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
  status,
} from "@grpc/grpc-js";
import "./quiet-grpc.ts";
import { ByteGate } from "./byte-gate.ts";
import type { GrpcAddress } from "./grpc-address.ts";
import { RpcFailure, rpcFailure } from "./rpc-failure.ts";
import { SilenceTimer } from "./silence-timer.ts";

/** Above the largest directory; a server's piece of a blob is far smaller. */
const MESSAGE_BYTES_MAX = 257 * 1024 * 1024;
/** Bytes that a server may send of one stream before we have said that we took some. */
const FLOW_WINDOW_BYTES = 2 * 1024 * 1024;
const KEEPALIVE_MILLISECONDS = 20_000;
const KEEPALIVE_PATIENCE_MILLISECONDS = 10_000;
/** After a lost connection; grpc-js waits a little longer each time, up to the second. */
const RECONNECT_MILLISECONDS_MIN = 100;
const RECONNECT_MILLISECONDS_MAX = 2_000;

const OPTIONS: ClientOptions = {
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc-node.flow_control_window": FLOW_WINDOW_BYTES,
  "grpc.keepalive_time_ms": KEEPALIVE_MILLISECONDS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_PATIENCE_MILLISECONDS,
  "grpc.initial_reconnect_backoff_ms": RECONNECT_MILLISECONDS_MIN,
  "grpc.max_reconnect_backoff_ms": RECONNECT_MILLISECONDS_MAX,
  // An address is where we connect to, whatever the environment or the DNS say of proxies.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0,
};

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface UnaryAnswer {
  readonly message: Uint8Array;
  /** The first value of a header, where it was sent. */
  header(name: string): string | undefined;
}

/** A stream of messages to the server, answered by one. */
export interface Upload {
  /** Settles when there is room for more. @throws RpcFailure when the server ended the call. */
  send(message: Uint8Array): Promise<void>;
  /** Ends the stream. The server's answer. @throws RpcFailure */
  finish(): Promise<Uint8Array>;
  /** Gives the call up, unless it has ended. */
  cancel(): void;
}

/** Calls throw RpcFailure, or the reason of `signal`. */
export class GrpcChannel implements Disposable {
  readonly name: string;
  readonly #client: Client;
  readonly #patience: number;

  /** `patience`: milliseconds that a server may stay silent while somebody waits for it. */
  constructor(address: GrpcAddress, patience: number) {
    this.name = address.name;
    this.#patience = patience;
    const how = address.secure ? credentials.createSsl() : credentials.createInsecure();
    this.#client = new Client(address.target, how, OPTIONS);
  }

  /** One message for one. */
  async unary(
    path: string,
    request: Uint8Array,
    { signal }: CallOptions = {},
  ): Promise<UnaryAnswer> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<UnaryAnswer>();
    let headers: Metadata | undefined;
    const header = (name: string) => headers?.get(name)[0]?.toString();
    const deadline = Date.now() + this.#patience;
    const call = this.#client.makeUnaryRequest(
      path,
      asBuffer,
      asBytes,
      request,
      new Metadata(),
      { deadline },
      (error, message) => {
        if (error !== null) reject(rpcFailure(error));
        else resolve({ message: message!, header });
      },
    );
    call.on("metadata", (received: Metadata) => {
      headers = received;
    });
    return await orAborted(promise, signal, () => call.cancel());
  }

  /**
   * One message for any number. Who stops taking them early ends the call. A message is borrowed
   * until the next is asked for only in that it counts as untaken until then.
   */
  async *serverStream(
    path: string,
    request: Uint8Array,
    { signal }: CallOptions = {},
  ): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted();
    const gate = new ByteGate();
    const call: ClientReadableStream<Uint8Array> = this.#client.makeServerStreamRequest(
      path,
      asBuffer,
      asBytes,
      request,
      new Metadata(),
      { interceptors: [gatedBy(gate)] },
    );
    // The iterator throws it; but a call may fail when nobody iterates any more.
    call.on("error", () => {});
    let silent = false;
    const timer = new SilenceTimer(this.#patience, () => {
      silent = true;
      call.cancel();
    });
    const abort = () => call.cancel();
    signal?.addEventListener("abort", abort);
    try {
      const messages = call[Symbol.asyncIterator]();
      for (;;) {
        const next = await timer.watch(messages.next());
        if (next.done === true) return;
        const message: Uint8Array = next.value;
        yield message;
        gate.taken(message.length);
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw silent ? this.#silence() : rpcFailure(error);
    } finally {
      timer.stop();
      signal?.removeEventListener("abort", abort);
      call.cancel();
    }
  }

  /** Any number of messages for one. */
  upload(path: string): Upload {
    return new PutCall(this.#patience, (answered) =>
      this.#client.makeClientStreamRequest(path, asBuffer, asBytes, new Metadata(), {}, answered),
    );
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #silence(): RpcFailure {
    return silence(this.#patience);
  }
}

type Answered = (error: Error | null, message?: Uint8Array) => void;

class PutCall implements Upload {
  readonly #call: ClientWritableStream<Uint8Array>;
  readonly #answer: Promise<Uint8Array>;
  readonly #timer: SilenceTimer;
  #silent = false;
  #answered = false;

  constructor(patience: number, start: (answered: Answered) => ClientWritableStream<Uint8Array>) {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.#call = start((error, message) => {
      this.#answered = true;
      if (error === null) resolve(message!);
      else reject(this.#silent ? silence(patience) : rpcFailure(error));
    });
    this.#answer = promise;
    // Whoever sends or finishes next gets to know of it.
    promise.catch(() => {});
    this.#call.on("error", () => {});
    this.#timer = new SilenceTimer(patience, () => {
      this.#silent = true;
      this.#call.cancel();
    });
  }

  async send(message: Uint8Array): Promise<void> {
    if (!this.#answered && this.#call.write(message)) return;
    if (!this.#answered) {
      const drained = Promise.withResolvers<void>();
      this.#call.once("drain", drained.resolve);
      await this.#timer.watch(Promise.race([drained.promise, this.#answer]));
      this.#call.off("drain", drained.resolve);
    }
    if (!this.#answered) return;
    await this.#answer;
    throw new RpcFailure(status.INTERNAL, "the server answered before it had everything");
  }

  async finish(): Promise<Uint8Array> {
    try {
      this.#call.end();
      return await this.#timer.watch(this.#answer);
    } finally {
      this.#timer.stop();
    }
  }

  cancel(): void {
    this.#timer.stop();
    this.#call.cancel();
  }
}

function silence(patience: number): RpcFailure {
  return new RpcFailure(status.DEADLINE_EXCEEDED, `no answer for ${patience / 1000} s`);
}

/** Delays messages of a call for as long as `gate` holds them. */
function gatedBy(gate: ByteGate): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, _listener, next) {
        next(metadata, {
          onReceiveMessage(message: Uint8Array, pass) {
            gate.admit(message.length, () => pass(message));
          },
        });
      },
    });
}

async function orAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
  cancel: () => void,
): Promise<Result> {
  signal?.addEventListener("abort", cancel);
  try {
    return await promise;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function asBytes(bytes: Buffer): Uint8Array {
  return bytes;
}
