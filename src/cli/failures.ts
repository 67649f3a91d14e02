/** Turns whatever a command threw into one line, a hint and an exit code. */
import { CommanderError } from "commander";
import { CastoreError } from "../castore/errors.ts";
import { DaemonError } from "../daemon/errors.ts";
import { LayerRefusal } from "../layer/errors.ts";
import {
  CorruptObject,
  ExportError,
  ImportError,
  InvalidGraph,
  MissingObject,
  SourceUnavailable,
  StoreError,
} from "../store/errors.ts";
import { CommandError } from "./command-error.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

export interface Failure {
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** `command` is the one that was asked for, when it is known. */
export function describeFailure(error: unknown, command: string | undefined): Failure {
  if (error instanceof CommandError) {
    return { exitCode: error.exitCode, message: error.message, hint: error.hint };
  }
  if (error instanceof CommanderError) return wrongUse(error, command);
  if (error instanceof DaemonError) {
    return { exitCode: EXIT.serve, message: error.message, hint: error.hint };
  }
  if (error instanceof StoreError) {
    const exitCode = storeItself(error) ? EXIT.store : EXIT.failed;
    const where = error.path === undefined || error.message.includes(error.path);
    const message = where ? error.message : `${error.path}: ${error.message}`;
    return { exitCode, message, hint: error.remedy };
  }
  if (error instanceof CastoreError) {
    return { exitCode: EXIT.failed, message: error.message, hint: undefined };
  }
  // By name: its class comes with the native libraries, which most commands do without.
  if (error instanceof Error && error.name === "NativeLibraryError") {
    return {
      exitCode: EXIT.serve,
      message: error.message,
      hint: "make build in the checkout builds what is missing",
    };
  }
  if (isSystemError(error))
    return { exitCode: EXIT.failed, message: systemText(error), hint: undefined };
  const text = error instanceof Error ? error.message : String(error);
  return {
    exitCode: EXIT.bug,
    message: `a bug in castorefs: ${text}`,
    hint: "CASTOREFS_DEBUG=1 shows where it happened",
  };
}

/** Whether the store as a whole is the trouble, not something in it or what goes in or out. */
function storeItself(error: StoreError): boolean {
  const others = [
    CorruptObject,
    ExportError,
    ImportError,
    InvalidGraph,
    LayerRefusal,
    MissingObject,
    SourceUnavailable,
  ];
  return !others.some((kind) => error instanceof kind);
}

function wrongUse(error: CommanderError, command: string | undefined): Failure {
  if (error.code === "commander.help") {
    return {
      exitCode: EXIT.usage,
      message: "no such command",
      hint: "castorefs --help lists them",
    };
  }
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const suggestion = /^\(Did you mean (.*)\?\)$/.exec(rest.join(" "))?.[1];
  const help = `castorefs ${command === undefined ? "" : `${command} `}--help`;
  return {
    exitCode: EXIT.usage,
    message: first,
    hint: suggestion === undefined ? `${help} shows how it is used` : `did you mean ${suggestion}?`,
  };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error && "code" in error;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EEXIST: "it exists already",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left",
  ENOTDIR: "it is not a directory",
  ENOTEMPTY: "it is not empty",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
};

/** `PATH: no such file or directory`, as other commands say it. */
function systemText(error: NodeJS.ErrnoException): string {
  const reason = REASONS[error.code ?? ""] ?? error.message;
  return error.path === undefined ? `${error.syscall}: ${reason}` : `${error.path}: ${reason}`;
}
