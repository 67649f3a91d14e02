/** Addresses of buckets: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path-style=true`. */
import { StoreError } from "../errors.ts";

export interface S3Address {
  readonly bucket: string;
  /** What the keys of all objects begin with: empty, or with a slash at its end. */
  readonly prefix: string;
  /** Undefined: Amazon's own. */
  readonly endpoint: string | undefined;
  /** Undefined: what the environment or the configuration says. */
  readonly region: string | undefined;
  /** The bucket stands in the path, not in the host's name. */
  readonly pathStyle: boolean;
}

const PARAMETERS = ["endpoint", "region", "path-style"];

/** @throws StoreError when it is no address of a bucket. */
export function parseS3Address(url: URL): S3Address {
  const parameters = url.searchParams;
  for (const name of parameters.keys()) {
    if (PARAMETERS.includes(name)) continue;
    fail(
      `does not know the parameter ${JSON.stringify(name)}`,
      `there are ${PARAMETERS.join(", ")}`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    fail(
      "cannot hold credentials",
      "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
    );
  }
  if (url.hostname === "" || url.port !== "") {
    fail("has no bucket", "write s3://BUCKET/PREFIX; another server is said by ?endpoint=URL");
  }
  const endpoint = parameters.get("endpoint") ?? undefined;
  if (endpoint !== undefined && !isServer(endpoint)) {
    fail("has an endpoint that is no address of a server", "write ?endpoint=https://HOST:PORT");
  }
  const pathStyle = parameters.get("path-style") ?? String(endpoint !== undefined);
  if (pathStyle !== "true" && pathStyle !== "false") {
    fail(`has path-style=${pathStyle}`, "it is true or false");
  }
  return {
    bucket: url.hostname,
    prefix: prefixOf(url),
    endpoint,
    region: parameters.get("region") ?? undefined,
    pathStyle: pathStyle === "true",
  };
}

function prefixOf(url: URL): string {
  const path = decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, "");
  return path === "" ? "" : `${path}/`;
}

function isServer(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "";
}

function fail(fault: string, remedy: string): never {
  throw new StoreError(`the address of a bucket ${fault}`, { remedy });
}
