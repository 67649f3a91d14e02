/**
 * Cases of the conformance suite that fail, each with its reason. The test compares: a failure that is
 * not listed fails it, and so does a listed one that has gone.
 */
import type { FileSystem } from "./file-systems.ts";

interface KnownFailure {
  readonly on: readonly FileSystem[];
  readonly reason: string;
  /** "GROUP: TITLE" */
  readonly cases: readonly string[];
}

const NO_USER_ATTRIBUTES = "tmpfs has no extended attributes of users before Linux 6.6";

const KNOWN_FAILURES: readonly KnownFailure[] = [
  {
    on: ["tmpfs"],
    reason: NO_USER_ATTRIBUTES,
    cases: [
      "path: setxattr: names of 255 bytes, not of 256",
      "path: setxattr: paths of 4095 bytes, not of 4096",
      "path: setxattr: ELOOP after 40 symlinks",
      "path: setxattr: EACCES without search permission",
      "xattr: user attributes are kept, listed, replaced and removed, on files and directories",
      "xattr: XATTR_CREATE: EEXIST, XATTR_REPLACE: ENODATA",
      "xattr: ERANGE for a buffer too small, the length for none",
      "xattr: values of any bytes and of some size",
      "xattr: names of 255 bytes; ERANGE for longer or empty ones, E2BIG for values above 64 KiB",
      "xattr: user attributes need the file's permissions",
      "xattr: every name of an inode shows them, they go with it, a new file of the name has none",
      "xattr: by descriptor, without a name too; setting needs no descriptor for writing",
      "xattr: setting and removing move ctime alone, reading none",
      "xattr: several on one file",
    ],
  },
  {
    on: ["tmpfs"],
    reason: "tmpfs counts entries to find a place in a directory again, before Linux 6.6",
    cases: ["readdir: telldir and seekdir lead back to a place, also after removals"],
  },
  {
    on: ["virtiofsd", "virtiofsd-c", "castorefs"],
    reason:
      "the guest's kernel, when it collects writes, keeps mtime and ctime itself, and moves them at " +
      "truncate(2) only when the size changes (fs/fuse/dir.c, fuse_do_setattr)",
    cases: ["truncate: moves mtime and ctime when the size stays"],
  },
  {
    on: ["virtiofsd", "virtiofsd-c"],
    reason: "virtiofsd has no FUSE_TMPFILE",
    cases: [
      "O_TMPFILE: a file without a name that can be used, and is not in the directory",
      "O_TMPFILE: a name can be given to it, once it is full",
      "O_TMPFILE: with O_EXCL none can",
      "O_TMPFILE: needs write permission on the directory, and does not change it",
      "O_TMPFILE: owner, group and umask are those of any new file",
      "O_TMPFILE: many at once are many files",
    ],
  },
  {
    on: ["virtiofsd", "virtiofsd-c"],
    reason: "virtiofsd takes the maker's one group, not those that they are in besides",
    cases: ["open: there, set-group-ID with x is not granted to a maker outside the group"],
  },
  {
    on: ["virtiofsd", "virtiofsd-c"],
    reason: "it is asked for a hole before the guest's kernel has sent what was written",
    cases: ["lseek: the end of a file without holes is one"],
  },
  {
    on: ["virtiofsd", "virtiofsd-c"],
    reason: "virtiofsd reads by a descriptor of its own, which has no O_NOATIME",
    cases: ["times: O_NOATIME leaves it"],
  },
  {
    on: ["virtiofsd", "virtiofsd-c"],
    reason:
      "virtiofsd has no CAP_SYS_ADMIN, which the host wants for attributes of that name space",
    cases: [
      "xattr: trusted attributes are root's, on every kind, and others do not see them",
      "before: extended attributes and lists are put on what was there",
    ],
  },
  {
    on: ["virtiofsd", "virtiofsd-c"],
    reason: "the guest's kernel clears the bits at O_TRUNC only with FUSE_HANDLE_KILLPRIV_V2",
    cases: ["truncate: clears set-user-ID and set-group-ID of a program, as writing does"],
  },
];

/** The reasons of what is known to fail on a file system, by case. */
export function knownFailures(name: FileSystem): ReadonlyMap<string, string> {
  return new Map(
    KNOWN_FAILURES.filter(({ on }) => on.includes(name)).flatMap(({ reason, cases }) =>
      cases.map((title) => [title, reason]),
    ),
  );
}
