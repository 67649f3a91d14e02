/**
 * What is counted for metrics: requests and error replies by opcode. One typed array, so that it may
 * lie in memory that the control thread sees. Slot 0 of each half is for unknown opcodes.
 */
import { FUSE_OPCODES_END } from "../abi/fuse-constants.ts";

/** Where the error replies begin. */
export const ERRORS = FUSE_OPCODES_END;

/** Length of the array. */
export const COUNTERS = 2 * FUSE_OPCODES_END;
