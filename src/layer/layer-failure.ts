/** What went wrong with a layer's files, as an errno for the guest. */
import { EIO, ENOSPC } from "../base/errno.ts";

/** Primary result code of sqlite3.h. */
const SQLITE_FULL = 13;

/** -errno of node:fs for what is no bug: any other is an EIO. */
const FULL = new Set(["ENOSPC", "EDQUOT"]);

/** ENOSPC or EIO, positive. */
export function layerErrno(error: unknown): number {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof code === "string" && FULL.has(code)) return ENOSPC;
  return typeof errcode === "number" && (errcode & 0xff) === SQLITE_FULL ? ENOSPC : EIO;
}
