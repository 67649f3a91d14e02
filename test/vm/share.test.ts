/** A real guest mounts a share of the made corpus, and looks at it in every way it has. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Guest, type GuestResult } from "../../vm-images/guest.ts";
import {
  compareManifests,
  expectedManifest,
  type Manifest,
  parseManifest,
} from "../../vm-images/manifest.ts";
import { CORPUS, CorpusStore } from "./corpus-store.ts";
import { section } from "./sections.ts";

const GUEST_SECONDS_MAX = 240;
const WAYS = ["odd", "mmap", "sendfile", "direct"];

/** Two numbers that stand for a manifest: lines and checksum, without the summary. */
const SUM = "grep -v '^#' | md5sum";

const SCRIPT = `
mkdir /mnt/share
mount -t virtiofs share /mnt/share || exit 3
forget() { echo 3 >/proc/sys/vm/drop_caches; }
echo "@section manifest"
check manifest --jobs 2 --attribute user.castore.blob.digest /mnt/share
echo "@section by read"
check manifest /mnt/share/sizes | ${SUM}
for way in ${WAYS.join(" ")}; do
  forget
  echo "@section by $way"
  check manifest --via $way /mnt/share/sizes | ${SUM}
done
forget
echo "@section race"
cd /mnt/share
for i in 1 2 3 4; do
  (find . | sort | md5sum; check manifest twins; check manifest deep; check root names) \\
    | grep -v '^#' >/tmp/race-$i &
done
wait
cd /
md5sum </tmp/race-1
cat /tmp/race-* | md5sum
cat /tmp/race-1 /tmp/race-1 /tmp/race-1 /tmp/race-1 | md5sum
echo "@section behaviour"
check behaviour /mnt/share
echo "@section root"
check root /mnt/share/sizes
check root /mnt/share
look() {
  find /mnt/share -exec ls -ld {} + | md5sum
  cat /mnt/share/names/* /mnt/share/many/entry-0?1?? 2>&1 | md5sum
}
echo "@section before"
look >/tmp/look
echo "@pause"
read -r go
echo "@section cached"
look | diff - /tmp/look && echo same
echo "@resume"
read -r go
echo "@section unmount"
for try in 1 2 3; do # what ended a moment ago may still hold it
  umount /mnt/share && echo unmounted && break
  sleep 1
done
exit 7
`;

describe("a share in a guest", () => {
  let corpus: CorpusStore;
  let expected: Manifest;
  let result: GuestResult;
  let daemonEnd: number | string;
  const part = (name: string) => section(result.output, name);

  beforeAll(async () => {
    corpus = new CorpusStore();
    expected = expectedManifest(CORPUS);
    await using daemon = await corpus.serve("--show-xattr");
    await using guest = await Guest.start({
      script: SCRIPT,
      shares: [{ tag: "share", socketPath: daemon.socketPath }],
      memoryMiB: 1024,
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
    await guest.port.waitFor(/^@pause$/m, GUEST_SECONDS_MAX);
    daemon.pause();
    guest.send("go");
    await guest.port.waitFor(/^@resume$/m, 30).catch(() => {}); // told by the test below
    daemon.resume();
    guest.send("go");
    result = await guest.result;
    daemonEnd = await daemon.stop();
  }, 300_000);

  afterAll(() => corpus?.[Symbol.dispose]());

  it("is mounted within seconds, and its guest leaves with the script's exit code", () => {
    expect(result.console).toBe("");
    expect(result).toMatchObject({ end: "script", exitCode: 7 });
  });

  it("shows every entry byte for byte, with the digest of each file as an attribute", () => {
    const found = parseManifest(part("manifest"));
    expect(compareManifests(expected, found)).toEqual([]);
    expect(found.totals.files).toBeGreaterThan(9_000);
  });

  it.each(WAYS)("gives the same bytes when read by %s", (way) => {
    expect(part(`by ${way}`)).toBe(part("by read"));
  });

  it("shows the same to four walkers at once", () => {
    const [, all, fourTimesOne] = part("race").split("\n");
    expect(all).toBe(fourTimesOne);
  });

  it("keeps the rules of a read-only file system", () => {
    expect(part("behaviour")).toMatch(/^# rules \d+ broken 0$/m);
    expect(part("behaviour")).not.toMatch(/^not ok/m);
  });

  it("leads the guest to the root digest of the import", () => {
    expect(part("root")).toBe(
      `root ${corpus.digestOf("share/sizes")}\nroot ${corpus.digestOf("share")}\n`,
    );
  });

  it("is walked and read a second time from the guest's caches, while the daemon stands still", () => {
    expect(part("cached")).toBe("same\n@resume\n");
  });

  it("is unmounted in good order, and the daemon ends with 0 on SIGTERM", () => {
    expect(part("unmount")).toBe("unmounted\n");
    expect(daemonEnd).toBe(0);
  });
});
