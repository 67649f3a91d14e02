/** Puts into words what workers found, and looks at what only the main thread can tell. */
import { DIGEST_BYTES, Digest } from "../../castore/digest.ts";
import { acceptsSize } from "../../castore/directory.ts";
import type { Node } from "../../castore/node.ts";
import { decodeEntry } from "../../castore/proto.ts";
import type { Location } from "../disk-index.ts";
import { OBJECT_CHUNK, OBJECT_DIRECTORY } from "../disk-layout.ts";
import type { DiskObjects } from "../disk-objects.ts";
import { CorruptObject } from "../errors.ts";
import type { WantedObject } from "../object-fetcher.ts";
import type { RootTable } from "../root-table.ts";
import type { DirectoryLink, DirectoryLinks } from "./directory-links.ts";
import type {
  BlobOutcome,
  FaultKind,
  NameFault,
  ObjectOutcome,
  ObjectTask,
} from "./verify-messages.ts";
import type { Fault, VerifyProgress } from "./verify-report.ts";
import { FAULTS_LISTED_MAX } from "./verify-report.ts";

const WORDS: Readonly<Record<FaultKind, string>> = {
  rotten: "is rotten or unreadable",
  missing: "is missing",
  "wrong size": "has another size",
  "wrong contents": "its chunks make up something else",
};

export class FaultFinder {
  readonly listed: Fault[] = [];
  readonly #objects: DiskObjects;
  readonly #progress: VerifyProgress;
  readonly #rottenChunks: Digest[] = [];

  constructor(objects: DiskObjects, progress: VerifyProgress) {
    this.#objects = objects;
    this.#progress = progress;
  }

  /** Chunks that were found rotten, as far as they are listed: 32 bytes each. */
  rottenChunks(): Uint8Array {
    const bytes = new Uint8Array(this.#rottenChunks.length * DIGEST_BYTES);
    for (const [i, digest] of this.#rottenChunks.entries())
      bytes.set(digest.bytes, i * DIGEST_BYTES);
    return bytes;
  }

  /** The index is damaged. */
  rowWithoutDigest(what: "chunk" | "blob"): void {
    this.#add({
      what,
      which: "?",
      fault: "the index has a row without a digest",
      wanted: undefined,
    });
  }

  objects(task: ObjectTask, outcome: ObjectOutcome): void {
    for (const { position, reason } of outcome.rotten) {
      const digest = Digest.at(task.digests, position * DIGEST_BYTES);
      const kind = task.kinds[position] === OBJECT_CHUNK ? "chunk" : "directory";
      const isListed = this.listed.length < FAULTS_LISTED_MAX;
      if (kind === "chunk" && isListed) this.#rottenChunks.push(digest);
      const fault = `rotten or unreadable${reason === undefined ? "" : `: ${reason}`}`;
      this.#add({ what: kind, which: `${digest}`, fault, wanted: { kind, digest, heal: true } });
    }
    for (const name of outcome.names) this.#file(name);
    this.#progress.faults += outcome.moreNames;
    this.#progress.notFetched += outcome.notFetched;
  }

  blobs({ names, moreNames, notFetched }: BlobOutcome): void {
    for (const { inside, named, fault } of names) {
      const blob = Digest.from(inside);
      const chunk = named && Digest.from(named);
      const wanted: WantedObject =
        chunk === undefined
          ? { kind: "blob", digest: blob, heal: true }
          : { kind: "chunk", digest: chunk, heal: true, within: blob };
      const words = chunk === undefined ? listWords(fault) : `chunk ${chunk} ${WORDS[fault]}`;
      this.#add({ what: "blob", which: `${blob}`, fault: words, wanted });
    }
    this.#progress.faults += moreNames;
    this.#progress.notFetched += notFetched;
  }

  /** What one directory says of another. It may have come or gone since. */
  link({ parent, child, size }: DirectoryLink): void {
    const location: Location = { segment: 0, offset: 0, length: 0 };
    if (!this.#objects.locate(OBJECT_DIRECTORY, parent, location)) return;
    const fault = this.#directoryFault(child, size, this.#objects.isWhole(parent));
    if (fault === "not fetched") this.#progress.notFetched += 1;
    else if (fault !== undefined) {
      const { words, wanted } = fault;
      this.#add({
        what: "directory",
        which: `${parent}`,
        fault: `${this.#nameOf(parent, child)}: ${words}`,
        wanted,
      });
    }
  }

  roots(roots: RootTable, links: DirectoryLinks): void {
    for (const name of roots.list()) {
      this.#progress.roots += 1;
      const which = Buffer.from(name).toString();
      try {
        const entry = roots.get(name);
        if (entry === undefined) continue;
        const fault = this.#rootFault(decodeEntry(entry).node, links);
        if (fault !== undefined) {
          this.#add({ what: "root", which, fault: fault.words, wanted: fault.wanted });
        }
      } catch (error) {
        this.#add({ what: "root", which, fault: (error as Error).message, wanted: undefined });
      }
    }
  }

  #file({ inside, named, fault }: NameFault): void {
    const directory = Digest.from(inside);
    const digest = Digest.from(named ?? inside);
    this.#add({
      what: "directory",
      which: `${directory}`,
      fault: `${this.#nameOf(directory, digest)}: blob ${digest} ${WORDS[fault]}`,
      wanted: fault === "missing" ? { kind: "blob", digest, heal: false } : undefined,
    });
  }

  #rootFault(node: Node, links: DirectoryLinks): Found | undefined {
    if (node.kind === "symlink") return undefined;
    const { digest, size } = node;
    if (node.kind === "file") {
      const stored = this.#objects.blobSize(digest);
      if (stored === size) return undefined;
      const words = `blob ${digest} ${WORDS[stored === undefined ? "missing" : "wrong size"]}`;
      const wanted: WantedObject = { kind: "blob", digest, heal: false };
      return { words, wanted: stored === undefined ? wanted : undefined };
    }
    if (links.isWhole(digest, size)) return undefined;
    const fault = this.#directoryFault(digest, size, true);
    return fault === "not fetched" ? undefined : fault;
  }

  #directoryFault(digest: Digest, size: number, whole: boolean): Found | "not fetched" | undefined {
    const wanted: WantedObject = { kind: "directory", digest, heal: false };
    try {
      const stored = this.#objects.directorySize(digest);
      if (stored === undefined) {
        return whole ? { words: `directory ${digest} is missing`, wanted } : "not fetched";
      }
      if (!acceptsSize(stored.size, stored.children, size)) {
        return { words: `directory ${digest} has another size`, wanted: undefined };
      }
      if (!whole || this.#objects.isWhole(digest)) return undefined;
      return { words: `directory ${digest} is not whole`, wanted };
    } catch (error) {
      if (!(error instanceof CorruptObject)) throw error;
      return { words: `directory ${digest} is rotten`, wanted: { ...wanted, heal: true } };
    }
  }

  /** The name under which a directory has the digest, for people. */
  #nameOf(directory: Digest, digest: Digest): string {
    if (this.listed.length >= FAULTS_LISTED_MAX) return "";
    const entries = this.#objects.directory(directory)?.entries ?? [];
    const entry = entries.find(({ node }) => node.kind !== "symlink" && node.digest.equals(digest));
    return JSON.stringify(Buffer.from(entry?.name ?? []).toString());
  }

  #add(fault: Fault): void {
    this.#progress.faults += 1;
    if (this.listed.length < FAULTS_LISTED_MAX) this.listed.push(fault);
  }
}

interface Found {
  readonly words: string;
  readonly wanted: WantedObject | undefined;
}

function listWords(fault: FaultKind): string {
  return fault === "wrong contents" ? WORDS[fault] : "rotten or unreadable";
}
