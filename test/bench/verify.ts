/**
 * Whether a daemon's answers are right: it is asked for everything that is measured, and each byte is
 * compared with what the tree was made of. Outside the timed parts.
 */
import { FUSE_ROOT_ID } from "../../src/abi/fuse.ts";
import { errnoOf, type FuseClient } from "../frontend/fuse-client.ts";
import type { RequestLane } from "../frontend/request-lane.ts";
import { TreeWalker } from "../frontend/tree-walker.ts";
import {
  bigBytes,
  LISTED_FILES,
  listedFile,
  NAMED_FILES,
  namedFile,
  namedFileBytes,
  seededBytes,
  WALKED_FILES,
  walkedFile,
  walkedFileSeed,
} from "./bench-tree.ts";
import { handleOf, LIST_BYTES, type ShareFacts } from "./share-facts.ts";

export class WrongData extends Error {
  override readonly name = "WrongData";
}

/** Metadata, listings, small files. @throws WrongData, with what was wrong. */
export function verifyAnswers(fuse: FuseClient, facts: ShareFacts): void {
  verifyNames(fuse, facts.namesDirectory);
  verifyListing(fuse, facts);
}

/** Whatever the timed lanes will carry. @throws WrongData. */
export function verifyLanes(lanes: readonly RequestLane[], facts: ShareFacts): void {
  for (const lane of lanes) verifyReads(lane, facts);
  verifyWalk(lanes[0]!, facts);
}

function verifyNames(fuse: FuseClient, directory: number): void {
  for (let index = 0; index < NAMED_FILES; index += 61) {
    const name = namedFile(index);
    const { nodeid, attr } = fuse.lookup(directory, name);
    const bytes = namedFileBytes(index);
    expect(attr.size === bytes && fuse.getattr(nodeid).size === bytes, `the size of ${name}`);
    const fh = handleOf(() => fuse.open(nodeid));
    expectBytes(fuse.readAll(nodeid, 4096, fh), seededBytes(10_000 + index, bytes), name);
    if (fh !== 0) fuse.release(nodeid, fh);
  }
  let absent = 0;
  const errno = errnoOf(() => {
    absent = fuse.lookup(directory, "absent-0.d.ts").nodeid;
  });
  expect(errno === 2 || (errno === 0 && absent === 0), "an absent name");
  expect(fuse.getattr(FUSE_ROOT_ID).mode >>> 12 === 0o04, "the root is a directory");
}

function verifyListing(fuse: FuseClient, facts: ShareFacts): void {
  const { listDirectory, listHandles } = facts;
  for (const bytes of LIST_BYTES) {
    const names = new Set<string>();
    for (const { name, entry } of fuse.readdirplus(listDirectory, bytes, listHandles[0])) {
      const text = name.toString();
      if (text === "." || text === "..") continue;
      expect(entry.nodeid !== 0 && entry.attr.size === 32, `the entry ${text}`);
      expect(!names.has(text), `${text} is listed once`);
      names.add(text);
    }
    expect(names.size === LISTED_FILES && names.has(listedFile(77)), "the whole listing");
  }
}

function verifyReads(lane: RequestLane, facts: ShareFacts): void {
  const { big, bigHandle } = facts;
  const got = new Uint8Array(1 << 20);
  for (const bytes of [4096, 128 << 10, 1 << 20]) {
    for (const offset of [0, 17 << 20, 63 << 20]) {
      lane.read(0, big, bigHandle, offset, bytes);
      lane.flush();
      expect(lane.wait(10_000) === 0 && lane.isOwnReply(0), "a reply to the READ");
      expect(lane.error(0) === 0 && lane.replyBytes(0) === bytes, `a READ of ${bytes} bytes`);
      lane.copyData(0, 0, bytes, got, 0);
      expectBytes(got.subarray(0, bytes), bigBytes(offset, bytes), `big at ${offset}`);
    }
  }
}

/** Every byte of `tree/`, by the very walk that is measured. */
function verifyWalk(lane: RequestLane, facts: ShareFacts): void {
  const names = new Map<number, string>();
  const contents = new Map<number, Uint8Array>();
  const reached = new Map<number, number>();
  const walker = new TreeWalker(lane, {
    readBytes: 131_072,
    listBytes: 4096,
    onEntry: (_parent, nodeid, mode, size, name) => {
      if ((mode & 0o170000) !== 0o100000) return;
      names.set(nodeid, name);
      contents.set(nodeid, new Uint8Array(size));
    },
    onData: (nodeid, offset, data) => {
      contents.get(nodeid)!.set(data, offset);
      reached.set(nodeid, offset + data.length);
    },
  });
  const { files } = walker.walk(facts.walkRoot);
  expect(files === WALKED_FILES && names.size === WALKED_FILES, "the number of files");
  const byName = new Map([...names].map(([nodeid, name]) => [name, nodeid]));
  for (let index = 0; index < WALKED_FILES; index++) {
    const nodeid = byName.get(walkedFile(index));
    expect(nodeid !== undefined, `${walkedFile(index)} is found`);
    const content = contents.get(nodeid!)!;
    expect(reached.get(nodeid!) === content.length, `${walkedFile(index)} is read to its end`);
    expectBytes(content, seededBytes(walkedFileSeed(index), content.length), walkedFile(index));
  }
}

function expectBytes(got: Uint8Array, wanted: Uint8Array, what: string): void {
  expect(Buffer.compare(got, wanted) === 0, `the bytes of ${what}`);
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new WrongData(`wrong: ${what}`);
}
