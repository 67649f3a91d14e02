/* Rules for reading the directory of 10,000 entries, entry-00000 to entry-09999. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "behaviour.h"

enum { MANY = 10000, MARKS = 100 };

static char seen[MANY];

/* Notes an entry of the big directory; answers false for a stranger or one that came before. */
static int note(const char *name)
{
    char *end;
    if (strncmp(name, "entry-", 6) != 0 || strlen(name) != 11)
        return 0;
    long number = strtol(name + 6, &end, 10);
    if (*end != 0 || number < 0 || number >= MANY || seen[number])
        return 0;
    seen[number] = 1;
    return 1;
}

static int is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Reads a stream to its end: true when every entry came exactly once, and both dots. */
static int complete(DIR *stream)
{
    int count = 0, dots = 0, strangers = 0;
    memset(seen, 0, sizeof seen);
    for (struct dirent *d; (d = readdir(stream)) != NULL;) {
        if (is_dot(d->d_name))
            dots++;
        else if (note(d->d_name))
            count++;
        else
            strangers++;
    }
    return count == MANY && dots == 2 && strangers == 0;
}

/* The raw system call with a buffer that holds only a few entries. */
static int complete_in_small_steps(const char *path, unsigned buffer_size)
{
    char buffer[1024];
    int fd = open(path, O_RDONLY | O_DIRECTORY), count = 0;
    memset(seen, 0, sizeof seen);
    for (;;) {
        long got = syscall(SYS_getdents64, fd, buffer, buffer_size);
        if (got <= 0)
            break;
        for (long at = 0; at < got;) {
            struct dirent64 *d = (struct dirent64 *)(buffer + at);
            if (!is_dot(d->d_name))
                count += note(d->d_name) ? 1 : MANY;
            at += d->d_reclen;
        }
    }
    close(fd);
    return count == MANY;
}

/* Remembers where every hundredth entry began, and comes back to each, last one first. */
static int seek_back(DIR *stream)
{
    static char names[MARKS][256];
    static long marks[MARKS];
    rewinddir(stream);
    for (int i = 0; i < MANY; i++) {
        long here = telldir(stream);
        struct dirent *d = readdir(stream);
        if (d == NULL)
            return 0;
        if (i % (MANY / MARKS) == 0) {
            marks[i / (MANY / MARKS)] = here;
            strcpy(names[i / (MANY / MARKS)], d->d_name);
        }
    }
    for (int m = MARKS - 1; m >= 0; m--) {
        seekdir(stream, marks[m]);
        struct dirent *d = readdir(stream);
        if (d == NULL || strcmp(d->d_name, names[m]) != 0)
            return 0;
    }
    return 1;
}

void check_listing(void)
{
    DIR *stream = opendir("many");
    if (stream == NULL) {
        rule(0, "the directory of 10,000 entries opens");
        return;
    }
    rule(complete(stream), "10,000 entries are listed, each once, with . and ..");
    rewinddir(stream);
    rule(complete(stream), "and again after rewinddir");
    rule(seek_back(stream), "seekdir finds every remembered place, backwards");
    rule(complete_in_small_steps("many", 100), "getdents with room for two entries lists them all");
    rule(complete_in_small_steps("many", 1024), "getdents with room for 1 KiB lists them all");

    struct stat self, parent;
    ino_t dot = 0, dotdot = 0;
    rewinddir(stream);
    for (struct dirent *d; (d = readdir(stream)) != NULL;) {
        if (strcmp(d->d_name, ".") == 0)
            dot = d->d_ino;
        if (strcmp(d->d_name, "..") == 0)
            dotdot = d->d_ino;
    }
    closedir(stream);
    rule(stat("many", &self) == 0 && dot == self.st_ino, ". is listed with the directory's inode");
    rule(stat(".", &parent) == 0 && dotdot == parent.st_ino, ".. is listed with the parent's inode");
    struct stat before;
    stat("empty-directory", &before);
    stream = opendir("empty-directory");
    int count = 0;
    while (stream != NULL && readdir(stream) != NULL)
        count++;
    if (stream != NULL)
        closedir(stream);
    rule(count == 2, "an empty directory lists . and .. only");
    struct stat after;
    stat("many", &after);
    rule(after.st_size == self.st_size, "a directory's size stays the same after it was read");
}
