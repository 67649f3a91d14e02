/**
 * What a lease says, as bytes: a line with the checksum of the rest, then JSON. Root nodes stand
 * there as base64 of their `Entry` messages.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { blake3 } from "../../castore/blake3.ts";
import type { Node } from "../../castore/node.ts";
import { decodeEntry, encodeEntry } from "../../castore/proto.ts";
import { systemFailure } from "../sqlite-failure.ts";

/** Root nodes in one lease, at the most. */
export const LEASE_ROOTS_MAX = 4096;

const FORMAT = 1;
const CHECKSUM_DIGITS = 64;

export interface LeaseContents {
  /** "all": whatever has a name, or lost it since `takenAt`. */
  readonly roots: readonly Node[] | "all";
  /** Milliseconds since 1970, by the clock of this host. */
  readonly takenAt: number;
  /** Of the process that took it. For people only: the lock says whether it is alive. */
  readonly processId: number;
}

export function leasesPath(directory: string): string {
  return join(directory, "leases");
}

/** What the lease `id` says. */
export function leasePath(directory: string, id: string): string {
  return join(leasesPath(directory), `${id}.lease`);
}

/** Locked while the lease `id` is alive. */
export function leaseLockPath(directory: string, id: string): string {
  return join(leasesPath(directory), `${id}.lock`);
}

/** Locked while a collection looks at the leases for the last time before it deletes. */
export function leaseGatePath(directory: string): string {
  return join(leasesPath(directory), "gate");
}

/** @throws StoreError */
export function makeLeasesFolder(directory: string): void {
  const path = leasesPath(directory);
  if (existsSync(path)) return;
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw systemFailure(error, path);
  }
}

export function encodeLease({ roots, takenAt, processId }: LeaseContents): Uint8Array {
  const nodes =
    roots === "all"
      ? roots
      : roots.map((node) => Buffer.from(encodeEntry(node)).toString("base64"));
  const text = JSON.stringify({ format: FORMAT, takenAt, processId, roots: nodes });
  return Buffer.from(`${blake3(Buffer.from(text)).hex}\n${text}`);
}

/** Undefined: damaged, or of a later format. */
export function decodeLease(bytes: Uint8Array): LeaseContents | undefined {
  const text = Buffer.from(bytes).toString();
  const json = text.slice(CHECKSUM_DIGITS + 1);
  if (text.slice(0, CHECKSUM_DIGITS + 1) !== `${blake3(Buffer.from(json)).hex}\n`) return undefined;
  try {
    const { format, takenAt, processId, roots } = JSON.parse(json) as Record<string, unknown>;
    if (format !== FORMAT || typeof takenAt !== "number" || typeof processId !== "number") {
      return undefined;
    }
    if (roots === "all") return { takenAt, processId, roots };
    if (!Array.isArray(roots)) return undefined;
    return { takenAt, processId, roots: roots.map(decodeRoot) };
  } catch {
    return undefined;
  }
}

function decodeRoot(base64: unknown): Node {
  return decodeEntry(Buffer.from(`${base64}`, "base64")).node;
}
