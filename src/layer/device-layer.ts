/** The device thread's end of a layer: reads the files itself, hands batches to the layer thread. */
import type { DatabaseSync } from "node:sqlite";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { NativeCopy, viewNative } from "node-vhost-user";
import type { HostAddress } from "../base/brands.ts";
import { EIO } from "../base/errno.ts";
import type { FromLayer, LayerBatch, ToLayer } from "./batch.ts";
import { openLayerDatabase } from "./layer-database.ts";
import type { LayerEvents, LayerLimits, LayerMemory, LayerPort } from "./layer-port.ts";
import { layerRoom } from "./layer-room.ts";
import { MappedData } from "./mapped-data.ts";
import { RowReader } from "./row-reader.ts";

/** Numbers, strings and a port: part of what a device thread is started with. */
export interface DeviceLayerConfig {
  readonly directory: string;
  readonly memoryAddress: number;
  readonly memoryBytes: number;
  /** Bytes that the layer may take on the disk; undefined: what the disk has. */
  readonly layerBytes: number | undefined;
  /** To the layer thread. */
  readonly port: MessagePort;
}

export class DeviceLayer implements LayerPort, Disposable {
  readonly reader: RowReader;
  readonly data: MappedData;
  readonly memory: ArenaMemory;
  readonly limits: LayerLimits;
  freeBytes: number;
  metadataBytes: number;
  readonly #database: DatabaseSync;
  readonly #port: MessagePort;
  /** Batches that were submitted, and not settled yet: their ids. */
  #unsettled: number[] = [];
  #lastId = 0;
  #isLost = false;
  /** What `flush` is to post. */
  #outgoing: ToLayer[] = [];

  /** @throws LayerError, StoreError */
  constructor(config: DeviceLayerConfig) {
    this.#database = openLayerDatabase(config.directory, "read");
    this.reader = new RowReader(this.#database);
    this.data = new MappedData(config.directory);
    this.memory = new ArenaMemory(config.memoryAddress, config.memoryBytes);
    this.limits = { layerBytes: config.layerBytes, memoryBytes: config.memoryBytes };
    ({ freeBytes: this.freeBytes, metadataBytes: this.metadataBytes } = layerRoom(
      config.directory,
    ));
    this.#port = config.port;
  }

  submit(batch: LayerBatch): void {
    this.#lastId = batch.id;
    this.#unsettled.push(batch.id);
    this.#outgoing.push({ kind: "batch", batch });
  }

  held(): void {
    this.#outgoing.push({ kind: "held" });
  }

  /**
   * Posts what was submitted. To be called when no reply is left that is to be copied from the data
   * file yet: what the batches free is punched out as soon as they are on the disk.
   */
  flush(): void {
    if (this.#outgoing.length === 0) return;
    for (const message of this.#outgoing) this.#port.postMessage(message);
    this.#outgoing = [];
  }

  take(events: LayerEvents): void {
    for (;;) {
      const received: { message: FromLayer } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) break;
      this.#follow(received.message, events);
    }
    if (!this.#isLost) return;
    this.#isLost = false;
    for (const id of this.#unsettled.splice(0)) events.settled(id, false, EIO);
  }

  /** The layer thread has ended on its own: what was submitted last has failed, for `take` to tell. */
  lost(): void {
    this.#isLost = true;
    if (this.#unsettled.length === 0) this.#unsettled.push(this.#lastId);
  }

  #follow(message: FromLayer, events: LayerEvents): void {
    if (message.kind === "settled") {
      this.freeBytes = message.freeBytes;
      this.metadataBytes = message.metadataBytes;
      this.#unsettled = this.#unsettled.filter((id) => id > message.id);
      events.settled(message.id, message.durable, message.errno);
    } else if (message.kind === "hold") events.hold();
    else events.release();
  }

  [Symbol.dispose](): void {
    this.#port.close();
    this.#database.close();
    this.data[Symbol.dispose]();
    this.memory[Symbol.dispose]();
  }
}

class ArenaMemory implements LayerMemory, Disposable {
  readonly bytes: Uint8Array;
  readonly address: HostAddress;
  readonly #native = new NativeCopy(1);

  constructor(address: number, length: number) {
    this.address = address as HostAddress;
    this.bytes = new Uint8Array(viewNative(address, length));
  }

  copyMapped(source: HostAddress, offset: number, length: number): number {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.bytes.length)) return -EIO;
    const { copies } = this.#native;
    copies[0] = source;
    copies[1] = this.address + offset;
    copies[2] = length;
    return this.#native.run(0, 1, false) === 1 ? 0 : -EIO;
  }

  [Symbol.dispose](): void {
    this.#native[Symbol.dispose]();
  }
}
