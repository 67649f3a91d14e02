/** The same share for a kernel that asks for more: 6.12 uses several request queues, for one. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bootGuest, type GuestResult } from "../../vm-images/guest.ts";
import { prepare } from "../../vm-images/images.ts";
import { compareManifests, expectedManifest, parseManifest } from "../../vm-images/manifest.ts";
import { CORPUS, CorpusStore } from "./corpus-store.ts";
import { section } from "./sections.ts";

const GUEST_SECONDS_MAX = 180;

const SCRIPT = `
mkdir /mnt/share
mount -t virtiofs share /mnt/share || exit 3
echo "@section kernel"
uname -r
echo "@section queues"
grep -c virtio.*requests /proc/interrupts
echo "@section manifest"
check manifest --jobs 4 /mnt/share
echo "@section behaviour"
check behaviour /mnt/share
`;

describe.runIf(prepare("newer"))("a share in a guest with a newer kernel", () => {
  let corpus: CorpusStore;
  let result: GuestResult;

  beforeAll(async () => {
    corpus = new CorpusStore();
    await using daemon = await corpus.serve("--queues", "4");
    result = await bootGuest({
      script: SCRIPT,
      shares: [{ tag: "share", socketPath: daemon.socketPath, queues: 4, queueSize: 256 }],
      kernel: "newer",
      cpus: 4,
      memoryMiB: 1024,
      timeoutSeconds: GUEST_SECONDS_MAX,
    });
  }, 300_000);

  afterAll(() => corpus?.[Symbol.dispose]());

  it("comes to its end", () => {
    expect(result.console).toBe("");
    expect(result).toMatchObject({ end: "script", exitCode: 0 });
  });

  it("shows every entry byte for byte, over four request queues", () => {
    expect(Number(section(result.output, "queues"))).toBe(4);
    const found = parseManifest(section(result.output, "manifest"));
    expect(compareManifests(expectedManifest(CORPUS), found)).toEqual([]);
  });

  it("keeps the rules of a read-only file system", () => {
    expect(section(result.output, "behaviour")).toMatch(/^# rules \d+ broken 0$/m);
  });
});
