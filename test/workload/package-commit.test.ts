/** A Debian whose root is a writable share gets packages, is committed, and others boot from that. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepare, ROOT_TREE, WORKLOAD_PACKAGES } from "../../vm-images/images.ts";
import { castorefs, castorefsJson, ShareDaemon } from "../../vm-images/share-daemon.ts";
import { RootGuest } from "../remote/root-boot.ts";

const PACKAGES_TAG = "packages";
const INSTALL = "apt-get install -q -y -o Dpkg::Use-Pty=0 /mnt/*.deb";
const USE = `echo '{"a":[1,2]}' | jq -M '.a | add'; hello; dpkg --verify jq hello && echo whole`;

/** A root as `castorefs du --json` shows it: bytes of chunks and directories. */
interface RootFigures {
  readonly name: string;
  readonly stored: number;
  readonly own: number;
}

describe.runIf(prepare("workload"))("a Debian that packages are installed into", () => {
  const directory = mkdtempSync(join(tmpdir(), "castorefs-package-"));
  const store = join(directory, "store");
  const layer = join(directory, "layer");
  const at = (name: string) => join(directory, name);
  let installed: string;
  let beforeCommit: string;
  let afterCommit: string;
  let live: { digest: string };
  let stopped: { digest: string };
  let again: { digest: string };
  let poweredOff: boolean;
  let inSecond: string;

  const serve = async (socket: string, ...args: string[]) =>
    await ShareDaemon.serve(at(socket), ["--store", store, ...args]);
  const commit = (name: string) =>
    castorefsJson("layer", "commit", layer, "--name", name) as { digest: string };

  beforeAll(async () => {
    for (const [name, tree] of [
      ["debian", ROOT_TREE],
      [PACKAGES_TAG, WORKLOAD_PACKAGES],
    ] as const) {
      const { status, stderr } = castorefs("import", "--store", store, "--name", name, tree);
      if (status !== 0) throw new Error(`castorefs import: ${stderr}`);
    }
    {
      await using packages = await serve("packages", "--root", PACKAGES_TAG);
      await using daemon = await serve("first", "--root", "debian", "--writable", "--layer", layer);
      await using debian = await RootGuest.boot(daemon.socketPath, true, [
        { tag: PACKAGES_TAG, socketPath: packages.socketPath },
      ]);
      await debian.run(`mount -t virtiofs ${PACKAGES_TAG} /mnt`);
      installed = await debian.run(`${INSTALL} && echo status $?`);
      beforeCommit = await debian.run(`${USE}; sync`);
      live = commit("with-packages");
      afterCommit = await debian.run(USE);
      poweredOff = await debian.powerOff();
      await daemon.stop();
    }
    stopped = commit("powered-off");
    again = commit("once-more");
    await using daemon = await serve("second", "--root", "with-packages");
    await using second = await RootGuest.boot(daemon.socketPath);
    inSecond = await second.run(USE);
    await second.powerOff();
  }, 900_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it("boots from the share and installs them", () => {
    expect(installed).toMatch(/^status 0$/m);
    expect(beforeCommit).toMatch(/^3$/m);
    expect(beforeCommit).toMatch(/^Hello, world!$/m);
    expect(beforeCommit).toMatch(/^whole$/m);
  });

  it("goes on after a commit, and shuts down in good order", () => {
    expect(afterCommit).toMatch(/^whole$/m);
    expect(poweredOff).toBe(true);
  });

  it("has the same digest when it is committed twice", () => {
    expect(again.digest).toBe(stopped.digest);
  });

  it("is what another guest boots from, packages and all", () => {
    expect(inSecond).toMatch(/^3$/m);
    expect(inSecond).toMatch(/^Hello, world!$/m);
    expect(inSecond).toMatch(/^whole$/m);
  });

  it("shares all but the difference with what it was made of", () => {
    expect(live.digest).toMatch(/^blake3-/);
    const { roots } = castorefsJson("du", "--store", store) as { roots: RootFigures[] };
    const base = roots.find(({ name }) => name === "debian");
    if (base === undefined) throw new Error("du shows no debian");
    // 1.5 MB of packages, and what apt and dpkg keep books in.
    for (const { name, stored } of roots.filter(({ name }) => name !== PACKAGES_TAG)) {
      expect(stored, name).toBeLessThan(base.stored + 20e6);
    }
    const others = roots.filter(({ name }) => name === "with-packages" || name === "powered-off");
    expect(others).toHaveLength(2);
    for (const { name, own } of others) expect(own, name).toBeLessThan(base.stored / 20);
  });
});
