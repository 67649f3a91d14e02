#include "fixtures.h"

#include <signal.h>
#include <sys/resource.h>

#define GROUP "truncate"

static int zeros_from(int fd, off_t at, size_t length)
{
    static char bytes[65536];
    memset(bytes, '#', sizeof bytes);
    if (pread(fd, bytes, length, at) != (ssize_t)length)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

CASE("makes a file shorter, and longer by zeros")
{
    make_file("x", "0123456789");
    ok(truncate("x", 4));
    same(4, size_of("x"));
    ok(truncate("x", 8));
    forget();
    same(8, size_of("x"));
    int fd = ok(open("x", O_RDWR));
    holds(zeros_from(fd, 4, 4));
    char got[4];
    same(4, pread(fd, got, 4, 0));
    holds(memcmp(got, "0123", 4) == 0);
    ok(ftruncate(fd, 0));
    same(0, size_of("x"));
}

CASE("what was cut off does not come back, at any alignment")
{
    static const int cuts[] = {1, 511, 512, 4095, 4096, 4097, 12288, 20000};
    static char bytes[32768];
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        int fd = ok(open("x", O_RDWR | O_CREAT | O_TRUNC, 0644));
        same(sizeof bytes, write(fd, bytes, sizeof bytes));
        ok(ftruncate(fd, cuts[i]));
        ok(ftruncate(fd, sizeof bytes));
        holds(zeros_from(fd, cuts[i], sizeof bytes - cuts[i]));
        ok(fsync(fd));
        forget();
        holds(zeros_from(fd, cuts[i], sizeof bytes - cuts[i]));
        char last;
        same(1, pread(fd, &last, 1, cuts[i] - 1));
        same('x', last);
        ok(close(fd));
    }
}

CASE("a large file of nothing takes little room")
{
    make(REGULAR, "x");
    ok(truncate("x", 1LL << 32));
    forget();
    same(1LL << 32, size_of("x"));
    holds(status("x").st_blocks < 1000);
    int fd = ok(open("x", O_RDONLY));
    holds(zeros_from(fd, (1LL << 32) - 100, 100));
    holds(zeros_from(fd, 1LL << 31, 4096));
}

CASE("moves mtime and ctime when the size stays")
{
    make_file("x", "content");
    touches(M_TIME | C_TIME, "x", truncate("x", 7));
}

CASE("moves mtime and ctime; ftruncate also when the size stays")
{
    make_file("x", "content");
    touches(M_TIME | C_TIME, "x", truncate("x", 3));
    touches(M_TIME | C_TIME, "x", truncate("x", 30));
    int fd = ok(open("x", O_WRONLY));
    touches(M_TIME | C_TIME, "x", ftruncate(fd, 9));
    touches(M_TIME | C_TIME, "x", ftruncate(fd, 9));
}

CASE("leaves the times alone when it fails")
{
    make_file("x", "content");
    ok(chmod("x", 0444));
    as(ALICE, ALICE);
    leaves("x", fails(EACCES, truncate("x", 0)));
    leaves("x", fails(EINVAL, truncate("x", -1)));
}

CASE("needs write permission at truncate, at ftruncate a descriptor for writing")
{
    make_file("x", "content");
    ok(chown("x", ALICE, ALICE));
    as(ALICE, ALICE);
    int fd = ok(open("x", O_RDWR));
    int reading = ok(open("x", O_RDONLY));
    ok(chmod("x", 0));
    fails(EACCES, truncate("x", 0));
    ok(ftruncate(fd, 2));
    same(2, size_of("x"));
    fails(EINVAL, ftruncate(reading, 0));
    fails(EBADF, ftruncate(-1, 0));
}

CASE("EISDIR, EINVAL for what has no size")
{
    make(DIRECTORY, "d");
    fails(EISDIR, truncate("d", 0));
    int directory = ok(open("d", O_RDONLY));
    fails(EINVAL, ftruncate(directory, 0));
    make(FIFO, "fifo");
    fails(EINVAL, truncate("fifo", 0));
    make(SOCKET, "socket");
    fails(EINVAL, truncate("socket", 0));
}

CASE("EINVAL below zero, EFBIG above what can be")
{
    make(REGULAR, "x");
    fails(EINVAL, truncate("x", -1));
    int fd = ok(open("x", O_RDWR));
    fails(EINVAL, ftruncate(fd, -1));
    int result = truncate("x", INT64_MAX);
    if (result == -1)
        holds(errno == EFBIG || errno == EINVAL);
    else
        same(INT64_MAX, size_of("x"));
}

CASE("EFBIG and SIGXFSZ beyond the process's limit")
{
    make_file("x", "content");
    struct rlimit limit = {100, 100};
    ok(setrlimit(RLIMIT_FSIZE, &limit));
    signal(SIGXFSZ, SIG_IGN);
    fails(EFBIG, truncate("x", 101));
    same(7, size_of("x"));
    ok(truncate("x", 100));
    int fd = ok(open("x", O_WRONLY));
    fails(EFBIG, pwrite(fd, "12", 2, 100));
    same(1, pwrite(fd, "12", 2, 99));
    same(100, size_of("x"));
}

CASE("clears set-user-ID and set-group-ID of a program, as writing does")
{
    make_file("x", "content");
    ok(chmod("x", 0666));
    ok(chown("x", ALICE, ALICE));
    ok(chmod("x", 06777));
    as(BOB, BOB);
    ok(truncate("x", 2));
    same_octal(0777, mode_of("x"));
    as_root();
    ok(chmod("x", 06777));
    as(BOB, BOB);
    int fd = ok(open("x", O_WRONLY));
    same(1, write(fd, "y", 1));
    forget();
    same_octal(0777, mode_of("x"));
    as_root();
    ok(chmod("x", 06777));
    as(BOB, BOB);
    ok(close(ok(open("x", O_WRONLY | O_TRUNC))));
    same_octal(0777, mode_of("x"));
}

CASE("set-group-ID without x for the group stays")
{
    make_file("x", "content");
    ok(chown("x", ALICE, BOB));
    ok(chmod("x", 02666));
    as(BOB, BOB);
    int fd = ok(open("x", O_WRONLY));
    same(1, write(fd, "y", 1));
    same_octal(02666, mode_of("x"));
}

CASE("root's writing clears nothing")
{
    make_file("x", "content");
    ok(chmod("x", 06777));
    int fd = ok(open("x", O_WRONLY));
    same(1, write(fd, "y", 1));
    same_octal(06777, mode_of("x"));
}

CASE("copying into a file clears them, too")
{
    make_file("x", "content");
    make_file("y", "another");
    ok(chmod("x", 06777));
    as(BOB, BOB);
    int from = ok(open("y", O_RDONLY)), to = ok(open("x", O_WRONLY));
    same(7, copy_file_range(from, NULL, to, NULL, 7, 0));
    same_octal(0777, mode_of("x"));
}
