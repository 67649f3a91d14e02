/**
 * What was read first, and in which order: recorded while a machine runs, kept in a file, fetched
 * ahead for the next one. The file is JSON, one object a line:
 *
 *     {"castorefs": "access trace", "version": 1, "root": "blake3-…", "objects": [
 *     {"kind": "directory", "digest": "blake3-…", "size": 123},
 *     …
 *     ]}
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Digest } from "../../castore/digest.ts";
import { StoreError, UnsupportedFormat } from "../errors.ts";
import type { WantedObject } from "../object-fetcher.ts";
import { systemFailure } from "../sqlite-failure.ts";
import { type LocalObjects, openLocalObjects } from "./local-objects.ts";

/** Objects in one trace; what is read later is not recorded. */
export const TRACE_OBJECTS_MAX = 512 * 1024;
/** A file of that many objects is smaller. */
export const TRACE_BYTES_MAX = 128 * 1024 * 1024;

const MARK = "access trace";
const VERSION = 1;
const KINDS = ["directory", "blob", "chunk"] as const;

export interface TracedObject {
  readonly kind: WantedObject["kind"];
  readonly digest: Digest;
  /** Bytes; undefined: it was not in the local store when the trace was written. */
  readonly size: number | undefined;
}

export interface Trace {
  /** What the machine was shown; undefined: all roots of its store. */
  readonly root: Digest | undefined;
  /** In order of the first touch, each once. */
  readonly objects: readonly TracedObject[];
}

/** Takes down what devices read; each object once, whichever device came first. */
export class AccessRecorder {
  readonly #objects = new Map<string, Pick<TracedObject, "kind" | "digest">>();
  readonly #objectsMax: number;

  /** A smaller bound, for tests. */
  constructor(objectsMax: number = TRACE_OBJECTS_MAX) {
    this.#objectsMax = objectsMax;
  }

  touched(kind: TracedObject["kind"], digest: Digest): void {
    const key = `${kind}${digest.key}`;
    if (this.#objects.size < this.#objectsMax && !this.#objects.has(key)) {
      this.#objects.set(key, { kind, digest });
    }
  }

  get size(): number {
    return this.#objects.size;
  }

  /** `local` says how large the objects are. */
  trace(root: Digest | undefined, local: LocalObjects): Trace {
    const objects = [...this.#objects.values()].map(({ kind, digest }) => ({
      kind,
      digest,
      size: sizeOf(kind, digest, local),
    }));
    return { root, objects };
  }

  /**
   * Writes the trace to `path`, over what is there, for a store in `directory`.
   * @throws StoreError
   */
  save(path: string, directory: string, root: Digest | undefined): void {
    using local = openLocalObjects(directory);
    writeTrace(path, this.trace(root, local));
  }
}

function sizeOf(
  kind: TracedObject["kind"],
  digest: Digest,
  local: LocalObjects,
): number | undefined {
  if (kind === "directory") return local.directoryBytes(digest);
  const chunk = local.chunkSize(digest);
  if (chunk !== undefined || kind === "chunk") return chunk;
  const blob = local.blob(digest);
  return blob === "damaged" ? undefined : blob?.size;
}

/** @throws StoreError */
export function writeTrace(path: string, { root, objects }: Trace): void {
  const head = JSON.stringify({ castorefs: MARK, version: VERSION, root: root?.toString() });
  const lines = objects.map(({ kind, digest, size }) =>
    JSON.stringify({ kind, digest: digest.toString(), size }),
  );
  const unfinished = `${path}.new`;
  try {
    writeFileSync(unfinished, `${head.slice(0, -1)},"objects":[\n${lines.join(",\n")}\n]}\n`);
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw systemFailure(error, path);
  }
}

/** @throws UnsupportedFormat, StoreError when it is absent or no trace. */
export function readTrace(path: string): Trace {
  let text: string;
  try {
    if (statSync(path).size > TRACE_BYTES_MAX) throw noTrace(path, "it is too large");
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw error instanceof StoreError ? error : systemFailure(error, path);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw noTrace(path, "it is no JSON", error);
  }
  try {
    return parseTrace(path, value);
  } catch (error) {
    throw error instanceof StoreError ? error : noTrace(path, "a digest is none", error);
  }
}

function parseTrace(path: string, value: unknown): Trace {
  if (!isRecord(value) || value["castorefs"] !== MARK) throw noTrace(path, "it is something else");
  const { version, root, objects } = value;
  if (version !== VERSION) {
    throw new UnsupportedFormat(`the trace has format ${String(version)}, not ${VERSION}`, {
      path,
      remedy: "record it anew",
    });
  }
  if (!Array.isArray(objects) || objects.length > TRACE_OBJECTS_MAX) {
    throw noTrace(path, `it has no list of up to ${TRACE_OBJECTS_MAX} objects`);
  }
  return {
    root: root === undefined ? undefined : parseDigest(path, root),
    objects: objects.map((object: unknown) => parseObject(path, object)),
  };
}

function parseObject(path: string, value: unknown): TracedObject {
  if (!isRecord(value)) throw noTrace(path, "an object is none");
  const kind = KINDS.find((known) => known === value["kind"]);
  if (kind === undefined) throw noTrace(path, "an object is of no known kind");
  const size = value["size"];
  const isSize = size === undefined || (Number.isSafeInteger(size) && Number(size) >= 0);
  if (!isSize) throw noTrace(path, "a size is none");
  return {
    kind,
    digest: parseDigest(path, value["digest"]),
    size: size === undefined ? undefined : Number(size),
  };
}

function parseDigest(path: string, value: unknown): Digest {
  if (typeof value !== "string") throw noTrace(path, "a digest is missing");
  return Digest.parse(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function noTrace(path: string, reason: string, cause?: unknown): StoreError {
  return new StoreError(`this is no recorded trace: ${reason}`, {
    path,
    remedy: "castorefs serve --record writes one",
    cause,
  });
}
