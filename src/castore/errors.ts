/**
 * What comes from outside (stores, services, users) and does not follow the data model is refused
 * with one of these. The reason is a fixed phrase, so that callers and logs can tell them apart.
 */
export class CastoreError extends Error {
  override readonly name: string = "CastoreError";
}

/** Text or bytes that are not a BLAKE3 digest. */
export class InvalidDigest extends CastoreError {
  override readonly name = "InvalidDigest";
}

export type NodeFault =
  | "name is empty"
  | "name is longer than 255 bytes"
  | "name is . or .."
  | "name has a slash or a NUL"
  | "symlink target is empty"
  | "symlink target is longer than 4095 bytes"
  | "symlink target has a NUL"
  | "size is not a whole number below 2^53";

/** A name, a symlink target or a size that the data model forbids. */
export class InvalidNode extends CastoreError {
  override readonly name = "InvalidNode";
  readonly fault: NodeFault;

  constructor(fault: NodeFault) {
    super(fault);
    this.fault = fault;
  }
}

export type EncodingFault =
  | NodeFault
  | "ends inside a field"
  | "has an unknown field"
  | "digest is not 32 bytes"
  | "is not canonical"
  | "names are not sorted"
  | "two entries have the same name"
  | "sizes add up to 2^53 or more"
  | "is too large"
  | "has not exactly one node";

/** Bytes that are not the canonical encoding of a `Directory` or an `Entry` message. */
export class InvalidEncoding extends CastoreError {
  override readonly name = "InvalidEncoding";
  readonly fault: EncodingFault;

  constructor(message: "directory" | "root node", fault: EncodingFault, options?: ErrorOptions) {
    super(`${message}: ${fault}`, options);
    this.fault = fault;
  }
}
