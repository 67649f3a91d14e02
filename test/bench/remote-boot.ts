/**
 * How long a Debian takes to boot from a store that is empty at first, over a web server behind a
 * slow line: without help, with a recording fetched ahead, and from what is there already.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Digest } from "../../src/castore/digest.ts";
import { openLocalObjects } from "../../src/store/tiers/local-objects.ts";
import { treeShare } from "../../src/store/tiers/tree-share.ts";
import { prepare, ROOT_TREE } from "../../vm-images/images.ts";
import { castorefs, castorefsJson } from "../../vm-images/share-daemon.ts";
import { ColdHost, RootGuest } from "../remote/root-boot.ts";
import { SlowLink } from "../remote/slow-link.ts";
import { showFile } from "../store/object/show-file.ts";

const LATENCY_MILLISECONDS = 20;
const BITS_PER_SECOND = 100_000_000;
const MIB = 1024 * 1024;

interface Boot {
  readonly name: string;
  readonly seconds: number;
  readonly requests: number;
  readonly bytes: number;
  /** Of the tree's bytes, what the store never got. */
  readonly unfetched: number;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

class RemoteBoots implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "castorefs-remote-"));
  readonly #bucket = join(this.#directory, "bucket");
  readonly #recording = join(this.#directory, "recording.json");
  readonly #server = createServer((request, response) => {
    this.#requests += 1;
    showFile(this.#bucket, request, response);
  });
  #requests = 0;
  #root = "";

  async prepare(): Promise<void> {
    const store = join(this.#directory, "store");
    mkdirSync(this.#bucket);
    run("import", "--store", store, "--name", "debian", ROOT_TREE);
    run("push", "--store", store, "debian", "--to", pathToFileURL(this.#bucket).href);
    const { digest } = castorefsJson("stat", "--store", store, "debian") as { digest: string };
    this.#root = digest;
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  /** Boots once on a host whose store is `host`'s. */
  async boot(name: string, host: ColdHost, ...args: readonly string[]): Promise<Boot> {
    const { port } = this.#server.address() as AddressInfo;
    await using link = await SlowLink.open({
      serverPort: port,
      latencyMilliseconds: LATENCY_MILLISECONDS,
      bitsPerSecond: BITS_PER_SECOND,
    });
    this.#requests = 0;
    const source = ["--source", `http://127.0.0.1:${link.port}`];
    await using daemon = await host.serve(this.#root, ...source, ...args);
    await using guest = await RootGuest.boot(daemon.socketPath);
    const { bootSeconds } = guest;
    const [requests, bytes] = [this.#requests, link.bytesDown];
    await guest.powerOff();
    await daemon.stop();
    const unfetched = await this.#unfetched(host);
    return { name, seconds: bootSeconds, requests, bytes, unfetched };
  }

  async round(): Promise<Boot[]> {
    using recorded = new ColdHost();
    using ahead = new ColdHost();
    return [
      await this.boot("cold", recorded, "--record", this.#recording),
      await this.boot("cold, recording fetched ahead", ahead, "--prefetch", this.#recording),
      await this.boot("warm", recorded),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #unfetched(host: ColdHost): Promise<number> {
    using objects = openLocalObjects(host.store);
    const { bytes, storedBytes } = await treeShare(objects, Digest.parse(this.#root));
    return 1 - storedBytes / bytes;
  }
}

function run(...args: string[]): void {
  const { status, stderr } = castorefs(...args);
  if (status !== 0) throw new Error(`castorefs ${args.join(" ")}: ${stderr}`);
}

const rounds = Number(process.argv[2] ?? 3);
if (!(rounds >= 1) || !prepare("rootfs")) {
  process.stderr.write("remote-boot: [ROUNDS]; needs a Debian tree (make guest, as root)\n");
  process.exit(2);
}
await using boots = new RemoteBoots();
await boots.prepare();
say(`Debian to its prompt over ${LATENCY_MILLISECONDS} ms and ${BITS_PER_SECOND / 1e6} Mbit/s`);
for (let round = 1; round <= rounds; round += 1) {
  for (const { name, seconds, requests, bytes, unfetched } of await boots.round()) {
    say(
      `round ${round}: ${name.padEnd(30)} ${seconds.toFixed(1).padStart(6)} s ` +
        `${String(requests).padStart(6)} requests ${(bytes / MIB).toFixed(1).padStart(7)} MiB ` +
        `${(unfetched * 100).toFixed(1)} % of the tree never fetched`,
    );
  }
}
