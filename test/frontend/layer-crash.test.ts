/** The daemon of a writable share is killed while its guest writes. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { layerFaults } from "../layer/layer-check.ts";
import { NoAnswer } from "./chain-port.ts";
import { CrashModel, FileModel } from "./crash-model.ts";
import { castorefs, DaemonProcess } from "./daemon-process.ts";
import { noise } from "./share-fixture.ts";
import { SyntheticVmm } from "./synthetic-vmm.ts";
import { WritableClient } from "./writable-client.ts";

/** Daemons killed in one run. */
const KILLS = Number(process.env["LAYER_CRASH_KILLS"] ?? 10);
const SEED = Number(process.env["LAYER_CRASH_SEED"] ?? 1);

const LIFE_MILLISECONDS_MAX = 1500;
const FILES_MIN = 5;
const FILES_MAX = 40;
const DIRECTORIES_MAX = 8;

/** Numbers below a bound, the same each time: xorshift32. */
function numbers(seed: number): (bound: number) => number {
  let state = (seed * 2_654_435_761) | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

function makeStore(): { store: string; layer: string } {
  const folder = mkdtempSync(join(tmpdir(), "castorefs-crash-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "sub/deeper"), { recursive: true });
  for (let index = 0; index < 6; index += 1) {
    const bytes = noise(10_000 * index * index, index + 1);
    writeFileSync(join(tree, index % 2 === 0 ? "." : "sub/deeper", `base-${index}`), bytes);
  }
  const store = join(folder, "store");
  castorefs("import", "--store", store, "--name", "tree", tree);
  return { store, layer: join(folder, "layer") };
}

/** One random request after another, each told to the model. */
class Guest {
  readonly #client: WritableClient;
  readonly #model: CrashModel;
  readonly #below: (bound: number) => number;
  #names = 0;
  syncs = 0;

  constructor(client: WritableClient, model: CrashModel, below: (bound: number) => number) {
    this.#client = client;
    this.#model = model;
    this.#below = below;
  }

  step(): void {
    const { files, directories } = this.#model;
    const dice = this.#below(100);
    if (dice < 45) this.#write();
    else if (dice < 55) this.#truncate();
    else if (dice < 65 && files.size < FILES_MAX) this.#create();
    else if (dice < 68 && files.size < FILES_MAX) this.#link();
    else if (dice < 80 && files.size > FILES_MIN) this.#unlink();
    else if (dice < 84 && directories.size < DIRECTORIES_MAX) this.#mkdir();
    else if (dice < 93) this.#rename();
    else if (dice < 95) this.#renameDirectory();
    else this.#sync(dice >= 97);
  }

  #write(): void {
    const [, file] = this.#file();
    const large = this.#below(20) === 0;
    const offset = this.#below(large ? 400_000 : file.bytes.length + 5000);
    const length = 1 + this.#below(large ? 60_000 : 9000);
    const bytes = noise(length, this.#below(1 << 30) + 1);
    this.#told(() => file.write(offset, bytes));
    expect(this.#client.write(file.nodeid, offset, bytes)).toBe(bytes.length);
  }

  #truncate(): void {
    const [, file] = this.#file();
    const size = this.#below(2 * file.bytes.length + 100);
    this.#told(() => file.truncate(size));
    this.#client.truncate(file.nodeid, size);
  }

  #create(): void {
    const [path, parent] = this.#directory();
    const name = this.#newName();
    const file = new FileModel(0, new Uint8Array());
    this.#told(() => this.#model.files.set(`${path}/${name}`, file));
    file.nodeid = this.#client.create(parent, name).nodeid;
  }

  #unlink(): void {
    const [path] = this.#file();
    this.#told(() => this.#model.files.delete(path));
    this.#client.unlink(this.#parent(path), nameOf(path));
  }

  #mkdir(): void {
    const { directories } = this.#model;
    const [path, parent] = this.#directory();
    const name = this.#newName();
    this.#told(() => directories.set(`${path}/${name}`, 0));
    directories.set(`${path}/${name}`, this.#client.mkdir(parent, name).nodeid);
  }

  /** To a new name, or over another file. */
  #rename(): void {
    const { files } = this.#model;
    const [from, file] = this.#file();
    const [directory] = this.#directory();
    const to = this.#below(2) === 0 ? `${directory}/${this.#newName()}` : this.#file()[0];
    // Two names of one inode: rename(2) does nothing then.
    if (files.get(to) === file) return;
    this.#told(() => {
      files.delete(from);
      files.set(to, file);
    });
    this.#client.rename(this.#parent(from), nameOf(from), this.#parent(to), nameOf(to));
  }

  #renameDirectory(): void {
    const { directories, files } = this.#model;
    const [from] = this.#directory();
    const [parent] = this.#directory();
    if (from === "" || `${parent}/`.startsWith(`${from}/`)) return;
    const to = `${parent}/${this.#newName()}`;
    const moved = (path: string) => `${path}/`.startsWith(`${from}/`);
    this.#told(() => {
      for (const map of [directories, files] as Map<string, unknown>[]) {
        for (const [path, value] of [...map].filter(([path]) => moved(path))) {
          map.delete(path);
          map.set(to + path.slice(from.length), value);
        }
      }
    });
    this.#client.rename(this.#parent(from), nameOf(from), this.#parent(to), nameOf(to));
  }

  #link(): void {
    const [, file] = this.#file();
    const [path, parent] = this.#directory();
    const name = this.#newName();
    this.#told(() => this.#model.files.set(`${path}/${name}`, file));
    this.#client.link(file.nodeid, parent, name);
  }

  /** An fsync vouches for its file, and for what came before if there was something to be done. */
  #sync(all: boolean): void {
    const [, file] = this.#file();
    if (all) this.#client.syncfs();
    else this.#client.fsync(file.nodeid);
    if (all) this.#model.synced();
    else file.sync();
    this.syncs += 1;
  }

  /** Before the request is sent: it may be performed, and its answer lost. */
  #told(change: () => void): void {
    change();
    this.#model.changed();
  }

  #file(): [path: string, file: FileModel] {
    const files = [...this.#model.files];
    return files[this.#below(files.length)]!;
  }

  #directory(): [path: string, nodeid: number] {
    const directories = [...this.#model.directories];
    return directories[this.#below(directories.length)]!;
  }

  #parent(path: string): number {
    return this.#model.directories.get(path.slice(0, path.lastIndexOf("/")))!;
  }

  #newName(): string {
    this.#names += 1;
    return `${this.#below(1 << 30).toString(36)}-${this.#names}`;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

test(`what was synced is there, and the tree is one that was, ${KILLS} times`, {
  timeout: 60_000 + KILLS * 15_000,
}, () => {
  const { store, layer } = makeStore();
  const below = numbers(SEED);
  const options = ["--root", "tree", "--writable", "--layer", layer, "--layer-memory", "16M"];
  let before: CrashModel | undefined;
  let syncs = 0;
  let steps = 0;
  for (let kill = 0; kill <= KILLS; kill += 1) {
    using daemon = DaemonProcess.serve(store, ...options);
    using vmm = SyntheticVmm.start(daemon.socketPath);
    const client = WritableClient.over(vmm);
    const model = CrashModel.read(client);
    expect(before?.faultsOf(model) ?? []).toEqual([]);
    before = model;
    if (kill === KILLS) break;
    const seconds = below(LIFE_MILLISECONDS_MAX) / 1000;
    spawn("sh", ["-c", `sleep ${seconds}; kill -9 ${daemon.pid}`], { stdio: "ignore" });
    const guest = new Guest(client, model, below);
    try {
      for (;;) {
        guest.step();
        steps += 1;
      }
    } catch (error) {
      if (!(error instanceof NoAnswer))
        throw new Error(`the daemon said ${daemon.log}`, { cause: error });
    }
    syncs += guest.syncs;
    expect(daemon.ended(20_000)).toBe(true);
    expect(layerFaults(layer)).toEqual([]);
  }
  expect(syncs).toBeGreaterThan(0);
  expect(steps).toBeGreaterThan(KILLS);
});
