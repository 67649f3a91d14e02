/* The steps of file-ops: each does one thing to the file and the same to the model. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "file-ops.h"

struct range {
    off_t at;
    size_t length;
};

/* A range that ends at limit at the latest. */
static struct range some_range(struct subject *s, off_t limit)
{
    struct range r;
    r.at = (off_t)below(&s->chance, (uint64_t)limit);
    if (one_in(&s->chance, 3))
        r.at -= r.at % PAGE;
    r.length = some_length(&s->chance, (uint64_t)(limit - r.at));
    if (one_in(&s->chance, 3) && r.length > PAGE)
        r.length -= r.length % PAGE;
    if (r.length > (size_t)(limit - r.at))
        r.length = (size_t)(limit - r.at);
    return r;
}

static void grow_to(struct subject *s, off_t end)
{
    if (end > s->size)
        s->size = end;
}

static size_t readable(struct subject *s, struct range r)
{
    if (r.at >= s->size)
        return 0;
    return r.length < (size_t)(s->size - r.at) ? r.length : (size_t)(s->size - r.at);
}

/* New bytes for the range, in the model and in the buffer. */
static const uint8_t *new_bytes(struct subject *s, struct range r)
{
    if (one_in(&s->chance, 10))
        memset(s->buffer, 0, r.length);
    else
        fill(&s->chance, s->buffer, r.length);
    memcpy(s->model + r.at, s->buffer, r.length);
    s->written += r.length;
    return s->buffer;
}

static void expect_length(struct subject *s, ssize_t got, size_t wanted)
{
    if (got != (ssize_t)wanted)
        fault(s, "moved %zd bytes, not %zu", got, wanted);
}

static int do_read(struct subject *s)
{
    struct range r = some_range(s, (off_t)s->limit);
    note("read %#llx+%#zx", (long long)r.at, r.length);
    size_t wanted = readable(s, r);
    expect_length(s, pread(s->fd, s->buffer, r.length, r.at), wanted);
    compare(s, s->buffer, r.at, wanted, "read");
    return 0;
}

static int do_write(struct subject *s)
{
    struct range r = some_range(s, (off_t)s->limit);
    note("write %#llx+%#zx (size %#llx)", (long long)r.at, r.length, (long long)s->size);
    const uint8_t *bytes = new_bytes(s, r);
    expect_length(s, pwrite(s->fd, bytes, r.length, r.at), r.length);
    grow_to(s, r.at + (off_t)r.length);
    return 0;
}

/* In three pieces, on disk before it returns. */
static int do_write_through(struct subject *s)
{
    struct range r = some_range(s, (off_t)s->limit);
    note("write through %#llx+%#zx", (long long)r.at, r.length);
    uint8_t *bytes = (uint8_t *)new_bytes(s, r);
    size_t third = r.length / 3;
    struct iovec pieces[] = {
        {bytes, third}, {bytes + third, third}, {bytes + 2 * third, r.length - 2 * third}};
    expect_length(s, pwritev2(s->fd, pieces, 3, r.at, one_in(&s->chance, 2) ? RWF_DSYNC : RWF_SYNC),
                  r.length);
    grow_to(s, r.at + (off_t)r.length);
    return 0;
}

static int do_append(struct subject *s)
{
    struct range r = {s->size, some_length(&s->chance, 2 * PAGE)};
    if (r.at + r.length > s->limit)
        return 0;
    note("append %#llx+%#zx", (long long)r.at, r.length);
    const uint8_t *bytes = new_bytes(s, r);
    expect_length(s, write(s->appending, bytes, r.length), r.length);
    grow_to(s, r.at + (off_t)r.length);
    return 0;
}

static struct range whole_pages(struct subject *s)
{
    struct range r = some_range(s, (off_t)s->limit - PAGE);
    r.at -= r.at % PAGE;
    r.length = (r.length + PAGE - 1) / PAGE * PAGE;
    if (r.at + r.length > s->limit)
        r.length -= PAGE;
    return r;
}

static int do_direct_read(struct subject *s)
{
    if (s->direct < 0)
        return EOPNOTSUPP;
    struct range r = whole_pages(s);
    note("direct read %#llx+%#zx", (long long)r.at, r.length);
    size_t wanted = readable(s, r);
    expect_length(s, pread(s->direct, s->buffer, r.length, r.at), wanted);
    compare(s, s->buffer, r.at, wanted, "direct read");
    return 0;
}

static int do_direct_write(struct subject *s)
{
    if (s->direct < 0)
        return EOPNOTSUPP;
    struct range r = whole_pages(s);
    note("direct write %#llx+%#zx", (long long)r.at, r.length);
    const uint8_t *bytes = new_bytes(s, r);
    expect_length(s, pwrite(s->direct, bytes, r.length, r.at), r.length);
    grow_to(s, r.at + (off_t)r.length);
    return 0;
}

static uint8_t *map(struct subject *s, struct range *r, int protection)
{
    *r = some_range(s, s->size);
    r->length += (size_t)(r->at % PAGE);
    r->at -= r->at % PAGE;
    uint8_t *bytes = mmap(NULL, r->length, protection, MAP_SHARED, s->fd, r->at);
    if (bytes == MAP_FAILED)
        fault(s, "mmap");
    return bytes;
}

static int do_mapped_read(struct subject *s)
{
    if (s->size == 0)
        return 0;
    struct range r;
    const uint8_t *bytes = map(s, &r, PROT_READ);
    note("mapped read %#llx+%#zx", (long long)r.at, r.length);
    compare(s, bytes, r.at, r.length, "mapped read");
    if (r.at + (off_t)r.length == s->size)
        for (size_t i = r.length; i % PAGE != 0; i++)
            if (bytes[i] != 0)
                fault(s, "mapped byte %zu behind the end is %02x", i - r.length, bytes[i]);
    munmap((void *)bytes, r.length);
    return 0;
}

static int do_mapped_write(struct subject *s)
{
    if (s->size == 0)
        return 0;
    struct range r;
    uint8_t *bytes = map(s, &r, PROT_READ | PROT_WRITE);
    note("mapped write %#llx+%#zx", (long long)r.at, r.length);
    memcpy(bytes, new_bytes(s, r), r.length);
    if (one_in(&s->chance, 4) && msync(bytes, r.length, MS_SYNC) != 0)
        fault(s, "msync");
    munmap(bytes, r.length);
    return 0;
}

static int do_truncate(struct subject *s)
{
    off_t size = one_in(&s->chance, 8) ? 0 : (off_t)below(&s->chance, s->limit + 1);
    if (one_in(&s->chance, 3))
        size -= size % PAGE;
    note("truncate %#llx to %#llx", (long long)s->size, (long long)size);
    if ((one_in(&s->chance, 2) ? ftruncate(s->fd, size) : truncate(s->path, size)) != 0)
        fault(s, "truncate");
    if (size < s->size)
        memset(s->model + size, 0, (size_t)(s->size - size));
    s->size = size;
    check_size(s);
    return 0;
}

static int allocate(struct subject *s, int mode, const char *name)
{
    struct range r = some_range(s, (off_t)s->limit);
    note("%s %#llx+%#zx (size %#llx)", name, (long long)r.at, r.length, (long long)s->size);
    if (fallocate(s->fd, mode, r.at, (off_t)r.length) != 0) {
        if (errno == EOPNOTSUPP)
            return errno;
        fault(s, "fallocate");
    }
    size_t inside = readable(s, r);
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        memset(s->model + r.at, 0, inside);
    if (!(mode & FALLOC_FL_KEEP_SIZE))
        grow_to(s, r.at + (off_t)r.length);
    check_size(s);
    return 0;
}

static int do_allocate(struct subject *s)
{
    return allocate(s, 0, "allocate");
}

static int do_allocate_keeping_size(struct subject *s)
{
    return allocate(s, FALLOC_FL_KEEP_SIZE, "allocate, keep size");
}

static int do_punch(struct subject *s)
{
    return allocate(s, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, "punch");
}

static int do_zero(struct subject *s)
{
    return allocate(s, FALLOC_FL_ZERO_RANGE | (one_in(&s->chance, 2) ? FALLOC_FL_KEEP_SIZE : 0),
                    "zero range");
}

static int do_copy_range(struct subject *s)
{
    if (s->size < 2)
        return 0;
    struct range r = some_range(s, s->size / 2);
    off_t gap = (off_t)below(&s->chance, s->limit - 2 * r.length - (size_t)r.at + 1);
    off_t from = r.at, to = r.at + (off_t)r.length + gap;
    if (one_in(&s->chance, 2) && to + (off_t)r.length <= s->size) {
        from = to;
        to = r.at;
    }
    note("copy %#llx+%#zx to %#llx", (long long)from, r.length, (long long)to);
    size_t left = r.length;
    for (off_t in = from, out = to; left > 0;) {
        ssize_t got = copy_file_range(s->fd, &in, s->fd, &out, left, 0);
        if (got < 0 && (errno == EOPNOTSUPP || errno == EXDEV))
            return EOPNOTSUPP;
        if (got <= 0)
            fault(s, "copy_file_range gives %zd", got);
        left -= (size_t)got;
    }
    memmove(s->model + to, s->model + from, r.length);
    grow_to(s, to + (off_t)r.length);
    check_size(s);
    return 0;
}

/* A copy of the whole file, changed in one place, is that; the original is not changed. */
static int do_copy_file(struct subject *s)
{
    char copy[sizeof s->path + 8];
    snprintf(copy, sizeof copy, "%s.copy", s->path);
    note("copy to another file");
    int fd = open(copy, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        fault(s, "open of the copy");
    for (off_t in = 0, out = 0; in < s->size;) {
        ssize_t got = copy_file_range(s->fd, &in, fd, &out, (size_t)(s->size - in), 0);
        if (got < 0 && (errno == EOPNOTSUPP || errno == EXDEV)) {
            close(fd);
            unlink(copy);
            return EOPNOTSUPP;
        }
        if (got <= 0)
            fault(s, "copy_file_range gives %zd", got);
    }
    off_t at = (off_t)below(&s->chance, (uint64_t)s->size);
    uint8_t changed = (uint8_t)~s->model[at];
    if (s->size > 0 && pwrite(fd, &changed, 1, at) != 1)
        fault(s, "write to the copy");
    if (one_in(&s->chance, 2) && fsync(fd) != 0)
        fault(s, "fsync of the copy");
    expect_length(s, pread(fd, s->buffer, s->limit + PAGE, 0), (size_t)s->size);
    if (s->size > 0 && s->buffer[at] != changed)
        fault(s, "the copy's changed byte is %02x", s->buffer[at]);
    s->buffer[at] = s->model[at];
    compare(s, s->buffer, 0, (size_t)s->size, "copy");
    if (close(fd) != 0 || unlink(copy) != 0)
        fault(s, "removing the copy");
    check_all(s, "copied from");
    return 0;
}

/* What SEEK_DATA passes over is zero, and what it finds ends where SEEK_HOLE says. */
static int do_seek(struct subject *s)
{
    note("seek");
    if (s->syncs_before_seek && fdatasync(s->fd) != 0)
        fault(s, "fdatasync");
    for (off_t at = 0; at < s->size;) {
        off_t data = lseek(s->fd, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            fault(s, "SEEK_DATA from %#llx", (long long)at);
        off_t end = data < 0 ? s->size : data;
        if (end < at || end > s->size)
            fault(s, "SEEK_DATA from %#llx gives %#llx", (long long)at, (long long)end);
        for (; at < end; at++)
            if (s->model[at] != 0)
                fault(s, "SEEK_DATA passes over byte %#llx", (long long)at);
        if (data < 0)
            break;
        at = lseek(s->fd, data, SEEK_HOLE);
        if (at <= data || at > s->size)
            fault(s, "SEEK_HOLE from %#llx gives %#llx", (long long)data, (long long)at);
    }
    errno = 0;
    if (lseek(s->fd, s->size, SEEK_DATA) != -1 || errno != ENXIO)
        fault(s, "SEEK_DATA from the end");
    return 0;
}

static int do_sync(struct subject *s)
{
    note("sync");
    uint64_t how = below(&s->chance, 8);
    if ((how == 0 ? syncfs(s->fd) : how < 4 ? fsync(s->fd) : fdatasync(s->fd)) != 0)
        fault(s, "sync");
    return 0;
}

static int do_reopen(struct subject *s)
{
    note("reopen");
    close_all(s);
    int truncating = one_in(&s->chance, 16);
    open_all(s, truncating ? O_TRUNC : 0);
    if (truncating) {
        memset(s->model, 0, (size_t)s->size);
        s->size = 0;
    }
    check_all(s, "reopened");
    return 0;
}

static int do_forget(struct subject *s)
{
    note("forget what is cached");
    if (one_in(&s->chance, 2))
        close_all(s);
    else if (fsync(s->fd) != 0)
        fault(s, "fsync");
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
    if (fd >= 0) { /* only root may */
        if (write(fd, "3", 1) != 1)
            fault(s, "drop_caches");
        close(fd);
    }
    if (fcntl(s->fd, F_GETFD) < 0)
        open_all(s, 0);
    check_all(s, "from the disk");
    return 0;
}

static struct step {
    const char *name;
    unsigned weight;
    int (*take)(struct subject *s); /* 0, or EOPNOTSUPP with nothing done */
    unsigned long not_supported;
} steps[] = {
    {"read", 20, do_read, 0},
    {"write", 20, do_write, 0},
    {"write through", 2, do_write_through, 0},
    {"append", 4, do_append, 0},
    {"direct read", 4, do_direct_read, 0},
    {"direct write", 4, do_direct_write, 0},
    {"mapped read", 8, do_mapped_read, 0},
    {"mapped write", 8, do_mapped_write, 0},
    {"truncate", 6, do_truncate, 0},
    {"allocate", 2, do_allocate, 0},
    {"allocate keeping size", 2, do_allocate_keeping_size, 0},
    {"punch", 6, do_punch, 0},
    {"zero range", 4, do_zero, 0},
    {"copy range", 5, do_copy_range, 0},
    {"copy file", 1, do_copy_file, 0},
    {"seek", 2, do_seek, 0},
    {"sync", 2, do_sync, 0},
    {"reopen", 1, do_reopen, 0},
    {"forget", 1, do_forget, 0},
};

enum { STEPS = sizeof steps / sizeof *steps };

void random_step(struct subject *s)
{
    unsigned total = 0;
    for (int i = 0; i < STEPS; i++)
        total += steps[i].weight;
    uint64_t choice = below(&s->chance, total);
    int i = 0;
    while (choice >= steps[i].weight)
        choice -= steps[i++].weight;
    if (steps[i].take(s) != 0)
        steps[i].not_supported++;
}

void print_unsupported(void)
{
    for (int i = 0; i < STEPS; i++)
        if (steps[i].not_supported > 0)
            printf(", no %s", steps[i].name);
}
