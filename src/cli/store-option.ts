/** `--store DIR`, which every command that touches a store takes. */
import { Option } from "commander";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-codes.ts";

export function storeOption(): Option {
  return new Option("--store <dir>", "directory of the store").env("CASTOREFS_STORE");
}

/** Not commander's `requiredOption`: `serve --print-capabilities` needs no store. */
export function requiredStore(directory: string | undefined): string {
  if (directory !== undefined && directory !== "") return directory;
  throw new CommandError(EXIT.usage, "no store given", {
    hint: "give --store DIR, or set CASTOREFS_STORE",
  });
}
