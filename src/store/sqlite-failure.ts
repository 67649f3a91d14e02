/** Errors of SQLite and of the system, said in the words of a store. */
import { StoreError } from "./errors.ts";

/** Primary result codes of sqlite3.h. */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

/** Extended: there is no room for the memory that connections share. */
const SQLITE_IOERR_SHMSIZE = SQLITE_IOERR | (19 << 8);

const MAKE_ROOM = "free some space, with castorefs gc for example; nothing that was stored is lost";

const MEANING: Readonly<Record<number, readonly [message: string, remedy: string]>> = {
  [SQLITE_BUSY]: ["the index is in use", "try again when the other process is done"],
  [SQLITE_READONLY]: ["the index cannot be written", "check the permissions of the store"],
  [SQLITE_IOERR]: ["the index cannot be read or written", "check the disk"],
  [SQLITE_CORRUPT]: ["the index is damaged", "import again into a new store"],
  [SQLITE_FULL]: ["the disk is full", MAKE_ROOM],
  [SQLITE_CANTOPEN]: ["the index cannot be opened", "check the permissions of the store"],
  [SQLITE_NOTADB]: ["the index is damaged: it is no database", "import again into a new store"],
};

/** The primary result code of an error of `node:sqlite`, or undefined if it is none. */
export function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  if (typeof code !== "number") return undefined;
  return code === SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : code & 0xff;
}

export function isSqliteBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

/** True when SQLite may not write what it needs beside the database. */
export function isSqliteWriteRefusal(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_CANTOPEN || code === SQLITE_READONLY;
}

/** `error` itself if it is a StoreError, otherwise a StoreError about `path` that it caused. */
export function indexFailure(error: unknown, path: string): unknown {
  if (error instanceof StoreError) return error;
  const code = sqliteCode(error);
  const meaning = code === undefined ? undefined : MEANING[code];
  if (meaning !== undefined) {
    return new StoreError(meaning[0], { cause: error, path, remedy: meaning[1] });
  }
  if (code !== undefined || (error as { code?: unknown } | null)?.code === "ERR_OUT_OF_RANGE") {
    const remedy = "import again into a new store";
    return new StoreError("the index is damaged", { cause: error, path, remedy });
  }
  return systemFailure(error, path);
}

const SYSTEM_MEANING: Readonly<Record<string, readonly [message: string, remedy: string]>> = {
  ENOSPC: ["the disk is full", MAKE_ROOM],
  EDQUOT: ["the disk quota is used up", MAKE_ROOM],
  EACCES: ["permission denied", "check the permissions of the store"],
  EPERM: ["permission denied", "check the permissions of the store"],
  EROFS: ["the file system is read-only", "put the store somewhere else"],
  ENOENT: ["a part of the store is missing", "check what happened to the store's files"],
  EIO: ["the disk reports an error", "check the disk"],
};

/** The same for an error of `node:fs`; anything else is passed on as it is. */
export function systemFailure(error: unknown, path: string): unknown {
  if (error instanceof StoreError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined || (error as NodeJS.ErrnoException).syscall === undefined) return error;
  const meaning = SYSTEM_MEANING[code];
  if (meaning === undefined) return new StoreError(error.message, { cause: error, path });
  return new StoreError(meaning[0], { cause: error, path, remedy: meaning[1] });
}
