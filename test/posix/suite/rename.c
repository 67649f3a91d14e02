#include "fixtures.h"

#include <sched.h>
#include <sys/mount.h>

#define GROUP "rename"

CASE("gives every kind of entry another name, and the inode stays the same")
{
    for (each_kind(kind)) {
        make(kind, "x");
        struct stat before = status("x");
        ok(rename("x", "y"));
        fails(ENOENT, lstat("x", &(struct stat){0}));
        same(before.st_ino, inode_of("y"));
        forget();
        struct stat after = status("y");
        same(before.st_ino, after.st_ino);
        same_octal(before.st_mode, after.st_mode);
        same(before.st_nlink, after.st_nlink);
        same(before.st_size, after.st_size);
        fails(ENOENT, lstat("x", &(struct stat){0}));
        ok(take_away(kind, "y"));
    }
}

CASE("takes the place of what is there")
{
    make_file("x", "new");
    make_file("y", "old");
    ino_t inode = inode_of("x");
    ok(rename("x", "y"));
    forget();
    same(inode, inode_of("y"));
    holds(strcmp(content_of("y"), "new") == 0);
    fails(ENOENT, lstat("x", &(struct stat){0}));
}

CASE("any kind but a directory takes the place of any other kind but a directory")
{
    for (enum kind from = 0; from < KINDS; from++) {
        for (each_kind(to)) {
            if (from == DIRECTORY || to == DIRECTORY)
                continue;
            make(from, "x");
            make(to, "y");
            ino_t inode = inode_of("x");
            ok(rename("x", "y"));
            same(inode, inode_of("y"));
            same_octal(kind_bits(from), status("y").st_mode & S_IFMT);
            fails(ENOENT, lstat("x", &(struct stat){0}));
            ok(unlink("y"));
        }
    }
}

CASE("what lost its place lives on while it is open, and has a link less")
{
    struct stat st;
    make_file("x", "new");
    make_file("y", "old");
    ok(link("y", "z"));
    int fd = ok(open("y", O_RDONLY));
    touches(C_TIME, "z", rename("x", "y"));
    same(1, links_of("z"));
    ok(unlink("z"));
    ok(fstat(fd, &st));
    same(0, st.st_nlink);
    char got[4] = "";
    same(3, read(fd, got, 3));
    holds(strcmp(got, "old") == 0);
}

CASE("moves mtime and ctime of both directories")
{
    for (each_kind(kind)) {
        make(DIRECTORY, "a");
        make(DIRECTORY, "b");
        make(kind, "a/x");
        struct stat before = status("b");
        touches(M_TIME | C_TIME, "a", rename("a/x", "b/x"));
        struct stat after = status("b");
        holds(is_before(before.st_mtim, after.st_mtim));
        holds(is_before(before.st_ctim, after.st_ctim));
        touches(M_TIME | C_TIME, "b", rename("b/x", "b/y"));
        ok(take_away(kind, "b/y"));
        ok(rmdir("a"));
        ok(rmdir("b"));
    }
}

CASE("moves ctime of what is renamed, and not its mtime")
{
    for (each_kind(kind)) {
        make(kind, "x");
        touches(C_TIME, "x", rename("x", "y") == 0 && rename("y", "x") == 0 ? 0 : -1);
        ok(take_away(kind, "x"));
    }
}

CASE("leaves all times alone when it fails")
{
    make(DIRECTORY, "d");
    make(DIRECTORY, "e");
    make(REGULAR, "d/x");
    make(REGULAR, "e/y");
    leaves("d", fails(ENOTDIR, rename("d", "e/y")));
    leaves("e", fails(ENOTDIR, rename("d", "e/y")));
    leaves("e/y", fails(ENOTDIR, rename("d", "e/y")));
    leaves("e", fails(ENOENT, rename("d/absent", "e/y")));
}

CASE("two names of one inode: nothing happens")
{
    make(REGULAR, "x");
    ok(link("x", "y"));
    leaves(".", ok(rename("x", "y")));
    same(2, links_of("x"));
    ok(lstat("y", &(struct stat){0}));
    leaves("x", ok(rename("x", "x")));
}

CASE("a directory takes the place of an empty one")
{
    ok(mkdir("x", 0755));
    ok(mkdir("x/inner", 0755));
    ok(mkdir("y", 0755));
    ino_t inode = inode_of("x");
    ok(rename("x", "y"));
    forget();
    same(inode, inode_of("y"));
    holds(S_ISDIR(status("y/inner").st_mode));
    same(3, links_of("y"));
}

CASE("EEXIST or ENOTEMPTY when the directory there is not empty")
{
    for (each_kind(kind)) {
        make(DIRECTORY, "x");
        make(DIRECTORY, "y");
        make(kind, "y/inner");
        int result = rename("x", "y");
        holds(result == -1 && (errno == ENOTEMPTY || errno == EEXIST));
        ok(take_away(kind, "y/inner"));
        ok(rmdir("x"));
        ok(rmdir("y"));
    }
}

CASE("EISDIR for a file onto a directory, ENOTDIR for a directory onto a file")
{
    for (each_kind(kind)) {
        if (kind == DIRECTORY)
            continue;
        make(kind, "x");
        make(DIRECTORY, "d");
        fails(EISDIR, rename("x", "d"));
        fails(ENOTDIR, rename("d", "x"));
        holds(S_ISDIR(status("d").st_mode));
        same_octal(kind_bits(kind), status("x").st_mode & S_IFMT);
        ok(rmdir("d"));
        ok(unlink("x"));
    }
}

CASE("EINVAL for a directory into itself or below, at any depth")
{
    ok(mkdir("a", 0755));
    ok(mkdir("a/b", 0755));
    ok(mkdir("a/b/c", 0755));
    fails(EINVAL, rename("a", "a/x"));
    fails(EINVAL, rename("a", "a/b/x"));
    fails(EINVAL, rename("a", "a/b/c/x"));
    fails(EINVAL, rename("a", "a/b"));
    fails(ENOTEMPTY, rename("a/b", "a"));
    ok(rename("a/b/c", "c"));
    ok(rename("a", "c/a"));
    holds(S_ISDIR(status("c/a/b").st_mode));
    fails(EINVAL, rename("c", "c/a/b/c"));
}

CASE("EBUSY or EINVAL for '.' and '..'")
{
    make(DIRECTORY, "d");
    int result = rename("d/.", "x");
    holds(result == -1 && (errno == EBUSY || errno == EINVAL));
    result = rename("d/..", "x");
    holds(result == -1 && (errno == EBUSY || errno == EINVAL));
    result = rename("d", "d/.");
    holds(result == -1 && (errno == EBUSY || errno == EINVAL));
}

CASE("links of parents follow a directory that moves")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    ok(mkdir("a/x", 0755));
    ok(rename("a/x", "b/x"));
    forget();
    same(2, links_of("a"));
    same(3, links_of("b"));
    ok(mkdir("a/x", 0755));
    ok(rename("b/x", "a/x"));
    same(3, links_of("a"));
    same(2, links_of("b"));
    ok(rename("a/x", "a/y"));
    same(3, links_of("a"));
}

CASE("'..' of a directory that moved is its new parent")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    ok(mkdir("a/x", 0755));
    int moved = ok(open("a/x", O_RDONLY | O_DIRECTORY));
    ok(rename("a/x", "b/y"));
    struct stat st;
    ok(fstatat(moved, "..", &st, 0));
    same(inode_of("b"), st.st_ino);
    forget();
    ok(stat("b/y/..", &st));
    same(inode_of("b"), st.st_ino);
}

CASE("a whole tree moves with its directory")
{
    ok(mkdir("a", 0755));
    ok(mkdir("a/b", 0755));
    make_file("a/b/file", "content");
    ino_t inode = inode_of("a/b/file");
    int fd = ok(open("a/b/file", O_RDWR));
    ok(mkdir("target", 0755));
    ok(rename("a", "target/z"));
    forget();
    same(inode, inode_of("target/z/b/file"));
    holds(strcmp(content_of("target/z/b/file"), "content") == 0);
    same(3, pwrite(fd, "CON", 3, 0));
    holds(strcmp(content_of("target/z/b/file"), "CONtent") == 0);
    fails(ENOENT, lstat("a/b/file", &(struct stat){0}));
}

CASE("EXDEV between mounts")
{
    make(DIRECTORY, "d");
    ok(unshare(CLONE_NEWNS));
    ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    ok(mount("other", "d", "tmpfs", 0, NULL));
    for (each_kind(kind)) {
        make(kind, "x");
        fails(EXDEV, rename("x", "d/x"));
        ok(take_away(kind, "x"));
    }
    make(DIRECTORY, "e");
    fails(EBUSY, rename("d", "f"));
    fails(EBUSY, rename("e", "d"));
    ok(umount2("d", MNT_DETACH));
}

CASE("a directory that moves to another parent has to be writable: its '..' changes")
{
    make_open_directory("a");
    make_open_directory("b");
    ok(mkdir("a/x", 0755)); /* root's */
    as(ALICE, ALICE);
    ok(rename("a/x", "a/y")); /* within the same parent it need not be */
    fails(EACCES, rename("a/y", "b/y"));
    as_root();
    ok(chmod("a/y", 0777));
    as(ALICE, ALICE);
    ok(rename("a/y", "b/y"));
}

CASE("with O_PATH descriptors, by renameat")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    make(REGULAR, "a/x");
    int a = ok(open("a", O_PATH)), b = ok(open("b", O_PATH));
    ok(renameat(a, "x", b, "y"));
    holds(S_ISREG(status("b/y").st_mode));
    ok(rmdir("a"));
    fails(ENOENT, renameat(b, "y", a, "x"));
}

CASE("a name that is open for creation elsewhere: the directory's content is right after many")
{
    char from[16], to[16];
    for (int i = 0; i < 40; i++) {
        snprintf(from, sizeof from, "n%d", i);
        make(REGULAR, from);
    }
    for (int i = 0; i < 40; i++) {
        snprintf(from, sizeof from, "n%d", i);
        snprintf(to, sizeof to, "n%d", (i * 7 + 3) % 40);
        ok(rename(from, to) == 0 || errno == ENOENT ? 0 : -1);
    }
    forget();
    int left = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(from, sizeof from, "n%d", i);
        if (access(from, F_OK) == 0) {
            left++;
            ok(unlink(from));
        }
    }
    holds(left > 0 && left < 40);
}
