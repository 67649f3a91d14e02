/* fallocate, lseek for data and holes, copy_file_range, and what the file system says of its room. */
#include "fixtures.h"

#include <linux/falloc.h>
#include <sys/statvfs.h>

#define GROUP "fallocate"

static int new_file(const char *path, size_t length)
{
    static char bytes[1 << 20];
    memset(bytes, 'x', sizeof bytes);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
        return -1;
    return fd;
}

/* Whether all `length` bytes at `at` are `byte`. */
static int all(int fd, char byte, off_t at, size_t length)
{
    static char bytes[1 << 20];
    if (pread(fd, bytes, length, at) != (ssize_t)length)
        return 0;
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != byte)
            return 0;
    return 1;
}

CASE("makes a file longer, by zeros, and takes the room")
{
    int fd = ok(new_file("x", 10));
    ok(fallocate(fd, 0, 0, 100000));
    forget();
    same(100000, size_of("x"));
    holds(all(fd, 'x', 0, 10));
    holds(all(fd, 0, 10, 99990));
    ok(fallocate(fd, 0, 5, 10)); /* what is there is not touched */
    same(100000, size_of("x"));
    holds(all(fd, 'x', 0, 10));
    ok(posix_fallocate(fd, 200000, 100) == 0 ? 0 : -1);
    same(200100, size_of("x"));
}

CASE("KEEP_SIZE leaves the size")
{
    int fd = ok(new_file("x", 10));
    ok(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
    forget();
    same(10, size_of("x"));
    ok(ftruncate(fd, 100000));
    holds(all(fd, 0, 10, 99990));
}

CASE("PUNCH_HOLE makes zeros, at any alignment, and leaves the size")
{
    static const struct {
        int at, length;
    } holes[] = {{0, 4096}, {4096, 8192}, {100, 50}, {4000, 200}, {1, 65535}, {120000, 50000}};
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        int fd = ok(new_file("x", 131072));
        int at = holes[i].at, end = at + holes[i].length < 131072 ? at + holes[i].length : 131072;
        ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, holes[i].length));
        same(131072, size_of("x"));
        holds(all(fd, 0, at, end - at));
        ok(fsync(fd));
        forget();
        holds(all(fd, 0, at, end - at));
        holds(all(fd, 'x', 0, at));
        holds(all(fd, 'x', end, 131072 - end));
        ok(close(fd));
    }
}

CASE("PUNCH_HOLE gives the room back")
{
    int fd = ok(new_file("x", 1 << 20));
    ok(fsync(fd));
    ok(close(fd));
    forget();
    long before = status("x").st_blocks;
    fd = ok(open("x", O_RDWR));
    ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 19));
    ok(fsync(fd));
    ok(close(fd));
    forget();
    holds(before >= (1 << 20) / 512);
    holds(status("x").st_blocks < before);
}

CASE("moves mtime and ctime")
{
    int fd = ok(new_file("x", 10000));
    ok(fsync(fd));
    touches(M_TIME | C_TIME, "x", fallocate(fd, 0, 0, 20000));
    touches(M_TIME | C_TIME, "x", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5000));
}

CASE("needs a descriptor for writing, a file, and numbers that make sense")
{
    int fd = ok(new_file("x", 10));
    int reading = ok(open("x", O_RDONLY));
    fails(EBADF, fallocate(reading, 0, 0, 10));
    fails(EINVAL, fallocate(fd, 0, -1, 10));
    fails(EINVAL, fallocate(fd, 0, 0, 0));
    fails(EINVAL, fallocate(fd, 0, 0, -1));
    fails(EFBIG, fallocate(fd, 0, INT64_MAX - 5, 10));
    fails(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
    make(FIFO, "fifo");
    int pipe = ok(open("fifo", O_RDWR));
    fails(ESPIPE, fallocate(pipe, 0, 0, 10));
}

#undef GROUP
#define GROUP "lseek"

CASE("finds holes and data, and ENXIO at the end")
{
    int fd = ok(open("x", O_RDWR | O_CREAT, 0644));
    static char bytes[65536] = {1};
    ok(ftruncate(fd, 1 << 20));
    same(sizeof bytes, pwrite(fd, bytes, sizeof bytes, 1 << 18));
    ok(fsync(fd));
    for (int again = 0; again < 2; again++) {
        long data = lseek(fd, 0, SEEK_DATA);
        holds(data == 1 << 18 || data == 0);
        long hole = lseek(fd, 1 << 18, SEEK_HOLE);
        holds(hole == (1 << 18) + (1 << 16) || hole == 1 << 20);
        if (data != 0) {
            same(0, lseek(fd, 0, SEEK_HOLE));
            fails(ENXIO, lseek(fd, 1 << 19, SEEK_DATA));
        }
        same((1 << 18) + 5, lseek(fd, (1 << 18) + 5, SEEK_DATA));
        fails(ENXIO, lseek(fd, 1 << 20, SEEK_DATA));
        fails(ENXIO, lseek(fd, 1 << 20, SEEK_HOLE));
        fails(ENXIO, lseek(fd, -1, SEEK_DATA));
        forget();
    }
}

CASE("the end of a file without holes is one")
{
    int fd = ok(new_file("x", 70000));
    same(70000, lseek(fd, 0, SEEK_HOLE));
    same(0, lseek(fd, 0, SEEK_DATA));
    int empty = ok(open("y", O_RDWR | O_CREAT, 0644));
    fails(ENXIO, lseek(empty, 0, SEEK_DATA));
    fails(ENXIO, lseek(empty, 0, SEEK_HOLE));
}

CASE("SET, CUR and END, and EINVAL before the beginning")
{
    int fd = ok(new_file("x", 100));
    same(30, lseek(fd, 30, SEEK_SET));
    same(25, lseek(fd, -5, SEEK_CUR));
    same(110, lseek(fd, 10, SEEK_END));
    fails(EINVAL, lseek(fd, -1, SEEK_SET));
    fails(EINVAL, lseek(fd, 0, 99));
    same(110, lseek(fd, 0, SEEK_CUR));
    make(FIFO, "fifo");
    int pipe = ok(open("fifo", O_RDWR));
    fails(ESPIPE, lseek(pipe, 0, SEEK_SET));
}

#undef GROUP
#define GROUP "copy_file_range"

CASE("copies a range to another file and within one, and moves the offsets")
{
    static char bytes[100000], got[100000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 + i / 256);
    int from = ok(open("x", O_RDWR | O_CREAT, 0644)), to = ok(open("y", O_RDWR | O_CREAT, 0644));
    same(sizeof bytes, write(from, bytes, sizeof bytes));
    off_t a = 1000, b = 500;
    same(50000, copy_file_range(from, &a, to, &b, 50000, 0));
    same(51000, a);
    same(50500, b);
    forget();
    same(50500, size_of("y"));
    same(50500, read(to, got, sizeof got));
    holds(memcmp(got + 500, bytes + 1000, 50000) == 0);
    a = 99000, b = 0;
    same(1000, copy_file_range(from, &a, to, &b, 50000, 0)); /* to the end */
    same(0, copy_file_range(from, &a, to, &b, 50000, 0));
    a = 0, b = 60000;
    same(30000, copy_file_range(from, &a, from, &b, 30000, 0));
    same(30000, pread(from, got, 30000, 60000));
    holds(memcmp(got, bytes, 30000) == 0);
    same(4, pwrite(from, "XXXX", 4, 2000)); /* the copy is one */
    same(4, pread(to, got, 4, 1500));
    holds(memcmp(got, bytes + 2000, 4) == 0);
}

CASE("EINVAL for ranges that overlap in one file, EBADF and EISDIR for the wrong descriptors")
{
    int fd = ok(new_file("x", 10000));
    off_t a = 0, b = 100;
    fails(EINVAL, copy_file_range(fd, &a, fd, &b, 1000, 0));
    int reading = ok(open("x", O_RDONLY)), writing = ok(open("y", O_WRONLY | O_CREAT, 0644));
    fails(EBADF, copy_file_range(fd, NULL, reading, NULL, 10, 0));
    fails(EBADF, copy_file_range(writing, NULL, fd, NULL, 10, 0));
    int appending = ok(open("y", O_WRONLY | O_APPEND));
    fails(EBADF, copy_file_range(fd, NULL, appending, NULL, 10, 0));
    int directory = ok(open(".", O_RDONLY));
    fails(EISDIR, copy_file_range(directory, NULL, writing, NULL, 10, 0));
    fails(EINVAL, copy_file_range(fd, NULL, writing, NULL, 10, 1));
}

#undef GROUP
#define GROUP "statfs"

CASE("tells of its room and the length of names")
{
    struct statvfs room;
    ok(statvfs(".", &room));
    same(255, room.f_namemax);
    holds(room.f_bsize >= 512);
    holds(room.f_frsize >= 512);
    holds(room.f_blocks > 0);
    holds(room.f_bfree <= room.f_blocks);
    holds(room.f_bavail <= room.f_bfree);
    holds(room.f_ffree <= room.f_files);
    int fd = ok(open(".", O_RDONLY));
    struct statvfs same_room;
    ok(fstatvfs(fd, &same_room));
    same(room.f_blocks, same_room.f_blocks);
}

CASE("a file of some size leaves less room")
{
    /* A file system of the host is used by others, too: what they free meanwhile may hide it once. */
    static char bytes[1 << 20] = {1};
    int less = 0;
    for (int attempt = 0; attempt < 5 && !less; attempt++) {
        struct statvfs before, after;
        ok(statvfs(".", &before));
        int fd = ok(open("x", O_RDWR | O_CREAT | O_TRUNC, 0644));
        for (int i = 0; i < 6; i++)
            same(sizeof bytes, pwrite(fd, bytes, sizeof bytes, i * sizeof bytes));
        ok(fsync(fd));
        ok(statvfs(".", &after));
        less = after.f_bfree < before.f_bfree;
        ok(close(fd));
        ok(unlink("x"));
    }
    holds(less);
}
