/** From `grpc+http://HOST:PORT`, `grpc+https://HOST:PORT` and `grpc+unix:/PATH` to a target. */
import { StoreError } from "../errors.ts";

export interface GrpcAddress {
  /** As grpc-js takes it. */
  readonly target: string;
  readonly secure: boolean;
  /** As people type it. */
  readonly name: string;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = {
  "grpc+http:": "80",
  "grpc+https:": "443",
};

/** What the reference understands; connections are made when they are needed, whatever it says. */
const IGNORED_PARAMETER = "wait-connect";

/** @throws StoreError */
export function parseGrpcAddress(url: URL): GrpcAddress {
  const unknown = [...url.searchParams.keys()].find((key) => key !== IGNORED_PARAMETER);
  if (unknown !== undefined) throw wrong(url, `does not take the parameter ${unknown}`);
  if (url.username !== "" || url.password !== "") throw wrong(url, "takes no user or password");
  if (url.protocol === "grpc+unix:") return unixAddress(url);
  const defaultPort = DEFAULT_PORTS[url.protocol];
  if (defaultPort === undefined) throw wrong(url, "is not the address of a gRPC server");
  if (url.hostname === "") throw wrong(url, "names no host");
  if (url.pathname !== "" && url.pathname !== "/") throw wrong(url, "takes no path");
  return {
    target: `dns:${url.hostname}:${url.port === "" ? defaultPort : url.port}`,
    secure: url.protocol === "grpc+https:",
    name: `${url.protocol}//${url.host}`,
  };
}

function unixAddress(url: URL): GrpcAddress {
  if (url.host !== "" || !url.pathname.startsWith("/")) {
    throw wrong(url, "needs an absolute path: grpc+unix:/run/store.sock");
  }
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch (error) {
    throw wrong(url, "has a malformed escape", error);
  }
  return { target: `unix:${path}`, secure: false, name: `grpc+unix:${path}` };
}

function wrong(url: URL, fault: string, cause?: unknown): StoreError {
  const shown = `${url.protocol}${url.host === "" ? "" : `//${url.host}`}${url.pathname}`;
  return new StoreError(`${shown} ${fault}`, { cause });
}
