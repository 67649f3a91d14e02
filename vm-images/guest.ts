/**
 * Boots a guest in QEMU, talks to it, and tells how it ended.
 *
 * A guest runs one shell script and leaves with the script's exit code; or it has a share as its root
 * file system and is talked to on its console. Three streams lead out: the console (first serial
 * port), the runner's port (a virtio serial port: the script's stdin, stdout and stderr), and QEMU's
 * own stderr.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import {
  ACCELERATION_OPTIONS,
  type Acceleration,
  chooseAcceleration,
  KVM_TRIAL_SECONDS,
} from "./acceleration.ts";
import { packArchive, paddingAfter } from "./archive.ts";
import { guestImage, type KernelName } from "./images.ts";
import { Transcript } from "./transcript.ts";

/** A virtio-fs device of the guest, served by a daemon that listens on `socketPath`. */
export interface Share {
  readonly tag: string;
  readonly socketPath: string;
  /** Request queues (`num-request-queues`); QEMU's default is 1. */
  readonly queues?: number;
  /** Entries of each ring (`queue-size`): 128 by default, 1024 at the most. */
  readonly queueSize?: number;
  /** QEMU connects again after a lost connection, every so many seconds. */
  readonly reconnectSeconds?: number;
  /** Further options of the device, as `name=value`. */
  readonly deviceOptions?: readonly string[];
}

export interface GuestOptions {
  /** A shell script (busybox). Its exit code ends the guest. Left out: only with `rootFs`. */
  readonly script?: string;
  /** Further files for the guest, by their path at the top: `"manifest.txt"`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly shares: readonly Share[];
  /** The share that is the root file system, and its init (/sbin/init by default). */
  readonly rootFs?: {
    readonly tag: string;
    readonly init?: string;
    /** Mounted for writing, by the initramfs. */
    readonly writable?: boolean;
    /** The kernel mounts the share by itself: for kernels that have virtio-fs built in. */
    readonly withoutInitramfs?: boolean;
  };
  readonly memoryMiB?: number;
  readonly cpus?: number;
  /** The guest is killed when it has not ended by then. */
  readonly timeoutSeconds: number;
  /** More words for the kernel's command line. */
  readonly append?: string;
  readonly kernel?: KernelName;
  /** A reboot in the guest boots it again, instead of ending QEMU. */
  readonly mayReboot?: boolean;
  readonly accel?: Acceleration;
  /** Called with every line of the runner's port. */
  readonly onLine?: (line: string) => void;
}

export interface GuestResult {
  /** The script's exit code; undefined when the guest ended otherwise. */
  readonly exitCode: number | undefined;
  /** `poweroff` is also what a panic looks like: QEMU says the same. Look at the console. */
  readonly end: "script" | "poweroff" | "killed" | "timeout" | "qemu failed";
  /** What came out of the runner's port, without the ready line. */
  readonly output: string;
  readonly console: string;
  /** What QEMU said. */
  readonly errors: string;
  /** From starting QEMU to the script's first command; undefined when it never came to that. */
  readonly bootSeconds: number | undefined;
  readonly seconds: number;
  readonly accel: Acceleration;
}

const READY = /^@ready .*\n/m;
const DEFAULT_MEMORY_MIB = 512;
/** One runs an emulated guest on a busy small machine faster, and more evenly, than two. */
const DEFAULT_CPUS = 1;
const CONSOLE_FD = 3;
const PORT_FD = 4;

/** Boots a guest and waits for its end. */
export async function bootGuest(options: GuestOptions): Promise<GuestResult> {
  return await (await Guest.start(options)).result;
}

export class Guest implements AsyncDisposable {
  readonly accel: Acceleration;
  readonly result: Promise<GuestResult>;
  readonly console: Transcript;
  readonly port: Transcript;
  readonly #qemu: ChildProcess;
  readonly #errors: Transcript;
  readonly #started = performance.now();
  readonly #directory: string;
  #readyAt: number | undefined;
  #killed: "killed" | "timeout" | undefined;

  /** Starts QEMU; the guest is not up yet when this settles. */
  static async start(options: GuestOptions): Promise<Guest> {
    const accel = options.accel ?? (await chooseAcceleration(bootsOnKvm));
    return new Guest(options, accel);
  }

  private constructor(options: GuestOptions, accel: Acceleration) {
    this.accel = accel;
    this.#directory = mkdtempSync(join(tmpdir(), "castorefs-guest-"));
    const image = guestImage(options.kernel ?? "stock");
    let initramfs: string | undefined;
    if (options.rootFs?.withoutInitramfs !== true) {
      initramfs = join(this.#directory, "initramfs");
      writeFileSync(initramfs, completeInitramfs(image.initramfs, options));
    }
    const qemuArguments = commandLine(options, accel, image.kernel, initramfs);
    // However this process ends, QEMU ends with it.
    const program = ["--pdeathsig", "KILL", "qemu-system-x86_64"];
    this.#qemu = spawn("setpriv", [...program, ...qemuArguments], {
      stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
    });
    this.console = new Transcript(this.#stream(CONSOLE_FD));
    this.port = new Transcript(this.#stream(PORT_FD), (line) => {
      if (line.startsWith("@ready")) this.#readyAt ??= performance.now();
      else options.onLine?.(line);
    });
    this.#errors = new Transcript(this.#stream(2));
    const timer = setTimeout(() => this.#kill("timeout"), options.timeoutSeconds * 1000);
    this.result = new Promise((resolve, reject) => {
      this.#qemu.once("error", (error) => {
        reject(new Error("setpriv does not start QEMU", { cause: error }));
      });
      this.#qemu.once("close", (status) => {
        clearTimeout(timer);
        rmSync(this.#directory, { recursive: true, force: true });
        resolve(this.#resultOf(status));
      });
    });
    this.result.catch(() => {}); // told to whoever waits for it; nobody has to
  }

  get pid(): number {
    if (this.#qemu.pid === undefined) throw new Error("QEMU did not start");
    return this.#qemu.pid;
  }

  /** Writes a line to the script's stdin. */
  send(line: string): void {
    this.#stream(PORT_FD).write(`${line}\n`);
  }

  /** Types a line at the console, as a person would. */
  type(line: string): void {
    this.#stream(CONSOLE_FD).write(`${line}\r`);
  }

  /** Ends QEMU at once, as a crash would (SIGKILL). */
  kill(): void {
    this.#kill("killed");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.result.catch(() => {});
  }

  #kill(why: "killed" | "timeout"): void {
    if (this.#qemu.exitCode !== null || this.#qemu.signalCode !== null) return;
    this.#killed ??= why;
    this.#qemu.kill("SIGKILL");
  }

  #stream(fd: number): Duplex {
    // Node makes a connected unix socket of each "pipe": QEMU takes it over as a character device.
    const stream = this.#qemu.stdio[fd] as Duplex;
    if (stream.listenerCount("error") === 0) stream.on("error", () => {}); // QEMU is gone
    return stream;
  }

  #resultOf(status: number | null): GuestResult {
    // isa-debug-exit makes QEMU end with 2 * code + 1; a plain error of QEMU's is status 1 as well.
    const byScript = status !== null && status % 2 === 1 && this.port.text.match(READY) !== null;
    const end = this.#killed ?? (byScript ? "script" : status === 0 ? "poweroff" : "qemu failed");
    const now = performance.now();
    return {
      exitCode: end === "script" && status !== null ? (status - 1) / 2 : undefined,
      end,
      output: this.port.text.replace(READY, ""),
      console: this.console.text,
      errors: this.#errors.text,
      bootSeconds: this.#readyAt && (this.#readyAt - this.#started) / 1000,
      seconds: (now - this.#started) / 1000,
      accel: this.accel,
    };
  }
}

/** The initramfs as built, and behind it an archive with this guest's script and files. */
function completeInitramfs(base: string, options: GuestOptions): Buffer {
  const bytes = readFileSync(base);
  const files = { script: options.script ?? "", ...options.files };
  return Buffer.concat([bytes, paddingAfter(bytes.length), packArchive(files)]);
}

function commandLine(
  options: GuestOptions,
  accel: Acceleration,
  kernel: string,
  initramfs: string | undefined,
): string[] {
  const memory = `${options.memoryMiB ?? DEFAULT_MEMORY_MIB}M`;
  const { rootFs } = options;
  const shape =
    rootFs === undefined
      ? "castorefs.script"
      : `root=${rootFs.tag} rootfstype=virtiofs ${rootFs.writable ? "rw" : "ro"}${rootFs.init ? ` init=${rootFs.init}` : ""}`;
  return [
    // Nothing but what is named here: no default devices, no configuration from the host.
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...["-M", "q35,usb=off,sata=off,smbus=off", ...ACCELERATION_OPTIONS[accel]],
    ...["-smp", String(options.cpus ?? DEFAULT_CPUS), "-m", memory],
    // vhost-user needs guest memory that another process can map.
    ...["-object", `memory-backend-memfd,id=memory,size=${memory},share=on`],
    ...["-numa", "node,memdev=memory"],
    ...(options.mayReboot ? [] : ["-no-reboot"]),
    ...["-chardev", `socket,id=console,fd=${CONSOLE_FD}`, "-serial", "chardev:console"],
    ...["-device", "virtio-serial-pci", "-chardev", `socket,id=runner,fd=${PORT_FD}`],
    ...["-device", "virtserialport,chardev=runner,name=castorefs.runner"],
    ...["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
    ...options.shares.flatMap(shareOptions),
    ...["-kernel", kernel, ...(initramfs === undefined ? [] : ["-initrd", initramfs])],
    "-append",
    `console=ttyS0 quiet panic=-1 mitigations=off ${shape} ${options.append ?? ""}`.trim(),
  ];
}

function shareOptions(share: Share, index: number): string[] {
  const device = [`vhost-user-fs-pci,chardev=share${index},tag=${share.tag}`];
  if (share.queues !== undefined) device.push(`num-request-queues=${share.queues}`);
  if (share.queueSize !== undefined) device.push(`queue-size=${share.queueSize}`);
  const reconnect = share.reconnectSeconds ? `,reconnect=${share.reconnectSeconds}` : "";
  return [
    ...["-chardev", `socket,id=share${index},path=${share.socketPath}${reconnect}`],
    ...["-device", [...device, ...(share.deviceOptions ?? [])].join(",")],
  ];
}

async function bootsOnKvm(): Promise<boolean> {
  const { end, exitCode } = await bootGuest({
    script: "exit 42",
    shares: [],
    memoryMiB: 256,
    timeoutSeconds: KVM_TRIAL_SECONDS,
    accel: "kvm",
  });
  return end === "script" && exitCode === 42;
}
