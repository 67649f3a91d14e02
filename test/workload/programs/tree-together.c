/* Files and names that several processes of tree-ops use at once. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tree-ops.h"

enum { RECORD = 64, WITHOUT_NAME_MAX = 4, CONTENDED_NAMES = 6, PROCESSES = 64 };

static void write_record(char record[RECORD + 1], unsigned number, unsigned long at)
{
    int length = snprintf(record, RECORD + 1, "p%u %lu ", number, at);
    memset(record + length, 'a' + (int)(at % 26), (size_t)(RECORD - 1 - length));
    record[RECORD - 1] = '\n';
    record[RECORD] = 0;
}

void append_to_log(struct process *p)
{
    static unsigned long appended;
    char record[RECORD + 1];
    int fd = open(LOG, O_WRONLY | O_APPEND);
    write_record(record, p->number, appended++);
    if (fd < 0 || write(fd, record, RECORD) != RECORD || close(fd) != 0)
        model_fault(p, LOG, "append");
}

int check_log(unsigned processes)
{
    unsigned long next[PROCESSES] = {0}, at = 0;
    char record[RECORD + 1] = "", expected[RECORD + 1];
    FILE *log = fopen(LOG, "r");
    if (log == NULL || processes > PROCESSES) {
        perror(LOG);
        return 1;
    }
    for (; fread(record, 1, RECORD, log) == RECORD; at++) {
        unsigned number = processes;
        if (sscanf(record, "p%u ", &number) != 1 || number >= processes)
            break;
        write_record(expected, number, next[number]++);
        if (memcmp(record, expected, RECORD) != 0)
            break;
    }
    int whole = feof(log);
    fclose(log);
    if (!whole)
        fprintf(stderr, "tree-ops: %s: record %lu is not the next of any process: %.63s\n", LOG,
                at, record);
    return !whole;
}

/* A file that is open and has no name any more; its bytes are all `value`. */
static struct {
    int fd;
    off_t size;
    uint8_t value;
} without_name[WITHOUT_NAME_MAX];
static int without_names;

static void check_without_name(struct process *p, int which)
{
    static uint8_t bytes[CONTENT_MAX];
    struct stat st;
    off_t size = without_name[which].size;
    if (fstat(without_name[which].fd, &st) != 0 || st.st_nlink != 0 || st.st_size != size)
        model_fault(p, "a file without a name", "fstat gives nlink %lu, size %lld, not %lld",
                    (unsigned long)st.st_nlink, (long long)st.st_size, (long long)size);
    ssize_t got = pread(without_name[which].fd, bytes, sizeof bytes, 0);
    if (got != (ssize_t)size)
        model_fault(p, "a file without a name", "read gives %zd, not %lld", got, (long long)size);
    for (ssize_t i = 0; i < got; i++)
        if (bytes[i] != without_name[which].value)
            model_fault(p, "a file without a name", "byte %zd is %02x, not %02x", i, bytes[i],
                        without_name[which].value);
}

void use_without_name(struct process *p)
{
    if (without_names == WITHOUT_NAME_MAX) {
        int which = (int)below(&p->chance, WITHOUT_NAME_MAX);
        check_without_name(p, which);
        if (close(without_name[which].fd) != 0)
            model_fault(p, "a file without a name", "close");
        without_name[which] = without_name[--without_names];
        return;
    }
    char path[PATH_BYTES];
    static uint8_t bytes[CONTENT_MAX];
    int which = without_names++;
    snprintf(path, sizeof path, "%s/p%u-unlinked-%lu", p->own->name, p->number, p->step);
    without_name[which].fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    without_name[which].size = (off_t)below(&p->chance, CONTENT_MAX);
    without_name[which].value = (uint8_t)below(&p->chance, 256);
    memset(bytes, without_name[which].value, CONTENT_MAX);
    ssize_t half = without_name[which].size / 2, rest = without_name[which].size - half;
    if (without_name[which].fd < 0 || write(without_name[which].fd, bytes, (size_t)half) != half ||
        unlink(path) != 0 || write(without_name[which].fd, bytes, (size_t)rest) != rest)
        model_fault(p, path, "making a file without a name");
    p->own->inode->seen = 0;
    check_without_name(p, which);
}

static void contended_name(struct process *p, char *path, size_t size)
{
    int first = (int)below(&p->chance, CONTENDED_NAMES);
    int second = (int)below(&p->chance, CONTENDED_NAMES);
    if (one_in(&p->chance, 2))
        snprintf(path, size, CONTENDED "/n%d", first);
    else
        snprintf(path, size, CONTENDED "/n%d/n%d", first, second);
}

void contend(struct process *p)
{
    static const int fitting[] = {ENOENT, EEXIST, ENOTEMPTY, EISDIR, ENOTDIR, EINVAL, EPERM};
    char path[64], other[64];
    struct stat st;
    contended_name(p, path, sizeof path);
    contended_name(p, other, sizeof other);
    int result = 0, fd;
    uint64_t what = below(&p->chance, 9);
    switch (what) {
    case 0: result = mkdir(path, 0755); break;
    case 1:
        result = fd = open(path, O_CREAT | O_RDWR, 0644);
        if (fd >= 0 && (write(fd, path, 16) != 16 || close(fd) != 0))
            model_fault(p, path, "write");
        break;
    case 2: result = unlink(path); break;
    case 3: result = rmdir(path); break;
    case 4: result = rename(path, other); break;
    case 5: result = renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE); break;
    case 6: result = link(path, other); break;
    case 7: result = chmod(path, 0700); break;
    default: result = lstat(path, &st);
    }
    for (unsigned i = 0; result < 0 && i < sizeof fitting / sizeof *fitting; i++)
        if (errno == fitting[i])
            result = 0;
    if (result < 0)
        model_fault(p, path, "contended step %d with %s: %s", (int)what, other, strerror(errno));
}

int check_contended(const char *directory)
{
    DIR *listing = opendir(directory);
    struct stat st;
    if (listing == NULL || stat(directory, &st) != 0) {
        perror(directory);
        return 1;
    }
    unsigned long subdirectories = 0;
    int faults = 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char path[4096];
        struct stat at;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (lstat(path, &at) != 0) {
            perror(path);
            faults++;
        } else if (S_ISDIR(at.st_mode)) {
            subdirectories++;
            faults += check_contended(path);
        }
    }
    closedir(listing);
    if (st.st_nlink != 2 + subdirectories && st.st_nlink != 1) { /* 1: nobody counts (btrfs) */
        fprintf(stderr, "tree-ops: %s: nlink %lu with %lu subdirectories\n", directory,
                (unsigned long)st.st_nlink, subdirectories);
        faults++;
    }
    return faults;
}
