/** What every call to the server has around it: an end, a log line, and no exception that escapes. */
import {
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type ServerReadableStream,
  status,
} from "@grpc/grpc-js";
import type { LogFields, Logger } from "../../base/logger.ts";
import { RateLimitedLogger } from "../../base/rate-limited-logger.ts";
import { type CallStatus, callStatus } from "./call-status.ts";
import { MessageSender } from "./message-sender.ts";

/** Filled in while a call goes on, for its log line. */
export type Fields = Record<string, string | number | boolean | undefined>;

export interface Answer {
  readonly message: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

type UnaryStep = (request: Buffer, signal: AbortSignal, fields: Fields) => Promise<Answer>;
type StreamStep = (
  request: Buffer,
  sender: MessageSender,
  signal: AbortSignal,
  fields: Fields,
) => Promise<void>;
type UploadStep = (
  call: ServerReadableStream<Buffer, Buffer>,
  signal: AbortSignal,
  fields: Fields,
) => Promise<Answer>;

const CANCELLED: CallStatus = { code: status.CANCELLED, details: "cancelled", fault: "peer" };

/** A peer's mistakes are of interest to those who look for them. */
const LEVELS = { peer: "debug", store: "warn", bug: "error" } as const;

export class CallHandlers {
  readonly #logger: Logger;
  /** For troubles: one may strike every call. */
  readonly #limited: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#limited = new RateLimitedLogger(logger);
  }

  unary(method: string, step: UnaryStep): handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      this.#run(method, call, async (signal, fields) => {
        const answer = await step(call.request, signal, fields);
        const metadata = new Metadata();
        for (const [name, value] of Object.entries(answer.headers ?? {})) metadata.set(name, value);
        call.sendMetadata(metadata);
        callback(null, asBuffer(answer.message));
      }).catch((failure: CallStatus) => callback(failure));
    };
  }

  serverStream(method: string, step: StreamStep): handleServerStreamingCall<Buffer, Buffer> {
    return (call) => {
      this.#run(method, call, async (signal, fields) => {
        const sender = new MessageSender(call, signal);
        await step(call.request, sender, signal, fields);
        call.end();
      }).catch((failure: CallStatus) => {
        // How grpc-js takes the status of a stream. The call may have ended under our hands.
        if (!call.destroyed) call.emit("error", failure);
      });
    };
  }

  upload(method: string, step: UploadStep): handleClientStreamingCall<Buffer, Buffer> {
    return (call, callback) => {
      call.on("error", () => {});
      this.#run(method, call, async (signal, fields) => {
        const answer = await step(call, signal, fields);
        callback(null, asBuffer(answer.message));
      }).catch((failure: CallStatus) => callback(failure));
    };
  }

  /** Rejects with the status to end the call with, and nothing else. */
  async #run(
    method: string,
    call: CancelledEvents,
    step: (signal: AbortSignal, fields: Fields) => Promise<void>,
  ): Promise<void> {
    const begun = performance.now();
    const abort = new AbortController();
    const fields: Fields = {};
    call.on("cancelled", () => abort.abort());
    try {
      await step(abort.signal, fields);
      this.#log("debug", method, begun, fields);
    } catch (error) {
      if (abort.signal.aborted) {
        this.#log("debug", method, begun, { ...fields, status: "CANCELLED" });
        throw CANCELLED;
      }
      throw this.#failed(error, method, begun, fields);
    }
  }

  #failed(error: unknown, method: string, begun: number, fields: Fields): CallStatus {
    const end = callStatus(error);
    const reason = error instanceof Error ? error.message : String(error);
    const details = { ...fields, status: status[end.code], reason };
    this.#log(LEVELS[end.fault], method, begun, details);
    return end;
  }

  #log(level: "debug" | "warn" | "error", method: string, begun: number, fields: LogFields): void {
    const milliseconds = Math.round(performance.now() - begun);
    const logger = level === "debug" ? this.#logger : this.#limited;
    logger.log(level, `call of ${method}`, { ...fields, milliseconds });
  }
}

interface CancelledEvents {
  on(event: "cancelled", listener: () => void): unknown;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
