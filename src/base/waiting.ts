/**
 * Statuses beside MISSING, for requests that wait for a writable layer. No guest ever sees them.
 */

/**
 * The layer has to get on first (memory is full of what is not written back, a range is being
 * flushed). Nothing has changed: the request is put aside and run again from its start when the
 * layer has made progress.
 */
export const WAITING = -0x1_0001;

/**
 * The request has been performed, but for the disk: it is answered, as a success without a payload
 * or with an errno, when the ticket in `SyncTicket.last` is settled. It is not run again.
 */
export const SYNCING = -0x1_0002;

/** Where a file system leaves the ticket of the request for which it returned SYNCING. */
export interface SyncTicket {
  /** Tickets rise; one settled means that all before it are. */
  last: number;
}
