/** BLAKE3 through `@napi-rs/blake-hash`: the fast one, where a prebuilt binary loads. */
import { createRequire } from "node:module";
import type { HashImplementation, RawHasher } from "./hasher.ts";

interface BlakeHash {
  blake3(input: Buffer): Buffer;
  Blake3Hasher: new () => { update(input: Buffer): unknown; digestBuffer(): Buffer };
}

/** Undefined where the package is absent or has no binary for this platform. */
export function loadNativeHasher(): HashImplementation | undefined {
  let module: BlakeHash;
  try {
    module = createRequire(import.meta.url)("@napi-rs/blake-hash") as BlakeHash;
  } catch {
    return undefined;
  }
  return {
    name: "native",
    hash: (bytes) => module.blake3(asBuffer(bytes)),
    createHasher(): RawHasher {
      const hasher = new module.Blake3Hasher();
      return {
        update(bytes) {
          hasher.update(asBuffer(bytes));
        },
        digest: () => hasher.digestBuffer(),
      };
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
