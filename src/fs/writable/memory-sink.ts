/** Takes what is read into the layer's memory. */
import type { HostAddress } from "../../base/brands.ts";
import type { ByteSink } from "../../base/segments.ts";
import type { LayerMemory } from "../../layer/layer-port.ts";

/** The engine's copy, without a view of either array. */
const bulkCopy = Buffer.prototype.copy;

export class MemorySink implements ByteSink {
  /** Where the next byte goes. */
  at = 0;
  readonly #memory: LayerMemory;

  constructor(memory: LayerMemory) {
    this.#memory = memory;
  }

  append(source: Uint8Array, start: number, length: number): number {
    bulkCopy.call(source, this.#memory.bytes, this.at, start, start + length);
    this.at += length;
    return 0;
  }

  appendMapped(source: HostAddress, length: number): number {
    const status = this.#memory.copyMapped(source, this.at, length);
    this.at += length;
    return status;
  }
}
