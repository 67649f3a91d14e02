/** The folders that an import is in, and where in them a node will go. */
import { type Dirent, readdirSync } from "node:fs";
import type { DirectoryEntry } from "../castore/directory.ts";
import { Directory } from "../castore/directory.ts";
import { parseName } from "../castore/name.ts";
import type { Node } from "../castore/node.ts";
import { displayPath, Folder } from "./folder.ts";
import type { ImportSession } from "./import-session.ts";

/** What nodes are added to: a folder, or the import as a whole. */
interface Parent {
  /** Of the host, from where the import began. */
  readonly parts: readonly Uint8Array[];
  add(name: Uint8Array, node: Node): void;
}

export interface Place {
  readonly parent: Parent;
  readonly name: Uint8Array;
}

/** As people read it. */
export function displayPlace({ parent, name }: Place): string {
  return displayPath([...parent.parts, name]);
}

/** Takes the node of all that is imported. */
export class Destination implements Parent {
  readonly parts = [];
  node: Node | undefined;

  add(_name: Uint8Array, node: Node): void {
    this.node = node;
  }
}

/** A folder of the host that is being imported. */
export class OpenFolder implements Parent, Disposable {
  readonly place: Place;
  readonly folder: Folder;
  /** What is still to come, the next last. */
  readonly pending: Dirent<Buffer>[];
  readonly entries: DirectoryEntry[] = [];

  /** @throws an error of `node:fs` */
  constructor(path: Buffer, place: Place) {
    this.place = place;
    this.folder = Folder.at(path);
    try {
      this.pending = readdirSync(this.folder.path, { encoding: "buffer", withFileTypes: true });
    } catch (error) {
      this.folder[Symbol.dispose]();
      throw error;
    }
  }

  get parts(): readonly Uint8Array[] {
    return [...this.place.parent.parts, this.place.name];
  }

  add(name: Uint8Array, node: Node): void {
    this.entries.push({ name: parseName(name), node });
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

/** Stores a folder whose entries are all there, and closes it. */
export function storeFolder(session: ImportSession, open: OpenFolder): void {
  open[Symbol.dispose]();
  const { parent, name } = open.place;
  parent.add(name, session.writer.putDirectory(Directory.of(open.entries)));
  session.progress.directories += 1;
}
