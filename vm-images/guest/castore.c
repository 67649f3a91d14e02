/*
 * castore's data model once more, from its definition: a share is right when the guest, which sees
 * nothing but files, comes to the very root digest that the import reported.
 *
 *   Directory      { repeated DirectoryEntry = 1; repeated FileEntry = 2; repeated SymlinkEntry = 3 }
 *   DirectoryEntry { bytes name = 1; bytes digest = 2; uint64 size = 3 }
 *   FileEntry      { bytes name = 1; bytes digest = 2; uint64 size = 3; bool executable = 4 }
 *   SymlinkEntry   { bytes name = 1; bytes target = 2 }
 *
 * Each list is sorted by the bytes of the names; fields that are 0 are left out (proto3). A
 * directory's size is its number of children and the sizes of its child directories.
 */
#define _GNU_SOURCE
#include "castore.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reading.h"

enum { VARINT = 0, BYTES = 2 }; /* wire types */

struct message {
    uint8_t *bytes;
    size_t length, room;
};

static void put(struct message *m, const void *bytes, size_t length)
{
    if (m->length + length > m->room) {
        m->room = (m->length + length) * 2;
        m->bytes = realloc(m->bytes, m->room);
    }
    memcpy(m->bytes + m->length, bytes, length);
    m->length += length;
}

static void put_varint(struct message *m, uint64_t value)
{
    uint8_t byte;
    for (; value >= 0x80; value >>= 7) {
        byte = (uint8_t)value | 0x80;
        put(m, &byte, 1);
    }
    byte = (uint8_t)value;
    put(m, &byte, 1);
}

static void put_bytes(struct message *m, int field, const void *bytes, size_t length)
{
    put_varint(m, (uint64_t)field << 3 | BYTES);
    put_varint(m, length);
    put(m, bytes, length);
}

static void put_number(struct message *m, int field, uint64_t value)
{
    if (value == 0)
        return;
    put_varint(m, (uint64_t)field << 3 | VARINT);
    put_varint(m, value);
}

static int in_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in an open directory, sorted. */
static char **names_of(DIR *stream, size_t *count)
{
    char **names = NULL;
    size_t room = 0;
    *count = 0;
    for (struct dirent *d; (d = readdir(stream)) != NULL;) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (*count == room) {
            room = room * 2 + 64;
            names = realloc(names, room * sizeof *names);
        }
        names[(*count)++] = strdup(d->d_name);
    }
    if (*count > 0)
        qsort(names, *count, sizeof *names, in_order);
    return names;
}

static int hash_directory(int fd, uint8_t digest[BLAKE3_BYTES], uint64_t *size);

/* Appends the entry for one name to the list that it belongs to. */
static int put_entry(struct message lists[3], int dir, const char *name, uint64_t *below)
{
    struct message entry = {0};
    struct stat st;
    uint8_t digest[BLAKE3_BYTES];
    char target[4097];
    int list;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    put_bytes(&entry, 1, name, strlen(name));
    if (S_ISDIR(st.st_mode)) {
        uint64_t size;
        if (hash_directory(openat(dir, name, O_RDONLY | O_DIRECTORY), digest, &size) != 0)
            return -1;
        put_bytes(&entry, 2, digest, sizeof digest);
        put_number(&entry, 3, size);
        *below += size;
        list = 0;
    } else if (S_ISREG(st.st_mode)) {
        if (read_whole(dir, name, st.st_size, BY_READ, digest) != st.st_size)
            return -1;
        put_bytes(&entry, 2, digest, sizeof digest);
        put_number(&entry, 3, (uint64_t)st.st_size);
        put_number(&entry, 4, (st.st_mode & 0100) != 0);
        list = 1;
    } else {
        ssize_t length = readlinkat(dir, name, target, sizeof target);
        if (length < 0)
            return -1;
        put_bytes(&entry, 2, target, (size_t)length);
        list = 2;
    }
    put_bytes(&lists[list], list + 1, entry.bytes, entry.length);
    free(entry.bytes);
    return 0;
}

/* Takes over fd. */
static int hash_directory(int fd, uint8_t digest[BLAKE3_BYTES], uint64_t *size)
{
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    struct message lists[3] = {0};
    size_t count;
    int failed = 0;
    if (stream == NULL)
        return -1;
    char **names = names_of(stream, &count);
    *size = count;
    for (size_t i = 0; i < count; i++) {
        if (!failed && put_entry(lists, fd, names[i], size) != 0) {
            perror(names[i]);
            failed = -1;
        }
        free(names[i]);
    }
    free(names);
    closedir(stream);
    struct blake3 *hash = malloc(sizeof *hash);
    blake3_start(hash);
    for (int list = 0; list < 3; list++) {
        blake3_update(hash, lists[list].bytes, lists[list].length);
        free(lists[list].bytes);
    }
    blake3_finish(hash, digest);
    free(hash);
    return failed;
}

int castore_root(const char *root, uint8_t digest[BLAKE3_BYTES])
{
    uint64_t size;
    return hash_directory(open(root, O_RDONLY | O_DIRECTORY), digest, &size);
}
