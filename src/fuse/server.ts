/**
 * Answers FUSE requests from a FileSystem: bytes in, bytes out. It knows no transport, keeps nothing
 * of a request once it is answered, and allocates nothing for one.
 *
 * Whoever sends the requests is not trusted: whatever it sends, `handle` neither throws nor writes
 * beyond the room.
 */
import { FUSE_DESTROY, FUSE_INIT } from "../abi/fuse-constants.ts";
import type { NodeId } from "../base/brands.ts";
import { EINVAL, EIO, ENOSYS, ESTALE } from "../base/errno.ts";
import type { Logger } from "../base/logger.ts";
import { MISSING } from "../base/missing.ts";
import type { Readable, Writable } from "../base/segments.ts";
import { SYNCING, WAITING } from "../base/waiting.ts";
import { COUNTERS, ERRORS } from "./counters.ts";
import { DirentPlusRecords, DirentRecords } from "./directory-records.ts";
import { type FileSystem, newEntry, newStatistics } from "./file-system.ts";
import { type Exchange, NO_REPLY, type Operation } from "./operation.ts";
import { OPERATIONS, UNKNOWN } from "./operations.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { RequestCursor } from "./request-cursor.ts";
import { MAX_PAGES_DEFAULT, Session } from "./session.ts";

/** What `handle` answers instead of a length: nothing was written, see `parkedFor`. */
export const PARKED = -1;

/** Why a request was parked: see the statuses of these names in base/. */
export type Parking = "missing" | "waiting" | "syncing";

/** Different failures that are remembered so as to be logged once; then all are forgotten. */
const REMEMBERED_FAILURES_MAX = 256;

export interface FuseServerOptions {
  /** A line for each different failure of the file system. Rate limits are the logger's. */
  readonly logger: Logger;
  /** Pages in one request, at most; see MAX_PAGES_DEFAULT. 1 to 65535. */
  readonly maxPages?: number;
  /** COUNTERS numbers, counted up; see counters.ts. */
  readonly counters?: Float64Array;
}

export class FuseServer {
  readonly counters: Float64Array;
  readonly #logger: Logger;
  readonly #exchange: Exchange;
  readonly #failures = new Set<string>();
  #parkedFor: Parking = "missing";

  constructor(fs: FileSystem, options: FuseServerOptions) {
    this.#logger = options.logger;
    this.counters = options.counters ?? new Float64Array(COUNTERS);
    const reply = new ReplyWriter();
    this.#exchange = {
      fs,
      session: new Session(options.maxPages ?? MAX_PAGES_DEFAULT),
      request: new RequestCursor(),
      reply,
      entry: newEntry(),
      statistics: newStatistics(),
      dirents: new DirentRecords(reply),
      direntsPlus: new DirentPlusRecords(reply),
    };
  }

  /**
   * Answers one request. Returns the bytes written: 0 for requests without a reply, and where there
   * is no room for one. Or PARKED: the file system lacks what would answer it, or has to get on first;
   * nothing has happened, and the request is to be handled again from its start when it can be, or
   * else refused. Only one that is `syncing` has been performed: it is to be concluded.
   */
  handle(readable: Readable, writable: Writable): number {
    const { request, reply } = this.#exchange;
    if (!request.load(readable)) return 0;
    reply.begin(writable, request);
    const operation = OPERATIONS[request.opcode] ?? UNKNOWN;
    const slot = operation === UNKNOWN ? 0 : request.opcode;
    this.counters[slot]!++;
    const result = this.#perform(operation);
    // The statuses that park are below all errnos.
    const parked = result <= MISSING;
    let written = PARKED;
    if (!parked) written = operation.replyBytes === NO_REPLY ? 0 : reply.finish(result);
    if (parked) this.#park(slot, result);
    else if (result < 0) this.counters[ERRORS + slot]!++;
    request.release();
    reply.release();
    return written;
  }

  /** Why the request that was handled last is PARKED. */
  get parkedFor(): Parking {
    return this.#parkedFor;
  }

  /** The ticket of the request that was handled last, and is `syncing`. */
  get ticket(): number {
    return this.#exchange.fs.modifications?.ticket.last ?? 0;
  }

  /**
   * Answers `-errno` to what the transport found malformed, or does not wait for any more, as far as
   * that is possible.
   */
  refuse(readable: Readable, writable: Writable, errno: number = EIO): number {
    return this.#end(readable, writable, errno, 1);
  }

  /** Answers what was `syncing`: a success without a payload where `errno` is 0. */
  conclude(readable: Readable, writable: Writable, errno: number): number {
    return this.#end(readable, writable, errno, 0);
  }

  #end(readable: Readable, writable: Writable, errno: number, uncounted: number): number {
    const { request, reply } = this.#exchange;
    if (!request.load(readable)) return 0;
    reply.begin(writable, request);
    const operation = OPERATIONS[request.opcode];
    const slot = operation === undefined ? 0 : request.opcode;
    this.counters[slot]! += uncounted;
    if (errno !== 0) this.counters[ERRORS + slot]!++;
    const written = operation?.replyBytes === NO_REPLY ? 0 : reply.finish(errno === 0 ? 0 : -errno);
    request.release();
    reply.release();
    return written;
  }

  /** Only what was performed counts: what is run again is counted then. */
  #park(slot: number, status: number): void {
    if (status === SYNCING) {
      this.#parkedFor = "syncing";
      return;
    }
    this.counters[slot]!--;
    this.#parkedFor = status === WAITING ? "waiting" : "missing";
  }

  /** The session is over: the device was reset, or its driver is gone. */
  reset(): void {
    this.#exchange.session.close();
    this.#exchange.fs.reset();
  }

  /** Checks a request, performs it, returns the payload's length or -errno. */
  #perform(operation: Operation): number {
    const { request, reply, session } = this.#exchange;
    if (!request.lengthHolds) return -EINVAL;
    if (operation === UNKNOWN) return -ENOSYS;
    const { opcode } = request;
    if (!session.open && opcode !== FUSE_INIT && opcode !== FUSE_DESTROY) return -EIO;
    if (request.argumentBytes < operation.argumentBytes) return -EINVAL;
    if (operation.replyBytes !== NO_REPLY) {
      if (request.nodeid < 0) return -ESTALE;
      if (reply.payloadRoom < operation.replyBytes) return -EINVAL;
    }
    try {
      return operation.handler(this.#exchange);
    } catch (error) {
      this.#report(operation, request.nodeid, error);
      return -EIO;
    }
  }

  #report(operation: Operation, nodeid: NodeId, error: unknown): void {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (this.#failures.has(message)) return;
    if (this.#failures.size >= REMEMBERED_FAILURES_MAX) this.#failures.clear();
    this.#failures.add(message);
    const cause =
      error instanceof Error && error.cause !== undefined ? String(error.cause) : undefined;
    this.#logger.log("error", "request failed", {
      operation: operation.name,
      nodeid,
      message,
      cause,
    });
  }
}
