/** Completion of what only the store knows: names of roots, and paths below them. */
import type { DirectoryEntry } from "../castore/directory.ts";
import { requireDirectory } from "../store/tree-walk.ts";
import type { Candidate } from "./completion-words.ts";
import { utf8OrUndefined } from "./name-text.ts";
import { withStore } from "./open-store.ts";
import { resolve } from "./resolve.ts";
import { parseTarget } from "./target.ts";

/** Candidates a shell can still show. */
const CANDIDATES_MAX = 2000;

/** Roots that begin as typed. */
export async function rootCandidates(store: string, typed: string): Promise<Candidate[]> {
  return withStore(store, {}, async ({ roots }) => candidates(await roots.list(), "", typed));
}

/** Roots, or the entries of the directory that was typed up to the last slash. */
export async function targetCandidates(store: string, typed: string): Promise<Candidate[]> {
  return withStore(store, {}, async (opened) => {
    const parent = typed.slice(0, typed.lastIndexOf("/") + 1);
    if (parent === "") return slashed(candidates(await opened.roots.list(), "", typed));
    const node = await resolve(opened, parseTarget(Buffer.from(parent)));
    if (node.kind !== "directory") return [];
    const { entries } = await requireDirectory(opened.directories, node.digest);
    return slashed(candidates(entries, parent, typed));
  });
}

/** Names that a command line can hold as they are: UTF-8, without line breaks and tabs. */
function candidates(
  entries: readonly DirectoryEntry[],
  parent: string,
  typed: string,
): Candidate[] {
  const found: Candidate[] = [];
  for (const { name, node } of entries) {
    const text = `${parent}${utf8OrUndefined(name) ?? "\n"}`;
    if (!text.startsWith(typed) || /\p{Cc}/u.test(text)) continue;
    found.push({ text, description: node.kind });
    if (found.length === CANDIDATES_MAX) break;
  }
  return found;
}

function slashed(found: readonly Candidate[]): Candidate[] {
  return found.map(({ text, description }) =>
    description === "directory" ? { text: `${text}/`, description } : { text, description },
  );
}
