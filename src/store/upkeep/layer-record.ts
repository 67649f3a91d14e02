/**
 * What a store knows of the writable layers that lie upon its roots: a file for each in DIR/layers,
 * named after the place of the layer. As long as there is a layer at that place, what is below its
 * base stays in the store, whether a daemon serves the layer or not.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { blake3 } from "../../castore/blake3.ts";
import type { Node } from "../../castore/node.ts";
import { decodeEntry, encodeEntry } from "../../castore/proto.ts";
import { StoreError } from "../errors.ts";
import { systemFailure } from "../sqlite-failure.ts";

const FORMAT = 1;
const CHECKSUM_DIGITS = 64;
const NAME_DIGITS = 24;
const FILE = /^[0-9a-f]{24}\.layer$/;

/** What a layer's directory has in it as long as it is one (layer/layer-files.ts). */
const DATABASE = "layer.sqlite";

export interface LayerRecord {
  /** The directory of the layer, absolute. */
  readonly path: string;
  /** What it may show: the root node that it lies upon first. */
  readonly roots: readonly Node[];
}

export function layersPath(directory: string): string {
  return join(directory, "layers");
}

function recordPath(directory: string, path: string): string {
  const name = blake3(Buffer.from(path)).hex.slice(0, NAME_DIGITS);
  return join(layersPath(directory), `${name}.layer`);
}

/**
 * Has the store in `directory` keep the roots of a layer. The caller holds a lease on them. What was
 * recorded for the same place is replaced.
 * @throws StoreError
 */
export function recordLayer(directory: string, { path, roots }: LayerRecord): void {
  const file = recordPath(directory, path);
  const unfinished = `${file}.new`;
  const entries = roots.map((node) => Buffer.from(encodeEntry(node)).toString("base64"));
  const text = JSON.stringify({ format: FORMAT, path, roots: entries });
  try {
    mkdirSync(layersPath(directory), { recursive: true });
    writeFileSync(unfinished, `${blake3(Buffer.from(text)).hex}\n${text}`);
    renameSync(unfinished, file);
  } catch (error) {
    throw systemFailure(error, file);
  }
}

/** The layer at `path` is gone: its base need not be kept for it. @throws StoreError */
export function forgetLayer(directory: string, path: string): void {
  const file = recordPath(directory, path);
  try {
    rmSync(file, { force: true });
  } catch (error) {
    throw systemFailure(error, file);
  }
}

/**
 * The layers upon this store that are still at their places.
 * @throws StoreError: a record cannot be read, so nobody knows what it holds.
 */
export function recordedLayers(directory: string): LayerRecord[] {
  return recordFiles(directory).flatMap((file) => {
    const record = readRecord(join(layersPath(directory), file));
    return record !== undefined && isThere(record) ? [record] : [];
  });
}

/** Removes the records of layers that are gone. Returns how many there were. */
export function removeDeadLayers(directory: string): number {
  let removed = 0;
  for (const file of recordFiles(directory)) {
    const path = join(layersPath(directory), file);
    const record = readRecord(path);
    if (record === undefined || isThere(record)) continue;
    rmSync(path, { force: true });
    removed += 1;
  }
  return removed;
}

function isThere({ path }: LayerRecord): boolean {
  return existsSync(join(path, DATABASE));
}

function recordFiles(directory: string): string[] {
  try {
    return readdirSync(layersPath(directory)).filter((name) => FILE.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw systemFailure(error, layersPath(directory));
  }
}

/** Undefined: it has just been removed. */
function readRecord(file: string): LayerRecord | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw systemFailure(error, file);
  }
  const record = decodeRecord(bytes);
  if (record !== undefined) return record;
  throw new StoreError("the record of a layer is damaged", {
    path: file,
    remedy: "serve that layer once, which writes it anew; or remove the file if the layer is gone",
  });
}

/** Undefined: damaged, or of a later format. */
function decodeRecord(bytes: Buffer): LayerRecord | undefined {
  const json = bytes.toString().slice(CHECKSUM_DIGITS + 1);
  const checksum = bytes.toString().slice(0, CHECKSUM_DIGITS);
  if (checksum !== blake3(Buffer.from(json)).hex) return undefined;
  try {
    const { format, path, roots } = JSON.parse(json) as Record<string, unknown>;
    if (format !== FORMAT || typeof path !== "string" || !Array.isArray(roots)) return undefined;
    const nodes = roots.map((entry) => decodeEntry(Buffer.from(String(entry), "base64")).node);
    return { path, roots: nodes };
  } catch {
    return undefined;
  }
}
