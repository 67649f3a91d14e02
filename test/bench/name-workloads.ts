/** CREATE with UNLINK, MKDIR with RMDIR, RENAME, and SETATTR of a mode. */
import { fuseAttr, fuseAttrOut, fuseEntryOut } from "../../src/abi/fuse.ts";
import { ENOENT } from "../../src/base/errno.ts";
import * as send from "../frontend/modifying-requests.ts";
import { NameTable } from "../frontend/name-table.ts";
import type { RequestLane } from "../frontend/request-lane.ts";
import { answered } from "./answered.ts";
import { NAMED_FILES } from "./bench-tree.ts";
import { FINISHED, UNFINISHED, type Workload, WRONG } from "./pump.ts";
import { WrongData } from "./verify.ts";
import { MOVED_NAMES, S_IFREG, type WriteFacts } from "./write-tree.ts";

const TWO_32 = 2 ** 32;
/** Names that each stream uses in turn. */
const NAMES_PER_STREAM = 32;

/** The steps of making a file and removing it. */
const CREATE = 0;
const RELEASE = 1;
const REMOVE = 2;
const FORGET = 3;

/**
 * A file is created, closed, unlinked and forgotten, as open(2), close(2) and unlink(2) have it: four
 * requests. A directory is made, removed and forgotten: three.
 */
export class MakeRemoveLoad implements Workload {
  readonly #directory: number;
  readonly #isDirectory: boolean;
  readonly #names: NameTable;
  /** By stream: what comes next, which name, and the new inode and its handle. */
  readonly #step: Uint8Array;
  readonly #name: Uint32Array;
  readonly #nodeid: Float64Array;
  readonly #handle: Float64Array;

  constructor(facts: WriteFacts, streams: number, kind: "file" | "directory") {
    this.#directory = facts.madeDirectory;
    this.#isDirectory = kind === "directory";
    const names = Array.from({ length: streams * NAMES_PER_STREAM }, (_, i) => `new-${kind}-${i}`);
    this.#names = new NameTable(names);
    this.#step = new Uint8Array(streams);
    this.#name = Uint32Array.from({ length: streams }, (_, stream) => stream * NAMES_PER_STREAM);
    this.#nodeid = new Float64Array(streams);
    this.#handle = new Float64Array(streams);
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    const parent = this.#directory;
    const names = this.#names;
    const name = this.#name[stream]!;
    switch (this.#step[stream]) {
      case CREATE:
        if (this.#isDirectory) send.sendMkdir(lane, slot, parent, names, name, 0o755);
        else send.sendCreate(lane, slot, parent, names, name, S_IFREG | 0o644);
        break;
      case RELEASE:
        lane.release(slot, this.#nodeid[stream]!, this.#handle[stream]!);
        break;
      case REMOVE:
        if (this.#isDirectory) send.sendRmdir(lane, slot, parent, names, name);
        else send.sendUnlink(lane, slot, parent, names, name);
        break;
      default:
        lane.forget(slot, this.#nodeid[stream]!, 1);
    }
  }

  receive(lane: RequestLane, slot: number, stream: number): number {
    const step = this.#step[stream]!;
    // No reply follows a FORGET.
    if (step !== FORGET && lane.error(slot) !== 0) {
      this.#step[stream] = CREATE;
      return WRONG;
    }
    if (step === CREATE) {
      const { words32 } = lane.region;
      const entry = lane.replyAt(slot) >>> 2;
      const handle = entry + fuseEntryOut.size / 4;
      this.#nodeid[stream] = words32[entry + 1]! * TWO_32 + words32[entry]!;
      this.#handle[stream] = words32[handle + 1]! * TWO_32 + words32[handle]!;
      this.#step[stream] = this.#isDirectory ? REMOVE : RELEASE;
      return this.#nodeid[stream] === 0 ? WRONG : UNFINISHED;
    }
    if (step !== FORGET) {
      this.#step[stream] = step + 1;
      return UNFINISHED;
    }
    this.#step[stream] = CREATE;
    const first = stream * NAMES_PER_STREAM;
    this.#name[stream] = first + ((this.#name[stream]! + 1 - first) % NAMES_PER_STREAM);
    return FINISHED;
  }

  /** All are gone again; one more is made, seen, and removed. */
  verify(lane: RequestLane): void {
    const count = this.#names.starts.length - 1;
    for (let name = 0; name < count; name++) expectAbsent(lane, this.#directory, this.#names, name);
    this.send(lane, 0, 0);
    expect(answered(lane) === 0, "a new inode");
    this.receive(lane, 0, 0);
    expectPresent(lane, this.#directory, this.#names, this.#name[0]!, this.#nodeid[0]!);
    while (this.#step[0] !== FORGET) {
      this.send(lane, 0, 0);
      expect(answered(lane) === 0, "the removal of a new inode");
      this.receive(lane, 0, 0);
    }
    expectAbsent(lane, this.#directory, this.#names, this.#name[0]!);
    // Made, and looked up.
    lane.forget(0, this.#nodeid[0]!, 2);
    lane.flush();
    lane.wait(10_000);
    this.#step[0] = CREATE;
  }
}

/** A file of each stream goes from one name to another and back. */
export class RenameLoad implements Workload {
  readonly #facts: WriteFacts;

  constructor(facts: WriteFacts) {
    this.#facts = facts;
  }

  send(lane: RequestLane, slot: number, stream: number): void {
    const { movedDirectory, isMoved } = this.#facts;
    const from = 2 * stream + isMoved[stream]!;
    send.sendRename(lane, slot, movedDirectory, MOVED_NAMES, from, from ^ 1);
    isMoved[stream] = isMoved[stream]! ^ 1;
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 ? FINISHED : WRONG;
  }

  verify(lane: RequestLane): void {
    const { movedDirectory, isMoved } = this.#facts;
    for (let stream = 0; stream < isMoved.length; stream++) {
      const name = 2 * stream + isMoved[stream]!;
      expectPresent(lane, movedDirectory, MOVED_NAMES, name, 0);
      expectAbsent(lane, movedDirectory, MOVED_NAMES, name ^ 1);
    }
  }
}

/** chmod(2) of 1,024 files in a scattered order, each time to another mode. */
export class ChmodLoad implements Workload {
  readonly #facts: WriteFacts;
  #next = 0;

  constructor(facts: WriteFacts) {
    this.#facts = facts;
  }

  send(lane: RequestLane, slot: number): void {
    const { named, namedModes } = this.#facts;
    this.#next = (this.#next + 389) & (NAMED_FILES - 1);
    const mode = namedModes[this.#next] === (S_IFREG | 0o600) ? 0o640 : 0o600;
    namedModes[this.#next] = S_IFREG | mode;
    send.sendChmod(lane, slot, named[this.#next]!, S_IFREG | mode);
  }

  receive(lane: RequestLane, slot: number): number {
    return lane.error(slot) === 0 ? FINISHED : WRONG;
  }

  verify(lane: RequestLane): void {
    const { named, namedModes } = this.#facts;
    for (let index = 0; index < NAMED_FILES; index++) {
      if (namedModes[index] === 0) continue;
      lane.getattr(0, named[index]!);
      expect(answered(lane) === 0, "GETATTR after chmod");
      const word = (lane.replyAt(0) + fuseAttrOut.at.attr + fuseAttr.at.mode) >>> 2;
      expect(lane.region.words32[word] === namedModes[index], "the mode of a file");
    }
  }
}

/** `nodeid` 0: any. */
function expectPresent(
  lane: RequestLane,
  parent: number,
  names: NameTable,
  name: number,
  nodeid: number,
): void {
  const found = lookUp(lane, parent, names, name);
  expect(found !== 0 && (nodeid === 0 || nodeid === found), "a name that was made");
}

function expectAbsent(lane: RequestLane, parent: number, names: NameTable, name: number): void {
  expect(lookUp(lane, parent, names, name) === 0, "a name that was removed");
}

/** The nodeid, or 0. */
function lookUp(lane: RequestLane, parent: number, names: NameTable, name: number): number {
  lane.lookup(0, parent, names.bytes, names.starts[name], names.starts[name + 1]);
  const error = answered(lane);
  expect(error === 0 || error === -ENOENT, "LOOKUP");
  if (error !== 0) return 0;
  const word = lane.replyAt(0) >>> 2;
  return lane.region.words32[word + 1]! * TWO_32 + lane.region.words32[word]!;
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new WrongData(`wrong: ${what}`);
}
