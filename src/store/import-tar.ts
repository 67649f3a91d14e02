/**
 * Importing a tar archive. Contents go to the store as they come; names are kept until the end,
 * because an archive may list a directory after what is in it, and the same name again.
 */
import type { DirectoryEntry } from "../castore/directory.ts";
import { Directory } from "../castore/directory.ts";
import { InvalidNode } from "../castore/errors.ts";
import type { Name } from "../castore/name.ts";
import { parseName, parsePath } from "../castore/name.ts";
import type { DirectoryNode, Node } from "../castore/node.ts";
import { fileNode, symlinkNode } from "../castore/node.ts";
import { ImportError } from "./errors.ts";
import { decompressed, endWith } from "./import-compressed.ts";
import type { ImportOptions, ImportResult, ImportSession, SpecialKind } from "./import-session.ts";
import { withSession } from "./import-session.ts";
import type { Store } from "./services.ts";
import type { StoreWriter } from "./store-writer.ts";
import type { TarHeader } from "./tar-header.ts";
import { TarReader } from "./tar-reader.ts";

const SLASH = 0x2f;
const EXECUTABLE_BIT = 0o100;
const SPECIAL: Readonly<Record<string, SpecialKind>> = {
  "3": "character device",
  "4": "block device",
  "6": "FIFO",
};
/** GNU's label of a volume: no file. */
const VOLUME_LABEL = "V";

/**
 * Imports the archive whose bytes `source` gives, compressed with gzip or zstd or not at all. The
 * root is a directory.
 * @throws ImportError, StoreError, the reason of `options.signal`
 */
export async function importTar(
  store: Store,
  source: AsyncIterable<Uint8Array>,
  options: ImportOptions = {},
): Promise<ImportResult> {
  return await withSession(store, options, async (session) => {
    endWith(source, options.signal);
    const bytes = decompressed(source);
    const reader = new TarReader(bytes);
    try {
      const node = await new TarImport(session, reader).run();
      // To the end: there is the checksum of a compressed archive, and who sends it is not cut off.
      for await (const _ of bytes);
      return node;
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      await reader.close();
    }
  });
}

/** A directory that is being put together: names as text of one character for each byte. */
class OpenDirectory {
  readonly children = new Map<string, Node | OpenDirectory>();
}

class TarImport {
  readonly #session: ImportSession;
  readonly #reader: TarReader;
  readonly #root = new OpenDirectory();
  #current = "";

  constructor(session: ImportSession, reader: TarReader) {
    this.#session = session;
    this.#reader = reader;
    session.describe = () => this.#current;
  }

  async run(): Promise<DirectoryNode> {
    for (;;) {
      const header = await this.#reader.next();
      if (header === undefined) break;
      this.#current = Buffer.from(header.name).toString();
      await this.#entry(header);
      if (this.#session.due) await this.#session.pause();
    }
    return closeAll(this.#root, this.#session);
  }

  async #entry(header: TarHeader): Promise<void> {
    const path = this.#path(header.name);
    const special = SPECIAL[header.type];
    if (special !== undefined) {
      this.#session.special(this.#current, special);
    } else if (header.type === "5" || (header.type === "0" && header.name.at(-1) === SLASH)) {
      this.#noteLosses(header, false);
      this.#directory(path, path.length);
    } else if (header.type === "0" || header.type === "7") {
      this.#noteLosses(header, true);
      this.#place(path, await this.#file(header));
    } else if (header.type === "2") {
      this.#place(path, this.#symlink(header));
    } else if (header.type === "1") {
      this.#place(path, this.#hardLink(header));
    } else if (header.type !== VOLUME_LABEL) {
      throw this.#refusal(`an entry of type ${JSON.stringify(header.type)} is not supported`);
    }
  }

  async #file(header: TarHeader): Promise<Node> {
    const blob = this.#session.writer.beginBlob();
    for (;;) {
      const bytes = await this.#reader.read();
      if (bytes === undefined) break;
      blob.write(bytes);
      this.#session.progress.bytes += bytes.length;
      if (this.#session.due) await this.#session.pause();
    }
    const { digest, size } = blob.end();
    return fileNode(digest, size, (header.mode & EXECUTABLE_BIT) !== 0);
  }

  #symlink(header: TarHeader): Node {
    try {
      return symlinkNode(header.linkName);
    } catch (error) {
      throw this.#refusal((error as Error).message, error);
    }
  }

  /** The node of an earlier entry under another name. */
  #hardLink(header: TarHeader): Node {
    let found: Node | OpenDirectory | undefined = this.#root;
    for (const name of this.#path(header.linkName)) {
      found = found instanceof OpenDirectory ? found.children.get(key(name)) : undefined;
    }
    if (found === undefined || found instanceof OpenDirectory) {
      throw this.#refusal("a hard link leads to no earlier file of the archive");
    }
    this.#session.noteLosses(
      true,
      found.kind === "file" && found.executable ? 0o555 : 0o444,
      0,
      0,
      2,
    );
    return found;
  }

  /** Puts `node` at `path`, in the place of what an earlier entry put there. */
  #place(path: readonly Name[], node: Node): void {
    const name = path[path.length - 1];
    if (name === undefined) throw this.#refusal("the root of the archive is not a directory");
    this.#directory(path, path.length - 1).children.set(key(name), node);
  }

  /** The directory at the first `length` names of `path`, made where there is none. */
  #directory(path: readonly Name[], length: number): OpenDirectory {
    let directory = this.#root;
    for (const [depth, name] of path.slice(0, length).entries()) {
      let child = directory.children.get(key(name));
      if (!(child instanceof OpenDirectory)) {
        if (child !== undefined && child.kind === "symlink" && depth < path.length - 1) {
          throw this.#refusal("the path leads through a symlink of the archive");
        }
        child = new OpenDirectory();
        directory.children.set(key(name), child);
      }
      directory = child;
    }
    return directory;
  }

  /** The names on a path below the root. @throws ImportError for one that leads elsewhere. */
  #path(bytes: Uint8Array): Name[] {
    if (bytes[0] === SLASH) throw this.#refusal("the path is absolute");
    try {
      return parsePath(bytes);
    } catch (error) {
      if (!(error instanceof InvalidNode)) throw error;
      const leaves = error.fault === "name is . or ..";
      throw this.#refusal(leaves ? "the path has a .. in it" : error.fault, error);
    }
  }

  #noteLosses(header: TarHeader, isFile: boolean): void {
    this.#session.noteLosses(isFile, header.mode, header.uid, header.gid, 1);
  }

  #refusal(message: string, cause?: unknown): ImportError {
    return new ImportError(message, {
      path: this.#current,
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

interface Frame {
  readonly name: Name | undefined;
  readonly pending: [string, Node | OpenDirectory][];
  readonly entries: DirectoryEntry[];
}

/** Stores a directory and all below it, leaves first, with a stack of its own. */
function closeAll(root: OpenDirectory, session: ImportSession): DirectoryNode {
  const stack: Frame[] = [frameOf(undefined, root)];
  for (;;) {
    const frame = stack[stack.length - 1]!;
    const child = frame.pending.pop();
    if (child === undefined) {
      const node = closeOne(frame.entries, session.writer);
      session.progress.directories += 1;
      stack.pop();
      const parent = stack[stack.length - 1];
      if (parent === undefined) return node;
      parent.entries.push({ name: frame.name!, node });
      continue;
    }
    const name = parseName(Buffer.from(child[0], "latin1"));
    if (child[1] instanceof OpenDirectory) {
      stack.push(frameOf(name, child[1]));
    } else {
      frame.entries.push({ name, node: child[1] });
      if (child[1].kind === "file") session.progress.files += 1;
      else session.progress.symlinks += 1;
    }
  }
}

function frameOf(name: Name | undefined, { children }: OpenDirectory): Frame {
  return { name, pending: [...children], entries: [] };
}

function closeOne(entries: DirectoryEntry[], writer: StoreWriter): DirectoryNode {
  return writer.putDirectory(Directory.of(entries));
}

function key(name: Name): string {
  return Buffer.from(name).toString("latin1");
}
