/* BLAKE3 after the specification of its authors (2021): chunks of 1024 bytes, a binary tree above. */
#include "blake3-compress.h"

static inline uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

#define G(a, b, c, d, x, y)                \
    do {                                   \
        s[a] += s[b] + (x);                \
        s[d] = rotate(s[d] ^ s[a], 16);    \
        s[c] += s[d];                      \
        s[b] = rotate(s[b] ^ s[c], 12);    \
        s[a] += s[b] + (y);                \
        s[d] = rotate(s[d] ^ s[a], 8);     \
        s[c] += s[d];                      \
        s[b] = rotate(s[b] ^ s[c], 7);     \
    } while (0)

/* The compression function, cut to the eight words that a chaining value or digest needs. */
static void compress(uint32_t cv[8], const uint8_t block[64], uint64_t counter, uint32_t length,
                     uint32_t flags)
{
    uint32_t m[16], s[16];
    for (int i = 0; i < 16; i++)
        m[i] = blake3_load32(block + 4 * i);
    for (int i = 0; i < 8; i++)
        s[i] = cv[i];
    for (int i = 0; i < 4; i++)
        s[8 + i] = BLAKE3_IV[i];
    s[12] = (uint32_t)counter;
    s[13] = (uint32_t)(counter >> 32);
    s[14] = length;
    s[15] = flags;
#pragma GCC unroll 7
    for (int r = 0; r < 7; r++) {
        const uint8_t *o = BLAKE3_SCHEDULE[r];
        G(0, 4, 8, 12, m[o[0]], m[o[1]]);
        G(1, 5, 9, 13, m[o[2]], m[o[3]]);
        G(2, 6, 10, 14, m[o[4]], m[o[5]]);
        G(3, 7, 11, 15, m[o[6]], m[o[7]]);
        G(0, 5, 10, 15, m[o[8]], m[o[9]]);
        G(1, 6, 11, 12, m[o[10]], m[o[11]]);
        G(2, 7, 8, 13, m[o[12]], m[o[13]]);
        G(3, 4, 9, 14, m[o[14]], m[o[15]]);
    }
    for (int i = 0; i < 8; i++)
        cv[i] = s[i] ^ s[i + 8];
}

/* One chunk of 0..1024 bytes; root is BLAKE3_ROOT when the whole input is this chunk, else 0. */
static void hash_chunk(const uint8_t *bytes, size_t length, uint64_t counter, uint32_t root,
                       uint32_t cv[8])
{
    uint32_t start = BLAKE3_CHUNK_START;
    memcpy(cv, BLAKE3_IV, sizeof BLAKE3_IV);
    while (length > 64) {
        compress(cv, bytes, counter, 64, start);
        start = 0;
        bytes += 64;
        length -= 64;
    }
    uint8_t last[64] = {0};
    memcpy(last, bytes, length);
    compress(cv, last, counter, (uint32_t)length, start | BLAKE3_CHUNK_END | root);
}

/* right becomes the chaining value of the parent of (left, right). */
static void hash_parent(const uint32_t left[8], uint32_t right[8], uint32_t root)
{
    uint8_t block[64];
    memcpy(block, left, 32);
    memcpy(block + 32, right, 32);
    memcpy(right, BLAKE3_IV, sizeof BLAKE3_IV);
    compress(right, block, 0, 64, BLAKE3_PARENT | root);
}

/* Puts a finished chunk's value on the stack, after joining the subtrees that it completes. */
static void push(struct blake3 *h, uint32_t cv[8])
{
    h->chunks++;
    for (uint64_t n = h->chunks; (n & 1) == 0; n >>= 1)
        hash_parent(h->stack[--h->depth], cv, 0);
    memcpy(h->stack[h->depth++], cv, 32);
}

/* Hashes count whole chunks that are not the last of the input. */
static void push_chunks(struct blake3 *h, const uint8_t *bytes, size_t count)
{
    uint32_t cvs[BLAKE3_LANES][8];
    while (count > 0) {
        size_t done = 1;
        if (count >= BLAKE3_LANES && __builtin_cpu_supports("avx2")) {
            blake3_avx2_chunks(bytes, h->chunks, cvs);
            done = BLAKE3_LANES;
        } else {
            hash_chunk(bytes, BLAKE3_CHUNK, h->chunks, 0, cvs[0]);
        }
        for (size_t i = 0; i < done; i++)
            push(h, cvs[i]);
        bytes += done * BLAKE3_CHUNK;
        count -= done;
    }
}

void blake3_start(struct blake3 *h)
{
    h->depth = 0;
    h->chunks = 0;
    h->held = 0;
}

void blake3_update(struct blake3 *h, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    while (length > 0) {
        if (h->held == sizeof h->buffer) { /* more follows, so none of these is the last */
            push_chunks(h, h->buffer, BLAKE3_LANES);
            h->held = 0;
        }
        if (h->held == 0 && length > sizeof h->buffer) { /* straight from the caller's memory */
            size_t whole = (length - 1) / sizeof h->buffer * BLAKE3_LANES;
            push_chunks(h, bytes, whole);
            bytes += whole * BLAKE3_CHUNK;
            length -= whole * BLAKE3_CHUNK;
        }
        size_t room = sizeof h->buffer - h->held;
        size_t take = length < room ? length : room;
        memcpy(h->buffer + h->held, bytes, take);
        h->held += take;
        bytes += take;
        length -= take;
    }
}

void blake3_finish(struct blake3 *h, uint8_t digest[BLAKE3_BYTES])
{
    size_t before = h->held == 0 ? 0 : (h->held - 1) / BLAKE3_CHUNK;
    push_chunks(h, h->buffer, before);
    uint32_t cv[8];
    hash_chunk(h->buffer + before * BLAKE3_CHUNK, h->held - before * BLAKE3_CHUNK, h->chunks,
               h->depth == 0 ? BLAKE3_ROOT : 0, cv);
    while (h->depth > 0) {
        h->depth--;
        hash_parent(h->stack[h->depth], cv, h->depth == 0 ? BLAKE3_ROOT : 0);
    }
    memcpy(digest, cv, BLAKE3_BYTES);
}
