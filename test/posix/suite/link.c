#include "fixtures.h"

#include <sched.h>
#include <sys/mount.h>

#define GROUP "link"

CASE("makes another name of the same inode, for every kind but directories")
{
    for (each_kind(kind)) {
        if (kind == DIRECTORY)
            continue;
        make(kind, "x");
        same(1, links_of("x"));
        ok(link("x", "y"));
        forget();
        same(2, links_of("x"));
        same(2, links_of("y"));
        same(inode_of("x"), inode_of("y"));
        same_octal(status("x").st_mode, status("y").st_mode);
        ok(link("y", "z"));
        same(3, links_of("x"));
        ok(unlink("x"));
        fails(ENOENT, lstat("x", &(struct stat){0}));
        same(2, links_of("y"));
        ok(unlink("z"));
        forget();
        same(1, links_of("y"));
        ok(unlink("y"));
    }
}

CASE("what is changed by one name is seen by the other")
{
    make_file("x", "one");
    ok(link("x", "y"));
    make_file("y", "another");
    holds(strcmp(content_of("x"), "another") == 0);
    ok(chown("x", ALICE, BOB));
    same(ALICE, status("y").st_uid);
    same(BOB, status("y").st_gid);
    ok(truncate("x", 3));
    same(3, size_of("y"));
    forget();
    holds(strcmp(content_of("y"), "ano") == 0);
}

CASE("a name in another directory")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    make_file("a/x", "content");
    ok(link("a/x", "b/y"));
    ok(unlink("a/x"));
    ok(rmdir("a"));
    forget();
    holds(strcmp(content_of("b/y"), "content") == 0);
    same(1, links_of("b/y"));
}

CASE("moves ctime of the file, and mtime and ctime of the new name's directory")
{
    for (each_kind(kind)) {
        if (kind == DIRECTORY)
            continue;
        make(DIRECTORY, "d");
        make(kind, "x");
        touches(C_TIME, "x", link("x", "d/y"));
        touches(M_TIME | C_TIME, "d", link("x", "d/z"));
        ok(unlink("d/y"));
        ok(unlink("d/z"));
        ok(unlink("x"));
        ok(rmdir("d"));
    }
}

CASE("the old name's directory keeps its times")
{
    make(DIRECTORY, "d");
    make(REGULAR, "d/x");
    leaves("d", ok(link("d/x", "y")));
}

CASE("leaves all times alone when it fails")
{
    make(DIRECTORY, "d");
    make(REGULAR, "x");
    make(REGULAR, "d/y");
    leaves("x", fails(EEXIST, link("x", "d/y")));
    leaves("d", fails(EEXIST, link("x", "d/y")));
}

CASE("EEXIST when there is anything of that name")
{
    make(REGULAR, "x");
    for (each_kind(kind)) {
        make(kind, "y");
        fails(EEXIST, link("x", "y"));
        same(1, links_of("x"));
        ok(take_away(kind, "y"));
    }
    fails(EEXIST, link("x", "x"));
}

CASE("EPERM for a directory, for root as well")
{
    make(DIRECTORY, "x");
    fails(EPERM, link("x", "y"));
    fails(ENOENT, lstat("y", &(struct stat){0}));
    make_open_directory("d");
    ok(mkdir("d/x", 0777));
    as(ALICE, ALICE);
    fails(EPERM, link("d/x", "d/y"));
}

CASE("links a symlink itself, or with AT_SYMLINK_FOLLOW what it leads to")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    ok(link("link", "y"));
    holds(S_ISLNK(status("y").st_mode));
    same(2, links_of("link"));
    same(1, links_of("x"));
    ok(linkat(AT_FDCWD, "link", AT_FDCWD, "z", AT_SYMLINK_FOLLOW));
    holds(S_ISREG(status("z").st_mode));
    same(2, links_of("x"));
}

CASE("an open file by its descriptor")
{
    make_file("x", "content");
    int fd = ok(open("x", O_RDONLY));
    ok(linkat(fd, "", AT_FDCWD, "y", AT_EMPTY_PATH));
    same(2, links_of("x"));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ok(linkat(AT_FDCWD, path, AT_FDCWD, "z", AT_SYMLINK_FOLLOW));
    same(3, links_of("x"));
}

CASE("ENOENT for a file that has lost its last name")
{
    make(REGULAR, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(unlink("x"));
    fails(ENOENT, linkat(fd, "", AT_FDCWD, "y", AT_EMPTY_PATH));
}

CASE("EXDEV between mounts")
{
    make(REGULAR, "x");
    make(DIRECTORY, "d");
    ok(unshare(CLONE_NEWNS));
    ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    ok(mount("other", "d", "tmpfs", 0, NULL));
    fails(EXDEV, link("x", "d/x"));
    make(REGULAR, "d/y");
    fails(EXDEV, link("d/y", "y"));
    ok(umount2("d", MNT_DETACH));
}

CASE("many names of one inode")
{
    char name[16];
    make_file("x", "content");
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ok(link("x", name));
    }
    forget();
    same(101, links_of("x"));
    same(inode_of("x"), inode_of("n99"));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "n%d", i);
        ok(unlink(name));
    }
    same(1, links_of("x"));
}

CASE("EINVAL for flags that do not exist")
{
    make(REGULAR, "x");
    fails(EINVAL, linkat(AT_FDCWD, "x", AT_FDCWD, "y", 0x800000));
}
