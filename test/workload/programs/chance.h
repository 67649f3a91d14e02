/* Random numbers that a seed repeats: the same steps on every machine. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* splitmix64: any 64-bit seed is as good as another. */
struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *c)
{
    uint64_t z = (c->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below limit; 0 where limit is 0. */
static inline uint64_t below(struct chance *c, uint64_t limit)
{
    return limit == 0 ? 0 : chance_next(c) % limit;
}

static inline int one_in(struct chance *c, uint64_t limit)
{
    return below(c, limit) == 0;
}

/* Lengths as programs have them: mostly small, seldom as long as limit. */
static inline uint64_t some_length(struct chance *c, uint64_t limit)
{
    return 1 + below(c, one_in(c, 4) ? limit : one_in(c, 2) ? limit / 16 + 1 : limit / 128 + 1);
}

static inline void fill(struct chance *c, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = i % 8 == 0 ? (uint8_t)(chance_next(c) | 1) : (uint8_t)(bytes[i - 1] * 5 + 7);
}
