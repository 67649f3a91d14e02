/** The sockets of a daemon: made, inherited, and taken away. */
import { unlinkSync } from "node:fs";
import { closeFd, ListenError, listenUnix } from "node-vhost-user";
import { DaemonError } from "./errors.ts";
import type { ListenAddress } from "./serve-config.ts";

/**
 * Opens all of them, or none. A device thread closes what it is given.
 * @throws DaemonError: one is taken, …
 */
export function openSockets(addresses: readonly ListenAddress[]): number[] {
  const fds: number[] = [];
  try {
    for (const address of addresses) fds.push(openSocket(address));
    return fds;
  } catch (error) {
    for (const [index, fd] of fds.entries()) {
      closeFd(fd);
      removeSocket(addresses[index]!);
    }
    throw error;
  }
}

function openSocket(address: ListenAddress): number {
  if (address.kind === "fd") return address.fd;
  try {
    const { path, mode, group } = address;
    return listenUnix(path, { mode, ...(group !== undefined && { group: groupOf(group) }) });
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    throw new DaemonError(error.message, { hint: LISTEN_HINTS[error.code], cause: error });
  }
}

const LISTEN_HINTS: Readonly<Record<ListenError["code"], string>> = {
  "in-use": "each virtual machine needs a socket of its own: choose another --socket-path",
  "not-a-socket": "choose another --socket-path, or remove that file",
  "name-too-long": "choose a shorter --socket-path, such as one in /run",
  "no-such-group": "getent group lists the groups",
  system: "check that the directory of --socket-path exists and can be written",
};

function groupOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** The socket file goes with its device; that somebody removed it before is no failure. */
export function removeSocket(address: ListenAddress): void {
  if (address.kind !== "path") return;
  try {
    unlinkSync(address.path);
  } catch {
    // It is gone, or not ours to remove any more.
  }
}

/** How logs name it. */
export function socketName(address: ListenAddress): string {
  return address.kind === "path" ? address.path : `fd ${address.fd}`;
}
