/*
 * file-ops: does random things to files and compares them with arrays that had the same done to them.
 *
 *   file-ops [--seed N] [--steps N] [--seconds N] [--processes N] [--size BYTES] [--keep]
 *           [--sync-before-seek] DIRECTORY
 *
 * Every process has one file, DIRECTORY/file-SEED. With --keep a file that is there already is gone
 * on with (its bytes are believed once), and none is removed at the end. With --sync-before-seek
 * what was written is on the disk before holes are asked for: a FUSE client with a write-back cache
 * asks its server for holes in what that has not got yet. Steps of the same seed are
 * the same steps, with --seconds as well, only that they end earlier.
 *
 * Exit code 0: all that was read was what was written; 1: a fault, told with the last steps before
 * it; 2: wrong use.
 */
#define _GNU_SOURCE
#include "file-ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STEPS_REMEMBERED = 16, STEP_TEXT = 120, PROCESSES_MAX = 64 };

static char remembered[STEPS_REMEMBERED][STEP_TEXT];
static unsigned long step;

void note(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(remembered[step % STEPS_REMEMBERED], STEP_TEXT, format, arguments);
    va_end(arguments);
}

void fault(struct subject *s, const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "file-ops: seed %lu, step %lu: ", s->seed, step);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (errno %d, %s)\n", error, strerror(error));
    va_end(arguments);
    for (unsigned long i = step < STEPS_REMEMBERED ? 0 : step - STEPS_REMEMBERED + 1; i <= step; i++)
        fprintf(stderr, "  step %lu: %s\n", i, remembered[i % STEPS_REMEMBERED]);
    exit(1);
}

void compare(struct subject *s, const uint8_t *found, off_t at, size_t length, const char *how)
{
    if (memcmp(found, s->model + at, length) == 0)
        return;
    size_t first = 0, wrong = 0;
    while (found[first] == s->model[at + (off_t)first])
        first++;
    for (size_t i = first; i < length; i++)
        wrong += found[i] != s->model[at + (off_t)i];
    errno = 0;
    fault(s, "%s: byte %#llx is %02x, not %02x; %zu of %zu bytes from %#llx on are wrong", how,
          (unsigned long long)at + first, found[first], s->model[at + (off_t)first], wrong, length,
          (unsigned long long)at);
}

void check_size(struct subject *s)
{
    struct stat by_file, by_name;
    if (fstat(s->fd, &by_file) != 0 || stat(s->path, &by_name) != 0)
        fault(s, "stat");
    if (by_file.st_size != s->size || by_name.st_size != s->size)
        fault(s, "size is %lld by file, %lld by name, not %lld", (long long)by_file.st_size,
              (long long)by_name.st_size, (long long)s->size);
}

void check_all(struct subject *s, const char *how)
{
    check_size(s);
    for (off_t at = 0; at < s->size;) {
        ssize_t got = pread(s->fd, s->buffer, s->limit, at);
        if (got <= 0)
            fault(s, "%s: pread at %#llx gives %zd", how, (long long)at, got);
        compare(s, s->buffer, at, (size_t)got, how);
        at += got;
    }
}

void open_all(struct subject *s, int flags)
{
    s->fd = open(s->path, O_RDWR | flags, 0644);
    s->appending = open(s->path, O_WRONLY | O_APPEND);
    if (s->fd < 0 || s->appending < 0)
        fault(s, "open");
    s->direct = open(s->path, O_RDWR | O_DIRECT); /* not every file system has it */
}

void close_all(struct subject *s)
{
    if (close(s->fd) != 0 || close(s->appending) != 0 || (s->direct >= 0 && close(s->direct) != 0))
        fault(s, "close");
}

struct run {
    unsigned long steps;
    time_t until; /* 0: no limit */
    int keep;
};

static int run_subject(struct subject *s, const struct run *run)
{
    s->model = calloc(1, s->limit + PAGE);
    if (s->model == NULL || posix_memalign((void **)&s->buffer, PAGE, s->limit + PAGE) != 0)
        abort();
    note("open");
    open_all(s, run->keep ? O_CREAT : O_CREAT | O_TRUNC);
    struct stat st;
    if (fstat(s->fd, &st) != 0 || (size_t)st.st_size > s->limit)
        fault(s, "a file to go on with has %lld bytes", (long long)st.st_size);
    while (s->size < st.st_size) {
        ssize_t got = pread(s->fd, s->model + s->size, (size_t)(st.st_size - s->size), s->size);
        if (got <= 0)
            fault(s, "reading what is there");
        s->size += got;
    }
    for (step = 1; step <= run->steps && (run->until == 0 || time(NULL) < run->until); step++)
        random_step(s);
    note("the end");
    check_all(s, "at the end");
    close_all(s);
    printf("file-ops: seed %lu: %lu steps, %lld bytes at the end, %llu written", s->seed, step - 1,
           (long long)s->size, (unsigned long long)s->written);
    print_unsupported();
    putchar('\n');
    if (!run->keep && unlink(s->path) != 0)
        fault(s, "unlink");
    return 0;
}

static int usage(void)
{
    fputs("usage: file-ops [--seed N] [--steps N] [--seconds N] [--processes N] [--size BYTES] "
          "[--keep] [--sync-before-seek] DIRECTORY\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct subject s = {.seed = 1, .limit = 256 * 1024};
    struct run run = {.steps = 1000};
    unsigned long processes = 1;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--keep") == 0) {
            run.keep = 1;
            continue;
        }
        if (strcmp(argv[i], "--sync-before-seek") == 0) {
            s.syncs_before_seek = 1;
            continue;
        }
        if (i + 1 == argc)
            return usage();
        const char *name = argv[i];
        unsigned long value = strtoul(argv[++i], NULL, 0);
        if (strcmp(name, "--seed") == 0)
            s.seed = value;
        else if (strcmp(name, "--steps") == 0)
            run.steps = value;
        else if (strcmp(name, "--seconds") == 0)
            run.until = time(NULL) + (time_t)value;
        else if (strcmp(name, "--processes") == 0)
            processes = value;
        else if (strcmp(name, "--size") == 0)
            s.limit = value;
        else
            return usage();
    }
    if (i + 1 != argc || processes < 1 || processes > PROCESSES_MAX || s.limit < 4 * PAGE)
        return usage();
    const char *directory = argv[i];
    for (unsigned long process = 0; process < processes; process++, s.seed++) {
        if (fork() != 0)
            continue;
        snprintf(s.path, sizeof s.path, "%s/file-%lu", directory, s.seed);
        s.chance.state = s.seed;
        exit(run_subject(&s, &run));
    }
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status != 0;
    return failed;
}
