/* What blake3.c and blake3-avx2.c share: constants of the compression function. */
#ifndef CHECK_BLAKE3_COMPRESS_H
#define CHECK_BLAKE3_COMPRESS_H

#include <stdint.h>
#include <string.h>

#include "blake3.h"

enum { BLAKE3_CHUNK_START = 1, BLAKE3_CHUNK_END = 2, BLAKE3_PARENT = 4, BLAKE3_ROOT = 8 };

static const uint32_t BLAKE3_IV[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/* Row r: the order in which round r takes the message words (row r+1 = permutation of row r). */
static const uint8_t BLAKE3_SCHEDULE[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

static inline uint32_t blake3_load32(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4); /* the checker runs on little-endian machines only */
    return word;
}

/* Hashes BLAKE3_LANES whole chunks that lie one after another; counter is the first one's number. */
void blake3_avx2_chunks(const uint8_t *input, uint64_t counter, uint32_t out[BLAKE3_LANES][8]);

#endif
