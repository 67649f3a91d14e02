/**
 * A tree as a tar archive, in GNU's variant (any length of names and sizes, names as bytes). The
 * same node gives the same archive: no times, owner root, entries in byte order.
 */
import type { Node } from "../castore/node.ts";
import { ExportError } from "./errors.ts";
import type { ExportOptions } from "./export-options.ts";
import type { Store } from "./services.ts";
import { TAR_BLOCK_BYTES, TAR_NAME_BYTES, tarPadding, writeTarHeader } from "./tar-header.ts";
import { walkTree } from "./tree-walk.ts";

const SLASH = Buffer.from("/");
const NOTHING = new Uint8Array(0);
/** GNU's name for an entry that holds the long name of the next. */
const LONG_LINK = Buffer.from("././@LongLink");
/** Two empty blocks end an archive; tar writes records of 20 blocks. */
const END_BLOCKS = 2;

/**
 * The bytes of the archive, piece by piece; each is valid until the next is asked for. `root` must
 * be a directory: an archive has no name for anything else.
 * @throws MissingObject, CorruptObject, ExportError
 */
export async function* exportTar(
  store: Store,
  root: Node,
  options: ExportOptions = {},
): AsyncGenerator<Uint8Array> {
  if (root.kind !== "directory") {
    throw new ExportError(`a ${root.kind} cannot become an archive`, {
      remedy: "export it to a path instead",
    });
  }
  const progress = { files: 0, directories: 0, symlinks: 0, bytes: 0 };
  for await (const { path, node } of walkTree(store.directories, root)) {
    options.signal?.throwIfAborted();
    const name = path.length === 0 ? Buffer.from("./") : joined(path, node.kind === "directory");
    if (node.kind === "directory") {
      progress.directories += 1;
      yield header("5", name, NOTHING, 0o755, 0);
    } else if (node.kind === "symlink") {
      progress.symlinks += 1;
      yield header("2", name, node.target, 0o777, 0);
    } else {
      progress.files += 1;
      yield header("0", name, NOTHING, node.executable ? 0o755 : 0o644, node.size);
      for await (const bytes of store.blobs.read(node.digest)) {
        progress.bytes += bytes.length;
        yield bytes;
        options.onProgress?.(progress);
      }
      yield new Uint8Array(tarPadding(node.size));
    }
    options.onProgress?.(progress);
  }
  yield new Uint8Array(END_BLOCKS * TAR_BLOCK_BYTES);
}

function joined(path: readonly Uint8Array[], isDirectory: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [i, name] of path.entries()) parts.push(...(i === 0 ? [name] : [SLASH, name]));
  return Buffer.concat(isDirectory ? [...parts, SLASH] : parts);
}

/** A header, with entries before it for what is too long for it. */
function header(
  type: string,
  name: Uint8Array,
  linkName: Uint8Array,
  mode: number,
  size: number,
): Uint8Array {
  const blocks: Uint8Array[] = [];
  if (linkName.length > TAR_NAME_BYTES) blocks.push(longName("K", linkName));
  if (name.length > TAR_NAME_BYTES) blocks.push(longName("L", name));
  blocks.push(writeTarHeader({ type, name, linkName, mode, size }));
  return Buffer.concat(blocks);
}

function longName(type: string, name: Uint8Array): Uint8Array {
  const size = name.length + 1;
  return Buffer.concat([
    writeTarHeader({ type, name: LONG_LINK, linkName: NOTHING, mode: 0o644, size }),
    name,
    new Uint8Array(1 + tarPadding(size)),
  ]);
}
