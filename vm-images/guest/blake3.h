/*
 * BLAKE3 (default mode, 32-byte digests), written for the guest checker: independent of the library
 * that castorefs uses, so that the two check each other.
 */
#ifndef CHECK_BLAKE3_H
#define CHECK_BLAKE3_H

#include <stddef.h>
#include <stdint.h>

enum { BLAKE3_BYTES = 32, BLAKE3_CHUNK = 1024, BLAKE3_LANES = 8 };

struct blake3 {
    uint32_t stack[54][8];  /* chaining values of finished subtrees; 2^54 chunks are 2^64 bytes */
    unsigned depth;         /* entries in stack */
    uint64_t chunks;        /* chunks whose chaining values went into stack */
    size_t held;            /* bytes in buffer: the newest ones, never known to be the last */
    uint8_t buffer[BLAKE3_LANES * BLAKE3_CHUNK];
};

void blake3_start(struct blake3 *h);
void blake3_update(struct blake3 *h, const void *bytes, size_t length);
void blake3_finish(struct blake3 *h, uint8_t digest[BLAKE3_BYTES]);

#endif
