/** Guests and daemons come and go: what the one left behind must not trouble the other. */
import { closeFd, listenUnix } from "node-vhost-user";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootGuest, Guest, type GuestOptions } from "../../vm-images/guest.ts";
import { ShareDaemon } from "../../vm-images/share-daemon.ts";
import { CorpusStore } from "./corpus-store.ts";
import { section } from "./sections.ts";

const GUEST_SECONDS_MAX = 90;
const MOUNT = "mkdir -p /mnt/share; mount -t virtiofs share /mnt/share || exit 3";
/** A small part of the share, and what it must come to. */
const CHECK = "check root /mnt/share/twins";

function guestOptions(daemon: ShareDaemon, script: string): GuestOptions {
  return {
    script,
    shares: [{ tag: "share", socketPath: daemon.socketPath }],
    timeoutSeconds: GUEST_SECONDS_MAX,
  };
}

describe("the lives of guests and daemons", () => {
  let corpus: CorpusStore;
  /** What CHECK prints when all is well. */
  let good: string;

  beforeAll(() => {
    corpus = new CorpusStore();
    good = `root ${corpus.digestOf("share/twins")}\n`;
  }, 120_000);

  afterAll(() => corpus?.[Symbol.dispose]());

  it("serves one guest after another with the same daemon, and leaks nothing", async () => {
    await using daemon = await corpus.serve();
    const script = `${MOUNT}; ${CHECK}`;
    expect((await bootGuest(guestOptions(daemon, script))).output).toBe(good);
    const held = daemon.openFiles();
    expect((await bootGuest(guestOptions(daemon, script))).output).toBe(good);
    expect(daemon.openFiles()).toBeLessThanOrEqual(held);
    expect(await daemon.stop()).toBe(0);
  }, 200_000);

  it("serves a guest that reboots, unmounts, mounts again, and takes its driver away", async () => {
    await using daemon = await corpus.serve();
    await using guest = await Guest.start({
      ...guestOptions(
        daemon,
        `
        ${MOUNT}; ${CHECK}
        umount /mnt/share; mount -t virtiofs share /mnt/share; ${CHECK}
        umount /mnt/share
        for device in /sys/bus/virtio/drivers/virtiofs/virtio*; do
          name=\${device##*/}
          echo $name >/sys/bus/virtio/drivers/virtiofs/unbind
          echo $name >/sys/bus/virtio/drivers/virtiofs/bind
        done
        mount -t virtiofs share /mnt/share; ${CHECK}
        echo "@order"; read -r order
        [ $order = end ] || reboot -f
        exit 0`,
      ),
      mayReboot: true,
    });
    const order = /@order\n/g;
    await guest.port.waitFor(order, GUEST_SECONDS_MAX);
    const firstBoot = guest.port.text.length;
    guest.send("reboot");
    await guest.port.waitFor(order, GUEST_SECONDS_MAX, firstBoot);
    guest.send("end");
    const { output, exitCode } = await guest.result;
    expect(output.match(/^root .*\n/gm)).toEqual(Array.from({ length: 6 }, () => good));
    expect(exitCode).toBe(0);
    expect(daemon.alive).toBe(true);
  }, 200_000);

  it("serves two guests at once, each with a daemon of its own on the same store", async () => {
    await using first = await corpus.serve();
    await using second = await corpus.serve();
    const script = `${MOUNT}; ${CHECK}`;
    const results = await Promise.all([
      bootGuest(guestOptions(first, script)),
      bootGuest(guestOptions(second, script)),
    ]);
    expect(results.map((result) => result.output)).toEqual([good, good]);
  }, 200_000);

  it("survives QEMU being killed in the middle of reads, and serves the next one", async () => {
    await using daemon = await corpus.serve();
    const script = `
      ${MOUNT}
      for i in 1 2 3 4; do
        while true; do check digest /mnt/share/sizes/huge; echo 3 >/proc/sys/vm/drop_caches; done &
      done
      sleep 1
      echo "@reading"; wait`;
    await using guest = await Guest.start(guestOptions(daemon, script));
    await guest.port.waitFor(/@reading/, GUEST_SECONDS_MAX);
    guest.kill();
    expect((await guest.result).end).toBe("killed");
    const next = await bootGuest(guestOptions(daemon, `${MOUNT}; ${CHECK}`));
    expect(next.output).toBe(good);
    expect(daemon.alive).toBe(true);
  }, 200_000);

  it("is followed by a new daemon on the same path when it is killed under a guest", async () => {
    await using daemon = await corpus.serve();
    await using orphan = await Guest.start(
      guestOptions(daemon, `${MOUNT}; echo "@mounted"; read -r go; ${CHECK}`),
    );
    await orphan.port.waitFor(/@mounted/, GUEST_SECONDS_MAX);
    daemon.kill();
    await daemon.ended;
    orphan.send("go"); // waits for ever: this QEMU has no way to connect its device again
    await using next = await ShareDaemon.serve(daemon.socketPath, corpus.serveArguments());
    const result = await bootGuest(guestOptions(next, `${MOUNT}; ${CHECK}`));
    expect(result.output).toBe(good);
    orphan.kill();
    expect((await orphan.result).end).toBe("killed");
    expect(await next.stop()).toBe(0);
  }, 200_000);

  it("serves several request queues with large rings", async () => {
    await using daemon = await corpus.serve("--queues", "4");
    const { output } = await bootGuest({
      ...guestOptions(
        daemon,
        `${MOUNT}; cd /mnt/share
        check root sizes >/tmp/sizes &
        for i in 1 2 3 4; do check root names >/tmp/names-$i & done
        wait; sort -u /tmp/sizes /tmp/names-*`,
      ),
      shares: [{ tag: "share", socketPath: daemon.socketPath, queues: 4, queueSize: 1024 }],
      cpus: 2,
    });
    const wanted = [corpus.digestOf("share/names"), corpus.digestOf("share/sizes")];
    expect(output).toBe(
      wanted
        .sort()
        .map((digest) => `root ${digest}\n`)
        .join(""),
    );
  }, 200_000);

  it("serves a guest that has memory above 4 GiB, and uses that first", async () => {
    await using daemon = await corpus.serve();
    const { output } = await bootGuest({
      ...guestOptions(
        daemon,
        `${MOUNT}; ${CHECK}
        check manifest --via direct /mnt/share/sizes | grep -v '^#' | md5sum
        check manifest /mnt/share/sizes | grep -v '^#' | md5sum`,
      ),
      memoryMiB: 5120,
    });
    const [root, direct, cached] = output.split(/(?<=\n)/);
    expect(root).toBe(good);
    expect(direct).toMatch(/^[0-9a-f]{32} /);
    expect(cached).toBe(direct);
  }, 200_000);

  it("serves a socket that it inherits already listening", async () => {
    const socketPath = corpus.socketPath();
    const listening = listenUnix(socketPath);
    await using daemon = ShareDaemon.serveOnSocket(listening, socketPath, corpus.serveArguments());
    closeFd(listening);
    const result = await bootGuest(guestOptions(daemon, `${MOUNT}; ${CHECK}`));
    expect(result.output).toBe(good);
  }, 200_000);

  it("ends with its guest when told so by --exit-on-disconnect", async () => {
    await using daemon = await corpus.serve("--exit-on-disconnect");
    await bootGuest(guestOptions(daemon, `${MOUNT}; ${CHECK}`));
    expect(await daemon.ended).toBe(0);
  }, 200_000);

  it("shows all roots by name, listed only with --list-root", async () => {
    const serve = (...args: readonly string[]) =>
      ShareDaemon.serve(corpus.socketPath(), ["--store", corpus.store, ...args]);
    await using hidden = await serve();
    await using listed = await serve("--list-root");
    const result = await bootGuest({
      script: `
        mkdir /mnt/hidden /mnt/listed
        mount -t virtiofs hidden /mnt/hidden; mount -t virtiofs listed /mnt/listed
        echo "@section hidden"; check manifest /mnt/hidden; check root /mnt/hidden/share/twins
        echo "@section listed"; ls /mnt/listed; check root /mnt/listed/share/twins`,
      shares: [
        { tag: "hidden", socketPath: hidden.socketPath },
        { tag: "listed", socketPath: listed.socketPath },
      ],
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
    expect(section(result.output, "hidden")).toMatch(/^! : opening: Operation not permitted$/m);
    expect(section(result.output, "hidden")).toContain(good);
    expect(section(result.output, "listed")).toBe(`share\n${good}`);
  }, 200_000);
});
