/**
 * The listing of a share's root that shows all root nodes. Nodes come and go while a guest lists;
 * getdents(2) wants each offset to stay with its entry. So every name gets a number when it is
 * first seen, numbers only rise, and the listing is in their order.
 */
import type { RootSource } from "../store/local-reader.ts";

export class RootNames {
  #names: Uint8Array[] = [];
  /** By position as in `#names`, rising. */
  #numbers: number[] = [];
  #next = 0;

  /** Names known. */
  get count(): number {
    return this.#names.length;
  }

  /** Takes the names as they are now: at the begin of a listing. */
  refresh(roots: RootSource): void {
    const present = new Map<string, Uint8Array>();
    for (const name of roots.list()) present.set(keyOf(name), name);
    const names: Uint8Array[] = [];
    const numbers: number[] = [];
    for (let at = 0; at < this.#names.length; at++) {
      const name = this.#names[at] as Uint8Array;
      if (!present.delete(keyOf(name))) continue;
      names.push(name);
      numbers.push(this.#numbers[at] as number);
    }
    for (const name of present.values()) {
      names.push(name);
      numbers.push(this.#next++);
    }
    this.#names = names;
    this.#numbers = numbers;
  }

  /** The position of the first name numbered `number` or higher; `count` when there is none. */
  positionOf(number: number): number {
    let low = 0;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#numbers[middle] as number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  nameAt(position: number): Uint8Array {
    return this.#names[position] as Uint8Array;
  }

  numberAt(position: number): number {
    return this.#numbers[position] as number;
  }
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString("latin1");
}
