/**
 * Reads ranges of blobs, mostly ascending ranges of the same: a file of which many small parts were
 * written has as many left of its base, and looking up the blob for each would take longer than
 * reading it.
 */
import { Digest } from "../../castore/digest.ts";
import type { BlobService } from "../../store/services.ts";
import { LayerError } from "../errors.ts";
import type { Base } from "../extent-code.ts";

/** Bytes that are read and passed over, rather than looking up the blob again. */
const SKIP_BYTES_MAX = 1024 * 1024;

export class BlobCursor implements AsyncDisposable {
  readonly #blobs: BlobService;
  #digest: Uint8Array | undefined;
  #pieces: AsyncIterator<Uint8Array> | undefined;
  /** Of the blob: where `#left` begins, and the piece that is next after it. */
  #position = 0;
  /** What was read and not taken. */
  #left: Uint8Array = new Uint8Array(0);

  constructor(blobs: BlobService) {
    this.#blobs = blobs;
  }

  /**
   * The bytes [offset, offset + length) of a blob. A piece is valid until the next is asked for.
   * @throws LayerError, MissingObject, CorruptObject, SourceUnavailable
   */
  async *read(base: Base, offset: number, length: number): AsyncGenerator<Uint8Array> {
    await this.#seek(base, offset);
    for (let rest = length; rest > 0; ) {
      const piece = await this.#take(rest);
      rest -= piece.length;
      yield piece;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pieces?.return?.();
  }

  async #seek(base: Base, offset: number): Promise<void> {
    const skipped = offset - this.#position;
    const isSame = this.#digest !== undefined && Buffer.compare(this.#digest, base.digest) === 0;
    if (!isSame || skipped < 0 || skipped > SKIP_BYTES_MAX) {
      await this.#pieces?.return?.();
      this.#pieces = this.#blobs.read(Digest.from(base.digest), { offset })[Symbol.asyncIterator]();
      this.#digest = base.digest;
      this.#position = offset;
      this.#left = new Uint8Array(0);
    }
    while (this.#position < offset) await this.#take(offset - this.#position);
  }

  /** The next bytes, one at least, `max` at the most. */
  async #take(max: number): Promise<Uint8Array> {
    while (this.#left.length === 0) {
      const { done, value } = await this.#pieces!.next();
      if (done === true) throw new LayerError("a file of the base is shorter than the layer says");
      this.#left = value;
    }
    const piece = this.#left.subarray(0, max);
    this.#left = this.#left.subarray(piece.length);
    this.#position += piece.length;
    return piece;
  }
}
