#include "fixtures.h"

#include <signal.h>
#include <sys/file.h>

#define GROUP "lock"

static int lock(int fd, int command, int type, off_t start, off_t length)
{
    struct flock what = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &what);
}

CASE("POSIX locks exclude another process, by range")
{
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDWR));
    ok(lock(fd, F_SETLK, F_WRLCK, 0, 5));
    in_child({
        int other = ok(open("x", O_RDWR));
        fails(EAGAIN, lock(other, F_SETLK, F_WRLCK, 4, 1));
        fails(EAGAIN, lock(other, F_SETLK, F_RDLCK, 0, 1));
        ok(lock(other, F_SETLK, F_WRLCK, 5, 5));
        struct flock what = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 0};
        ok(fcntl(other, F_GETLK, &what));
        same(F_WRLCK, what.l_type);
        same(0, what.l_start);
        same(5, what.l_len);
        same(getppid(), what.l_pid);
    });
    ok(lock(fd, F_SETLK, F_UNLCK, 0, 5));
    in_child({
        int other = ok(open("x", O_RDWR));
        ok(lock(other, F_SETLK, F_WRLCK, 0, 0));
    });
}

CASE("read locks are shared, write locks are not")
{
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDWR));
    ok(lock(fd, F_SETLK, F_RDLCK, 0, 0));
    in_child({
        int other = ok(open("x", O_RDWR));
        ok(lock(other, F_SETLK, F_RDLCK, 0, 0));
        fails(EAGAIN, lock(other, F_SETLK, F_WRLCK, 0, 0));
    });
}

CASE("they end with any descriptor of the file that is closed, by POSIX's rule")
{
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDWR)), second = ok(open("x", O_RDWR));
    ok(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    ok(close(second));
    in_child({
        int other = ok(open("x", O_RDWR));
        ok(lock(other, F_SETLK, F_WRLCK, 0, 0));
    });
}

CASE("EBADF for a descriptor that was not opened that way")
{
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDONLY));
    fails(EBADF, lock(fd, F_SETLK, F_WRLCK, 0, 0));
    fd = ok(open("x", O_WRONLY));
    fails(EBADF, lock(fd, F_SETLK, F_RDLCK, 0, 0));
}

CASE("waiting for a lock ends when it is let go")
{
    int ready[2];
    ok(pipe(ready));
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDWR));
    ok(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    pid_t child = ok(fork());
    if (child == 0) {
        int other = ok(open("x", O_RDWR));
        same(1, write(ready[1], "r", 1));
        ok(lock(other, F_SETLKW, F_WRLCK, 0, 0));
        same(4, pwrite(other, "mine", 4, 0));
        _exit(0);
    }
    char byte;
    same(1, read(ready[0], &byte, 1));
    later();
    ok(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    await_child(__LINE__, child);
    holds(strncmp(content_of("x"), "mine", 4) == 0);
}

CASE("EDEADLK rather than waiting for ever")
{
    make_file("x", "0123456789");
    int ready[2];
    ok(pipe(ready));
    int fd = ok(open("x", O_RDWR));
    ok(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid_t child = ok(fork());
    if (child == 0) {
        int other = ok(open("x", O_RDWR));
        ok(lock(other, F_SETLK, F_WRLCK, 1, 1));
        same(1, write(ready[1], "r", 1));
        ok(lock(other, F_SETLKW, F_WRLCK, 0, 1)); /* waits for the parent */
        _exit(0);
    }
    char byte;
    same(1, read(ready[0], &byte, 1));
    for (int i = 0; i < 10; i++)
        later(); /* until the child waits */
    fails(EDEADLK, lock(fd, F_SETLKW, F_WRLCK, 1, 1));
    ok(lock(fd, F_SETLK, F_UNLCK, 0, 1));
    await_child(__LINE__, child);
}

CASE("flock excludes another description, not another descriptor")
{
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDONLY)), other = ok(open("x", O_RDONLY));
    ok(flock(fd, LOCK_EX | LOCK_NB));
    fails(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
    fails(EWOULDBLOCK, flock(other, LOCK_SH | LOCK_NB));
    int twin = ok(dup(fd));
    ok(flock(twin, LOCK_SH | LOCK_NB)); /* the same lock, made weaker */
    ok(flock(other, LOCK_SH | LOCK_NB));
    fails(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
    ok(close(fd));
    fails(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
    ok(close(twin));
    ok(flock(other, LOCK_EX | LOCK_NB));
}

CASE("flock of a directory, and of a file without a name")
{
    make(DIRECTORY, "d");
    int fd = ok(open("d", O_RDONLY)), other = ok(open("d", O_RDONLY));
    ok(flock(fd, LOCK_EX | LOCK_NB));
    fails(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
    make(REGULAR, "x");
    fd = ok(open("x", O_RDWR)), other = ok(open("x", O_RDWR));
    ok(unlink("x"));
    ok(flock(fd, LOCK_EX | LOCK_NB));
    fails(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
    ok(lock(fd, F_SETLK, F_WRLCK, 0, 0));
}

CASE("locks of open descriptions belong to these")
{
    make_file("x", "0123456789");
    int fd = ok(open("x", O_RDWR)), other = ok(open("x", O_RDWR));
    ok(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5));
    fails(EAGAIN, lock(other, F_OFD_SETLK, F_WRLCK, 0, 5));
    ok(lock(other, F_OFD_SETLK, F_WRLCK, 5, 5));
    ok(close(fd));
    ok(lock(other, F_OFD_SETLK, F_WRLCK, 0, 5));
}
