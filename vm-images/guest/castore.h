/* The digest that castore gives a tree, worked out from the tree alone. */
#ifndef CHECK_CASTORE_H
#define CHECK_CASTORE_H

#include "blake3.h"

/*
 * The digest of the directory at root: BLAKE3 of its canonical snix.castore.v1.Directory message, the
 * same for what is below. Answers 0, or -1 after saying on stderr what cannot be read.
 */
int castore_root(const char *root, uint8_t digest[BLAKE3_BYTES]);

#endif
