/**
 * A worker's slots, taken in turn. The worker fills one after the other and waits for the main
 * thread when all of them are full: that bounds the memory of an import.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { SlotReady } from "./import-helper.ts";
import { letGo } from "./import-helper.ts";
import type { ImportSlots } from "./import-slots.ts";
import { SlotFiller } from "./import-slots.ts";

export class SlotSupply {
  readonly filler: SlotFiller;
  readonly #ready: SlotReady;
  readonly #first: number;
  readonly #count: number;
  #next = 0;
  #free: number;
  #wake: (() => void) | undefined;
  #filling = false;

  /** The `count` slots from `first` on, two at least; a large file's last bytes move to the next. */
  constructor(slots: ImportSlots, first: number, count: number, ready: SlotReady) {
    this.filler = new SlotFiller(slots);
    this.#ready = ready;
    this.#first = first;
    this.#count = count;
    this.#free = count;
  }

  /** The slot that was filled longest ago is free again. */
  freed(): void {
    this.#free += 1;
    this.#wake?.();
  }

  /** True when the filler is at work in a slot. */
  get isFilling(): boolean {
    return this.#filling;
  }

  /** Sends off the slot that is being filled, if there is one, and waits for the next. */
  async next(): Promise<void> {
    await this.flush();
    while (this.#free === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#free -= 1;
    this.filler.begin(this.#first + this.#next);
    this.#next = (this.#next + 1) % this.#count;
    this.#filling = true;
  }

  /** Sends off the slot that is being filled, if there is one. Others get their turn. */
  async flush(): Promise<void> {
    if (!this.#filling) return;
    this.#filling = false;
    this.filler.end();
    letGo(this.filler.slots, this.filler.slot, this.#ready);
    await nextTurn();
  }
}
