/** What the table of opcodes is made of, and what a handler works with. */
import type { DirentPlusRecords, DirentRecords } from "./directory-records.ts";
import type { Entry, FileSystem, FileSystemStatistics } from "./file-system.ts";
import type { ReplyWriter } from "./reply-writer.ts";
import type { RequestCursor } from "./request-cursor.ts";
import type { Session } from "./session.ts";

/** One request in work: one instance, reused for all. */
export interface Exchange {
  readonly fs: FileSystem;
  readonly session: Session;
  readonly request: RequestCursor;
  readonly reply: ReplyWriter;
  /** For what the file system fills in. */
  readonly entry: Entry;
  readonly statistics: FileSystemStatistics;
  readonly dirents: DirentRecords;
  readonly direntsPlus: DirentPlusRecords;
}

/** For `replyBytes`: the kernel awaits no answer, not even an error. */
export const NO_REPLY = -1;

export interface Operation {
  /** The opcode's name, for logs and metrics. */
  readonly name: string;
  /** What the kernel sends after the header at least; less is -EINVAL before the handler runs. */
  readonly argumentBytes: number;
  /**
   * The struct that a success answers with, or NO_REPLY. Less room is -EINVAL before the handler
   * runs, so that nothing happens which the kernel does not get to know.
   */
  readonly replyBytes: number;
  /** Returns the length of the payload it made, or -errno. */
  readonly handler: (exchange: Exchange) => number;
}
