/**
 * Objects of a bucket on a server that speaks S3. Credentials and configuration come from where
 * Amazon's tools look for them: the environment, ~/.aws, the machine's own role.
 */
import type { S3Client } from "@aws-sdk/client-s3";
import { SourceUnavailable } from "../errors.ts";
import type { Source, SourceOptions } from "../source.ts";
import { shownAddress } from "../source-address.ts";
import { objectSource } from "./object-source.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { oneLine } from "./one-line.ts";
import { parseS3Address, type S3Address } from "./s3-address.ts";

type Sdk = typeof import("@aws-sdk/client-s3");

/** Connections to the server. */
const SOCKETS_MAX = 64;

/**
 * The bucket that `url` names, see s3-address.ts.
 * @throws StoreError when it is no address of a bucket.
 */
export async function openS3Source(url: URL, options: SourceOptions): Promise<Source> {
  const address = parseS3Address(url);
  // It takes a third of a second to load, which nobody else is to pay.
  const sdk = await import("@aws-sdk/client-s3");
  return objectSource(new S3Store(sdk, shownAddress(url), address), options);
}

class S3Store implements ObjectStore {
  readonly name: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #address: S3Address;

  constructor(sdk: Sdk, name: string, address: S3Address) {
    this.name = name;
    this.#sdk = sdk;
    this.#address = address;
    const { endpoint, region, pathStyle } = address;
    const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
    this.#client = new sdk.S3Client({
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      forcePathStyle: pathStyle,
      // Who uses a source tries again as it sees fit.
      maxAttempts: 1,
      // Everything has a digest of its own, and not every server knows Amazon's newer checksums.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: { httpAgent: agent, httpsAgent: agent },
    });
  }

  async get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const command = new this.#sdk.GetObjectCommand(this.#named(key));
    try {
      const answer = await this.#client.send(command, { abortSignal: signal });
      const body = answer.Body as AsyncIterable<Uint8Array> & { destroy(): void };
      signal.addEventListener("abort", () => body.destroy(), { once: true });
      return { size: answer.ContentLength, pieces: this.#pieces(body) };
    } catch (error) {
      // Of a bucket that is not there one has to hear.
      if (statusOf(error) === 404 && codeOf(error) !== "NoSuchBucket") return undefined;
      throw this.#failure(error, signal);
    }
  }

  async has(key: string, signal: AbortSignal): Promise<boolean> {
    const command = new this.#sdk.HeadObjectCommand(this.#named(key));
    try {
      await this.#client.send(command, { abortSignal: signal });
      return true;
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw this.#failure(error, signal);
    }
  }

  async put(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const command = new this.#sdk.PutObjectCommand({ ...this.#named(key), Body: bytes });
    try {
      await this.#client.send(command, { abortSignal: signal });
    } catch (error) {
      throw this.#failure(error, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
  }

  #named(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#address.bucket, Key: this.#address.prefix + key };
  }

  async *#pieces(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #failure(error: unknown, signal?: AbortSignal): unknown {
    if (signal?.aborted === true) return signal.reason;
    if (!(error instanceof Error)) return error;
    const status = statusOf(error);
    const fault = status === undefined ? oneLine(error.message) : `${codeOf(error)} (${status})`;
    const remedy = remedyOf(error, this.#address);
    return new SourceUnavailable(`${this.name}: ${fault}`, {
      cause: error,
      ...(remedy === undefined ? {} : { remedy }),
    });
  }
}

/** What the server calls it, or the tools do. An answer without a body names nothing. */
function codeOf(error: unknown): string {
  const name = error instanceof Error ? oneLine(error.name) : "";
  return /^(Unknown|UnknownError|\d+)$/.test(name) ? "refused" : name;
}

/** Of the server's answer, if there was one. */
function statusOf(error: unknown): number | undefined {
  const metadata = (error as { $metadata?: { httpStatusCode?: unknown } } | null)?.$metadata;
  return typeof metadata?.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}

const CREDENTIALS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and ~/.aws";

function remedyOf(error: Error, { bucket }: S3Address): string | undefined {
  const code = codeOf(error);
  const status = statusOf(error);
  if (code === "NoSuchBucket")
    return `make the bucket ${bucket}, or check its name and the endpoint`;
  if (code === "RequestTimeTooSkewed") return "set this machine's clock";
  if (code === "AccessDenied") {
    return `who asks needs s3:GetObject and s3:ListBucket in ${bucket}, and s3:PutObject to store`;
  }
  if (status === 401 || status === 403) {
    return `check ${CREDENTIALS}, and what they may do in ${bucket}`;
  }
  if (status === 301 || code === "AuthorizationHeaderMalformed") {
    return "check the region: add region=NAME to the address";
  }
  if (code === "CredentialsProviderError") return `set ${CREDENTIALS}`;
  if (error.message === "Region is missing")
    return "add region=NAME to the address, or set AWS_REGION";
  return undefined;
}
