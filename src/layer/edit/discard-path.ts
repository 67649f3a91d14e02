/** Giving one path of a layer back to its base: what the base has there shows again, or nothing. */
import { compareBytes, type Name } from "../../castore/name.ts";
import { joinedPath } from "../commit/manifest.ts";
import { LayerRefusal } from "../errors.ts";
import type { LayerReader } from "../layer-port.ts";
import { type EntryRow, type InodeRow, LINKS_UNCOUNTED, ROOT_ID } from "../rows.ts";
import { inodeType } from "../tree/inode-type.ts";
import type { RowEdits } from "./layer-editor.ts";

/**
 * Adds to `edits` what forgets the layer's entry at `path`, with all that is in it. What was moved
 * away from there stays where it is now.
 * @throws LayerRefusal when the layer has changed nothing there
 */
export function discardPath(rows: LayerReader, path: readonly Name[], edits: RowEdits): void {
  const entry = entryAt(rows, path);
  edits.removedEntries.push({ parent: entry.parent, name: entry.name });
  const parent = rows.inode(entry.parent);
  if (parent !== undefined) edits.inodes.push({ ...parent, links: LINKS_UNCOUNTED });
  if (entry.inode === undefined) return;
  const inodes = new Map<number, InodeRow>();
  const pending = [entry.inode];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const inode = inodes.get(id) ?? rows.inode(id);
    if (inode === undefined) continue;
    const isDirectory = inodeType(inode) === "directory";
    inodes.set(id, { ...inode, links: isDirectory ? 0 : Math.max(0, inode.links - 1) });
    if (!isDirectory) continue;
    for (const { parent, name, inode: child } of rows.entries(id)) {
      edits.removedEntries.push({ parent, name });
      if (child !== undefined) pending.push(child);
    }
  }
  for (const inode of inodes.values()) {
    if (inode.links === 0) edits.removedInodes.push(inode.id);
    else edits.inodes.push(inode);
  }
}

function entryAt(rows: LayerReader, path: readonly Name[]): EntryRow {
  let parent = ROOT_ID;
  for (const [depth, name] of path.entries()) {
    const entry = rows.entries(parent).find((row) => isNamed(row, name));
    if (entry === undefined) throw unchanged(path);
    if (depth === path.length - 1) return entry;
    if (entry.inode === undefined) {
      throw new LayerRefusal(`${text(path.slice(0, depth + 1))} is deleted in the layer`, {
        remedy: "discard that one: what is in it shows again with it",
      });
    }
    parent = entry.inode;
  }
  throw unchanged(path);
}

function unchanged(path: readonly Name[]): LayerRefusal {
  return new LayerRefusal(`the layer has changed nothing at ${text(path)}`, {
    remedy: "castorefs layer diff lists what it has changed",
  });
}

function isNamed({ name }: EntryRow, wanted: Name): boolean {
  return compareBytes(name, 0, name.length, wanted, 0, wanted.length) === 0;
}

function text(path: readonly Name[]): string {
  return joinedPath(path).toString();
}
