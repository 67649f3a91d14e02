/** The messages of a stream to a server, within bounds of memory and time. */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerReadableStream,
  status,
} from "@grpc/grpc-js";
import { ByteGate } from "./byte-gate.ts";
import { RpcFailure } from "./rpc-failure.ts";
import { SilenceTimer } from "./silence-timer.ts";

/** How long a stream to the server may pause. */
export const SILENCE_MILLISECONDS_MAX = 60_000;
/** Requests in one stream of another service, such as reflection, which answers each at once. */
export const FOREIGN_MESSAGES_MAX = 1000;

/** By the metadata of the call, which both the interceptor and the handler are given. */
const gates = new WeakMap<Metadata, ByteGate>();

/** Bounds what is received and not taken, for streams that `receivedMessages` reads. */
export function boundedReceiving(isOurs: (path: string) => boolean): ServerInterceptor {
  return (method, call) => {
    const gate = isOurs(method.path) ? new ByteGate() : undefined;
    let messages = 0;
    return new ServerInterceptingCall(call, {
      start(next) {
        next({
          onReceiveMetadata(metadata, pass) {
            if (gate !== undefined) gates.set(metadata, gate);
            pass(metadata);
          },
          onReceiveMessage(message: Buffer, pass) {
            if (gate !== undefined) {
              gate.admit(message.length, () => pass(message));
              return;
            }
            messages += 1;
            if (messages <= FOREIGN_MESSAGES_MAX) pass(message);
            else call.sendStatus({ code: status.RESOURCE_EXHAUSTED, details: "too many requests" });
          },
        });
      },
    });
  };
}

/** A message counts as untaken until the next is asked for. @throws RpcFailure */
export async function* receivedMessages(
  call: ServerReadableStream<Buffer, Buffer>,
  silenceMillisecondsMax: number,
): AsyncGenerator<Uint8Array> {
  const gate = gates.get(call.metadata);
  const silence = Promise.withResolvers<never>();
  silence.promise.catch(() => {});
  const timer = new SilenceTimer(silenceMillisecondsMax, () => {
    silence.reject(new RpcFailure(status.DEADLINE_EXCEEDED, "the stream paused for too long"));
  });
  try {
    const messages = call[Symbol.asyncIterator]();
    for (;;) {
      const next = await timer.watch(Promise.race([messages.next(), silence.promise]));
      if (next.done === true) return;
      const message: Buffer = next.value;
      yield message;
      gate?.taken(message.length);
    }
  } finally {
    timer.stop();
  }
}
