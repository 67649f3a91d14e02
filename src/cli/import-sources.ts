/** What `import` is given: paths to trees, files and archives, and the names their roots get. */
import { lstatSync } from "node:fs";
import { basename, resolve } from "node:path";
import { InvalidNode } from "../castore/errors.ts";
import { type Name, parseName } from "../castore/name.ts";
import type { ArgumentBytes } from "./argument-bytes.ts";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-codes.ts";
import { escapedName } from "./name-text.ts";

export interface ImportSource {
  /** How it was given. */
  readonly text: string;
  readonly name: Name;
  /** `tar` and `stdin` are archives to be unpacked. */
  readonly kind: "tree" | "tar" | "stdin";
  readonly path: Buffer;
}

/** What cannot be decompressed here is known as well: it is refused, and how to do it is said. */
const ARCHIVE = /\.(tar|tar\.(gz|zst|xz|bz2)|tgz|tzst|txz|tbz2?)$/i;

export interface SourceOptions {
  /** The name for the only path. */
  readonly name?: string;
  /** Archives are files like any other. */
  readonly plain?: true;
}

/** @throws CommandError when a name is missing, forbidden, or given twice; a path is absent. */
export function importSources(
  texts: readonly string[],
  options: SourceOptions,
  args: ArgumentBytes,
): ImportSource[] {
  if (options.name !== undefined && texts.length > 1) {
    throw usage("--name names one root, and there are several paths", "import them one by one");
  }
  const sources = texts.map((text) => source(text, options, args));
  const taken = new Set<string>();
  for (const { name } of sources) {
    const shown = escapedName(name);
    if (taken.has(shown)) {
      throw usage(
        `two paths would both become the root ${shown}`,
        "import them one by one, with --name",
      );
    }
    taken.add(shown);
  }
  return sources;
}

function source(text: string, options: SourceOptions, args: ArgumentBytes): ImportSource {
  const path = args.of(text);
  const kind = sourceKind(text, path, options);
  if (options.name !== undefined) {
    return { text, kind, path, name: rootName(args.of(options.name), text) };
  }
  if (kind === "stdin") throw usage("a root from standard input needs a name", "give --name NAME");
  return { text, kind, path, name: rootName(baseName(path, kind), text) };
}

function sourceKind(text: string, path: Buffer, options: SourceOptions): ImportSource["kind"] {
  if (text === "-") return "stdin";
  // Looked at first, so that no store is made for a slip of the pen.
  const status = lstatSync(path);
  return status.isFile() && !options.plain && ARCHIVE.test(text) ? "tar" : "tree";
}

/** The last part of a path, as it would be spelled out: `.` has one, `/` has none. */
function baseName(path: Buffer, kind: ImportSource["kind"]): Buffer {
  // latin1 keeps every byte; the names of this process's directories come as UTF-8.
  const absolute = resolve(Buffer.from(process.cwd()).toString("latin1"), path.toString("latin1"));
  const name = basename(absolute);
  return Buffer.from(kind === "tar" ? name.replace(ARCHIVE, "") : name, "latin1");
}

function rootName(bytes: Uint8Array, text: string): Name {
  try {
    return parseName(bytes);
  } catch (error) {
    if (!(error instanceof InvalidNode)) throw error;
    throw usage(`no root can be named after ${text}: ${error.fault}`, "give --name NAME");
  }
}

function usage(message: string, hint: string): CommandError {
  return new CommandError(EXIT.usage, message, { hint });
}
