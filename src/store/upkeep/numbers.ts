/** A list of numbers that grows, outside the reach of the garbage collector: 8 bytes for each. */
export class Numbers {
  #values = new Float64Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const grown = new Float64Array(this.#length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  /** `position` is below `length`. */
  at(position: number): number {
    return this.#values[position]!;
  }

  set(position: number, value: number): void {
    this.#values[position] = value;
  }
}
