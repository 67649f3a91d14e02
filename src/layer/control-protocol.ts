/**
 * What a command and the daemon that serves a layer say to one another over the layer's control
 * socket: lines of JSON, a question and its answer at a time.
 *
 *     hold    Get everything that the guest has written into the layer, and make no batch until
 *             `pinned`. From now on nothing that the layer holds is overwritten or freed.
 *     pinned  The command has its snapshot of the database: batches may be made again.
 *
 * The end of the connection, however it comes about, releases what is held. One command holds a
 * layer at a time.
 */

/** Bytes of one line, at the most. */
export const CONTROL_LINE_BYTES_MAX = 4096;

/** How long a command may take from the answer to "hold" to "pinned", in milliseconds. */
export const PIN_MILLISECONDS_MAX = 10_000;

export type ControlQuestion = { readonly op: "hold" } | { readonly op: "pinned" };

export type ControlAnswer =
  /** `milliseconds`: since the question. */
  | { readonly ok: true; readonly milliseconds: number }
  | { readonly ok: false; readonly message: string };

/** Undefined: no question. */
export function parseQuestion(line: string): ControlQuestion | undefined {
  const op = property(line, "op");
  return op === "hold" || op === "pinned" ? { op } : undefined;
}

/** Undefined: no answer. */
export function parseAnswer(line: string): ControlAnswer | undefined {
  const ok = property(line, "ok");
  if (ok === true) {
    const milliseconds = property(line, "milliseconds");
    return typeof milliseconds === "number" ? { ok, milliseconds } : undefined;
  }
  const message = property(line, "message");
  return ok === false && typeof message === "string" ? { ok, message } : undefined;
}

function property(line: string, name: string): unknown {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== "object" || value === null) return undefined;
    return (value as Readonly<Record<string, unknown>>)[name];
  } catch {
    return undefined;
  }
}
