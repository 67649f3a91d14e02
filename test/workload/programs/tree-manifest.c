/* What a tree is at one time, as text, so that it can be compared with what it is at another. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree-ops.h"

/* FNV-1a: finds faults, withstands no adversary. */
static uint64_t hash(uint64_t state, const void *bytes, size_t length)
{
    for (const uint8_t *at = bytes; length > 0; at++, length--)
        state = (state ^ *at) * 0x100000001b3u;
    return state;
}

static const uint64_t HASH_START = 0xcbf29ce484222325u;

static uint64_t content_hash(const char *path, const struct stat *st)
{
    static uint8_t buffer[1 << 17];
    uint64_t state = HASH_START;
    if (S_ISLNK(st->st_mode)) {
        ssize_t got = readlink(path, (char *)buffer, sizeof buffer);
        return got < 0 ? 0 : hash(state, buffer, (size_t)got);
    }
    if (!S_ISREG(st->st_mode))
        return 0;
    int fd = open(path, O_RDONLY);
    ssize_t got;
    while ((got = read(fd, buffer, sizeof buffer)) > 0)
        state = hash(state, buffer, (size_t)got);
    close(fd);
    return got < 0 ? 0 : state;
}

/* The same in whatever order they are listed. */
static uint64_t attributes_hash(const char *path)
{
    char names[8192];
    static uint8_t value[1 << 16];
    uint64_t sum = 0;
    ssize_t listed = llistxattr(path, names, sizeof names);
    for (char *name = names; listed > 0 && name < names + listed; name += strlen(name) + 1) {
        ssize_t got = lgetxattr(path, name, value, sizeof value);
        uint64_t state = hash(HASH_START, name, strlen(name) + 1);
        sum += got < 0 ? 1 : hash(state, value, (size_t)got);
    }
    return sum;
}

static int print_entry(const char *path, const char *shown, int with_changed)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        perror(path);
        return 1;
    }
    long long size = S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size;
    printf("%s %06o %u:%u n%lu s%lld r%llx i%llu m%lld.%09ld ", shown, st.st_mode, st.st_uid,
           st.st_gid, (unsigned long)st.st_nlink, size, (unsigned long long)st.st_rdev,
           (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (with_changed)
        printf("c%lld.%09ld ", (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
    printf("%016llx %016llx\n", (unsigned long long)content_hash(path, &st),
           (unsigned long long)attributes_hash(path));
    return 0;
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int print_below(const char *path, const char *shown, int with_changed)
{
    struct dirent **entries;
    int count = scandir(path, &entries, not_dots, by_bytes), faults = 0;
    if (count < 0) {
        perror(path);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char below[PATH_BYTES], shown_below[PATH_BYTES];
        if (snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name) >= PATH_BYTES)
            abort();
        snprintf(shown_below, sizeof shown_below, "%.3800s/%s", shown, entries[i]->d_name);
        faults += print_entry(below, shown_below, with_changed);
        if (entries[i]->d_type == DT_DIR)
            faults += print_below(below, shown_below, with_changed);
        free(entries[i]);
    }
    free(entries);
    return faults;
}

int print_tree_manifest(const char *directory, int with_changed)
{
    return print_below(directory, "", with_changed);
}
