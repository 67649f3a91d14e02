/** Handlers for requests that make names, move them or take them away. */
import {
  fuseCreateIn,
  fuseEntryOut,
  fuseLinkIn,
  fuseMkdirIn,
  fuseMknodIn,
  fuseOpenOut,
  fuseRename2In,
  fuseRenameIn,
} from "../abi/fuse.ts";
import { FOPEN_KEEP_CACHE } from "../abi/fuse-constants.ts";
import type { NodeId } from "../base/brands.ts";
import { EINVAL, ESTALE } from "../base/errno.ts";
import { putEntry } from "./attribute-structs.ts";
import { putOpened } from "./file-operations.ts";
import type { Modifications, NewInode } from "./modifications.ts";
import type { Exchange } from "./operation.ts";
import { PAYLOAD } from "./reply-writer.ts";
import type { RequestCursor } from "./request-cursor.ts";

const PERMISSIONS = 0o7777;
const UMASK = 0o777;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

/** What mknod(2) makes, by file type: FIFO, character device, block device, file, socket. */
const MADE_BY_MKNOD = new Set([0o010000, 0o020000, 0o060000, S_IFREG, 0o140000]);

/** RENAME_NOREPLACE is 1; the two exclude each other. */
const RENAME_EXCHANGE = 2;

/** What CREATE and TMPFILE answer with. */
export const CREATED_BYTES = fuseEntryOut.size + fuseOpenOut.size;

/** Filled in for each request anew. */
const newInode: NewInode = { mode: 0, umask: 0, uid: 0, gid: 0, rdev: 0 };

export function create(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const status = request.parseName(fuseCreateIn.size);
  if (status !== 0) return status;
  const { at } = fuseCreateIn;
  const inode = fresh(request, request.u32(at.mode) & PERMISSIONS, request.u32(at.umask));
  const flags = request.u32(at.flags);
  const entry = blankEntry(exchange);
  const result = modifications.create(request.nodeid, request.name, inode, flags, entry);
  return result < 0 ? result : created(exchange);
}

/** What stands where CREATE has a name is none: the kernel sends `/`. */
export function tmpfile(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const { at } = fuseCreateIn;
  const inode = fresh(request, request.u32(at.mode) & PERMISSIONS, request.u32(at.umask));
  const result = modifications.tmpfile(request.nodeid, inode, blankEntry(exchange));
  return result < 0 ? result : created(exchange);
}

export function mknod(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const status = request.parseName(fuseMknodIn.size);
  if (status !== 0) return status;
  const { at } = fuseMknodIn;
  const mode = request.u32(at.mode);
  const type = (mode & S_IFMT) === 0 ? S_IFREG : mode & S_IFMT;
  if (!MADE_BY_MKNOD.has(type)) return -EINVAL;
  const inode = fresh(request, type | (mode & PERMISSIONS), request.u32(at.umask));
  inode.rdev = request.u32(at.rdev);
  const entry = blankEntry(exchange);
  const result = modifications.mknod(request.nodeid, request.name, inode, entry);
  return result < 0 ? result : answered(exchange);
}

export function mkdir(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const status = request.parseName(fuseMkdirIn.size);
  if (status !== 0) return status;
  const { at } = fuseMkdirIn;
  const inode = fresh(request, request.u32(at.mode) & PERMISSIONS, request.u32(at.umask));
  const entry = blankEntry(exchange);
  const result = modifications.mkdir(request.nodeid, request.name, inode, entry);
  return result < 0 ? result : answered(exchange);
}

export function symlink(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const status = request.parseName(0) || request.parseTarget();
  if (status !== 0) return status;
  const inode = fresh(request, 0o777, 0);
  const { name, secondName: target } = request;
  const entry = blankEntry(exchange);
  const result = modifications.symlink(request.nodeid, name, target, inode, entry);
  return result < 0 ? result : answered(exchange);
}

export function link(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const node = request.u64(fuseLinkIn.at.oldnodeid) as NodeId;
  if (node < 0) return -ESTALE;
  const status = request.parseName(fuseLinkIn.size);
  if (status !== 0) return status;
  const entry = blankEntry(exchange);
  const result = modifications.link(node, request.nodeid, request.name, entry);
  return result < 0 ? result : answered(exchange);
}

export function unlink({ request }: Exchange, modifications: Modifications): number {
  const status = request.parseName(0);
  return status !== 0 ? status : modifications.unlink(request.nodeid, request.name);
}

export function rmdir({ request }: Exchange, modifications: Modifications): number {
  const status = request.parseName(0);
  return status !== 0 ? status : modifications.rmdir(request.nodeid, request.name);
}

export function rename(exchange: Exchange, modifications: Modifications): number {
  const newParent = exchange.request.u64(fuseRenameIn.at.newdir);
  return move(exchange, modifications, newParent, fuseRenameIn.size, 0);
}

/** RENAME_WHITEOUT is for overlay file systems above, and not served. */
export function rename2(exchange: Exchange, modifications: Modifications): number {
  const { request } = exchange;
  const flags = request.u32(fuseRename2In.at.flags);
  if (flags > RENAME_EXCHANGE) return -EINVAL;
  const newParent = request.u64(fuseRename2In.at.newdir);
  return move(exchange, modifications, newParent, fuseRename2In.size, flags);
}

function move(
  { request }: Exchange,
  modifications: Modifications,
  newParent: number,
  names: number,
  flags: number,
): number {
  if (newParent < 0) return -ESTALE;
  const status = request.parseName(names) || request.parseSecondName();
  if (status !== 0) return status;
  const { nodeid, name, secondName } = request;
  return modifications.rename(nodeid, name, newParent as NodeId, secondName, flags);
}

function fresh(request: RequestCursor, mode: number, umask: number): NewInode {
  newInode.mode = mode;
  newInode.umask = umask & UMASK;
  newInode.uid = request.uid;
  newInode.gid = request.gid;
  newInode.rdev = 0;
  return newInode;
}

function blankEntry({ entry }: Exchange): Exchange["entry"] {
  entry.validSeconds = 0;
  entry.attributes.validSeconds = 0;
  return entry;
}

function answered({ entry, reply }: Exchange): number {
  putEntry(reply.scratch, PAYLOAD, entry);
  return fuseEntryOut.size;
}

function created({ entry, reply }: Exchange): number {
  putEntry(reply.scratch, PAYLOAD, entry);
  putOpened(reply.scratch, PAYLOAD + fuseEntryOut.size, FOPEN_KEEP_CACHE);
  return CREATED_BYTES;
}
