/**
 * A front-end did what the protocol does not allow. Thrown while a message is looked at, caught in
 * VhostUserDevice.dispatch(), which logs it; never leaves this package.
 */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** Refuses the message unless `condition` holds. */
export function demand(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new Refusal(reason);
}
