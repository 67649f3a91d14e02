/** Where a server listens: `unix:/PATH`, `HOST:PORT`, `[IPV6]:PORT`. */
import { isIP } from "node:net";
import { StoreError } from "../errors.ts";

export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** Bytes of `sun_path` without the NUL (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

/** @throws StoreError when it is none. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    const length = Buffer.byteLength(path);
    if (length >= 1 && length <= SOCKET_PATH_BYTES_MAX) return { kind: "unix", path };
    throw new StoreError(`a socket's path has 1 to ${SOCKET_PATH_BYTES_MAX} bytes, not ${length}`);
  }
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, v6, plain, digits] = match ?? [];
  const port = Number(digits);
  const host = v6 ?? plain ?? "";
  const sound = match !== null && port <= 65_535 && (v6 === undefined || isIP(v6) === 6);
  if (sound) return { kind: "tcp", host, port };
  throw new StoreError(`${JSON.stringify(text)} is not an address to listen on`, {
    remedy: "addresses are unix:/PATH, HOST:PORT and [IPV6]:PORT; port 0 takes a free one",
  });
}

/** True when only processes of this host can reach it. */
export function isLocal(address: ListenAddress): boolean {
  if (address.kind === "unix") return true;
  const { host } = address;
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

export function listenAddressText(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const host = isIP(address.host) === 6 ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
