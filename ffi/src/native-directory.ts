/** Where the native libraries lie that `scripts/build-native.sh` builds. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import koffi, { type LibraryHandle } from "koffi";
import { NativeLibraryError } from "./errors.ts";

/** src/ and dist/ lie at the same depth. */
const PACKAGE = fileURLToPath(new URL("..", import.meta.url));

const REMEDY =
  "build the native libraries: scripts/build-native.sh of node-vhost-user (make native)";

/**
 * NODE_VHOST_USER_NATIVE names the folder; else it is `native/` in the package (installed), or
 * `.cache/native` of the checkout that the package is a workspace of.
 */
function directories(): string[] {
  const override = env["NODE_VHOST_USER_NATIVE"];
  if (override !== undefined && override !== "") return [override];
  return [join(PACKAGE, "native"), join(PACKAGE, "../.cache/native")];
}

/** The path of a file that the build left behind. */
export function nativeFile(name: string): string {
  const looked = directories();
  const found = looked.map((directory) => join(directory, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new NativeLibraryError(`${name} is not in ${looked.join(" or ")}; ${REMEDY}`);
}

/** Loads a native library. */
export function loadNative(name: string): LibraryHandle {
  const path = nativeFile(name);
  try {
    return koffi.load(path);
  } catch (cause) {
    throw new NativeLibraryError(`${path} cannot be loaded; ${REMEDY}`, { cause });
  }
}

/** Refuses a library that was built from other sources than these. */
export function checkVersion(name: string, found: number, wanted: number): void {
  if (found === wanted) return;
  throw new NativeLibraryError(`${name} has version ${found}, wanted is ${wanted}; ${REMEDY}`);
}
