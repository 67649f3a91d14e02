/* The ways in which a program gets at a file's bytes; every one must give the same bytes. */
#ifndef CHECK_READING_H
#define CHECK_READING_H

#include <stdint.h>

#include "blake3.h"

enum way {
    BY_READ,     /* read() of 256 KiB at a time */
    BY_ODD,      /* pread() of odd sizes at odd offsets, and one past the end */
    BY_MMAP,     /* a private mapping of the whole file */
    BY_SENDFILE, /* sendfile() through a pipe: the kernel's splice path */
    BY_DIRECT,   /* O_DIRECT at odd offsets: past the page cache, straight to the device */
    WAYS
};

extern const char *const way_names[WAYS];

/*
 * Reads the file name in the directory dir to its end and puts the digest of the bytes into
 * digest. Answers how many bytes there were, or -1 with errno set.
 */
int64_t read_whole(int dir, const char *name, int64_t size, enum way way,
                   uint8_t digest[BLAKE3_BYTES]);

#endif
