/** What the roots of a store on disk take up. */
import type { Name } from "../../castore/name.ts";
import { parseName } from "../../castore/name.ts";
import { decodeEntry } from "../../castore/proto.ts";
import { openIndex } from "../disk-index.ts";
import { indexPath } from "../disk-layout.ts";
import { DiskObjects } from "../disk-objects.ts";
import { RootTable } from "../root-table.ts";
import { indexFailure } from "../sqlite-failure.ts";
import { Turns } from "./turns.ts";
import type { RootUsage } from "./usage.ts";
import { Usage } from "./usage.ts";

export interface UsageOptions {
  readonly onProgress?: (looked: number) => void;
  readonly signal?: AbortSignal;
}

export interface NamedUsage extends RootUsage {
  readonly name: Name;
}

export interface StoreUsage {
  /** In byte order of the names. */
  readonly roots: readonly NamedUsage[];
  /** Bytes that they reach together, each object once; and those of them that are contents. */
  readonly stored: number;
  readonly storedContents: number;
}

/**
 * Looks through all roots of the store in `directory`.
 * @throws StoreError, CorruptObject when something is too damaged to be counted.
 */
export async function measureUsage(
  directory: string,
  options: UsageOptions = {},
): Promise<StoreUsage> {
  const database = openIndex(directory, "read");
  try {
    using objects = new DiskObjects(directory, database);
    const turns = new Turns(options.signal, () => options.onProgress?.(usage.looked));
    const usage: Usage = new Usage(database, objects, turns);
    const table = new RootTable(database);
    const names: Name[] = [];
    for (const bytes of table.list()) {
      const entry = table.get(bytes);
      if (entry === undefined) continue;
      names.push(parseName(bytes));
      await usage.add(decodeEntry(entry).node);
    }
    const { stored, storedContents } = usage;
    const roots = usage.roots().map((root, i) => ({ name: names[i]!, ...root }));
    return { roots, stored, storedContents };
  } catch (error) {
    throw indexFailure(error, indexPath(directory));
  } finally {
    database.close();
  }
}
