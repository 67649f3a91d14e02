/**
 * The hash function of the data model. The native implementation serves where it loads and is
 * right; the WASM one otherwise. A hasher that gives wrong digests would write stores that nothing
 * else can read, so each must pass known vectors before it is used at all.
 */
import { Digest } from "./digest.ts";
import { CastoreError } from "./errors.ts";
import type { HashImplementation } from "./hasher.ts";
import { passesKnownVectors } from "./hasher.ts";
import { loadNativeHasher } from "./native-hasher.ts";
import { loadWasmHasher } from "./wasm-hasher.ts";

const implementation = await choose();

/** Which implementation is in use: `native` or `wasm`. */
export const blake3Implementation: string = implementation.name;

/** Hashes a sequence of bytes piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Ends the hasher. */
  digest(): Digest;
}

export function blake3(bytes: Uint8Array): Digest {
  return Digest.from(implementation.hash(bytes));
}

/** True when BLAKE3 of `bytes` is the digest at `expected[start, start + 32)`. */
export function blake3Matches(bytes: Uint8Array, expected: Uint8Array, start: number): boolean {
  const actual = implementation.hash(bytes);
  for (let i = 0; i < actual.length; i += 1) {
    if (actual[i] !== expected[start + i]) return false;
  }
  return true;
}

export function createHasher(): Hasher {
  const raw = implementation.createHasher();
  return {
    update(bytes) {
      raw.update(bytes);
    },
    digest: () => Digest.from(raw.digest()),
  };
}

async function choose(): Promise<HashImplementation> {
  const native = loadNativeHasher();
  if (native !== undefined && passesKnownVectors(native)) return native;
  let cause: unknown;
  try {
    const wasm = await loadWasmHasher();
    if (passesKnownVectors(wasm)) return wasm;
  } catch (error) {
    cause = error;
  }
  throw new CastoreError(
    "no working BLAKE3: neither @napi-rs/blake-hash nor blake3-wasm gives the known digests",
    { cause },
  );
}
