/** Stream sockets with a path, and messages that carry file descriptors (unix(7), SCM_RIGHTS). */
import { lstatSync, unlinkSync } from "node:fs";
import { checked, ListenError, SystemError } from "./errors.ts";
import { shim, terminated } from "./shim.ts";

/** Clients that may wait to be accepted. */
export const LISTEN_BACKLOG = 16;

/** File descriptors that one message may carry (the kernel's SCM_MAX_FD). */
export const MESSAGE_FDS_MAX = 253;

const EAGAIN = 11;
const ENOENT = 2;
const EADDRINUSE = 98;
const ECONNABORTED = 103;
const ECONNREFUSED = 111;
const ENAMETOOLONG = 36;
const EMSGSIZE = 90;

export interface ListenOptions {
  /** Permissions of the socket file; owner and group may connect by default. */
  readonly mode?: number;
  /** A group's name or number that the socket file is given to. */
  readonly group?: string | number;
}

export const LISTEN_MODE_DEFAULT = 0o660;

/**
 * A listening, non-blocking socket at `path`. A socket file that nobody answers on is replaced, one
 * that somebody listens on never is.
 * @throws ListenError
 */
export function listenUnix(path: string, options: ListenOptions = {}): number {
  const name = terminated(path);
  const mode = options.mode ?? LISTEN_MODE_DEFAULT;
  const gid = groupNumber(path, options.group);
  let result = shim.listen(name, mode, gid, LISTEN_BACKLOG);
  if (result === -EADDRINUSE) {
    removeStaleSocket(path, name);
    result = shim.listen(name, mode, gid, LISTEN_BACKLOG);
  }
  if (result >= 0) return result;
  if (result === -EADDRINUSE) throw inUse(path);
  if (result === -ENAMETOOLONG) {
    throw new ListenError("name-too-long", path, `${path}: too long for a socket (107 bytes)`);
  }
  const cause = new SystemError(-result, "listen", path);
  throw new ListenError("system", path, cause.message, { cause });
}

function groupNumber(path: string, group: string | number | undefined): number {
  if (group === undefined) return -1;
  if (typeof group === "number") return group;
  const found = shim.group(terminated(group));
  if (found >= 0) return found;
  throw new ListenError("no-such-group", path, `there is no group ${group}`);
}

function removeStaleSocket(path: string, name: Uint8Array): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (status === undefined) return;
  if (!status.isSocket()) {
    throw new ListenError("not-a-socket", path, `${path} exists and is not a socket`);
  }
  // Non-blocking: a listener whose backlog is full answers EAGAIN, and is alive.
  const probe = shim.connect(name, 1);
  if (probe >= 0) shim.close(probe);
  if (probe === -ENOENT) return;
  if (probe !== -ECONNREFUSED) throw inUse(path);
  unlinkSync(path);
}

function inUse(path: string): ListenError {
  return new ListenError("in-use", path, `${path}: another process listens there`);
}

/**
 * The next client of a listening socket; undefined when none waits (any more). The client's socket
 * is close-on-exec and blocking.
 * @throws SystemError (EMFILE: no file descriptors left)
 */
export function acceptUnix(fd: number): number | undefined {
  const result = shim.accept(fd);
  if (result === -EAGAIN || result === -ECONNABORTED) return undefined;
  return checked(result, "accept");
}

/** A blocking connection to the socket at `path`. @throws SystemError */
export function connectUnix(path: string): number {
  return checked(shim.connect(terminated(path), 0), "connect", path);
}

/**
 * Sends all of `bytes`; the file descriptors go with the first of them and stay open here. Blocks
 * while the socket is full and blocking.
 * @throws SystemError (EPIPE: the other side is gone; EAGAIN: full and non-blocking)
 */
export function sendMessage(fd: number, bytes: Uint8Array, fds: readonly number[] = []): void {
  const passed = Int32Array.from(fds);
  for (let sent = 0; sent < bytes.length; ) {
    const rest = sent === 0 ? bytes : bytes.subarray(sent);
    const count = sent === 0 ? passed.length : 0;
    sent += checked(shim.send(fd, rest, rest.length, passed, count), "sendmsg");
  }
}

export interface ReceivedMessage {
  /** Bytes now in the buffer; 0: the other side has closed. */
  readonly length: number;
  /** File descriptors that came with them. The receiver owns them. */
  readonly fds: number[];
}

/**
 * Receives what there is, up to the buffer's length; blocks while there is nothing and the socket
 * blocks. More than `maxFds` file descriptors are all closed.
 * @throws SystemError (EMSGSIZE: too many file descriptors; ECONNRESET; EAGAIN)
 */
export function receiveMessage(fd: number, buffer: Uint8Array, maxFds = 8): ReceivedMessage {
  const length = receive(fd, buffer, maxFds, 1);
  if (length < 0) throw new SystemError(-length, "recvmsg", tooMany(length));
  return { length, fds: takeFds() };
}

/** Like receiveMessage, but never blocks: undefined when there is nothing to receive now. */
export function tryReceiveMessage(
  fd: number,
  buffer: Uint8Array,
  maxFds = 8,
): ReceivedMessage | undefined {
  const length = receive(fd, buffer, maxFds, 0);
  if (length === -EAGAIN) return undefined;
  if (length < 0) throw new SystemError(-length, "recvmsg", tooMany(length));
  return { length, fds: takeFds() };
}

const receivedFds = new Int32Array(MESSAGE_FDS_MAX);
const receivedCount = new Uint32Array(1);

function receive(fd: number, buffer: Uint8Array, maxFds: number, wait: number): number {
  const room = Math.min(maxFds, MESSAGE_FDS_MAX);
  return shim.receive(fd, buffer, buffer.length, receivedFds, room, receivedCount, wait);
}

function takeFds(): number[] {
  return Array.from(receivedFds.subarray(0, receivedCount[0]));
}

function tooMany(result: number): string {
  return result === -EMSGSIZE ? "(too many file descriptors)" : "";
}
