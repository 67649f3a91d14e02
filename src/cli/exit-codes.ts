/** What the command line tells its caller by its exit status. */
export const EXIT = {
  /** All of it was done. */
  ok: 0,
  /** The work could not be done: no such entry, rotten content, a file that cannot be read. */
  failed: 1,
  /** `diff`: the trees differ. What keeps it from telling ends it with `usage` instead of `failed`. */
  differs: 1,
  /** Wrong use: an unknown option, a malformed value, a missing argument. */
  usage: 2,
  /** The store, or the layer, is absent, is none, cannot be read, or is held by another. */
  store: 3,
  /** `serve` could not begin (its socket, its root), or its device thread failed. */
  serve: 4,
  /** A bug of ours. */
  bug: 70,
  /** Ended by SIGINT, in good order (128 + 2, as a shell has it). */
  interrupted: 130,
  /** Whoever read our output went away (128 + SIGPIPE, as for any other command). */
  brokenPipe: 141,
  /** Ended by SIGTERM, in good order (128 + 15). */
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The epilogue of `castorefs --help`. */
export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    the work failed: no such entry, rotten content, an unreadable file; diff: trees differ;
       layer rebase: conflicts; layer commit --strict: not all can be kept
  2    wrong use: an unknown option, a malformed value; diff: it cannot tell
  3    the store or the layer is absent, is none, cannot be read, or is in use by another
  4    serve could not begin (its socket, its root), or its device failed
  70   a bug in castorefs
  130  ended by SIGINT; 143: by SIGTERM
  141  whoever read the output went away`;
