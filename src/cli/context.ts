import type { ArgumentBytes } from "./argument-bytes.ts";
import type { Output } from "./output.ts";

/** What every command is given by main.ts; nothing else reads argv, the environment or streams. */
export interface Context {
  /** Results. */
  readonly out: Output;
  /** Progress, notices, errors. */
  readonly err: Output;
  /** Arguments as bytes. */
  readonly args: ArgumentBytes;
}
