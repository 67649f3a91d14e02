/**
 * The demonstration: a real directory goes into a store, a virtual machine boots with the store as a
 * file system, and finds every file in it to be what it was, byte for byte.
 *
 * Three parties that share no code are compared: the checker on the original tree, castorefs, and the
 * checker in the guest. Exit code 0 when they agree in everything, 1 otherwise.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytesFigure, countFigure, durationFigure, speedFigure } from "../src/cli/figures.ts";
import { makeCorpus } from "./corpus.ts";
import { Guest, type GuestResult } from "./guest.ts";
import { CACHE_DIRECTORY, guestImage } from "./images.ts";
import { compareManifests, expectedManifest, type Manifest, parseManifest } from "./manifest.ts";
import { chooseRealTree, copyTree } from "./real-tree.ts";
import { Report } from "./report.ts";
import { castorefs, castorefsJson, ShareDaemon } from "./share-daemon.ts";

const TREE = join(CACHE_DIRECTORY, "demo", "tree");
const ROOT_NAME = "demo";
const ATTRIBUTE = "user.castore.blob.digest";
const GUEST_SECONDS_MAX = 600;
const DIFFERENCES_SHOWN = 20;

const GUEST_SCRIPT = `
mkdir /mnt/share
mount -t virtiofs demo /mnt/share || exit 3
read -r uptime _ </proc/uptime
echo "@mounted $uptime"
check manifest --jobs 2 --progress --attribute ${ATTRIBUTE} /mnt/share
echo "@manifest $?"
check behaviour /mnt/share/made
echo "@behaviour $?"
check root /mnt/share
echo "@end"
exit 0
`;

const report = new Report();

async function main(): Promise<number> {
  report.plain();
  report.plain(`  ${report.strong("castorefs")}: boot a VM from a content-addressed store`);
  report.plain();
  const source = makeTree();
  const expected = expectedManifest(TREE);
  const { files, directories, symlinks, bytes } = expected.totals;
  report.line(
    "tree",
    `${source} and a made corpus: ${countFigure(files, "file")}, ${bytesFigure(bytes)}, ` +
      `${countFigure(directories, "directory", "directories")}, ${countFigure(symlinks, "symlink")}`,
  );

  const scratch = mkdtempSync(join(tmpdir(), "castorefs-demo-"));
  try {
    const store = join(scratch, "store");
    const importMilliseconds = importTree(store, bytes);
    const digest = rootDigest(store);
    report.line("", `root digest ${digest.text}`);
    const guest = await checkInGuest(store, join(scratch, "socket"), expected);
    return summarize({ expected, digest, importMilliseconds, guest });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The tree that is imported; answers where its real part came from. */
function makeTree(): string {
  report.passing("tree", "making the corpus");
  makeCorpus(join(TREE, "made"));
  const source = chooseRealTree();
  copyTree(source, join(TREE, "real"));
  return source;
}

function importTree(store: string, bytes: number): number {
  report.passing("import", `castorefs import --store ${store} --name ${ROOT_NAME} ${TREE}`);
  const before = performance.now();
  const run = castorefs("import", "--store", store, "--name", ROOT_NAME, TREE);
  const milliseconds = performance.now() - before;
  if (run.status !== 0) throw new Error(`castorefs import: ${run.stderr}`);
  report.line(
    "import",
    `into a new store in ${durationFigure(milliseconds)}, ${speedFigure(bytes, milliseconds)}`,
  );
  return milliseconds;
}

interface RootDigest {
  /** As castorefs writes it: `blake3-…` in base64. */
  readonly text: string;
  readonly hex: string;
}

function rootDigest(store: string): RootDigest {
  const { digest } = castorefsJson("stat", "--store", store, ROOT_NAME) as { digest: string };
  const base64 = digest.replace("blake3-", "");
  return { text: digest, hex: Buffer.from(base64, "base64").toString("hex") };
}

async function checkInGuest(
  store: string,
  socketPath: string,
  expected: Manifest,
): Promise<GuestResult> {
  const serveArguments = ["--store", store, "--root", ROOT_NAME, "--show-xattr"];
  await using daemon = await ShareDaemon.serve(socketPath, serveArguments);
  report.line("serve", `castorefs serve --socket-path ${socketPath} ${serveArguments.join(" ")}`);
  report.passing("guest", "booting");
  const { version } = guestImage("stock");
  const { totals } = expected;
  await using guest = await Guest.start({
    script: GUEST_SCRIPT,
    shares: [{ tag: "demo", socketPath }],
    memoryMiB: 1024,
    timeoutSeconds: GUEST_SECONDS_MAX,
    onLine: (line) => {
      const [word, first, second] = line.split(" ");
      if (word === "@mounted") {
        const how = guest.accel === "kvm" ? "KVM" : "emulated: KVM cannot run it here";
        report.line("guest", `Linux ${version} (${how}), up and mounted after ${first} s`);
      } else if (word === "@progress") {
        const done = `${bytesFigure(Number(second))} of ${bytesFigure(totals.bytes)}`;
        const files = Number(first);
        report.progress("verify", files, totals.files, `${countFigure(files, "file")}, ${done}`);
      } else if (word === "@manifest") {
        report.line("verify", "every name, kind, mode, size and digest, read in the guest");
        report.passing("rules", "what a read-only file system must do, and must not let happen");
      } else if (word === "@behaviour") {
        report.line("rules", "lookup, listing, seeking, mapping, linking, and 20 ways of writing");
        report.passing("root", "the guest works out the root digest from what it sees");
      } else if (word === "root") {
        report.line("root", "worked out once more in the guest, from the files it sees");
      }
    },
  });
  const result = await guest.result;
  const end = await daemon.stop();
  if (end !== 0) throw new Error(`castorefs serve ended with ${end}: ${daemon.log}`);
  if (result.end !== "script" || result.exitCode !== 0) {
    throw new Error(`the guest failed (${result.end}): ${result.console}${result.errors}`);
  }
  return result;
}

interface Outcome {
  readonly expected: Manifest;
  readonly digest: RootDigest;
  readonly importMilliseconds: number;
  readonly guest: GuestResult;
}

function summarize({ expected, digest, importMilliseconds, guest }: Outcome): number {
  const found = parseManifest(guest.output);
  const guestRoot = guest.output.match(/^root ([0-9a-f]{64})$/m)?.[1];
  const broken = guest.output.match(/^not ok - .*$/gm) ?? [];
  const rules = guest.output.match(/^ok - /gm)?.length ?? 0;
  const differences = [
    ...compareManifests(expected, found),
    ...broken,
    ...(guestRoot === digest.hex ? [] : [`the guest's root digest: ${guestRoot ?? "none"}`]),
  ];
  const { files, directories, symlinks, bytes } = found.totals;
  const row = (name: string, value: string) => report.plain(`    ${name.padEnd(20)} ${value}`);
  report.plain();
  row("files", `${files.toLocaleString("en-US")}, ${bytesFigure(bytes)}`);
  row(
    "other entries",
    `${countFigure(directories, "directory", "directories")}, ${countFigure(symlinks, "symlink")}`,
  );
  row("digests compared", `${(files * 2 + 1).toLocaleString("en-US")} (original, guest, store)`);
  row("rules of a share", `${rules} kept, ${broken.length} broken`);
  row("import", speedFigure(bytes, importMilliseconds));
  row("boot", `${guest.bootSeconds?.toFixed(1)} s to the first command (${guest.accel})`);
  row("read in the guest in", `${found.totals.seconds.toFixed(1)} s`);
  row("root digest", digest.text);
  report.plain();
  for (const line of differences.slice(0, DIFFERENCES_SHOWN)) report.plain(`  ${line}`);
  if (differences.length > 0) {
    report.plain(`  ${report.bad("✗")} ${countFigure(differences.length, "difference")}`);
    return 1;
  }
  report.plain(`  ${report.good("✓")} The guest sees exactly what was imported.`);
  report.plain();
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  report.plain(`  ${report.bad("✗")} ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
