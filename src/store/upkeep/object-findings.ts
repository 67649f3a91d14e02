/** What a worker of a verification finds in the objects of one task. */
import { DIGEST_BYTES } from "../../castore/digest.ts";
import type { DirectoryRecords } from "../../castore/directory-scan.ts";
import { KIND_DIRECTORY } from "../../castore/directory-scan.ts";
import { NameFaults } from "./name-faults.ts";
import type { ObjectFault, ObjectOutcome } from "./verify-messages.ts";

export class ObjectFindings {
  readonly rotten: ObjectFault[] = [];
  readonly names = new NameFaults();
  bytes = 0;
  readonly #directories: number[] = [];
  readonly #sizes: number[] = [];
  readonly #children: number[] = [];
  readonly #parents: number[] = [];
  readonly #childDigests: Uint8Array[] = [];
  readonly #childSizes: number[] = [];

  addDirectory(position: number, records: DirectoryRecords): void {
    this.#directories.push(position);
    this.#sizes.push(records.totalSize);
    this.#children.push(records.count);
    for (let i = 0; i < records.count; i += 1) {
      if (records.kind[i] !== KIND_DIRECTORY) continue;
      const start = records.digestStart[i]!;
      this.#parents.push(position);
      this.#childDigests.push(records.bytes.slice(start, start + DIGEST_BYTES));
      this.#childSizes.push(records.size[i]!);
    }
  }

  outcome(): ObjectOutcome {
    const { names, moreNames, notFetched } = this.names;
    return {
      kind: "objects",
      bytes: this.bytes,
      rotten: this.rotten,
      names,
      moreNames,
      notFetched,
      directories: Uint32Array.from(this.#directories),
      sizes: Float64Array.from(this.#sizes),
      children: Uint32Array.from(this.#children),
      parents: Uint32Array.from(this.#parents),
      childDigests: joined(this.#childDigests),
      childSizes: Float64Array.from(this.#childSizes),
    };
  }
}

/** Not Buffer.concat(): what it gives shares its memory with others, and cannot be sent alone. */
function joined(digests: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(digests.length * DIGEST_BYTES);
  for (const [i, digest] of digests.entries()) bytes.set(digest, i * DIGEST_BYTES);
  return bytes;
}
