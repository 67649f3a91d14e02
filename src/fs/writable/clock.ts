/** The time of day, and what it leaves in inodes (POSIX: "mark for update"). */
import type { Inode } from "./inode.ts";

const MILLISECONDS = 1000;
const NANOSECONDS = 1_000_000;

/** relatime: an atime so old is renewed in any case. */
const ATIME_AGE_SECONDS = 24 * 60 * 60;

export class Clock {
  readonly #now: () => number;
  seconds = 0;
  nanoseconds = 0;

  /** `now`: milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Looks what time it is: once for each request. */
  read(): void {
    const now = this.#now();
    this.seconds = Math.floor(now / MILLISECONDS);
    this.nanoseconds = Math.floor((now - this.seconds * MILLISECONDS) * NANOSECONDS);
  }

  /** The time of day in seconds, as of now. */
  get now(): number {
    return this.#now() / MILLISECONDS;
  }

  /** All four times: a new inode. */
  begin(inode: Inode): void {
    inode.writtenAt = this.seconds;
    this.accessed(inode);
    this.modified(inode);
    inode.btimeSeconds = this.seconds;
    inode.btimeNanoseconds = this.nanoseconds;
  }

  accessed(inode: Inode): void {
    inode.atimeSeconds = this.seconds;
    inode.atimeNanoseconds = this.nanoseconds;
  }

  /** Contents, or names in a directory: mtime and ctime. */
  modified(inode: Inode): void {
    inode.mtimeSeconds = this.seconds;
    inode.mtimeNanoseconds = this.nanoseconds;
    this.changed(inode);
  }

  /** Attributes or links: ctime. */
  changed(inode: Inode): void {
    inode.ctimeSeconds = this.seconds;
    inode.ctimeNanoseconds = this.nanoseconds;
  }

  /** Whether reading shall renew the atime: it is not after mtime and ctime, or a day old. */
  isAtimeDue(inode: Inode): boolean {
    const { atimeSeconds, atimeNanoseconds } = inode;
    return (
      !isLater(atimeSeconds, atimeNanoseconds, inode.mtimeSeconds, inode.mtimeNanoseconds) ||
      !isLater(atimeSeconds, atimeNanoseconds, inode.ctimeSeconds, inode.ctimeNanoseconds) ||
      this.seconds - atimeSeconds >= ATIME_AGE_SECONDS
    );
  }
}

function isLater(seconds: number, nanoseconds: number, than: number, thanNanoseconds: number) {
  return seconds > than || (seconds === than && nanoseconds > thanNanoseconds);
}
