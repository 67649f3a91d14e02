/* A manifest: one line for every entry below a directory, in the order of the names' bytes. */
#ifndef CHECK_MANIFEST_H
#define CHECK_MANIFEST_H

#include <stdio.h>

#include "reading.h"

struct manifest_options {
    int expected;          /* the tree is an original: print the modes that castore gives it */
    int jobs;              /* processes that share the entries between them, 1..64 */
    enum way way;          /* how files are read */
    int progress;          /* says how far it is, a few times a second: "@progress FILES BYTES" */
    const char *attribute; /* extended attribute that must hold the digest, or NULL */
};

/* Prints the manifest of the tree at root to stdout. Answers how many faults were found. */
long print_manifest(const char *root, const struct manifest_options *options);

/* Writes length bytes to out; what is not plain printable ASCII, and backslash, as \xHH. */
void print_escaped(FILE *out, const char *bytes, size_t length);

#endif
