/** One `VuDev` of libvhost-user with its queues: what owns the native side of a connection. */
import { type FeatureBits, readFeatures } from "./feature-bits.ts";
import { layout, loadVhostUser, type VhostUserLibrary } from "./layout.ts";
import { MemoryTable } from "./memory-table.ts";
import { detach, viewNative } from "./native-memory.ts";
import { readPointer } from "./native-number.ts";
import { QueueRecord } from "./queue-record.ts";
import { demand } from "./refusal.ts";

export class NativeDevice implements Disposable {
  readonly queues: readonly QueueRecord[];
  readonly memory = new MemoryTable();
  /** Header and payload of the message that `forward` hands to the library. */
  readonly message: Uint8Array;
  readonly #library: VhostUserLibrary;
  readonly #address: number;
  readonly #view: DataView;
  readonly #queueView: DataView;
  readonly #regionView: DataView;
  #disposed = false;

  /** Owns the socket from here on. @throws NativeLibraryError */
  constructor(queues: number, socket: number) {
    this.#library = loadVhostUser();
    this.#address = this.#library.create(queues, socket);
    if (this.#address === 0) throw new RangeError("no memory for a device");
    this.#view = new DataView(viewNative(this.#address, layout.deviceBytes));
    const queueAddress = readPointer(this.#view, layout.deviceQueues);
    this.#queueView = new DataView(viewNative(queueAddress, queues * layout.queueBytes));
    const regionBytes = layout.memorySlotsMax * layout.regionBytes;
    this.#regionView = new DataView(viewNative(this.#library.regions(this.#address), regionBytes));
    this.queues = Array.from({ length: queues }, (_, i) => new QueueRecord(i, this.#queueView));
    this.message = new Uint8Array(
      this.#view.buffer,
      layout.deviceStaged,
      layout.messagePayload + layout.messagePayloadBytes,
    );
  }

  /** What SET_FEATURES acknowledged. */
  get features(): FeatureBits {
    return readFeatures(this.#view, layout.deviceFeatures);
  }

  get regionCount(): number {
    return this.#view.getUint32(layout.deviceRegionCount, true);
  }

  /**
   * Lets libvhost-user handle the message; it owns the file descriptors from here on.
   * @throws Refusal when it gave up. The connection is of no use any more.
   */
  forward(fds: readonly number[]): void {
    const staged = layout.deviceStaged;
    for (const [index, fd] of fds.entries()) {
      this.#view.setInt32(staged + layout.messageFds + 4 * index, fd, true);
    }
    this.#view.setInt32(staged + layout.messageFdCount, fds.length, true);
    this.#view.setUint32(layout.deviceIsStaged, 1, true);
    const handled = this.#library.dispatch(this.#address) === 1;
    demand(handled, `libvhost-user: ${this.#panicText()}`);
  }

  /** Like `forward`, for what maps or unmaps memory: views and guards end before and begin after. */
  forwardMemoryChange(fds: readonly number[]): void {
    this.memory.release();
    this.forward(fds);
    this.memory.adopt(this.#regionView, this.regionCount);
  }

  #panicText(): string {
    const text = new Uint8Array(this.#view.buffer, layout.devicePanicText, layout.panicTextBytes);
    const end = text.indexOf(0);
    return end === 0 ? "the connection broke" : Buffer.from(text.subarray(0, end)).toString();
  }

  /** Closes the socket and everything else that came through it; detaches every view. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.memory.release();
    detach(this.#view.buffer as ArrayBuffer);
    detach(this.#queueView.buffer as ArrayBuffer);
    detach(this.#regionView.buffer as ArrayBuffer);
    this.#library.destroy(this.#address);
  }
}
