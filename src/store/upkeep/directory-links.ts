/**
 * Which directory names which, gathered while each is read once, in whatever order: so the size
 * that is said of a directory is compared when all are known. About 100 bytes for a directory.
 */
import { DIGEST_BYTES, type Digest } from "../../castore/digest.ts";
import { acceptsSize } from "../../castore/directory.ts";
import { DigestSet } from "../digest-set.ts";
import { Numbers } from "./numbers.ts";
import type { ObjectOutcome, ObjectTask } from "./verify-messages.ts";

/** What is not known of a directory: it was not read, or is rotten. */
const UNKNOWN = -1;

export interface DirectoryLink {
  readonly parent: Digest;
  readonly child: Digest;
  /** Entries below the child, as the parent says. */
  readonly size: number;
}

export class DirectoryLinks {
  readonly #digests = new DigestSet();
  readonly #sizes = new Numbers();
  readonly #children = new Numbers();
  readonly #whole = new Numbers();
  readonly #parents = new Numbers();
  readonly #named = new Numbers();
  readonly #namedSizes = new Numbers();

  add(task: ObjectTask, outcome: ObjectOutcome): void {
    for (const [i, position] of outcome.directories.entries()) {
      const directory = this.#position(task.digests, position * DIGEST_BYTES);
      this.#sizes.set(directory, outcome.sizes[i]!);
      this.#children.set(directory, outcome.children[i]!);
      this.#whole.set(directory, task.whole[position]!);
    }
    for (const [i, position] of outcome.parents.entries()) {
      this.#parents.push(this.#position(task.digests, position * DIGEST_BYTES));
      this.#named.push(this.#position(outcome.childDigests, i * DIGEST_BYTES));
      this.#namedSizes.push(outcome.childSizes[i]!);
    }
  }

  /** True when the directory was read, is sound, whole and of that size. */
  isWhole(digest: Digest, size: number): boolean {
    const position = this.#digests.positionOf(digest.bytes, 0);
    return position >= 0 && this.#whole.at(position) === 1 && this.#hasSize(position, size);
  }

  /** What is not right, as far as is known here: things may have changed meanwhile. */
  *doubtful(): Generator<DirectoryLink> {
    for (let i = 0; i < this.#parents.length; i += 1) {
      const parent = this.#parents.at(i);
      const child = this.#named.at(i);
      const size = this.#namedSizes.at(i);
      const parentIsWhole = this.#whole.at(parent) === 1;
      const childIsWhole = this.#whole.at(child) === 1;
      if (this.#hasSize(child, size) && (childIsWhole || !parentIsWhole)) continue;
      yield { parent: this.#digests.at(parent), child: this.#digests.at(child), size };
    }
  }

  #hasSize(position: number, size: number): boolean {
    const exact = this.#sizes.at(position);
    return exact !== UNKNOWN && acceptsSize(exact, this.#children.at(position), size);
  }

  #position(bytes: Uint8Array, start: number): number {
    const position = this.#digests.add(bytes, start);
    if (position === this.#sizes.length) {
      this.#sizes.push(UNKNOWN);
      this.#children.push(0);
      this.#whole.push(0);
    }
    return position;
  }
}
