/** Calls of one castore service, under whichever of the package names the server offers it. */
import { status } from "@grpc/grpc-js";
import { Digest } from "../../castore/digest.ts";
import { encodeDigestMessage, encodeGetDirectoryRequest } from "../../castore/rpc-proto.ts";
import { CASTORE_PACKAGES, type CastoreService, methodPath } from "./castore-rpc.ts";
import type { CallOptions, GrpcChannel, UnaryAnswer, Upload } from "./grpc-channel.ts";
import { isNotFound, isUnimplemented, RpcFailure } from "./rpc-failure.ts";

/** Asked for when nothing but the name of the package is of interest. */
const EMPTY_BLOB = Digest.parse("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");

export class ServiceCalls {
  readonly #channel: GrpcChannel;
  readonly #service: CastoreService;
  /** The place in CASTORE_PACKAGES of the name that worked last. */
  #known = 0;
  /** Whether it worked at all. */
  #proven = false;

  constructor(channel: GrpcChannel, service: CastoreService) {
    this.#channel = channel;
    this.#service = service;
  }

  /** @throws RpcFailure */
  async unary(method: string, request: Uint8Array, options: CallOptions): Promise<UnaryAnswer> {
    for (const name of this.#names()) {
      try {
        return this.#worked(
          name,
          await this.#channel.unary(this.#path(name, method), request, options),
        );
      } catch (error) {
        this.#failed(name, error);
      }
    }
    throw this.#absent();
  }

  /** @throws RpcFailure */
  async *serverStream(
    method: string,
    request: Uint8Array,
    options: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    for (const name of this.#names()) {
      const messages = this.#channel.serverStream(this.#path(name, method), request, options);
      let begun = false;
      try {
        for await (const message of messages) {
          begun = true;
          this.#worked(name, undefined);
          yield message;
        }
        return this.#worked(name, undefined);
      } catch (error) {
        // After the first message another name would begin anew.
        if (begun) throw error;
        this.#failed(name, error);
      }
    }
    throw this.#absent();
  }

  /** A stream to the server cannot be sent twice, so the name of the package must be known. */
  async upload(method: string): Promise<Upload> {
    if (!this.#proven) await this.#probe();
    return this.#channel.upload(this.#path(this.#known, method));
  }

  /** A server that was restarted as another may have changed the name. */
  uploadFailed(error: unknown): void {
    if (isUnimplemented(error)) this.#proven = false;
  }

  async #probe(): Promise<void> {
    const blobs = this.#service === "BlobService";
    try {
      if (blobs) {
        await this.unary("Stat", encodeDigestMessage(EMPTY_BLOB), {});
      } else {
        const request = encodeGetDirectoryRequest(EMPTY_BLOB, false);
        for await (const _ of this.serverStream("Get", request, {})) break;
      }
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /** The known one first. */
  #names(): number[] {
    return [this.#known, 1 - this.#known];
  }

  #path(name: number, method: string): string {
    return methodPath(CASTORE_PACKAGES[name]!, this.#service, method);
  }

  #worked<Result>(name: number, result: Result): Result {
    this.#known = name;
    this.#proven = true;
    return result;
  }

  /** Throws what does not say that the name is wrong. */
  #failed(name: number, error: unknown): void {
    if (isUnimplemented(error)) return;
    // A refusal by the service itself proves that it is there.
    if (isNotFound(error)) this.#worked(name, undefined);
    throw error;
  }

  #absent(): RpcFailure {
    return new RpcFailure(status.UNIMPLEMENTED, `the server has no castore ${this.#service}`);
  }
}
