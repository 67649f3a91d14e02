/** A FileMapper without native code: "mappings" are open files at made-up addresses. */
import { closeSync, openSync, readSync } from "node:fs";
import { EIO } from "../../src/base/errno.ts";
import type { ByteSink } from "../../src/base/segments.ts";
import type { FileMapper, MappedFile } from "../../src/store/file-mapper.ts";

/** Far more than any segment, so that no two mappings touch. */
const ADDRESS_STEP = 2 ** 40;

interface TestMapping {
  readonly address: number;
  readonly length: number;
  readonly fd: number;
}

export class TestFileMapper implements FileMapper {
  readonly #mappings: TestMapping[] = [];
  /** Mappings that are not disposed of. */
  mapped = 0;

  map(path: string, length: number): MappedFile {
    const fd = openSync(path, "r");
    const mapping = { address: (this.#mappings.length + 1) * ADDRESS_STEP, length, fd };
    this.#mappings.push(mapping);
    this.mapped += 1;
    return {
      address: mapping.address,
      length,
      copy: (offset, count, target, start) => {
        if (offset < 0 || offset + count > length) return -EIO;
        return readFully(fd, target.subarray(start, start + count), offset);
      },
      [Symbol.dispose]: () => {
        this.mapped -= 1;
        closeSync(fd);
      },
    };
  }

  /** Copies from where something is mapped. */
  copyFrom(address: number, target: Uint8Array): number {
    const mapping = this.#mappings.find(
      (m) => address >= m.address && address + target.length <= m.address + m.length,
    );
    if (mapping === undefined) return -EIO;
    return readFully(mapping.fd, target, address - mapping.address);
  }
}

/** Gathers what a BlobReader appends. */
export class TestSink implements ByteSink {
  readonly #mapper: TestFileMapper;
  readonly #pieces: Uint8Array[] = [];
  /** How many copies from a mapping there were. */
  mappedCopies = 0;

  constructor(mapper: TestFileMapper) {
    this.#mapper = mapper;
  }

  append(source: Uint8Array, start: number, length: number): number {
    this.#pieces.push(source.slice(start, start + length));
    return 0;
  }

  appendMapped(source: number, length: number): number {
    const target = new Uint8Array(length);
    const result = this.#mapper.copyFrom(source, target);
    if (result === 0) this.#pieces.push(target);
    this.mappedCopies += 1;
    return result;
  }

  /** What was appended so far; begins anew. */
  take(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.#pieces.splice(0)));
  }
}

function readFully(fd: number, target: Uint8Array, position: number): number {
  let at = 0;
  while (at < target.length) {
    const read = readSync(fd, target, at, target.length - at, position + at);
    if (read === 0) return -EIO;
    at += read;
  }
  return 0;
}
