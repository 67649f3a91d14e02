#include "fixtures.h"

#define GROUP "chown"

static void owned(int line, const char *path, uid_t uid, gid_t gid)
{
    struct stat st = status(path);
    check_same(line, "st_uid", uid, st.st_uid, 0);
    check_same(line, "st_gid", gid, st.st_gid, 0);
}
#define owned_by(path, uid, gid) owned(__LINE__, path, uid, gid)

CASE("root changes owner and group of every kind of entry")
{
    for (each_kind(kind)) {
        make(kind, "x");
        ok(lchown("x", ALICE, TEAM));
        forget();
        owned_by("x", ALICE, TEAM);
        ok(lchown("x", 0, 0));
        owned_by("x", 0, 0);
        ok(take_away(kind, "x"));
    }
}

CASE("-1 leaves the owner, or the group, or both")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, BOB));
    ok(chown("x", -1, TEAM));
    owned_by("x", ALICE, TEAM);
    ok(chown("x", BOB, -1));
    owned_by("x", BOB, TEAM);
    ok(chown("x", -1, -1));
    owned_by("x", BOB, TEAM);
}

CASE("large numbers are kept")
{
    make(REGULAR, "x");
    ok(chown("x", 0xfffffffe, 0x7fffffff));
    forget();
    owned_by("x", 0xfffffffe, 0x7fffffff);
}

CASE("chown follows a symlink, lchown does not")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    ok(chown("link", ALICE, TEAM));
    owned_by("x", ALICE, TEAM);
    owned_by("link", 0, 0);
    ok(lchown("link", BOB, BOB));
    owned_by("x", ALICE, TEAM);
    owned_by("link", BOB, BOB);
    ok(fchownat(AT_FDCWD, "link", 1, 2, AT_SYMLINK_NOFOLLOW));
    owned_by("link", 1, 2);
}

CASE("fchown changes an open file, and fchownat what a descriptor stands for")
{
    make(REGULAR, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(fchown(fd, ALICE, ALICE));
    owned_by("x", ALICE, ALICE);
    ok(fchownat(fd, "", BOB, BOB, AT_EMPTY_PATH));
    owned_by("x", BOB, BOB);
    ok(unlink("x"));
    ok(fchown(fd, 7, 8));
    struct stat st;
    ok(fstat(fd, &st));
    same(7, st.st_uid);
    same(8, st.st_gid);
    fails(EBADF, fchown(-1, 0, 0));
}

CASE("an owner gives the file to a group that they are in, and to no other")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    as_member(ALICE, ALICE, TEAM);
    ok(chown("x", -1, TEAM));
    owned_by("x", ALICE, TEAM);
    ok(chown("x", ALICE, ALICE));
    owned_by("x", ALICE, ALICE);
    fails(EPERM, chown("x", -1, BOB));
    fails(EPERM, chown("x", ALICE, 0));
    owned_by("x", ALICE, ALICE);
}

CASE("an owner cannot give the file away, nor can another user take it")
{
    for (each_kind(kind)) {
        make(kind, "x");
        ok(lchown("x", ALICE, ALICE));
        as(ALICE, ALICE);
        fails(EPERM, lchown("x", BOB, -1));
        fails(EPERM, lchown("x", BOB, ALICE));
        as(BOB, BOB);
        fails(EPERM, lchown("x", BOB, -1));
        fails(EPERM, lchown("x", -1, BOB));
        as_root();
        owned_by("x", ALICE, ALICE);
        ok(take_away(kind, "x"));
    }
}

CASE("another user may not even name the ids that are there")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    as(BOB, BOB);
    fails(EPERM, chown("x", ALICE, -1));
    fails(EPERM, chown("x", -1, ALICE));
    ok(chown("x", -1, -1));
}

CASE("moves ctime alone")
{
    for (each_kind(kind)) {
        make(kind, "x");
        touches(C_TIME, "x", lchown("x", ALICE, -1));
        touches(C_TIME, "x", lchown("x", -1, TEAM));
        ok(take_away(kind, "x"));
    }
}

CASE("leaves every time alone when it fails")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    as(ALICE, ALICE);
    leaves("x", fails(EPERM, chown("x", BOB, -1)));
    leaves("x", fails(EPERM, chown("x", -1, BOB)));
}

CASE("an owner's change of group clears set-user-ID and set-group-ID of a program")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    ok(chmod("x", 06555));
    as_member(ALICE, ALICE, TEAM);
    ok(chown("x", -1, TEAM));
    same_octal(0555, mode_of("x"));
}

CASE("so does root's")
{
    make(REGULAR, "x");
    ok(chmod("x", 06555));
    ok(chown("x", ALICE, -1));
    forget();
    same_octal(0555, mode_of("x"));
    ok(chmod("x", 06755));
    ok(chown("x", -1, TEAM));
    same_octal(0755, mode_of("x"));
}

CASE("set-group-ID without x for the group stays with root, as a file of mandatory locks")
{
    make(REGULAR, "x");
    ok(chmod("x", 06644));
    ok(chown("x", ALICE, TEAM));
    same_octal(02644, mode_of("x"));
}

CASE("directories keep set-user-ID and set-group-ID")
{
    make(DIRECTORY, "x");
    ok(chmod("x", 06755));
    ok(chown("x", ALICE, TEAM));
    same_octal(06755, mode_of("x"));
    as(ALICE, TEAM);
    ok(chown("x", ALICE, TEAM));
    same_octal(06755, mode_of("x"));
}

CASE("other bits stay")
{
    make(REGULAR, "x");
    ok(chmod("x", 01751));
    ok(chown("x", ALICE, TEAM));
    same_octal(01751, mode_of("x"));
}

CASE("takes effect at once")
{
    make_file("x", "content");
    ok(chmod("x", 0600));
    as(ALICE, ALICE);
    fails(EACCES, open("x", O_RDONLY));
    as_root();
    ok(chown("x", ALICE, -1));
    as(ALICE, ALICE);
    ok(close(ok(open("x", O_RDWR))));
    as_root();
    ok(chown("x", BOB, -1));
    as(ALICE, ALICE);
    fails(EACCES, open("x", O_RDONLY));
}

CASE("EINVAL for flags that do not exist")
{
    make(REGULAR, "x");
    fails(EINVAL, fchownat(AT_FDCWD, "x", 0, 0, 0x400000));
}
