/**
 * A status beside 0 and the negated errnos, below all of them: what would answer the request is not
 * in the local store, and a source may have it. No guest ever sees it: the request is put aside and
 * run again from its start once what it lacked is there. So whoever returns it has changed nothing.
 */
export const MISSING = -0x1_0000;
