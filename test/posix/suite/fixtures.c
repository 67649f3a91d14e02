#include "fixtures.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <time.h>

const char *const kind_names[KINDS] = {
    "regular file", "directory", "fifo", "socket", "symlink", "character device", "block device",
};

static const mode_t bits[KINDS] = {S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFLNK, S_IFCHR, S_IFBLK};

/* How much later a stamp is surely different: a tick of the kernel's clock, and what clocks differ. */
#define TICK_NANOSECONDS 9000000L
#define CLOCKS_DIFFER_NANOSECONDS_MAX 1500000000L
static long later_nanoseconds = TICK_NANOSECONDS;

mode_t kind_bits(enum kind kind)
{
    return bits[kind];
}

void make(enum kind kind, const char *path)
{
    mode_t mask = umask(022);
    switch (kind) {
    case DIRECTORY:
        ok(mkdir(path, 0755));
        break;
    case SYMLINK:
        ok(symlink("nowhere", path));
        break;
    case CHARACTER:
    case BLOCK:
        ok(mknod(path, bits[kind] | 0644, makedev(1, 7)));
        break;
    default:
        ok(mknod(path, bits[kind] | 0644, 0));
    }
    umask(mask);
}

void make_file(const char *path, const char *content)
{
    int fd = ok(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    same((long)strlen(content), write(fd, content, strlen(content)));
    ok(close(fd));
}

int take_away(enum kind kind, const char *path)
{
    return kind == DIRECTORY ? rmdir(path) : unlink(path);
}

static void become(uid_t uid, gid_t gid, size_t count, const gid_t *groups)
{
    /* The saved user stays root, so the way back is open; capabilities leave and come by themselves. */
    if (seteuid(0) != 0 || setgroups(count, groups) != 0 || setegid(gid) != 0 || seteuid(uid) != 0)
        abort();
}

void as(uid_t uid, gid_t gid)
{
    become(uid, gid, 0, NULL);
}

void as_member(uid_t uid, gid_t gid, gid_t another)
{
    become(uid, gid, 1, &another);
}

void as_root(void)
{
    become(0, 0, 0, NULL);
}

void make_open_directory(const char *path)
{
    ok(mkdir(path, 0755));
    ok(chmod(path, 0777));
}

struct stat status(const char *path)
{
    struct stat st;
    memset(&st, 0, sizeof st);
    ok(lstat(path, &st));
    return st;
}

const char *content_of(const char *path)
{
    static char content[4096];
    int fd = open(path, O_RDONLY);
    ssize_t length = fd < 0 ? 0 : read(fd, content, sizeof content - 1);
    content[length < 0 ? 0 : length] = 0;
    if (fd >= 0)
        close(fd);
    return content;
}

/* Two buffers in turn, so that a call can take two of them. */
static char *buffer(void)
{
    static char buffers[2][PATH_MAX * 2];
    static int turn;
    return buffers[turn ^= 1];
}

const char *long_name(size_t length)
{
    char *name = buffer();
    for (size_t i = 0; i < length; i++)
        name[i] = 'a' + i % 26;
    name[length] = 0;
    return name;
}

const char *long_path(size_t length, const char *name)
{
    char *path = buffer();
    size_t head = length - strlen(name);
    for (size_t i = 0; i < head; i++)
        path[i] = i % 2 == 0 ? '.' : '/';
    if (head % 2 == 1)
        path[head - 1] = '/'; /* "./" + "/" */
    strcpy(path + head, name);
    return path;
}

int is_before(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

static int may_forget;

void allow_forgetting(void)
{
    may_forget = 1;
}

void forget(void)
{
    if (!may_forget)
        return;
    int error = errno;
    uid_t uid = geteuid();
    if (seteuid(0) != 0)
        abort();
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
    if (fd < 0 || write(fd, "3", 1) != 1 || seteuid(uid) != 0)
        abort();
    close(fd);
    errno = error;
}

void later(void)
{
    struct timespec pause = {later_nanoseconds / 1000000000L, later_nanoseconds % 1000000000L};
    nanosleep(&pause, NULL);
}

static long long nanoseconds(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds(now);
}

#define CLOCK_LOOKS 6

/*
 * The file system's clock less ours, by a directory made now: a kernel stamps no directory itself.
 * `doubt` is by how much that may be wrong at the most: the quickest of some looks says it best.
 */
static int clock_difference(const char *directory, long long *difference, long long *doubt)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/clock", directory);
    *doubt = INT64_MAX;
    for (int i = 0; i < CLOCK_LOOKS; i++) {
        long long before = clock_now();
        if (mkdir(path, 0700) != 0)
            return -1;
        long long after = clock_now();
        if (stat(path, &st) != 0 || rmdir(path) != 0)
            return -1;
        if (after - before >= *doubt)
            continue;
        *doubt = after - before;
        *difference = nanoseconds(st.st_ctim) - (before + after) / 2;
    }
    return 0;
}

int measure_clock(const char *directory, int may_set)
{
    long long difference, doubt;
    if (clock_difference(directory, &difference, &doubt) != 0)
        return -1;
    if (may_set && llabs(difference) > TICK_NANOSECONDS) {
        long long right = clock_now() + difference;
        struct timespec now = {right / 1000000000LL, right % 1000000000LL};
        if (clock_settime(CLOCK_REALTIME, &now) != 0 ||
            clock_difference(directory, &difference, &doubt) != 0)
            return -1;
    }
    if (llabs(difference) + doubt > CLOCKS_DIFFER_NANOSECONDS_MAX)
        fprintf(stderr, "posix: its clock differs by %lld ms\n", difference / 1000000);
    else
        later_nanoseconds = TICK_NANOSECONDS + llabs(difference) + doubt;
    return 0;
}

static void check_time(int line, const char *call, const char *which, struct timespec before,
                       struct timespec after, int moved)
{
    char what[160];
    snprintf(what, sizeof what, "%s that has %s by %.80s", which, moved ? "moved" : "not moved", call);
    check_holds(line, what,
                moved ? is_before(before, after) : nanoseconds(before) == nanoseconds(after));
}

void check_times(int line, const char *call, const struct stat *before, const char *path,
                 unsigned moved)
{
    struct stat after = status(path);
    if (moved & A_TIME)
        check_time(line, call, "atime", before->st_atim, after.st_atim, 1);
    check_time(line, call, "mtime", before->st_mtim, after.st_mtim, moved & M_TIME);
    check_time(line, call, "ctime", before->st_ctim, after.st_ctim, moved & C_TIME);
}
