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
}

/** Classes of errors, more special ones first, and what the reference answers in such a case. */
const CODES: readonly (readonly [new (...args: never[]) => Error, status])[] = [
  [InvalidDigest, status.INVALID_ARGUMENT],
  [InvalidMessage, status.INTERNAL],
  [InvalidEncoding, status.INTERNAL],
  [InvalidGraph, status.INTERNAL],
  [MissingObject, status.NOT_FOUND],
  [CorruptObject, status.DATA_LOSS],
  [SourceUnavailable, status.UNAVAILABLE],
  [StoreBusy, status.UNAVAILABLE],
  [StoreError, status.INTERNAL],
];

/** Undefined: the error is a bug of ours, whose words are not for the peer. */
export function callStatus(error: unknown): CallStatus | undefined {
  if (error instanceof RpcFailure) return { code: error.code, details: oneLine(error.message) };
  const code = CODES.find(([kind]) => error instanceof kind)?.[1];
  if (code === undefined || !(error instanceof Error)) return undefined;
  return { code, details: oneLine(error.message) };
}
