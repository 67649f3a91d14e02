/* Reading and writing, maps, and the times that both leave. */
#include "fixtures.h"

#include <sys/mman.h>
#include <sys/uio.h>

#define GROUP "read and write"

CASE("what is written is read, at any offset and length")
{
    static unsigned char model[70000], got[70000];
    int fd = ok(open("x", O_RDWR | O_CREAT, 0644));
    size_t size = 0;
    unsigned seed = 7;
    for (int i = 0; i < 200; i++) {
        seed = seed * 1103515245 + 12345;
        size_t at = (seed >> 8) % 60000, length = (seed >> 4) % 9000;
        for (size_t j = at; j < at + length; j++)
            model[j] = (unsigned char)(seed >> (j % 3));
        same(length, pwrite(fd, model + at, length, at));
        if (length > 0 && at + length > size)
            size = at + length;
        if (i % 50 == 49) {
            ok(fsync(fd));
            forget();
        }
    }
    same(size, size_of("x"));
    same(size, pread(fd, got, sizeof got, 0));
    holds(memcmp(got, model, size) == 0);
    same(0, pread(fd, got, 10, size));
    same(1, pread(fd, got, 10, size - 1));
}

CASE("a write beyond the end leaves zeros between")
{
    char got[10];
    make_file("x", "begin");
    int fd = ok(open("x", O_RDWR));
    same(3, pwrite(fd, "end", 3, 1000000));
    forget();
    same(1000003, size_of("x"));
    same(10, pread(fd, got, 10, 3));
    holds(memcmp(got, "in\0\0\0\0\0\0\0\0", 10) == 0);
    same(3, pread(fd, got, 10, 1000000));
    holds(memcmp(got, "end", 3) == 0);
}

CASE("a write of nothing changes nothing")
{
    make_file("x", "content");
    int fd = ok(open("x", O_WRONLY));
    leaves("x", same(0, pwrite(fd, "", 0, 100)));
    same(7, size_of("x"));
}

CASE("vectors are written and read in order")
{
    char a[3] = "", b[5] = "";
    int fd = ok(open("x", O_RDWR | O_CREAT, 0644));
    struct iovec out[] = {{"one", 3}, {"", 0}, {"three", 5}};
    same(8, writev(fd, out, 3));
    struct iovec in[] = {{a, 3}, {b, 5}};
    same(8, preadv(fd, in, 2, 0));
    holds(memcmp(a, "one", 3) == 0 && memcmp(b, "three", 5) == 0);
}

CASE("O_DIRECT reads and writes what others do")
{
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = open("x", O_RDWR | O_CREAT | O_DIRECT, 0644);
    if (fd == -1) { /* tmpfs of before 6.6 */
        holds(errno == EINVAL);
        return;
    }
    memset(page, 'd', 8192);
    same(8192, pwrite(fd, page, 8192, 0));
    int other = ok(open("x", O_RDWR));
    char byte;
    same(1, pread(other, &byte, 1, 5000));
    same('d', byte);
    same(1, pwrite(other, "e", 1, 4096));
    same(4096, pread(fd, page, 4096, 4096));
    same('e', page[0]);
    same('d', page[1]);
}

CASE("EINVAL and EFAULT")
{
    char bytes[8];
    int fd = ok(open("x", O_RDWR | O_CREAT, 0644));
    fails(EINVAL, pread(fd, bytes, 8, -1));
    fails(EINVAL, pwrite(fd, bytes, 8, -1));
    fails(EFAULT, write(fd, (void *)-4096L, 8));
    same(8, write(fd, "content!", 8));
    fails(EFAULT, pread(fd, (void *)-4096L, 8, 0));
    fails(EBADF, write(-1, bytes, 8));
}

#undef GROUP
#define GROUP "times"

CASE("writing moves mtime and ctime, reading atime at most")
{
    char byte;
    make_file("x", "content");
    int fd = ok(open("x", O_RDWR));
    touches(M_TIME | C_TIME, "x", write(fd, "y", 1));
    touches(M_TIME | C_TIME, "x", pwrite(fd, "y", 1, 100));
    leaves("x", ok(pread(fd, &byte, 1, 0)));
}

CASE("what writing moved holds after the file is closed and forgotten")
{
    make_file("x", "content");
    struct stat before = status("x");
    later();
    int fd = ok(open("x", O_WRONLY));
    same(1, write(fd, "y", 1));
    ok(close(fd));
    struct stat written = status("x");
    holds(is_before(before.st_mtim, written.st_mtim));
    fd = ok(open("x", O_RDONLY));
    ok(fsync(fd));
    ok(close(fd));
    forget();
    struct stat after = status("x");
    same(written.st_mtim.tv_sec, after.st_mtim.tv_sec);
    same(written.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    same(written.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

CASE("reading renews an atime that is not after mtime, as relatime has it")
{
    char byte;
    make_file("x", "content");
    int fd = ok(open("x", O_RDONLY));
    ok(fsync(fd));
    ok(close(fd));
    forget();
    ok(utimensat(AT_FDCWD, "x", (struct timespec[]){{1000, 0}, {2000, 0}}, 0));
    fd = ok(open("x", O_RDONLY));
    same(1, read(fd, &byte, 1));
    ok(close(fd));
    forget();
    struct stat st = status("x");
    holds(st.st_atim.tv_sec > 2000);
    same(2000, st.st_mtim.tv_sec);
}

CASE("O_NOATIME leaves it")
{
    char byte;
    make_file("x", "content");
    int fd = ok(open("x", O_RDONLY));
    ok(fsync(fd));
    ok(close(fd));
    forget();
    ok(utimensat(AT_FDCWD, "x", (struct timespec[]){{1000, 0}, {2000, 0}}, 0));
    fd = ok(open("x", O_RDONLY | O_NOATIME));
    same(1, read(fd, &byte, 1));
    ok(close(fd));
    forget();
    same(1000, status("x").st_atim.tv_sec);
}

CASE("statx tells a birth that stays, where there is one")
{
    struct statx before, after;
    make_file("x", "content");
    ok(statx(AT_FDCWD, "x", 0, STATX_BTIME | STATX_BASIC_STATS, &before));
    same(7, before.stx_size);
    later();
    ok(chmod("x", 0600));
    make_file("x", "other");
    ok(statx(AT_FDCWD, "x", 0, STATX_BTIME | STATX_BASIC_STATS, &after));
    if (before.stx_mask & STATX_BTIME) {
        same(before.stx_btime.tv_sec, after.stx_btime.tv_sec);
        same(before.stx_btime.tv_nsec, after.stx_btime.tv_nsec);
    }
}

#undef GROUP
#define GROUP "mmap"

static char *map(int fd, size_t length, int sharing)
{
    char *at = mmap(NULL, length, PROT_READ | PROT_WRITE, sharing, fd, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

CASE("a shared map and the file are one")
{
    char got[4];
    int fd = ok(open("x", O_RDWR | O_CREAT, 0644));
    ok(ftruncate(fd, 10000));
    char *at = map(fd, 10000, MAP_SHARED);
    memcpy(at + 5000, "map", 3);
    same(3, pread(fd, got, 3, 5000));
    holds(memcmp(got, "map", 3) == 0);
    same(5, pwrite(fd, "write", 5, 100));
    holds(memcmp(at + 100, "write", 5) == 0);
    ok(msync(at, 10000, MS_SYNC));
    ok(munmap(at, 10000));
    ok(close(fd));
    forget();
    fd = ok(open("x", O_RDONLY));
    same(3, pread(fd, got, 3, 5000));
    holds(memcmp(got, "map", 3) == 0);
}

CASE("a map outlives its descriptor and the file's name")
{
    make_file("x", "content");
    int fd = ok(open("x", O_RDWR));
    char *at = map(fd, 7, MAP_SHARED);
    ok(close(fd));
    ok(unlink("x"));
    forget();
    holds(memcmp(at, "content", 7) == 0);
    at[0] = 'C';
    ok(msync(at, 7, MS_SYNC));
    holds(memcmp(at, "Content", 7) == 0);
    ok(munmap(at, 7));
}

CASE("a private map does not change the file")
{
    make_file("x", "content");
    int fd = ok(open("x", O_RDWR));
    char *at = map(fd, 7, MAP_PRIVATE);
    at[0] = 'C';
    holds(strcmp(content_of("x"), "content") == 0);
}

CASE("what lies behind the end of a map's file is zero, and not written")
{
    make_file("x", "content");
    int fd = ok(open("x", O_RDWR));
    char *at = map(fd, 4096, MAP_SHARED);
    same(0, at[7]);
    same(0, at[4095]);
    at[100] = 'x';
    ok(msync(at, 4096, MS_SYNC));
    forget();
    same(7, size_of("x"));
}

CASE("writing by a map moves mtime and ctime, once it is synced")
{
    make_file("x", "content");
    int fd = ok(open("x", O_RDWR));
    ok(fsync(fd));
    char *at = map(fd, 7, MAP_SHARED);
    struct stat before = status("x");
    later();
    at[0] = 'C';
    ok(msync(at, 7, MS_SYNC));
    struct stat after = status("x");
    holds(is_before(before.st_mtim, after.st_mtim));
    holds(is_before(before.st_ctim, after.st_ctim));
}

CASE("EACCES for a shared map that was not opened for writing, ENODEV for a directory")
{
    make_file("x", "content");
    int fd = ok(open("x", O_RDONLY));
    holds(mmap(NULL, 7, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
    ok(mprotect(mmap(NULL, 7, PROT_READ, MAP_SHARED, fd, 0), 7, PROT_READ));
    int directory = ok(open(".", O_RDONLY));
    holds(mmap(NULL, 7, PROT_READ, MAP_SHARED, directory, 0) == MAP_FAILED && errno == ENODEV);
}
