/**
 * What an object holds makes no sense: it is too large, or not compressed as it should be, or not in
 * the form of its kind. Never leaves this folder: services say of which digest they could not make
 * anything.
 */
import type { Digest } from "../../castore/digest.ts";
import { CorruptObject } from "../errors.ts";

export class BadContents extends Error {
  override readonly name = "BadContents";
}

/** Bad contents at `address` as a CorruptObject; any other error as it is. */
export function asCorruptObject(
  error: unknown,
  what: string,
  digest: Digest,
  address: string,
): unknown {
  if (!(error instanceof BadContents)) return error;
  return new CorruptObject(what, digest, { cause: error, path: address });
}
