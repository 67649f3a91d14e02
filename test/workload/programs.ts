/** The checkers of this folder, compiled; `vm-images/setup.sh` has made sure of a compiler. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { prepare } from "../../vm-images/images.ts";

const BUILD = fileURLToPath(new URL("build.sh", import.meta.url));

export type ProgramName = "file-ops" | "tree-ops";

/** Compiles them, unless that was done, and answers where the program lies. */
export function program(name: ProgramName): string {
  prepare("stock");
  const build = spawnSync(BUILD, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (build.status !== 0) throw new Error("test/workload/build.sh failed (see above)");
  return join(build.stdout.trim(), name);
}

/** Both, as files at the top of a guest: `/file-ops` and `/tree-ops`. */
export function guestPrograms(): Readonly<Record<ProgramName, Uint8Array>> {
  return {
    "file-ops": readFileSync(program("file-ops")),
    "tree-ops": readFileSync(program("tree-ops")),
  };
}
