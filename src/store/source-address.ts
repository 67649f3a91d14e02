/** Addresses of sources, as people type them. */
import { StoreError } from "./errors.ts";

export const SOURCE_ADDRESS_FORMS = [
  "grpc+http://HOST:PORT",
  "grpc+https://HOST:PORT",
  "grpc+unix:/SOCKET",
  "s3://BUCKET/PREFIX?endpoint=URL&region=NAME",
  "https://HOST/PATH",
  "http://HOST/PATH",
  "file:///FOLDER",
  "/STORE",
] as const;

export type SourceScheme =
  | "grpc+http"
  | "grpc+https"
  | "grpc+unix"
  | "s3"
  | "https"
  | "http"
  | "file";

const SCHEMES: ReadonlySet<string> = new Set<SourceScheme>([
  "grpc+http",
  "grpc+https",
  "grpc+unix",
  "s3",
  "https",
  "http",
  "file",
]);

export type SourceAddress =
  | { readonly kind: "store"; readonly path: string }
  | { readonly kind: "url"; readonly scheme: SourceScheme; readonly url: URL };

/** @throws StoreError when it is no address. */
export function parseSourceAddress(text: string): SourceAddress {
  if (/^\.{0,2}\//.test(text)) return { kind: "store", path: text };
  const url = URL.parse(text);
  const scheme = url?.protocol.slice(0, -1) ?? "";
  if (url !== null && isScheme(scheme)) return { kind: "url", scheme, url };
  throw new StoreError(`${JSON.stringify(text)} is not the address of a source`, {
    remedy: `addresses are ${SOURCE_ADDRESS_FORMS.join(", ")}`,
  });
}

/** The address for logs: without a password or what else may be one. */
export function shownAddress(url: URL): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.search = "";
  shown.hash = "";
  return shown.href;
}

function isScheme(text: string): text is SourceScheme {
  return SCHEMES.has(text);
}
