/** BLAKE3 through `blake3-wasm`: the portable one. */
import { createRequire } from "node:module";
import type { HashImplementation, RawHasher } from "./hasher.ts";

interface Blake3Wasm {
  load(): Promise<void>;
  hash(input: Uint8Array): Buffer;
  createHash(): { update(input: Uint8Array): unknown; digest(): Buffer; dispose(): void };
}

/** More than 1 MiB in one call gives wrong digests in version 3.0.0; this stays well below. */
export const WASM_UPDATE_BYTES_MAX = 256 * 1024;

/** Rejects when the package is absent or WebAssembly is not to be had. */
export async function loadWasmHasher(): Promise<HashImplementation> {
  const module = createRequire(import.meta.url)("blake3-wasm") as Blake3Wasm;
  await module.load();
  function createHasher(): RawHasher {
    const hasher = module.createHash();
    return {
      update(bytes) {
        for (let start = 0; start < bytes.length; start += WASM_UPDATE_BYTES_MAX) {
          hasher.update(bytes.subarray(start, start + WASM_UPDATE_BYTES_MAX));
        }
      },
      digest() {
        const digest = hasher.digest();
        hasher.dispose();
        return digest;
      },
    };
  }
  return {
    name: "wasm",
    hash(bytes) {
      if (bytes.length <= WASM_UPDATE_BYTES_MAX) return module.hash(bytes);
      const hasher = createHasher();
      hasher.update(bytes);
      return hasher.digest();
    },
    createHasher,
  };
}
