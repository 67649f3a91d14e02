/**
 * A real guest changes a share; its layer is committed while it writes and when it is gone; a second
 * guest sees what the first had.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootGuest, Guest, type GuestResult } from "../../vm-images/guest.ts";
import { castorefs, castorefsJson } from "../../vm-images/share-daemon.ts";
import { CorpusStore } from "./corpus-store.ts";
import { section } from "./sections.ts";

const GUEST_SECONDS_MAX = 240;

/** Everything that castore keeps, in one number. */
const SUM = `(find . -type f -exec md5sum {} + ; find . -type d; find . -type l -exec ls -l {} + | \
sed 's/.* [0-9]*:*[0-9][0-9] //'; find . -type f -perm -100) | sort | md5sum`;

const WRITER = `
mkdir /mnt/share
mount -t virtiofs share /mnt/share || exit 3
cd /mnt/share
mkdir made
cp -a sizes made/copy
ln -s copy made/link
mv deep made/deep
rm -r many
echo changed >>twins/$(ls twins | head -n 1)
mkfifo made/fifo
chown 7:8 made/link made/fifo
sync
(i=0; while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  # Over what was there, without cutting it off before.
  printf '%06d\\n' $i | dd of=made/first conv=notrunc 2>/dev/null; sync
  printf '%06d\\n' $i | dd of=made/second conv=notrunc 2>/dev/null; sync
done) &
sleep 2
echo "@writing"
read -r go
touch /tmp/stop
wait
rm made/fifo
echo "@section sum"
${SUM}
cd /
umount /mnt/share || exit 4
`;

const READER = `
mkdir /mnt/share
mount -t virtiofs -o ro share /mnt/share || exit 3
cd /mnt/share
echo "@section sum"
${SUM}
`;

describe("the layer of a guest", () => {
  let corpus: CorpusStore;
  let layer: string;
  let result: GuestResult;
  let running: { pauseMilliseconds: number; lost: Record<string, number> };

  beforeAll(async () => {
    corpus = new CorpusStore();
    layer = join(corpus.directory, "layer");
    await using daemon = await corpus.serve("--writable", "--layer", layer);
    await using guest = await Guest.start({
      script: WRITER,
      shares: [{ tag: "share", socketPath: daemon.socketPath }],
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
    await guest.port.waitFor(/^@writing$/m, GUEST_SECONDS_MAX);
    running = castorefsJson("layer", "commit", layer, "--name", "running") as typeof running;
    guest.send("go");
    result = await guest.result;
    expect(await daemon.stop()).toBe(0);
  }, 300_000);
  afterAll(() => corpus[Symbol.dispose]());

  it("is what it was at one moment when it is committed while the guest writes", () => {
    const first = numberIn("running/made/first");
    const second = numberIn("running/made/second");
    expect(first).toBeGreaterThan(1);
    expect([first, first - 1]).toContain(second);
    expect(running.pauseMilliseconds).toBeGreaterThan(0);
    expect(running.lost).toMatchObject({ fifos: 1, owners: 2 });
  });

  it("gives a root that another guest sees as the first left it", async () => {
    expect(result.exitCode).toBe(0);
    const committed = castorefs("layer", "commit", layer, "--name", "after");
    expect(committed.stderr).toBe("");
    await using daemon = await corpus.serve("--root", "after");
    const again = await bootGuest({
      script: READER,
      shares: [{ tag: "share", socketPath: daemon.socketPath }],
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
    expect(again.exitCode).toBe(0);
    const sum = section(again.output, "sum");
    expect(sum).toMatch(/^[0-9a-f]{32} /);
    expect(sum).toBe(section(result.output, "sum"));
  }, 300_000);

  function numberIn(target: string): number {
    const { status, stdout } = castorefs("cat", "--store", corpus.store, target);
    expect(status).toBe(0);
    return Number(stdout);
  }
});
