/** A Debian that is not on this host: the store is empty at first, everything comes from a source. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIE_MILLISECONDS } from "../../src/store/tiers/known-lies.ts";
import { prepare, ROOT_TREE } from "../../vm-images/images.ts";
import { castorefs, castorefsJson, type ShareDaemon } from "../../vm-images/share-daemon.ts";
import { CastoreServer } from "../remote/castore-server.ts";
import { ColdHost, RootGuest } from "../remote/root-boot.ts";
import { SlowLink } from "../remote/slow-link.ts";
import { describeWithS3, makeBucket } from "../store/object/buckets.ts";
import { CorpusStore } from "./corpus-store.ts";

const BOOTS_MILLISECONDS_MAX = 600_000;
/** What a guest waits for a source that keeps silent. */
const SOURCE_TIMEOUT_SECONDS = 10;
/** One byte in so many is wrong: every chunk of some size is, and most of what is said around them. */
const GARBLE_EVERY_BYTES = 3000;

/** Files that nothing reads while the system starts. */
const UNTOUCHED = ["/usr/bin/perl", "/usr/bin/gpgv", "/usr/bin/dpkg-deb"];

interface Store {
  readonly far: CorpusStore;
  readonly root: string;
  /** Of all files. */
  readonly bytes: number;
}

function importDebian(): Store {
  const far = new CorpusStore(ROOT_TREE);
  const { digest } = castorefsJson("stat", "--store", far.store, "share") as { digest: string };
  const bytes = Number.parseInt(execFileSync("du", ["-sb", ROOT_TREE]).toString(), 10);
  return { far, root: digest, bytes };
}

function sumOf(path: string): string {
  return createHash("md5")
    .update(readFileSync(join(ROOT_TREE, path)))
    .digest("hex");
}

describe.runIf(prepare("rootfs"))("a Debian that is elsewhere", () => {
  let store: Store;

  beforeAll(() => {
    store = importDebian();
  }, BOOTS_MILLISECONDS_MAX);

  afterAll(() => store?.far[Symbol.dispose]());

  it(
    "boots over gRPC, bears that the source dies and returns, and boots again without it",
    async () => {
      using host = new ColdHost();
      await using server = await CastoreServer.start(store.far.store);
      await using link = await SlowLink.open({ serverPort: server.port, latencyMilliseconds: 20 });
      const source = ["--source", `grpc+http://127.0.0.1:${link.port}`];
      const patience = ["--source-timeout", `${SOURCE_TIMEOUT_SECONDS}`];
      {
        await using daemon = await host.serve(store.root, ...source, ...patience);
        await using guest = await RootGuest.boot(daemon.socketPath);
        expect(link.bytesDown).toBeLessThan(store.bytes / 4);
        await expectWhole(guest, UNTOUCHED[0]!);
        link.die();
        await expectFailure(guest, daemon, UNTOUCHED[1]!);
        link.revive();
        await expectWhole(guest, UNTOUCHED[1]!);
        expect(await guest.powerOff()).toBe(true);
      }
      link.die();
      await using daemon = await host.serve(store.root, ...source, ...patience);
      await using guest = await RootGuest.boot(daemon.socketPath);
      await expectWhole(guest, UNTOUCHED[0]!);
      expect(await guest.powerOff()).toBe(true);
    },
    BOOTS_MILLISECONDS_MAX,
  );

  describeWithS3("in a bucket", (server) => {
    it(
      "boots from the bucket, and gets no wrong byte from a line that garbles",
      async () => {
        const address = server().address(await makeBucket(server()), "debian");
        const push = castorefs("push", "--store", store.far.store, "share", "--to", address);
        expect(push.status, push.stderr).toBe(0);
        using host = new ColdHost();
        await using link = await SlowLink.open({
          serverPort: server().port,
          latencyMilliseconds: 20,
        });
        const source = address.replace(`:${server().port}`, `:${link.port}`);
        await using daemon = await host.serve(
          store.root,
          ...["--source", source, "--source-timeout", `${SOURCE_TIMEOUT_SECONDS}`],
        );
        await using guest = await RootGuest.boot(daemon.socketPath);
        expect(link.bytesDown).toBeLessThan(store.bytes / 4);
        await expectWhole(guest, UNTOUCHED[0]!);
        link.garbleEvery = GARBLE_EVERY_BYTES;
        await expectFailure(guest, daemon, UNTOUCHED[1]!);
        link.garbleEvery = 0;
        // What a source said wrongly is not asked of it again for a while.
        await sleep(LIE_MILLISECONDS);
        await expectWhole(guest, UNTOUCHED[1]!);
        expect(await guest.powerOff()).toBe(true);
      },
      BOOTS_MILLISECONDS_MAX,
    );
  });
});

/** The guest reads the file as it is in the original tree. */
async function expectWhole(guest: RootGuest, path: string): Promise<void> {
  expect(await guest.run(`md5sum ${path}`)).toContain(`${sumOf(path)}  ${path}`);
}

/** Reading the file fails, soon, and the daemon says which digest was not to be had. */
async function expectFailure(guest: RootGuest, daemon: ShareDaemon, path: string): Promise<void> {
  const logged = daemon.log.length;
  const begun = performance.now();
  expect(await guest.run(`md5sum ${path}`)).toMatch(/Input\/output error/);
  expect(performance.now() - begun).toBeLessThan(SOURCE_TIMEOUT_SECONDS * 1000 * 4);
  expect(daemon.log.slice(logged)).toMatch(/ error .*digest=blake3-/);
}
