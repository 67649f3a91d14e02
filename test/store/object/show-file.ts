/** What a plain web server does. */
import { createReadStream, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";

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
