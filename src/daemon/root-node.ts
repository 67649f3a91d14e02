/** From `--root NAME|DIGEST` to the directory that becomes the share. */
import { Digest } from "../castore/digest.ts";
import type { Directory } from "../castore/directory.ts";
import { InvalidDigest, InvalidNode } from "../castore/errors.ts";
import { parseName } from "../castore/name.ts";
import { type DirectoryNode, directoryNode, type Node } from "../castore/node.ts";
import { CorruptObject } from "../store/errors.ts";
import type { Store } from "../store/services.ts";
import { DaemonError } from "./errors.ts";

/**
 * Brings a directory into the store that is absent or, `heal`, rotten.
 * @throws DaemonError when it is not to be had.
 */
export type FetchDirectory = (digest: Digest, heal: boolean) => Promise<void>;

/**
 * Without `fetch` the root has to be in the store.
 * @throws DaemonError when there is no such root, or it is no directory.
 */
export async function findShareRoot(
  store: Store,
  root: string,
  fetch?: FetchDirectory,
): Promise<DirectoryNode> {
  if (Digest.looksLike(root)) {
    const digest = parseDigest(root);
    const directory = await directoryOf(store, digest, fetch);
    if (directory !== undefined) return directoryNode(digest, directory.size);
    throw new DaemonError(`the store has no directory with the digest ${digest}`, {
      hint: "castorefs roots lists what was imported; --source says where to fetch others",
    });
  }
  const node = await rootByName(store, root);
  if (node.kind !== "directory") {
    throw new DaemonError(`root ${root} is a ${node.kind}, not a directory`, {
      hint: "leave out --root to share all roots by name",
    });
  }
  if ((await directoryOf(store, node.digest, fetch)) !== undefined) return node;
  throw new DaemonError(`the store lacks the directory ${node.digest} of root ${root}`, {
    hint: "castorefs verify tells what else is missing",
  });
}

/** Undefined: the store lacks it, and nobody fetches. @throws CorruptObject: likewise */
async function directoryOf(
  store: Store,
  digest: Digest,
  fetch: FetchDirectory | undefined,
): Promise<Directory | undefined> {
  let heal = false;
  try {
    const directory = await store.directories.get(digest);
    if (directory !== undefined || fetch === undefined) return directory;
  } catch (error) {
    if (fetch === undefined || !(error instanceof CorruptObject)) throw error;
    heal = true;
  }
  await fetch(digest, heal);
  return await store.directories.get(digest);
}

async function rootByName(store: Store, root: string): Promise<Node> {
  const node = await store.roots.get(nameOf(root));
  if (node !== undefined) return node;
  throw new DaemonError(`no root is named ${root}`, { hint: "castorefs roots lists them" });
}

function nameOf(root: string): ReturnType<typeof parseName> {
  try {
    return parseName(Buffer.from(root));
  } catch (error) {
    if (!(error instanceof InvalidNode)) throw error;
    throw new DaemonError(`${JSON.stringify(root)} cannot be a root's name: ${error.fault}`, {
      hint: "castorefs roots lists the names",
      cause: error,
    });
  }
}

function parseDigest(text: string): Digest {
  try {
    return Digest.parse(text);
  } catch (error) {
    if (!(error instanceof InvalidDigest)) throw error;
    throw new DaemonError(`bad digest: ${text}`, {
      hint: "a digest is blake3- and 44 characters of base64, or 64 hexadecimal digits",
      cause: error,
    });
  }
}
