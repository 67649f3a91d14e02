/**
 * A daemon whose source does as a test says: started by `HeldDaemon`, never by itself. The devices
 * and what is between them and the source are the real ones.
 *
 *     node test/frontend/held-daemon.ts STORE SOURCE CONTROL TIMEOUT_MS ROOT [--socket-path PATH]…
 *
 * CONTROL/mode says what becomes of fetches from now on; those that wait ask again and again:
 * `pass`, `hold`, `down` (the source cannot be reached), `absent`, or `trickle` (they get on and do
 * not end). CONTROL/fetches gets a line for every fetch: kind, digest, `heal`.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Digest } from "../../src/castore/digest.ts";
import { encodeDirectory, encodeEntry } from "../../src/castore/proto.ts";
import { DevicePool } from "../../src/daemon/device-pool.ts";
import { findShareRoot } from "../../src/daemon/root-node.ts";
import { WantBroker } from "../../src/daemon/want-broker.ts";
import { openStoreFiller } from "../../src/store/disk-filler.ts";
import { openDiskStore } from "../../src/store/disk-store.ts";
import { MissingObject, SourceUnavailable } from "../../src/store/errors.ts";
import type { ObjectFetcher, WantedObject } from "../../src/store/object-fetcher.ts";
import type { Store } from "../../src/store/services.ts";
import type { StoreFiller } from "../../src/store/store-filler.ts";

const POLL_MILLISECONDS = 5;

class HeldFetcher implements ObjectFetcher {
  readonly #source: Store;
  readonly #filler: StoreFiller;
  readonly #control: string;

  constructor(source: Store, filler: StoreFiller, control: string) {
    this.#source = source;
    this.#filler = filler;
    this.#control = control;
  }

  async fetch(wanted: WantedObject, _priority: string, progressed?: () => void): Promise<void> {
    const { kind, digest, heal } = wanted;
    const line = `${kind} ${digest}${heal ? " heal" : ""}\n`;
    appendFileSync(join(this.#control, "fetches"), line);
    for (;;) {
      const mode = readFileSync(join(this.#control, "mode"), "utf8").trim();
      if (mode === "pass") return await this.#copy(wanted);
      if (mode === "down") throw new SourceUnavailable("the source is down");
      if (mode === "absent") throw new MissingObject(kind, digest);
      if (mode === "trickle") progressed?.();
      await delay(POLL_MILLISECONDS);
    }
  }

  async #copy({ kind, digest, heal }: WantedObject): Promise<void> {
    const options = { replace: heal };
    if (kind === "directory") {
      const directory = await this.#source.directories.get(digest);
      if (directory === undefined) throw new MissingObject("directory", digest);
      await this.#filler.putDirectory(digest, encodeDirectory(directory), options);
      return;
    }
    const blob = await this.#source.blobs.stat(digest);
    if (blob === undefined) throw new MissingObject("blob", digest);
    for (const chunk of blob.chunks) {
      const pieces: Uint8Array[] = [];
      for await (const piece of this.#source.blobs.read(chunk.digest)) pieces.push(piece.slice());
      await this.#filler.putChunk(chunk, Buffer.concat(pieces), options);
    }
    if (blob.chunks.length > 1) await this.#filler.putBlob(digest, blob, true, options);
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "socket-path": { type: "string", multiple: true } },
  });
  const [storeDirectory, sourceDirectory, control, timeout, root] = positionals as [
    string,
    string,
    string,
    string,
    string,
  ];
  using store = openDiskStore(storeDirectory, { create: true });
  using source = openDiskStore(sourceDirectory);
  using filler = openStoreFiller(storeDirectory);
  const fetcher = new HeldFetcher(source, filler, control);
  const logger = {
    log: (level: string, message: string, fields?: object) =>
      process.stderr.write(`${level}: ${message} ${JSON.stringify(fields)}\n`),
  };
  const fetchRoot = (digest: Digest, heal: boolean) =>
    fetcher.fetch({ kind: "directory", digest, heal }, "foreground");
  const node = await findShareRoot(store, Digest.parse(root).toString(), fetchRoot);
  const pool = await DevicePool.start({
    listen: (values["socket-path"] ?? []).map((path) => ({ kind: "path", path, mode: 0o600 })),
    services: { broker: new WantBroker(fetcher, logger) },
    logger,
    config: {
      storeDirectory,
      root: encodeEntry(node),
      listRoot: false,
      showXattr: false,
      tag: undefined,
      requestQueues: 2,
      exitOnDisconnect: false,
      spinMicroseconds: 50,
      parallel: true,
      maxInodes: 100_000,
      verify: "first-read",
      trustChunkLists: false,
      sourceTimeoutMilliseconds: Number(timeout),
      recording: false,
    },
  });
  process.once("SIGTERM", () => pool.stop());
  await pool.ended;
}

await main();
// Fetches that are still held would keep the process alive.
process.exit();
