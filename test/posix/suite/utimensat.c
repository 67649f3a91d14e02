#include "fixtures.h"

#include <sys/time.h>
#include <utime.h>

#define GROUP "utimensat"

static int set(const char *path, struct timespec a, struct timespec m)
{
    return utimensat(AT_FDCWD, path, (struct timespec[]){a, m}, AT_SYMLINK_NOFOLLOW);
}
#define T(...) ((struct timespec){__VA_ARGS__})

static void check_both(int line, const char *path, struct timespec a, struct timespec m)
{
    struct stat st = status(path);
    check_same(line, "atime in s", a.tv_sec, st.st_atim.tv_sec, 0);
    check_same(line, "atime in ns", a.tv_nsec, st.st_atim.tv_nsec, 0);
    check_same(line, "mtime in s", m.tv_sec, st.st_mtim.tv_sec, 0);
    check_same(line, "mtime in ns", m.tv_nsec, st.st_mtim.tv_nsec, 0);
}
#define both(path, a, m) check_both(__LINE__, path, a, m)

CASE("sets atime and mtime of every kind of entry, to the nanosecond")
{
    for (each_kind(kind)) {
        make(kind, "x");
        ok(set("x", T(1000000000, 123456789), T(1100000000, 987654321)));
        both("x", T(1000000000, 123456789), T(1100000000, 987654321));
        forget();
        both("x", T(1000000000, 123456789), T(1100000000, 987654321));
        ok(take_away(kind, "x"));
    }
}

CASE("moves ctime")
{
    make(REGULAR, "x");
    touches(C_TIME, "x", set("x", T(1, 0), T(0, UTIME_OMIT)));
    struct stat before = status("x");
    later();
    ok(set("x", T(0, UTIME_OMIT), T(2, 0)));
    holds(is_before(before.st_ctim, status("x").st_ctim));
}

CASE("UTIME_OMIT leaves either, or both")
{
    make(REGULAR, "x");
    ok(set("x", T(100, 1), T(200, 2)));
    ok(set("x", T(0, UTIME_OMIT), T(300, 3)));
    both("x", T(100, 1), T(300, 3));
    ok(set("x", T(400, 4), T(0, UTIME_OMIT)));
    both("x", T(400, 4), T(300, 3));
    leaves("x", ok(set("x", T(0, UTIME_OMIT), T(0, UTIME_OMIT))));
    both("x", T(400, 4), T(300, 3));
}

CASE("UTIME_NOW is now, for either or both, and so is no times at all")
{
    make(REGULAR, "x");
    ok(set("x", T(100, 1), T(200, 2)));
    struct stat before = status("x");
    later();
    ok(set("x", T(0, UTIME_NOW), T(200, 2)));
    struct stat after = status("x");
    holds(is_before(before.st_ctim, after.st_atim));
    same(200, after.st_mtim.tv_sec);
    ok(set("x", T(100, 1), T(0, UTIME_NOW)));
    same(100, status("x").st_atim.tv_sec);
    holds(is_before(before.st_ctim, status("x").st_mtim));
    ok(set("x", T(100, 1), T(200, 2)));
    ok(utimensat(AT_FDCWD, "x", NULL, 0));
    holds(is_before(before.st_ctim, status("x").st_atim));
    holds(is_before(before.st_ctim, status("x").st_mtim));
}

CASE("times before 1970, and after 2038 and 2106")
{
    static const long seconds[] = {-1, -2147483647L, 2147483647L, 2147483648L, 4294967296L,
                                   10000000000L};
    make(REGULAR, "x");
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        ok(set("x", T(seconds[i], 5), T(seconds[i], 7)));
        both("x", T(seconds[i], 5), T(seconds[i], 7));
        forget();
        both("x", T(seconds[i], 5), T(seconds[i], 7));
    }
}

CASE("follows a symlink, unless told not to")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    ok(set("x", T(1, 0), T(2, 0)));
    ok(utimensat(AT_FDCWD, "link", (struct timespec[]){{3, 0}, {4, 0}}, 0));
    both("x", T(3, 0), T(4, 0));
    holds(status("link").st_mtim.tv_sec > 1000000);
    ok(set("link", T(5, 0), T(6, 0)));
    both("link", T(5, 0), T(6, 0));
    both("x", T(3, 0), T(4, 0));
}

CASE("futimens on a descriptor for reading, and on a file without a name")
{
    struct stat st;
    make(REGULAR, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(futimens(fd, (struct timespec[]){{10, 1}, {20, 2}}));
    both("x", T(10, 1), T(20, 2));
    ok(unlink("x"));
    ok(futimens(fd, (struct timespec[]){{30, 1}, {40, 2}}));
    ok(fstat(fd, &st));
    same(30, st.st_atim.tv_sec);
    same(40, st.st_mtim.tv_sec);
    fails(EBADF, futimens(-1, NULL));
}

CASE("a time that was set holds after contents were written earlier")
{
    int fd = ok(open("x", O_CREAT | O_RDWR, 0644));
    same(7, write(fd, "content", 7));
    ok(futimens(fd, (struct timespec[]){{10, 1}, {20, 2}}));
    ok(close(fd));
    both("x", T(10, 1), T(20, 2));
    fd = ok(open("x", O_RDONLY));
    ok(fsync(fd));
    forget();
    both("x", T(10, 1), T(20, 2));
}

CASE("any time is the owner's and root's to set: EPERM for others, writers as well")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    ok(chmod("x", 0666));
    as(BOB, BOB);
    leaves("x", fails(EPERM, set("x", T(1, 0), T(2, 0))));
    fails(EPERM, set("x", T(0, UTIME_NOW), T(2, 0)));
    fails(EPERM, set("x", T(0, UTIME_OMIT), T(0, UTIME_NOW)));
    fails(EPERM, set("x", T(0, UTIME_NOW), T(0, UTIME_OMIT)));
    as(ALICE, ALICE);
    ok(chmod("x", 0));
    ok(set("x", T(1, 0), T(2, 0)));
    both("x", T(1, 0), T(2, 0));
}

CASE("now is for whoever may write: EACCES for others")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    ok(chmod("x", 0644));
    as(BOB, BOB);
    fails(EACCES, utimensat(AT_FDCWD, "x", NULL, 0));
    fails(EACCES, set("x", T(0, UTIME_NOW), T(0, UTIME_NOW)));
    as_root();
    ok(chmod("x", 0646));
    as(BOB, BOB);
    ok(utimensat(AT_FDCWD, "x", NULL, 0));
    touches(A_TIME | M_TIME | C_TIME, "x", set("x", T(0, UTIME_NOW), T(0, UTIME_NOW)));
    as(ALICE, ALICE);
    ok(chmod("x", 0));
    ok(utimensat(AT_FDCWD, "x", NULL, 0));
}

CASE("leaving both is allowed to anybody")
{
    make(REGULAR, "x");
    as(BOB, BOB);
    ok(set("x", T(0, UTIME_OMIT), T(0, UTIME_OMIT)));
}

CASE("EINVAL for nanoseconds that are none, and for flags that do not exist")
{
    make(REGULAR, "x");
    fails(EINVAL, set("x", T(0, -1), T(0, 0)));
    fails(EINVAL, set("x", T(0, 1000000000), T(0, 0)));
    fails(EINVAL, set("x", T(0, 0), T(0, 1000000000)));
    fails(EINVAL, utimensat(AT_FDCWD, "x", NULL, 0x4000));
}

CASE("utime and utimes set seconds and microseconds")
{
    make(REGULAR, "x");
    ok(utime("x", &(struct utimbuf){1000, 2000}));
    both("x", T(1000, 0), T(2000, 0));
    ok(utimes("x", (struct timeval[]){{3000, 30}, {4000, 40}}));
    both("x", T(3000, 30000), T(4000, 40000));
}
