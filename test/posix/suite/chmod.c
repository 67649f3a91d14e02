#include "fixtures.h"

#define GROUP "chmod"

CASE("changes the mode of every kind of entry, and nothing else of it")
{
    for (each_kind(kind)) {
        if (kind == SYMLINK)
            continue;
        make(kind, "x");
        ok(chmod("x", 0111));
        same_octal(kind_bits(kind) | 0111, status("x").st_mode);
        ok(fchmodat(AT_FDCWD, "x", 0640, 0));
        forget();
        same_octal(kind_bits(kind) | 0640, status("x").st_mode);
        ok(take_away(kind, "x"));
    }
}

CASE("takes each of the twelve bits, on files and directories")
{
    make(REGULAR, "file");
    make(DIRECTORY, "directory");
    for (mode_t bit = 1; bit <= 04000; bit <<= 1) {
        ok(chmod("file", bit));
        same_octal(bit, mode_of("file"));
        ok(chmod("directory", bit));
        same_octal(bit, mode_of("directory"));
    }
    ok(chmod("file", 07777));
    ok(chmod("directory", 07777));
    forget();
    same_octal(07777, mode_of("file"));
    same_octal(07777, mode_of("directory"));
}

CASE("ignores bits that are no permissions")
{
    make(REGULAR, "x");
    ok(chmod("x", S_IFDIR | 0600));
    same_octal(S_IFREG | 0600, status("x").st_mode);
}

CASE("follows a symlink")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    mode_t before = mode_of("link");
    ok(chmod("link", 0421));
    same_octal(0421, mode_of("x"));
    same_octal(before, mode_of("link"));
}

CASE("is seen by every name of the inode")
{
    make(REGULAR, "x");
    ok(link("x", "y"));
    ok(chmod("y", 0604));
    forget();
    same_octal(0604, mode_of("x"));
}

CASE("fchmod changes an open file, one without a name as well")
{
    struct stat st;
    make(REGULAR, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(fchmod(fd, 0600));
    same_octal(0600, mode_of("x"));
    ok(unlink("x"));
    ok(fchmod(fd, 0640));
    ok(fstat(fd, &st));
    same_octal(0640, st.st_mode & 07777);
    fails(EBADF, fchmod(-1, 0600));
}

CASE("moves ctime alone")
{
    for (each_kind(kind)) {
        if (kind == SYMLINK)
            continue;
        make(kind, "x");
        touches(C_TIME, "x", chmod("x", 0611));
        ok(take_away(kind, "x"));
    }
    make(REGULAR, "y");
    int fd = ok(open("y", O_RDONLY));
    touches(C_TIME, "y", fchmod(fd, 0600));
}

CASE("leaves every time alone when it fails")
{
    make(REGULAR, "x");
    as(ALICE, ALICE);
    leaves("x", fails(EPERM, chmod("x", 0600)));
}

CASE("is the owner's and root's alone")
{
    make_open_directory("d");
    for (each_kind(kind)) {
        if (kind == SYMLINK)
            continue;
        make(kind, "d/x");
        ok(chown("d/x", ALICE, TEAM));
        as(ALICE, ALICE);
        ok(chmod("d/x", 0601));
        same_octal(0601, mode_of("d/x"));
        as_member(BOB, BOB, TEAM);
        fails(EPERM, chmod("d/x", 0777));
        as(BOB, TEAM);
        fails(EPERM, chmod("d/x", 0777));
        same_octal(0601, mode_of("d/x"));
        as_root();
        ok(chmod("d/x", 0610));
        ok(take_away(kind, "d/x"));
    }
}

CASE("an owner outside the group cannot set the set-group-ID bit of a file")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, TEAM));
    as(ALICE, ALICE);
    ok(chmod("x", 02755));
    same_octal(0755, mode_of("x"));
    as_member(ALICE, ALICE, TEAM);
    ok(chmod("x", 02755));
    same_octal(02755, mode_of("x"));
    as(ALICE, ALICE);
    ok(chmod("x", 02711));
    same_octal(0711, mode_of("x"));
    as_root();
    ok(chmod("x", 02755));
    same_octal(02755, mode_of("x"));
}

CASE("an owner outside the group cannot set it on a directory either")
{
    make(DIRECTORY, "x");
    ok(chown("x", ALICE, TEAM));
    as(ALICE, ALICE);
    ok(chmod("x", 02755));
    same_octal(0755, mode_of("x"));
    as(ALICE, TEAM);
    ok(chmod("x", 02755));
    same_octal(02755, mode_of("x"));
}

CASE("an owner sets the set-user-ID and the sticky bit")
{
    make(REGULAR, "x");
    make(DIRECTORY, "d");
    ok(chown("x", ALICE, ALICE));
    ok(chown("d", ALICE, ALICE));
    as(ALICE, ALICE);
    ok(chmod("x", 05755));
    same_octal(05755, mode_of("x"));
    ok(chmod("d", 05755));
    same_octal(05755, mode_of("d"));
}

CASE("its effect is immediate: reading and writing are refused, and allowed again")
{
    make_file("x", "content");
    ok(chown("x", ALICE, ALICE));
    as(ALICE, ALICE);
    ok(chmod("x", 0));
    fails(EACCES, open("x", O_RDONLY));
    fails(EACCES, open("x", O_WRONLY));
    ok(chmod("x", 0400));
    ok(close(ok(open("x", O_RDONLY))));
    fails(EACCES, open("x", O_RDWR));
    ok(chmod("x", 0200));
    ok(close(ok(open("x", O_WRONLY))));
    fails(EACCES, open("x", O_RDONLY));
}

CASE("permissions are those of the owner, else the group, else the others")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, TEAM));
    ok(chmod("x", 0070));
    as_member(ALICE, ALICE, TEAM);
    fails(EACCES, open("x", O_RDONLY)); /* an owner is not asked as a member */
    as_member(BOB, BOB, TEAM);
    ok(close(ok(open("x", O_RDWR))));
    as_root();
    ok(chmod("x", 0707));
    as_member(BOB, BOB, TEAM);
    fails(EACCES, open("x", O_RDONLY));
    as(BOB, BOB);
    ok(close(ok(open("x", O_RDWR))));
}

CASE("execution needs an x bit, for root too")
{
    make_file("x", "#!/bin/true\n");
    ok(chmod("x", 0666));
    fails(EACCES, faccessat(AT_FDCWD, "x", X_OK, AT_EACCESS));
    ok(chmod("x", 0667));
    ok(faccessat(AT_FDCWD, "x", X_OK, AT_EACCESS));
    char *const words[] = {"./x", NULL};
    ok(chmod("x", 0666));
    fails(EACCES, execv("./x", words));
}
