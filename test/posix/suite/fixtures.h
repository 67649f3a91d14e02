/* What cases are made of: entries of each kind, other users, names at their limits, times. */
#ifndef FIXTURES_H
#define FIXTURES_H

#include "suite.h"

enum kind { REGULAR, DIRECTORY, FIFO, SOCKET, SYMLINK, CHARACTER, BLOCK, KINDS };

/* All kinds in turn, named in messages. */
#define each_kind(each) \
    enum kind each = 0; each < KINDS && trying(kind_names[each]); each++
extern const char *const kind_names[KINDS];

/* Makes an entry, 0644 (directories 0755); a symlink leads nowhere. A failure is a fault. */
void make(enum kind kind, const char *path);
/* Makes a regular file with a content. */
void make_file(const char *path, const char *content);
/* The S_IFMT bits of a kind. */
mode_t kind_bits(enum kind kind);
/* unlink, or rmdir for directories. */
int take_away(enum kind kind, const char *path);

/* Two users without privileges, their groups, and a group that either may be in. */
#define ALICE 5001
#define BOB 5002
#define TEAM 5100
/* The process goes on as that user, in no other group; root's powers can come back. */
void as(uid_t uid, gid_t gid);
void as_member(uid_t uid, gid_t gid, gid_t another);
void as_root(void);
/* A directory that anybody may write to. */
void make_open_directory(const char *path);

/* Fields of lstat; a failure is a fault. */
struct stat status(const char *path);
#define mode_of(path) (status(path).st_mode & 07777)
#define links_of(path) ((long)status(path).st_nlink)
#define size_of(path) ((long long)status(path).st_size)
#define inode_of(path) (status(path).st_ino)

/* The content of a small file as a string, "" when it cannot be read; lives until the next call. */
const char *content_of(const char *path);

/* A name of so many bytes; lives until the next call but one. */
const char *long_name(size_t length);
/* A path of so many bytes that means `name` here, by way of "./././"; as above. */
const char *long_path(size_t length, const char *name);
#define NAME_BYTES_MAX 255
#define PATH_BYTES_MAX 4095

/* The kernel drops names, attributes and contents that it remembers, so that what comes next is
 * answered by the file system. Does nothing unless it was allowed: it is for a machine of our own. */
void forget(void);
void allow_forgetting(void);

/* What a moment later is stamped is stamped later. */
void later(void);
/* Finds how far the clock of the file system is from ours, and sets ours where that is allowed. */
int measure_clock(const char *directory, int may_set);

#define A_TIME 1u
#define M_TIME 2u
#define C_TIME 4u
/* The call succeeds, moves these times of `path` forward, and leaves mtime and ctime else alone. */
#define touches(times, path, call)                                                   \
    do {                                                                             \
        struct stat before_ = status(path);                                          \
        later();                                                                     \
        ok(call);                                                                    \
        check_times(__LINE__, #call, &before_, path, (times));                       \
    } while (0)
/* However the call ends, no time of `path` changes. */
#define leaves(path, call)                                                           \
    do {                                                                             \
        struct stat before_ = status(path);                                          \
        later();                                                                     \
        call;                                                                        \
        check_times(__LINE__, #call, &before_, path, 0);                             \
    } while (0)
void check_times(int line, const char *call, const struct stat *before, const char *path,
                 unsigned moved);
int is_before(struct timespec a, struct timespec b);

#endif
