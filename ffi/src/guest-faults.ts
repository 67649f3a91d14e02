/**
 * A VM manager can truncate the memory that it shares. Touching what is gone raises SIGBUS; the shim
 * then puts zeroes in place of the region, and counts. A device looks here after touching guest
 * memory and drops the connection.
 */
import { viewNative } from "./native-memory.ts";
import { shim } from "./shim.ts";

/** This thread's counter: thread-local memory of the shim. */
const faults = new Uint32Array(viewNative(shim.guestFaults(), 4));

/**
 * Has guest memory been lost under this thread since the last time this was asked? Costs a load and
 * a compare.
 */
export function guestMemoryFaulted(): boolean {
  if (faults[0] === 0) return false;
  faults[0] = 0;
  return true;
}
