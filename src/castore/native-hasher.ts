/** BLAKE3 through `@napi-rs/blake-hash`: the fast one, where a prebuilt binary loads. */
import { createRequire } from "node:module";
import type { HashImplementation, RawHasher } from "./hasher.ts";

/** Takes any Uint8Array, though its own declarations say Buffer: making one takes its time. */
interface BlakeHash {
  blake3(input: Uint8Array): Buffer;
  Blake3Hasher: new () => { update(input: Uint8Array): unknown; digestBuffer(): Buffer };
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
    hash: (bytes) => module.blake3(bytes),
    createHasher(): RawHasher {
      const hasher = new module.Blake3Hasher();
      return {
        update(bytes) {
          hasher.update(bytes);
        },
        digest: () => hasher.digestBuffer(),
      };
    },
  };
}
