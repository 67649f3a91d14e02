/** What goes wrong outside this process, as errors that can be told apart. */
import { getSystemErrorMessage, getSystemErrorName } from "node:util";

/** A system call failed. `code` is the errno's name ("ENOENT"). */
export class SystemError extends Error {
  override readonly name: string = "SystemError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  /** `errno` is positive. */
  constructor(errno: number, syscall: string, subject = "") {
    const what = subject === "" ? syscall : `${syscall} ${subject}`;
    super(`${what}: ${getSystemErrorMessage(-errno)}`);
    this.code = getSystemErrorName(-errno);
    this.errno = errno;
    this.syscall = syscall;
  }
}

/**
 * Why a socket could not be made: somebody listens there (`in-use`), something that is not a socket
 * has the name (`not-a-socket`), the path does not fit in a socket address (`name-too-long`), the
 * group does not exist (`no-such-group`), or another reason the system gives (`system`, in `cause`).
 */
export type ListenErrorCode =
  | "in-use"
  | "not-a-socket"
  | "name-too-long"
  | "no-such-group"
  | "system";

/** listenUnix() could not make the socket. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: ListenErrorCode;
  readonly path: string;

  constructor(code: ListenErrorCode, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

/** The native libraries are absent, of another version, or not what layout.json says. */
export class NativeLibraryError extends Error {
  override readonly name = "NativeLibraryError";
}

/** Throws a SystemError when a native function returned -errno; else returns its result. */
export function checked(result: number, syscall: string, subject?: string): number {
  if (result < 0) throw new SystemError(-result, syscall, subject);
  return result;
}
