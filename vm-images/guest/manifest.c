/*
 *   f 0444 4096 <digest> path         a file: mode, bytes, BLAKE3
 *   d 0555 - - path                   a directory
 *   l - 7 - path -> target            a symlink: bytes of its target
 *   ! path: what is wrong             faults, after the entries
 *   # files 1 directories 1 symlinks 1 bytes 4096 seconds 0.1
 *
 * With several jobs every process walks the tree, and takes each entry whose number it is the
 * turn of; the lines are put together in order at the end.
 */
#define _GNU_SOURCE
#include "manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

struct totals {
    long files, directories, symlinks, faults;
    int64_t bytes;
};

struct walk {
    const struct manifest_options *options;
    int job;      /* this process's number */
    long number;  /* of the next entry */
    char *path;   /* of the current entry, relative to the root */
    size_t length, room;
    FILE *lines, *faults;
    struct totals *totals; /* of this job, in memory shared by all */
    int64_t next_report;   /* when progress is next told, in milliseconds */
};

struct entry {
    char *name;
    ino_t ino;
    unsigned char type;
};

void print_escaped(FILE *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c > 0x20 && c < 0x7f && c != '\\')
            putc(c, out);
        else
            fprintf(out, "\\x%02x", c);
    }
}

__attribute__((format(printf, 2, 3))) static void fault(struct walk *w, const char *format, ...)
{
    va_list arguments;
    fputs("! ", w->faults);
    print_escaped(w->faults, w->path, w->length);
    fputs(": ", w->faults);
    va_start(arguments, format);
    vfprintf(w->faults, format, arguments);
    va_end(arguments);
    putc('\n', w->faults);
    w->totals->faults++;
}

static void append(struct walk *w, const char *name)
{
    size_t extra = strlen(name) + 2;
    if (w->length + extra > w->room) {
        w->room = (w->length + extra) * 2;
        w->path = realloc(w->path, w->room);
    }
    w->length += (size_t)sprintf(w->path + w->length, "%s%s", w->length > 0 ? "/" : "", name);
}

static void hex(char out[2 * BLAKE3_BYTES + 1], const uint8_t digest[BLAKE3_BYTES])
{
    for (int i = 0; i < BLAKE3_BYTES; i++)
        sprintf(out + 2 * i, "%02x", digest[i]);
}

/* The attribute holds "blake3-<base64>" of the digest that the file's bytes really have. */
static void check_attribute(struct walk *w, int dir, const char *name, const uint8_t *digest)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char wanted[64] = "blake3-", found[64] = "";
    size_t at = strlen(wanted);
    for (int i = 0; i < BLAKE3_BYTES; i += 3) {
        uint32_t three = (uint32_t)digest[i] << 16 | (uint32_t)digest[i + 1] << 8 |
                         (i + 2 < BLAKE3_BYTES ? digest[i + 2] : 0u);
        for (int shift = 18; shift >= 0; shift -= 6)
            wanted[at++] = digits[three >> shift & 63];
    }
    wanted[at - 1] = '='; /* 32 bytes leave one digit of padding */
    int fd = openat(dir, name, O_RDONLY);
    ssize_t length = fgetxattr(fd, w->options->attribute, found, sizeof found - 1);
    if (length < 0)
        fault(w, "%s: %s", w->options->attribute, strerror(errno));
    else if (strcmp(found, wanted) != 0)
        fault(w, "%s is %s, the bytes have %s", w->options->attribute, found, wanted);
    close(fd);
}

static void print_file(struct walk *w, int dir, const char *name, const struct stat *st)
{
    uint8_t digest[BLAKE3_BYTES];
    char text[2 * BLAKE3_BYTES + 1] = "-";
    int64_t bytes = read_whole(dir, name, st->st_size, w->options->way, digest);
    if (bytes < 0)
        fault(w, "reading by %s: %s", way_names[w->options->way], strerror(errno));
    else if (bytes != st->st_size)
        fault(w, "st_size %lld, but %lld bytes read", (long long)st->st_size, (long long)bytes);
    if (bytes >= 0) {
        hex(text, digest);
        w->totals->bytes += bytes;
        if (w->options->attribute != NULL)
            check_attribute(w, dir, name, digest);
    }
    unsigned mode = st->st_mode & 07777;
    if (w->options->expected)
        mode = mode & 0100 ? 0555 : 0444;
    fprintf(w->lines, "f %04o %lld %s ", mode, (long long)st->st_size, text);
    w->totals->files++;
}

static void print_symlink(struct walk *w, int dir, const char *name, const struct stat *st)
{
    char target[4097];
    ssize_t length = readlinkat(dir, name, target, sizeof target);
    if (length < 0) {
        fault(w, "readlink: %s", strerror(errno));
        length = 0;
    } else if (length != st->st_size) {
        fault(w, "st_size %lld, but a target of %zd bytes", (long long)st->st_size, length);
    }
    fprintf(w->lines, "l - %zd - ", length);
    print_escaped(w->lines, w->path, w->length);
    fputs(" -> ", w->lines);
    print_escaped(w->lines, target, (size_t)length);
    putc('\n', w->lines);
    w->totals->symlinks++;
}

/* What holds for every entry of a share, whatever its content; not asked of an original. */
static void check_entry(struct walk *w, const struct entry *e, const struct stat *st)
{
    if (e->ino != st->st_ino)
        fault(w, "d_ino %llu, but st_ino %llu", (unsigned long long)e->ino,
              (unsigned long long)st->st_ino);
    if (e->type != IFTODT(st->st_mode))
        fault(w, "d_type %d for mode %o", e->type, st->st_mode);
    if (st->st_nlink < 1)
        fault(w, "nlink is 0");
    if (st->st_uid != 0 || st->st_gid != 0)
        fault(w, "owned by %u:%u", st->st_uid, st->st_gid);
    if (!S_ISDIR(st->st_mode) && st->st_blocks != (st->st_size + 511) / 512)
        fault(w, "%lld blocks for %lld bytes", (long long)st->st_blocks, (long long)st->st_size);
}

static void print_entry(struct walk *w, int dir, const struct entry *e)
{
    struct stat st;
    if (fstatat(dir, e->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        fault(w, "stat: %s", strerror(errno));
        return;
    }
    if (!w->options->expected)
        check_entry(w, e, &st);
    if (S_ISLNK(st.st_mode)) {
        print_symlink(w, dir, e->name, &st);
        return;
    }
    if (S_ISREG(st.st_mode)) {
        print_file(w, dir, e->name, &st);
    } else if (S_ISDIR(st.st_mode)) {
        fprintf(w->lines, "d %04o - - ", w->options->expected ? 0555 : st.st_mode & 07777);
        w->totals->directories++;
    } else {
        fprintf(w->lines, "? %o - - ", st.st_mode);
    }
    print_escaped(w->lines, w->path, w->length);
    putc('\n', w->lines);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

/* Reads all entries of an open directory, sorted; the names are the caller's to free. */
static struct entry *list(struct walk *w, DIR *stream, size_t *count)
{
    struct entry *entries = NULL;
    size_t room = 0;
    *count = 0;
    for (;;) {
        errno = 0;
        struct dirent *d = readdir(stream);
        if (d == NULL)
            break;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (*count == room) {
            room = room * 2 + 64;
            entries = realloc(entries, room * sizeof *entries);
        }
        entries[(*count)++] = (struct entry){strdup(d->d_name), d->d_ino, d->d_type};
    }
    if (errno != 0)
        fault(w, "readdir: %s", strerror(errno));
    if (*count > 0)
        qsort(entries, *count, sizeof *entries, by_name);
    return entries;
}

/* One job tells for all of them; straight to the descriptor, ahead of what stdio holds back. */
static void report_progress(struct walk *w)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t milliseconds = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (milliseconds < w->next_report)
        return;
    w->next_report = milliseconds + 250;
    long files = 0;
    int64_t bytes = 0;
    for (int job = 0; job < w->options->jobs; job++) {
        files += w->totals[job].files;
        bytes += w->totals[job].bytes;
    }
    dprintf(STDOUT_FILENO, "@progress %ld %lld\n", files, (long long)bytes);
}

/* Takes over fd, an open directory whose path is w->path. */
static void walk(struct walk *w, int fd)
{
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL) {
        fault(w, "opening: %s", strerror(errno));
        return;
    }
    size_t count, length = w->length;
    struct entry *entries = list(w, stream, &count);
    for (size_t i = 0; i < count; i++) {
        append(w, entries[i].name);
        if (w->number++ % w->options->jobs == w->job)
            print_entry(w, fd, &entries[i]);
        if (w->options->progress && w->job == 0)
            report_progress(w);
        if (entries[i].type == DT_DIR)
            walk(w, openat(fd, entries[i].name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        w->length = length;
        w->path[length] = 0;
        free(entries[i].name);
    }
    free(entries);
    closedir(stream);
}

static void run_job(const char *root, struct walk *w)
{
    walk(w, open(root, O_RDONLY | O_DIRECTORY));
    fflush(w->lines);
    fflush(w->faults);
}

long print_manifest(const char *root, const struct manifest_options *options)
{
    int jobs = options->jobs;
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    struct totals *totals = mmap(NULL, (size_t)jobs * sizeof *totals, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct walk walks[jobs];
    for (int job = 0; job < jobs; job++) {
        walks[job] = (struct walk){.options = options,
                                   .job = job,
                                   .path = calloc(1, 4096),
                                   .room = 4096,
                                   .lines = fdopen(memfd_create("lines", 0), "w+"),
                                   .faults = fdopen(memfd_create("faults", 0), "w+"),
                                   .totals = &totals[job]};
        if (jobs == 1) {
            run_job(root, &walks[job]);
        } else if (fork() == 0) {
            run_job(root, &walks[job]);
            _exit(0);
        }
    }
    struct totals sum = {0};
    for (int status; jobs > 1 && wait(&status) > 0;)
        if (status != 0) {
            printf("! a job ended with status %d\n", status);
            sum.faults++;
        }
    char *line = NULL;
    size_t room = 0;
    for (int job = 0; job < jobs; job++) {
        rewind(walks[job].lines);
        rewind(walks[job].faults);
    }
    for (int job = 0; getline(&line, &room, walks[job].lines) > 0; job = (job + 1) % jobs)
        fputs(line, stdout);
    for (int job = 0; job < jobs; job++) {
        while (getline(&line, &room, walks[job].faults) > 0)
            fputs(line, stdout);
        sum.files += totals[job].files;
        sum.directories += totals[job].directories;
        sum.symlinks += totals[job].symlinks;
        sum.faults += totals[job].faults;
        sum.bytes += totals[job].bytes;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("# files %ld directories %ld symlinks %ld bytes %lld seconds %.2f\n", sum.files,
           sum.directories, sum.symlinks, (long long)sum.bytes,
           (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return sum.faults;
}
