/** What went wrong with a layer's files: in words for people, as an errno for the guest. */
import { EIO, ENOSPC } from "../base/errno.ts";
import { StoreError } from "../store/errors.ts";
import { sqliteCode, systemFailure } from "../store/sqlite-failure.ts";
import { LayerError } from "./errors.ts";

/** Primary result codes of sqlite3.h. */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

const FULL = [
  "the layer's disk is full",
  "free some space; nothing that was synced is lost",
] as const;
const DAMAGED = [
  "the layer is damaged",
  "check the disk; castorefs layer discard begins anew",
] as const;
const REFUSED = ["the layer cannot be opened", "check the permissions of its files"] as const;

const MEANING: Readonly<Record<number, readonly [message: string, remedy: string]>> = {
  [SQLITE_BUSY]: ["the layer is in use", "try again when the other process is done"],
  [SQLITE_READONLY]: REFUSED,
  [SQLITE_CORRUPT]: DAMAGED,
  [SQLITE_FULL]: FULL,
  [SQLITE_CANTOPEN]: REFUSED,
  [SQLITE_NOTADB]: DAMAGED,
};

/** `error` itself if it says enough, otherwise a LayerError about `path` that it caused. */
export function layerFailure(error: unknown, path: string): unknown {
  if (error instanceof StoreError) return error;
  const code = sqliteCode(error);
  if (code === undefined) return systemFailure(error, path);
  const [message, remedy] = MEANING[code] ?? [
    "the layer cannot be read or written",
    "check the disk",
  ];
  return new LayerError(message, { cause: error, path, remedy });
}

/** Codes of `node:fs` that mean the same as SQLITE_FULL. */
const FULL_CODES: readonly unknown[] = ["ENOSPC", "EDQUOT"];

/** ENOSPC or EIO, positive. */
export function layerErrno(error: unknown): number {
  const isFull = sqliteCode(error) === SQLITE_FULL || FULL_CODES.includes(codeOf(error));
  return isFull ? ENOSPC : EIO;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
