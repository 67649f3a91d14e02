/** From errors to the status that a call ends with. */
import { status } from "@grpc/grpc-js";
import { InvalidDigest, InvalidEncoding } from "../../castore/errors.ts";
import { InvalidMessage } from "../../castore/rpc-proto.ts";
import {
  CorruptObject,
  InvalidGraph,
  MissingObject,
  SourceUnavailable,
  StoreBusy,
  StoreError,
} from "../errors.ts";
import { oneLine, RpcFailure } from "./rpc-failure.ts";

export interface CallStatus {
  readonly code: status;
  readonly details: string;
  /** Who has to look into it: the peer, us, or who wrote this program. */
  readonly fault: "peer" | "store" | "bug";
}

type ErrorClass = new (...args: never[]) => Error;

/** Classes of errors, more special ones first, and what the reference answers in such a case. */
const STATUSES: readonly (readonly [ErrorClass, status, "peer" | "store"])[] = [
  [InvalidDigest, status.INVALID_ARGUMENT, "peer"],
  [InvalidMessage, status.INTERNAL, "peer"],
  [InvalidEncoding, status.INTERNAL, "peer"],
  [InvalidGraph, status.INTERNAL, "peer"],
  [MissingObject, status.NOT_FOUND, "peer"],
  [CorruptObject, status.DATA_LOSS, "store"],
  [SourceUnavailable, status.UNAVAILABLE, "store"],
  [StoreBusy, status.UNAVAILABLE, "store"],
  [StoreError, status.INTERNAL, "store"],
];

export function callStatus(error: unknown): CallStatus {
  if (error instanceof RpcFailure) {
    return { code: error.code, details: oneLine(error.message), fault: "peer" };
  }
  const known = STATUSES.find(([kind]) => error instanceof kind);
  // The words of a bug are not for the peer.
  if (known === undefined)
    return { code: status.INTERNAL, details: "internal error", fault: "bug" };
  const [, code, fault] = known;
  return { code, details: oneLine(error instanceof Error ? error.message : ""), fault };
}
