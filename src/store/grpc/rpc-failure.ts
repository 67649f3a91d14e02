/** A call that ended with another status than OK, and what that says about a source. */
import { type ServiceError, status } from "@grpc/grpc-js";
import type { Digest } from "../../castore/digest.ts";
import { CorruptObject, SourceUnavailable } from "../errors.ts";

/** Never leaves this folder. */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure";
  readonly code: status;

  constructor(code: status, details: string, options?: ErrorOptions) {
    super(details, options);
    this.code = code;
  }
}

/** What a call of grpc-js ended with, as a failure. */
export function rpcFailure(error: unknown): RpcFailure {
  if (error instanceof RpcFailure) return error;
  if (isServiceError(error)) return new RpcFailure(error.code, error.details, { cause: error });
  const details = error instanceof Error ? error.message : String(error);
  return new RpcFailure(status.INTERNAL, details, { cause: error });
}

export function isNotFound(error: unknown): boolean {
  return error instanceof RpcFailure && error.code === status.NOT_FOUND;
}

export function isUnimplemented(error: unknown): boolean {
  return error instanceof RpcFailure && error.code === status.UNIMPLEMENTED;
}

/**
 * What a failed call means to those who use the source. Other errors, such as the reason of an
 * abort, stay what they are.
 */
export function sourceFailure(source: string, error: unknown, wanted?: Wanted): unknown {
  if (!(error instanceof RpcFailure)) return error;
  if (error.code === status.DATA_LOSS && wanted !== undefined) {
    return new CorruptObject(wanted.what, wanted.digest, { cause: error });
  }
  const code = status[error.code] ?? `status ${error.code}`;
  const details = error.message === "" ? "" : `: ${oneLine(error.message)}`;
  return new SourceUnavailable(`${source}: ${code}${details}`, { cause: error });
}

export interface Wanted {
  readonly what: "blob" | "directory";
  readonly digest: Digest;
}

/** A peer's words are not trusted to be short or printable. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").slice(0, 300);
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number";
}
