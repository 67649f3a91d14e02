/** A web server on loopback that shows a folder, and can be told to misbehave. */
import { createReadStream, statSync } from "node:fs";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";

export class WebServer {
  readonly #server: Server;
  /** Of every request that came: the method and the path. */
  readonly requests: string[] = [];
  connections = 0;

  private constructor(answer: RequestListener) {
    this.#server = createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      answer(request, response);
    });
    this.#server.on("connection", () => {
      this.connections += 1;
    });
  }

  /** Ends with the test. */
  static async start(answer: RequestListener): Promise<WebServer> {
    const web = new WebServer(answer);
    await new Promise<void>((resolve) => web.#server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      web.#server.closeAllConnections();
      web.#server.close();
    });
    return web;
  }

  static async show(folder: string): Promise<WebServer> {
    return await WebServer.start((request, response) => showFile(folder, request, response));
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Hangs up on everybody, without stopping to listen. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }
}

export function showFile(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const path = join(folder, new URL(request.url ?? "", "http://host").pathname);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    response.writeHead(404, { "content-type": "text/html" }).end("<h1>Not Found</h1>");
    return;
  }
  response.writeHead(200, { "content-length": size });
  if (request.method === "HEAD") response.end();
  else createReadStream(path).pipe(response);
}
