/** A web server on loopback that shows a folder, and can be told to misbehave. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { showFile } from "./show-file.ts";

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
