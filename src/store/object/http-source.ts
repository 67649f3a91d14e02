/** Objects of a web server, or of a bucket that everybody may read. They can only be read. */
import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";
import { SourceUnavailable, StoreError } from "../errors.ts";
import type { Source, SourceOptions } from "../source.ts";
import { shownAddress } from "../source-address.ts";
import { objectSource } from "./object-source.ts";
import type { ObjectStore, StoredObject } from "./object-store.ts";
import { oneLine } from "./one-line.ts";

/** Connections to one server. */
const SOCKETS_MAX = 64;
/** From one address to another, for one object. */
const REDIRECTS_MAX = 5;
/** Of an answer that nobody wants; beyond, the connection is given up instead. */
const DISCARDED_BYTES_MAX = 64 * 1024;

const ABSENT = new Set([404, 410]);
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * The server that `url` (`http://…`, `https://…`) names. A user and a password in it are sent with
 * each request to that server; what follows a `?` is sent with each, too.
 */
export async function openHttpSource(url: URL, options: SourceOptions): Promise<Source> {
  return objectSource(new HttpStore(url), options);
}

class HttpStore implements ObjectStore {
  readonly name: string;
  readonly #base: URL;
  readonly #plainAgent = new PlainAgent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  readonly #secureAgent = new SecureAgent({ keepAlive: true, maxSockets: SOCKETS_MAX });

  constructor(url: URL) {
    this.name = shownAddress(url);
    this.#base = url;
  }

  async get(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    const response = await this.#ask("GET", key, signal);
    if (response === undefined) return undefined;
    const encoding = response.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") {
      response.destroy();
      throw this.#unavailable(`it sends objects encoded as ${oneLine(encoding)}`);
    }
    return { size: contentLength(response), pieces: this.#pieces(response) };
  }

  async has(key: string, signal: AbortSignal): Promise<boolean> {
    const response = await this.#ask("HEAD", key, signal);
    if (response === undefined) return false;
    await discard(response);
    return true;
  }

  async put(): Promise<void> {
    throw new StoreError(`${this.name} can only be read`, {
      remedy: "store to the folder or the bucket behind it: file:///PATH, s3://BUCKET",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#plainAgent.destroy();
    this.#secureAgent.destroy();
  }

  /** An answer with an object, or with its absence. */
  async #ask(
    method: "GET" | "HEAD",
    key: string,
    signal: AbortSignal,
  ): Promise<IncomingMessage | undefined> {
    let url = new URL(this.#base);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/${key}`;
    for (let hops = 0; hops <= REDIRECTS_MAX; hops += 1) {
      const response = await this.#send(method, url, signal);
      const status = response.statusCode ?? 0;
      if (status === 200) return response;
      await discard(response);
      if (ABSENT.has(status)) return undefined;
      const { location } = response.headers;
      if (!REDIRECTS.has(status) || location === undefined) throw this.#refused(status);
      url = this.#redirected(url, location);
    }
    throw this.#unavailable(`more than ${REDIRECTS_MAX} redirects for one object`);
  }

  async #send(method: string, url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    try {
      return await this.#sendOnce(method, url, signal);
    } catch (error) {
      // The server hung up on a connection that was kept, just as it was used again.
      if (!(error instanceof ConnectionGone)) throw this.#failure(error);
    }
    return await this.#sendOnce(method, url, signal).catch((error: unknown) => {
      throw this.#failure(error);
    });
  }

  #sendOnce(method: string, url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const options = { method, signal, headers: { "accept-encoding": "identity" } };
    const sent =
      url.protocol === "https:"
        ? secureRequest(url, { ...options, agent: this.#secureAgent }, resolve)
        : plainRequest(url, { ...options, agent: this.#plainAgent }, resolve);
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const gone = sent.reusedSocket && error.code === "ECONNRESET";
      reject(gone ? new ConnectionGone(error.message, { cause: error }) : error);
    });
    sent.end();
    return promise;
  }

  #redirected(from: URL, location: string): URL {
    const to = URL.parse(location, from.href);
    const downgrade = from.protocol === "https:" && to?.protocol !== "https:";
    if (to === null || !/^https?:$/.test(to.protocol) || downgrade) {
      throw this.#unavailable(`it redirects to ${JSON.stringify(oneLine(location))}`);
    }
    // Who asked for the secret is not who gets it.
    if (to.origin === this.#base.origin) {
      to.username = this.#base.username;
      to.password = this.#base.password;
    }
    return to;
  }

  async *#pieces(response: IncomingMessage): AsyncGenerator<Uint8Array> {
    try {
      yield* response;
    } catch (error) {
      throw this.#failure(error);
    }
  }

  #refused(status: number): SourceUnavailable {
    if (status === 401 || status === 403) {
      const remedy = "check the user and the password in the address, and what may be read there";
      return this.#unavailable(`it refuses with status ${status}`, { remedy });
    }
    return this.#unavailable(`it answers with status ${status}`);
  }

  #failure(error: unknown): unknown {
    if (!(error instanceof Error) || error.name === "AbortError") return error;
    return this.#unavailable(error.message, { cause: error });
  }

  #unavailable(fault: string, options: { cause?: unknown; remedy?: string } = {}) {
    return new SourceUnavailable(`${this.name}: ${fault}`, options);
  }
}

class ConnectionGone extends Error {}

function contentLength({ headers }: IncomingMessage): number | undefined {
  const text = headers["content-length"] ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Reads the rest of an answer, so that its connection can be used again, if that is little. */
async function discard(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const piece of response) {
      bytes += (piece as Uint8Array).length;
      if (bytes > DISCARDED_BYTES_MAX) return;
    }
  } catch {
    // The status was all that mattered.
  }
}
