#include "fixtures.h"

#include <dirent.h>

#define GROUP "O_TMPFILE"

static int open_nameless(const char *directory, int flags, mode_t mode)
{
    return open(directory, O_TMPFILE | flags, mode);
}

static int give_name(int fd, const char *path)
{
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

CASE("a file without a name that can be used, and is not in the directory")
{
    struct stat st;
    char got[8] = "";
    int fd = ok(open_nameless(".", O_RDWR, 0640));
    ok(fstat(fd, &st));
    holds(S_ISREG(st.st_mode));
    same_octal(0640, st.st_mode & 07777);
    same(0, st.st_nlink);
    same(0, st.st_size);
    same(7, write(fd, "content", 7));
    ok(fsync(fd));
    forget();
    same(7, pread(fd, got, 7, 0));
    holds(strcmp(got, "content") == 0);
    DIR *directory = opendir(".");
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        holds(e->d_name[0] == '.');
    closedir(directory);
}

CASE("a name can be given to it, once it is full")
{
    make(DIRECTORY, "d");
    int fd = ok(open_nameless("d", O_RDWR, 0600));
    same(7, write(fd, "content", 7));
    ok(give_name(fd, "x"));
    forget();
    same(1, links_of("x"));
    same(7, size_of("x"));
    holds(strcmp(content_of("x"), "content") == 0);
    ok(give_name(fd, "d/y"));
    same(2, links_of("x"));
    same(inode_of("x"), inode_of("d/y"));
    ok(close(fd));
    forget();
    holds(strcmp(content_of("d/y"), "content") == 0);
    make(REGULAR, "z");
    fd = ok(open_nameless(".", O_RDWR, 0600));
    fails(EEXIST, give_name(fd, "z"));
}

CASE("with O_EXCL none can")
{
    int fd = ok(open_nameless(".", O_RDWR | O_EXCL, 0600));
    fails(ENOENT, give_name(fd, "x"));
}

CASE("has to be opened for writing, in a directory")
{
    make(REGULAR, "x");
    fails(EINVAL, open_nameless(".", O_RDONLY, 0600));
    fails(ENOTDIR, open_nameless("x", O_RDWR, 0600));
    fails(ENOENT, open_nameless("absent", O_RDWR, 0600));
}

CASE("needs write permission on the directory, and does not change it")
{
    make(DIRECTORY, "d");
    leaves("d", ok(close(open_nameless("d", O_RDWR, 0600))));
    as(ALICE, ALICE);
    fails(EACCES, open_nameless("d", O_RDWR, 0600));
}

CASE("owner, group and umask are those of any new file")
{
    struct stat st;
    make_open_directory("d");
    ok(chown("d", BOB, TEAM));
    ok(chmod("d", 02777));
    umask(027);
    as(ALICE, ALICE);
    int fd = ok(open_nameless("d", O_RDWR, 0666));
    ok(fstat(fd, &st));
    same(ALICE, st.st_uid);
    same(TEAM, st.st_gid);
    same_octal(0640, st.st_mode & 07777);
}

CASE("many at once are many files")
{
    struct stat st;
    int fds[30];
    for (int i = 0; i < 30; i++) {
        fds[i] = ok(open_nameless(".", O_RDWR, 0600));
        same(4, write(fds[i], &i, 4));
    }
    forget();
    for (int i = 0; i < 30; i++) {
        int got = -1;
        same(4, pread(fds[i], &got, 4, 0));
        same(i, got);
        ok(fstat(fds[i], &st));
        for (int j = 0; j < i; j++) {
            struct stat other;
            ok(fstat(fds[j], &other));
            holds(other.st_ino != st.st_ino);
        }
    }
}
