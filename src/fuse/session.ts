/**
 * A session: from the kernel's INIT to DESTROY, to the next INIT, or to a reset of the device. INIT
 * settles version, flags and sizes (`struct fuse_init_in`, `fuse_init_out`).
 */
import {
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  fuseInitIn,
  fuseInitOut,
} from "../abi/fuse.ts";
import {
  FUSE_ASYNC_DIO,
  FUSE_ASYNC_READ,
  FUSE_BIG_WRITES,
  FUSE_CACHE_SYMLINKS,
  FUSE_DO_READDIRPLUS,
  FUSE_DONT_MASK,
  FUSE_EXPLICIT_INVAL_DATA,
  FUSE_HANDLE_KILLPRIV_V2,
  FUSE_INIT_EXT,
  FUSE_MAX_PAGES,
  FUSE_NO_OPEN_SUPPORT,
  FUSE_NO_OPENDIR_SUPPORT,
  FUSE_PARALLEL_DIROPS,
  FUSE_POSIX_ACL,
  FUSE_READDIRPLUS_AUTO,
  FUSE_SETXATTR_EXT,
  FUSE_WRITEBACK_CACHE,
} from "../abi/fuse-constants.ts";
import { EPROTO } from "../base/errno.ts";
import { PAYLOAD, type ReplyWriter } from "./reply-writer.ts";
import type { RequestCursor } from "./request-cursor.ts";

/** The oldest kernels served: Linux 4.18. */
export const MINOR_VERSION_MIN = 27;

/**
 * Pages in one request, unless told otherwise: with header and arguments this fills the longest
 * ring that QEMU makes. Kernels clamp it, to their own limit and to their ring.
 */
export const MAX_PAGES_DEFAULT = 1020;

/** Requests that a kernel without FUSE_MAX_PAGES sends: 32 pages. */
const PAGES_BEFORE_MAX_PAGES = 32;

const PAGE_BYTES = 4096;

/** INIT of kernels before 7.36 ends before `flags2`. */
export const INIT_IN_BYTES_MIN = fuseInitIn.at.flags2;

/** Requests that the kernel may have under way in the background (readahead), and when it slows. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

/**
 * What is wanted of the kernel. Content never changes, so it may cache everything, and
 * EXPLICIT_INVAL_DATA keeps it from dropping pages on its own. Not here, and never to be without
 * POSIX_ACL: ALLOW_IDMAP, which breaks mounts.
 */
const WANTED =
  FUSE_ASYNC_READ |
  FUSE_BIG_WRITES |
  FUSE_DO_READDIRPLUS |
  FUSE_READDIRPLUS_AUTO |
  FUSE_ASYNC_DIO |
  FUSE_NO_OPEN_SUPPORT |
  FUSE_PARALLEL_DIROPS |
  FUSE_MAX_PAGES |
  FUSE_CACHE_SYMLINKS |
  FUSE_NO_OPENDIR_SUPPORT |
  FUSE_EXPLICIT_INVAL_DATA |
  FUSE_INIT_EXT;

/**
 * And of the kernel of a share that can be written to. It is the only one that changes the share: it
 * collects what is written (WRITEBACK_CACHE), and the flags of opening, locks and the like are its
 * own affair. What depends on an ACL or happens together with a change is ours: the umask
 * (DONT_MASK), clearing suid and sgid (HANDLE_KILLPRIV_V2, SETXATTR_EXT).
 */
const WANTED_WRITABLE =
  WANTED |
  FUSE_WRITEBACK_CACHE |
  FUSE_DONT_MASK |
  FUSE_POSIX_ACL |
  FUSE_HANDLE_KILLPRIV_V2 |
  FUSE_SETXATTR_EXT;

export class Session {
  /** INIT has succeeded: other requests may come. */
  open = false;
  /** The minor version that both sides speak. */
  minor = 0;
  /** The kernel takes ENOSYS from OPEN (OPENDIR) as "always succeeds, and do not ask again". */
  zeroMessageOpen = false;
  zeroMessageOpendir = false;
  /** SETXATTR's arguments are `struct fuse_setxattr_in` in full. */
  longSetxattr = false;
  /** The kernel has data and sizes that it has not sent yet. */
  kernelCollectsWrites = false;
  readonly #maxPages: number;

  constructor(maxPages: number) {
    this.#maxPages = maxPages;
  }

  close(): void {
    this.open = false;
    this.zeroMessageOpen = false;
    this.zeroMessageOpendir = false;
    this.longSetxattr = false;
    this.kernelCollectsWrites = false;
  }

  /**
   * Answers INIT, of a share that is `writable` or not: returns the length of what it put into the reply's scratch, or -EPROTO. A later
   * major gets ours, and the session stays closed: the kernel sends another INIT or gives up.
   */
  negotiate(request: RequestCursor, reply: ReplyWriter, writable: boolean): number {
    const offer = fuseInitIn.at;
    const major = request.u32(offer.major);
    const minor = request.u32(offer.minor);
    this.close();
    if (major < FUSE_KERNEL_VERSION) return -EPROTO;
    if (major > FUSE_KERNEL_VERSION) {
      fuseInitOut.write(reply.scratch, PAYLOAD, {
        major: FUSE_KERNEL_VERSION,
        minor: FUSE_KERNEL_MINOR_VERSION,
      });
      return fuseInitOut.size;
    }
    if (minor < MINOR_VERSION_MIN) return -EPROTO;
    const flags = request.u32(offer.flags) & (writable ? WANTED_WRITABLE : WANTED);
    const pages = (flags & FUSE_MAX_PAGES) !== 0 ? this.#maxPages : PAGES_BEFORE_MAX_PAGES;
    this.minor = Math.min(minor, FUSE_KERNEL_MINOR_VERSION);
    fuseInitOut.write(reply.scratch, PAYLOAD, {
      major: FUSE_KERNEL_VERSION,
      minor: this.minor,
      max_readahead: request.u32(offer.max_readahead),
      flags: flags >>> 0,
      max_background: MAX_BACKGROUND,
      congestion_threshold: CONGESTION_THRESHOLD,
      max_write: pages * PAGE_BYTES,
      time_gran: 1,
      max_pages: (flags & FUSE_MAX_PAGES) !== 0 ? pages : 0,
    });
    this.zeroMessageOpen = (flags & FUSE_NO_OPEN_SUPPORT) !== 0;
    this.zeroMessageOpendir = (flags & FUSE_NO_OPENDIR_SUPPORT) !== 0;
    this.kernelCollectsWrites = (flags & FUSE_WRITEBACK_CACHE) !== 0;
    this.longSetxattr = (flags & FUSE_SETXATTR_EXT) !== 0;
    this.open = true;
    return fuseInitOut.size;
  }
}
