/* Files that were there before: their contents and attributes. */
#include "fixtures.h"

#include <sys/mman.h>
#include <sys/xattr.h>

#include "before.h"

#define GROUP BEFORE_GROUP

CASE("everything is as it was made")
{
    enter();
    holds(has_names(".", "file other program large link empty dir many"));
    holds(has_names("dir", "a b sub"));
    holds(has_names("empty", ""));
    holds(says("file", "content\n"));
    holds(says("link", "content\n"));
    holds(says("dir/sub/deep/leaf", "leaf\n"));
    same_octal(S_IFREG | 0644, status("file").st_mode);
    same_octal(S_IFREG | 0755, status("program").st_mode);
    same_octal(S_IFDIR | 0755, status("dir").st_mode);
    same(LARGE, size_of("large"));
    same(4, size_of("link"));
    same(1, links_of("file"));
    same(5, links_of("."));
    same(3, links_of("dir"));
    same(2, links_of("empty"));
}

CASE("a file that is written is the same file still")
{
    enter();
    int reading = ok(open("file", O_RDONLY));
    ino_t inode = inode_of("file");
    int fd = ok(open("file", O_RDWR));
    same(3, pwrite(fd, "CON", 3, 0));
    same(4, pwrite(fd, "end\n", 4, 8));
    char got[16] = "";
    same(12, pread(reading, got, 16, 0));
    holds(strcmp(got, "CONtent\nend\n") == 0);
    ok(fsync(fd));
    forget();
    holds(says("file", "CONtent\nend\n"));
    same(inode, inode_of("file"));
    same(1, links_of("file"));
    same_octal(S_IFREG | 0644, status("file").st_mode);
}

CASE("a large file is changed in one place")
{
    static char got[LARGE + 10];
    enter();
    int fd = ok(open("large", O_RDWR));
    same(5, pwrite(fd, "HERE!", 5, 150000));
    ok(fsync(fd));
    forget();
    same(LARGE, pread(fd, got, sizeof got, 0));
    int wrong = 0;
    for (int i = 0; i < LARGE; i++)
        wrong += got[i] != (i >= 150000 && i < 150005 ? "HERE!"[i - 150000] : LARGE_BYTE(i));
    same(0, wrong);
}

CASE("a large file is cut, grown, and has a hole punched")
{
    static char got[LARGE];
    enter();
    int fd = ok(open("large", O_RDWR));
    ok(ftruncate(fd, 100001));
    ok(ftruncate(fd, 200000));
    ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 50000, 7000));
    ok(fsync(fd));
    forget();
    same(200000, size_of("large"));
    same(200000, pread(fd, got, sizeof got, 0));
    int wrong = 0;
    for (int i = 0; i < 200000; i++)
        wrong += got[i] != ((i >= 50000 && i < 57000) || i > 100000 ? 0 : LARGE_BYTE(i));
    same(0, wrong);
}

CASE("O_TRUNC empties, and the file stays the same")
{
    enter();
    ino_t inode = inode_of("file");
    int fd = ok(open("file", O_WRONLY | O_TRUNC));
    same(0, size_of("file"));
    same(3, write(fd, "new", 3));
    ok(close(fd));
    forget();
    holds(says("file", "new"));
    same(inode, inode_of("file"));
}

CASE("attributes change, contents and inode numbers do not")
{
    static const char *const names[] = {"file", "dir", "program", "large"};
    enter();
    for (int i = 0; i < 4; i++) {
        trying(names[i]);
        struct stat before = status(names[i]);
        touches(C_TIME, names[i], chmod(names[i], 0700));
        touches(C_TIME, names[i], chown(names[i], ALICE, TEAM));
        ok(utimensat(AT_FDCWD, names[i], (struct timespec[]){{1000, 5}, {2000, 7}}, 0));
        forget();
        struct stat after = status(names[i]);
        same(before.st_ino, after.st_ino);
        same(before.st_size, after.st_size);
        same_octal(0700, after.st_mode & 07777);
        same(ALICE, after.st_uid);
        same(TEAM, after.st_gid);
        same(2000, after.st_mtim.tv_sec);
        same(7, after.st_mtim.tv_nsec);
    }
    holds(says("file", "content\n"));
    holds(says("dir/a", "a\n"));
}

CASE("a removed file is read on while it is open")
{
    char got[16] = "";
    struct stat st;
    enter();
    int fd = ok(open("file", O_RDWR));
    ok(unlink("file"));
    forget();
    same(8, pread(fd, got, 16, 0));
    holds(strcmp(got, "content\n") == 0);
    ok(fstat(fd, &st));
    same(0, st.st_nlink);
    same(3, pwrite(fd, "CON", 3, 0));
    same(8, pread(fd, got, 16, 0));
    holds(strcmp(got, "CONtent\n") == 0);
}

CASE("a map writes to a file")
{
    enter();
    int fd = ok(open("large", O_RDWR));
    char *at = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    same(LARGE_BYTE(12345), at[12345]);
    memcpy(at + 12345, "mapped", 6);
    ok(msync(at, LARGE, MS_SYNC));
    ok(munmap(at, LARGE));
    ok(close(fd));
    forget();
    char got[7] = "";
    fd = ok(open("large", O_RDONLY));
    same(6, pread(fd, got, 6, 12345));
    holds(strcmp(got, "mapped") == 0);
    same(1, pread(fd, got, 1, 12351));
    same(LARGE_BYTE(12351), got[0]);
}

CASE("a copy by copy_file_range is one of its own")
{
    static char got[LARGE];
    enter();
    int from = ok(open("large", O_RDWR)), to = ok(open("copy", O_RDWR | O_CREAT, 0644));
    off_t a = 1000, b = 0;
    same(LARGE - 1000, copy_file_range(from, &a, to, &b, LARGE, 0));
    same(4, pwrite(from, "XXXX", 4, 5000));
    same(4, pwrite(to, "YYYY", 4, 6000));
    ok(fsync(to));
    forget();
    same(LARGE - 1000, pread(to, got, LARGE, 0));
    int wrong = 0;
    for (int i = 0; i < LARGE - 1000; i++)
        wrong += got[i] != (i >= 6000 && i < 6004 ? 'Y' : LARGE_BYTE(i + 1000));
    same(0, wrong);
    same(4, pread(from, got, 4, 7000));
    same(LARGE_BYTE(7000), got[0]);
    ok(unlink("large"));
    forget();
    same(1, pread(to, got, 1, 10));
    same(LARGE_BYTE(1010), got[0]);
}

CASE("extended attributes and lists are put on what was there")
{
    char got[8];
    enter();
    ino_t inode = inode_of("dir/b");
    ok(setxattr("dir/b", "trusted.b", "1", 1, 0));
    ok(setxattr("dir", "trusted.d", "22", 2, 0));
    ok(rename("dir", "away"));
    forget();
    same(1, getxattr("away/b", "trusted.b", got, 8));
    same(2, getxattr("away", "trusted.d", got, 8));
    same(inode, inode_of("away/b"));
    holds(says("away/b", "b\n"));
}

CASE("symlinks are read, changed hands, replaced")
{
    char got[16] = "";
    enter();
    ino_t inode = inode_of("link");
    same(4, readlink("link", got, 16));
    ok(lchown("link", ALICE, TEAM));
    forget();
    same(inode, inode_of("link"));
    same(ALICE, status("link").st_uid);
    same(4, readlink("link", got, 16));
    ok(symlink("other", "new"));
    ok(rename("new", "link"));
    forget();
    holds(says("link", "another\n"));
    ok(rename("link", "dir/link"));
    ok(symlink("file", "link"));
    forget();
    holds(says("link", "content\n"));
}

CASE("inode numbers stay through all of it, and are of one entry each")
{
    static const char *const names[] = {"file", "other", "program", "large", "link", "empty", "dir",
                                        "dir/a", "dir/b", "dir/sub", "dir/sub/deep",
                                        "dir/sub/deep/leaf", "many", "many/n7"};
    enum { NAMES = sizeof names / sizeof *names };
    ino_t inodes[NAMES];
    enter();
    for (int i = 0; i < NAMES; i++) {
        inodes[i] = inode_of(names[i]);
        for (int j = 0; j < i; j++)
            holds(inodes[j] != inodes[i]);
    }
    for (int i = 0; i < NAMES; i++) {
        if (strcmp(names[i], "link") != 0)
            ok(chmod(names[i], 0755));
        forget();
        same(inodes[i], inode_of(names[i]));
    }
    make_file("many/n7", "written");
    make_file("dir/sub/deep/leaf", "written");
    ok(rename("dir", "many/dir"));
    ok(rename("many", "dir"));
    forget();
    same(inodes[13], inode_of("dir/n7"));
    same(inodes[7], inode_of("dir/dir/a"));
    same(inodes[11], inode_of("dir/dir/sub/deep/leaf"));
    same(inodes[12], inode_of("dir"));
}

CASE("others may read and run it, and change nothing")
{
    char got[16] = "";
    enter();
    as(ALICE, ALICE);
    int fd = ok(open("file", O_RDONLY));
    same(8, read(fd, got, 16));
    ok(faccessat(AT_FDCWD, "program", X_OK, AT_EACCESS));
    fails(EACCES, faccessat(AT_FDCWD, "file", X_OK, AT_EACCESS));
    fails(EACCES, open("file", O_WRONLY));
    fails(EACCES, open("dir/new", O_CREAT | O_WRONLY, 0644));
    fails(EACCES, unlink("file"));
    fails(EACCES, rename("dir", "x"));
    fails(EACCES, mkdir("x", 0755));
    fails(EPERM, chmod("file", 0777));
    fails(EPERM, chown("file", ALICE, -1));
    fails(EACCES, utimensat(AT_FDCWD, "file", NULL, 0));
}
