/** What an error of the host's file system means for an import. */
import { ImportError, StoreError } from "./errors.ts";
import type { FileFailure } from "./import-messages.ts";
import { changingFile } from "./import-open.ts";

const REMEDY: Readonly<Record<string, string>> = {
  ENOENT: "check the path; something may have removed it meanwhile",
  EACCES: "run as a user who may read it",
  EPERM: "run as a user who may read it",
};

/** An error of `node:fs` about the source becomes an ImportError; others stay what they are. */
export function importFailure(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  const remedy = REMEDY[code];
  return new ImportError(`cannot be read: ${code}`, {
    cause: error,
    path,
    ...(remedy === undefined ? {} : { remedy }),
  });
}

/** The same of a failure that a worker met with. */
export function fileFailure({ message, code, syscall }: FileFailure, path: string): unknown {
  if (code === undefined) return changingFile(path);
  return importFailure(Object.assign(new Error(message), { code, syscall }), path);
}
