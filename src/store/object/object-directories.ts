/** Directories in object storage: whole trees, each one object under the digest of its root. */
import { blake3 } from "../../castore/blake3.ts";
import type { Digest } from "../../castore/digest.ts";
import type { Directory } from "../../castore/directory.ts";
import { InvalidEncoding } from "../../castore/errors.ts";
import type { DirectoryNode } from "../../castore/node.ts";
import { directoryNode } from "../../castore/node.ts";
import { decodeDirectory } from "../../castore/proto.ts";
import { putLeavesFirst } from "../directory-graph.ts";
import { InvalidGraph } from "../errors.ts";
import { RootFirstOrder } from "../root-first-order.ts";
import { SentDirectories } from "../sent-directories.ts";
import type { DirectoryService, RequestOptions } from "../services.ts";
import { asCorruptObject, BadContents } from "./bad-contents.ts";
import type { BoundedObjects } from "./bounded-objects.ts";
import { readEncodings } from "./closure-frames.ts";
import { decompressing } from "./compression.ts";
import { objectKey } from "./object-keys.ts";
import { TreeUpload } from "./tree-upload.ts";

/** Bytes of an object that holds a tree. It is read in pieces. */
export const TREE_OBJECT_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/**
 * A directory that was stored only as a part of a larger tree is absent by itself: neither `get` nor
 * `getRecursive` finds it, and no other tree can name it. A directory may be there before the blobs
 * that it names: of those nothing is known here.
 */
export class ObjectDirectories implements DirectoryService {
  readonly #objects: BoundedObjects;

  constructor(objects: BoundedObjects) {
    this.#objects = objects;
  }

  async get(digest: Digest, options?: RequestOptions): Promise<Directory | undefined> {
    for await (const root of this.getRecursive(digest, options)) return root;
    return undefined;
  }

  async *getRecursive(root: Digest, options?: RequestOptions): AsyncGenerator<Directory> {
    const key = objectKey("dirs", root);
    using object = await this.#objects.open(key, TREE_OBJECT_BYTES_MAX, options);
    if (object === undefined) return;
    try {
      yield* readTree(root, decompressing(object.pieces()));
    } catch (error) {
      throw asCorruptObject(error, "tree of the directory", root, this.#objects.address(key));
    }
  }

  /** What the directory names must be there, each as a tree of its own. */
  async put(directory: Directory): Promise<DirectoryNode> {
    return await this.putRecursive([directory]);
  }

  async putRecursive(
    directories: AsyncIterable<Directory> | Iterable<Directory>,
  ): Promise<DirectoryNode> {
    const tree = new TreeUpload();
    const known = new SentDirectories((digest) => this.getRecursive(digest));
    const add = (directory: Directory) => {
      const { digest, encoded } = known.note(directory);
      tree.add(digest, encoded);
      return directoryNode(digest, directory.size);
    };
    const node = await putLeavesFirst(directories, async (directory) => {
      for await (const below of known.missingBelow(directory)) add(below);
      return add(directory);
    });
    const key = objectKey("dirs", node.digest);
    if (!(await this.#objects.has(key))) await this.#objects.put(key, await tree.compress());
    return node;
  }
}

/** @throws BadContents */
async function* readTree(
  root: Digest,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Directory> {
  const order = new RootFirstOrder(root);
  for await (const encoded of readEncodings(bytes)) {
    const digest = blake3(encoded);
    if (!order.begun && !digest.equals(root)) throw new BadContents("begins with another root");
    const directory = accept(order, digest, encoded);
    if (directory !== undefined) yield directory;
  }
  if (order.missing !== undefined) throw new BadContents(`lacks the directory ${order.missing}`);
}

/** Undefined: it was there already. */
function accept(order: RootFirstOrder, digest: Digest, encoded: Uint8Array): Directory | undefined {
  try {
    const directory = decodeDirectory(encoded);
    return order.accept(digest, directory) ? directory : undefined;
  } catch (error) {
    if (!(error instanceof InvalidEncoding || error instanceof InvalidGraph)) throw error;
    throw new BadContents(error.message, { cause: error });
  }
}
