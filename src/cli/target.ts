/**
 * What a command looks at: `ROOT[/path]` or `DIGEST[/path]`. Roots are named by their names in the
 * store; a digest in text names a directory or a blob that no root need reach.
 */
import { Digest } from "../castore/digest.ts";
import { InvalidDigest, InvalidNode } from "../castore/errors.ts";
import { type Name, parsePath } from "../castore/name.ts";
import { CommandError } from "./command-error.ts";
import { EXIT } from "./exit-codes.ts";

export interface Target {
  readonly start:
    | { readonly kind: "root"; readonly name: Name }
    | { readonly kind: "digest"; readonly digest: Digest };
  readonly path: readonly Name[];
}

/** `blake3-` and 44 characters of base64, which may hold slashes themselves. */
const DIGEST_TEXT_LENGTH = 51;
const HEX_LENGTH = 64;

/** @throws CommandError when it is neither a root name nor a digest, or the path is no path. */
export function parseTarget(bytes: Uint8Array): Target {
  const text = Buffer.from(bytes).toString("latin1");
  for (const length of [DIGEST_TEXT_LENGTH, HEX_LENGTH]) {
    const head = text.slice(0, length);
    const ends = text.length === length || text[length] === "/";
    if (ends && Digest.looksLike(head)) {
      const path = pathNames(bytes.subarray(length));
      return { start: { kind: "digest", digest: parseDigest(head) }, path };
    }
  }
  if (text.startsWith("blake3-")) parseDigest(text.split("/", 1)[0] ?? "");
  const [name, ...path] = pathNames(bytes);
  if (name === undefined) throw new CommandError(EXIT.usage, "a root name or a digest is missing");
  return { start: { kind: "root", name }, path };
}

/** @throws CommandError: wrong use. */
export function parseDigest(text: string): Digest {
  try {
    return Digest.parse(text);
  } catch (error) {
    if (!(error instanceof InvalidDigest)) throw error;
    throw new CommandError(EXIT.usage, `bad digest: ${JSON.stringify(text)}`, {
      hint: "a digest is blake3- and 44 characters of base64, or 64 hexadecimal digits",
      cause: error,
    });
  }
}

/** The names on a path that goes down from a root. @throws CommandError when it is none. */
export function pathNames(bytes: Uint8Array): Name[] {
  try {
    return parsePath(bytes);
  } catch (error) {
    if (!(error instanceof InvalidNode)) throw error;
    const path = Buffer.from(bytes).toString("utf8");
    throw new CommandError(EXIT.usage, `bad path ${JSON.stringify(path)}: ${error.fault}`, {
      hint: "a path goes down from a root: ROOT/directory/file",
      cause: error,
    });
  }
}
