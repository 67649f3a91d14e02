/**
 * BLAKE3 digests name everything: blobs, chunks, directories. A Digest exists only when 32 bytes
 * were there to make it from, so nothing that holds one checks it again.
 */
import { InvalidDigest } from "./errors.ts";

export const DIGEST_BYTES = 32;

const TEXT_PREFIX = "blake3-";
/** 32 bytes are 43 base64 digits and one of padding. */
const BASE64_LENGTH = 44;
const HEX = /^[0-9a-fA-F]{64}$/;

export class Digest {
  /** The 32 bytes. Not to be written to. */
  readonly bytes: Uint8Array;
  #key: string | undefined;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /**
   * Copies the digest at `bytes[start, start + 32)`.
   * @throws InvalidDigest when fewer than 32 bytes are there.
   */
  static at(bytes: Uint8Array, start: number): Digest {
    if (start < 0 || start + DIGEST_BYTES > bytes.length) {
      throw new InvalidDigest(`a digest has ${DIGEST_BYTES} bytes, not ${bytes.length - start}`);
    }
    // Not slice(): of a Buffer that would be a view.
    return new Digest(new Uint8Array(bytes.subarray(start, start + DIGEST_BYTES)));
  }

  /** @throws InvalidDigest unless `bytes` are exactly 32. */
  static from(bytes: Uint8Array): Digest {
    if (bytes.length !== DIGEST_BYTES) {
      throw new InvalidDigest(`a digest has ${DIGEST_BYTES} bytes, not ${bytes.length}`);
    }
    return Digest.at(bytes, 0);
  }

  /**
   * Reads what people type: `blake3-` and padded base64, or 64 hexadecimal digits.
   * @throws InvalidDigest
   */
  static parse(text: string): Digest {
    if (HEX.test(text)) return new Digest(new Uint8Array(Buffer.from(text, "hex")));
    const base64 = text.slice(TEXT_PREFIX.length);
    if (text.startsWith(TEXT_PREFIX) && base64.length === BASE64_LENGTH) {
      const bytes = Buffer.from(base64, "base64");
      // Decoding forgives stray characters and trailing bits: only the one spelling is right.
      if (bytes.length === DIGEST_BYTES && bytes.toString("base64") === base64) {
        return new Digest(new Uint8Array(bytes));
      }
    }
    throw new InvalidDigest(
      `${JSON.stringify(text)} is not a digest: expected blake3-<base64> or 64 hexadecimal digits`,
    );
  }

  /** True when `text` looks meant as a digest rather than as a name, right or wrong. */
  static looksLike(text: string): boolean {
    return text.startsWith(TEXT_PREFIX) || HEX.test(text);
  }

  /** The same text for the same digest, short and quick to hash: a key for Map and Set. */
  get key(): string {
    this.#key ??= digestKey(this.bytes, 0);
    return this.#key;
  }

  get hex(): string {
    return this.#buffer().toString("hex");
  }

  equals(other: Digest): boolean {
    return this.equalsAt(other.bytes, 0);
  }

  /** True when `bytes[start, start + 32)` is this digest. */
  equalsAt(bytes: Uint8Array, start: number): boolean {
    for (let i = 0; i < DIGEST_BYTES; i += 1) {
      if (this.bytes[i] !== bytes[start + i]) return false;
    }
    return true;
  }

  /** `blake3-<padded base64>`: how it is shown and stored in text. */
  toString(): string {
    return TEXT_PREFIX + this.#buffer().toString("base64");
  }

  #buffer(): Buffer {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, DIGEST_BYTES);
  }
}

/** The `key` of the digest at `bytes[start, start + 32)` without making a Digest of it. */
export function digestKey(bytes: Uint8Array, start: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, DIGEST_BYTES).toString("latin1");
}

/** How a digest in the middle of other bytes is shown in a log line. */
export function digestText(bytes: Uint8Array, start: number): string {
  return Digest.at(bytes, start).toString();
}
