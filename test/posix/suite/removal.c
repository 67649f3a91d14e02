/* unlink, rmdir, and the sticky bit that protects entries from removal and renaming. */
#include "fixtures.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

#define GROUP "unlink"

CASE("takes a name of every kind away, but of directories")
{
    for (each_kind(kind)) {
        if (kind == DIRECTORY)
            continue;
        make(kind, "x");
        ok(unlink("x"));
        fails(ENOENT, lstat("x", &(struct stat){0}));
        forget();
        fails(ENOENT, lstat("x", &(struct stat){0}));
        fails(ENOENT, unlink("x"));
    }
}

CASE("EISDIR for a directory")
{
    make(DIRECTORY, "x");
    leaves(".", fails(EISDIR, unlink("x")));
    ok(rmdir("x"));
}

CASE("removes a symlink, not what it leads to")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    ok(unlink("link"));
    ok(lstat("x", &(struct stat){0}));
}

CASE("a file without a name lives while it is open")
{
    struct stat st;
    char got[16] = "";
    make_file("x", "content");
    int fd = ok(open("x", O_RDWR));
    ok(unlink("x"));
    forget();
    ok(fstat(fd, &st));
    same(0, st.st_nlink);
    same(7, st.st_size);
    same(4, pwrite(fd, "more", 4, 7));
    forget();
    same(11, pread(fd, got, sizeof got, 0));
    holds(memcmp(got, "contentmore", 11) == 0);
    ok(ftruncate(fd, 2));
    ok(fchown(fd, ALICE, BOB));
    ok(fstat(fd, &st));
    same(2, st.st_size);
    same(ALICE, st.st_uid);
    make_file("x", "another");
    ok(fstat(fd, &st));
    holds(st.st_ino != inode_of("x"));
}

CASE("moves mtime and ctime of the directory, and ctime of an inode that has names left")
{
    for (each_kind(kind)) {
        if (kind == DIRECTORY)
            continue;
        make(DIRECTORY, "d");
        make(kind, "d/x");
        ok(link("d/x", "y"));
        touches(C_TIME, "y", unlink("d/x"));
        ok(link("y", "d/x"));
        touches(M_TIME | C_TIME, "d", unlink("d/x"));
        ok(unlink("y"));
        ok(rmdir("d"));
    }
}

CASE("moves ctime of an open file that lost its last name")
{
    struct stat before, after;
    make(REGULAR, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(fstat(fd, &before));
    later();
    ok(unlink("x"));
    ok(fstat(fd, &after));
    holds(is_before(before.st_ctim, after.st_ctim));
    same(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

CASE("a socket that is bound, a FIFO that is open")
{
    make(FIFO, "x");
    int fd = ok(open("x", O_RDWR));
    ok(unlink("x"));
    same(2, write(fd, "ab", 2));
    char got[2];
    same(2, read(fd, got, 2));
}

CASE("unlinkat removes either kind, as told")
{
    make(DIRECTORY, "d");
    make(REGULAR, "d/x");
    int directory = ok(open("d", O_RDONLY));
    fails(ENOTDIR, unlinkat(directory, "x", AT_REMOVEDIR));
    fails(EINVAL, unlinkat(directory, "x", 0x1));
    ok(unlinkat(directory, "x", 0));
    fails(EISDIR, unlinkat(AT_FDCWD, "d", 0));
    ok(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
}

#undef GROUP
#define GROUP "rmdir"

CASE("removes an empty directory")
{
    make(DIRECTORY, "x");
    ok(rmdir("x"));
    forget();
    fails(ENOENT, lstat("x", &(struct stat){0}));
    fails(ENOENT, rmdir("x"));
}

CASE("ENOTEMPTY or EEXIST when there is anything in it")
{
    make(DIRECTORY, "d");
    for (each_kind(kind)) {
        make(kind, "d/x");
        int result = rmdir("d");
        holds(result == -1 && (errno == ENOTEMPTY || errno == EEXIST));
        leaves("d", fails(ENOTEMPTY, rmdir("d")));
        ok(take_away(kind, "d/x"));
    }
    ok(rmdir("d"));
}

CASE("a directory that became empty by renaming is removed")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    for (int i = 0; i < 30; i++) {
        char from[16], to[16];
        snprintf(from, sizeof from, "a/%d", i);
        snprintf(to, sizeof to, "b/%d", i);
        make(i % 2 ? REGULAR : DIRECTORY, from);
        ok(rename(from, to));
    }
    forget();
    ok(rmdir("a"));
    fails(ENOTEMPTY, rmdir("b"));
}

CASE("ENOTDIR for anything else")
{
    for (each_kind(kind)) {
        if (kind == DIRECTORY)
            continue;
        make(kind, "x");
        fails(ENOTDIR, rmdir("x"));
        ok(unlink("x"));
    }
    make(DIRECTORY, "d");
    ok(symlink("d", "link"));
    fails(ENOTDIR, rmdir("link"));
}

CASE("EINVAL for '.', ENOTEMPTY for '..'")
{
    ok(mkdir("d", 0755));
    ok(mkdir("d/e", 0755));
    fails(EINVAL, rmdir("d/."));
    fails(EINVAL, rmdir("d/e/."));
    fails(ENOTEMPTY, rmdir("d/e/.."));
}

CASE("EBUSY for a mount point")
{
    make(DIRECTORY, "d");
    ok(unshare(CLONE_NEWNS));
    ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    ok(mount("other", "d", "tmpfs", 0, NULL));
    fails(EBUSY, rmdir("d"));
    ok(umount2("d", MNT_DETACH));
    ok(rmdir("d"));
}

CASE("moves mtime and ctime of the parent")
{
    make(DIRECTORY, "d");
    ok(mkdir("d/x", 0755));
    touches(M_TIME | C_TIME, "d", rmdir("d/x"));
}

CASE("a removed directory that is open is empty and has no names")
{
    struct stat st;
    make(DIRECTORY, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(rmdir("x"));
    ok(fstat(fd, &st));
    same(0, st.st_nlink);
    fails(ENOENT, openat(fd, "y", O_CREAT | O_WRONLY, 0644));
    fails(ENOENT, mkdirat(fd, "y", 0755));
    DIR *directory = fdopendir(fd);
    errno = 0;
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        holds(strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    closedir(directory);
}

#undef GROUP
#define GROUP "sticky"

/* What may be done to an entry of `owner` in a sticky directory of BOB by ALICE. */
static void removal_in_sticky(enum kind kind, uid_t directory_owner, uid_t owner, int expected)
{
    make_open_directory("d");
    ok(chmod("d", 01777));
    ok(chown("d", directory_owner, directory_owner));
    make(kind, "d/x");
    ok(lchown("d/x", owner, owner));
    if (kind == DIRECTORY)
        ok(chmod("d/x", 0777));
    as(ALICE, ALICE);
    if (expected == 0) {
        ok(rename("d/x", "d/y"));
        ok(take_away(kind, "d/y"));
    } else {
        fails(expected, take_away(kind, "d/x"));
        fails(expected, rename("d/x", "d/y"));
        /* Nor may it be replaced. */
        if (kind != DIRECTORY) {
            ok(mknod("d/mine", S_IFREG | 0644, 0));
            fails(expected, rename("d/mine", "d/x"));
            fails(expected, renameat2(AT_FDCWD, "d/mine", AT_FDCWD, "d/x", RENAME_EXCHANGE));
            ok(unlink("d/mine"));
        }
        as_root();
        ok(take_away(kind, "d/x"));
    }
    as_root();
    ok(rmdir("d"));
}

CASE("another's entry in another's sticky directory can be neither removed, renamed nor replaced")
{
    for (each_kind(kind))
        removal_in_sticky(kind, BOB, BOB, EPERM);
}

CASE("root's entry in root's sticky directory neither")
{
    for (each_kind(kind))
        removal_in_sticky(kind, 0, 0, EPERM);
}

CASE("one's own entry can")
{
    for (each_kind(kind))
        removal_in_sticky(kind, BOB, ALICE, 0);
}

CASE("any entry of one's own sticky directory can")
{
    for (each_kind(kind))
        removal_in_sticky(kind, ALICE, BOB, 0);
}

CASE("O_CREAT on another's file in a sticky directory that all may write to")
{
    make_open_directory("d");
    ok(chmod("d", 01777));
    make(REGULAR, "d/x");
    ok(chmod("d/x", 0666));
    as(ALICE, ALICE);
    ok(close(ok(open("d/x", O_WRONLY))));
    ok(link("d/x", "d/y") == 0 || errno == EPERM ? 0 : -1); /* fs.protected_hardlinks decides */
}
