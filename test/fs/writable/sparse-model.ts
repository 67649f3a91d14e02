/** A plain array of bytes as a file, kept in pages so that it may be long. A copy is cheap. */

const PAGE_BYTES = 4096;
const NOTHING = new Uint8Array(PAGE_BYTES);

export class SparseModel {
  size = 0;
  #pages = new Map<number, Uint8Array>();

  copy(): SparseModel {
    const other = new SparseModel();
    other.size = this.size;
    other.#pages = new Map(this.#pages);
    return other;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#each(offset, length, (page, from, to, at) => {
      bytes.set((this.#pages.get(page) ?? NOTHING).subarray(from, to), at);
    });
    return bytes;
  }

  /** Pages are never changed, but replaced: copies have them, too. */
  write(offset: number, bytes: Uint8Array): void {
    this.#each(offset, bytes.length, (page, from, to, at) => {
      const changed = (this.#pages.get(page) ?? NOTHING).slice();
      changed.set(bytes.subarray(at, at + to - from), from);
      this.#pages.set(page, changed);
    });
    this.size = Math.max(this.size, offset + bytes.length);
  }

  /** Zeros bytes, without making the file longer. */
  zero(offset: number, length: number): void {
    const { size } = this;
    const end = Math.min(offset + length, size);
    for (let at = offset; at < end; ) {
      const page = Math.floor(at / PAGE_BYTES);
      const stop = Math.min(end, (page + 1) * PAGE_BYTES);
      if (stop - at === PAGE_BYTES) this.#pages.delete(page);
      else if (this.#pages.has(page)) this.write(at, new Uint8Array(stop - at));
      at = stop;
    }
    this.size = size;
  }

  resize(size: number): void {
    if (size < this.size) {
      const within = size % PAGE_BYTES;
      if (within > 0) this.zero(size, Math.min(PAGE_BYTES - within, this.size - size));
      for (const page of this.#pages.keys()) {
        if (page * PAGE_BYTES >= size) this.#pages.delete(page);
      }
    }
    this.size = size;
  }

  #each(
    offset: number,
    length: number,
    visit: (page: number, from: number, to: number, at: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const page = Math.floor((offset + at) / PAGE_BYTES);
      const from = offset + at - page * PAGE_BYTES;
      const to = Math.min(PAGE_BYTES, from + length - at);
      visit(page, from, to, at);
      at += to - from;
    }
  }
}
