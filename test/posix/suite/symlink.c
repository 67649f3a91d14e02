#include "fixtures.h"

#define GROUP "symlink"

CASE("makes a symlink that says what it was told")
{
    char target[64];
    ok(symlink("some/where", "x"));
    forget();
    holds(S_ISLNK(status("x").st_mode));
    same_octal(0777, mode_of("x"));
    same(10, size_of("x"));
    same(1, links_of("x"));
    memset(target, '#', sizeof target);
    same(10, readlink("x", target, sizeof target));
    holds(memcmp(target, "some/where#", 11) == 0);
    same(4, readlink("x", target, 4));
    fails(EINVAL, readlink("x", target, 0));
}

CASE("targets of 1 to 4095 bytes, not of none nor 4096")
{
    static char target[5000], got[5000];
    static const int lengths[] = {1, 2, 59, 60, 61, 255, 256, 1000, 4094, 4095};
    memset(target, 'x', sizeof target);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        target[lengths[i]] = 0;
        ok(symlink(target, "x"));
        forget();
        same(lengths[i], size_of("x"));
        same(lengths[i], readlink("x", got, sizeof got));
        holds(memcmp(got, target, lengths[i]) == 0);
        target[lengths[i]] = 'x';
        ok(unlink("x"));
    }
    target[4096] = 0;
    fails(ENAMETOOLONG, symlink(target, "x"));
    fails(ENOENT, symlink("", "x"));
}

CASE("is followed in the middle of a path and at its end")
{
    ok(mkdir("d", 0755));
    make_file("d/file", "content");
    ok(symlink("d", "a"));
    ok(symlink("a/file", "b"));
    ok(symlink("../d/./file", "d/c"));
    forget();
    holds(strcmp(content_of("a/file"), "content") == 0);
    holds(strcmp(content_of("b"), "content") == 0);
    holds(strcmp(content_of("d/c"), "content") == 0);
}

CASE("belongs to the one who makes it, or to the group of a directory with set-group-ID")
{
    make_open_directory("d");
    as(ALICE, ALICE);
    ok(symlink("x", "d/x"));
    same(ALICE, status("d/x").st_uid);
    same(ALICE, status("d/x").st_gid);
    as_root();
    ok(chown("d", 0, TEAM));
    ok(chmod("d", 02777));
    as(ALICE, ALICE);
    ok(symlink("x", "d/y"));
    same(TEAM, status("d/y").st_gid);
}

CASE("the umask does not matter")
{
    umask(0777);
    ok(symlink("nowhere", "x"));
    same_octal(0777, mode_of("x"));
}

CASE("its times are of now, and its directory's mtime and ctime move")
{
    make(DIRECTORY, "d");
    struct stat before = status("d");
    touches(M_TIME | C_TIME, "d", symlink("nowhere", "d/x"));
    struct stat st = status("d/x");
    holds(is_before(before.st_ctim, st.st_mtim));
    holds(is_before(before.st_ctim, st.st_ctim));
}

CASE("EEXIST when there is anything of that name")
{
    make(DIRECTORY, "d");
    for (each_kind(kind)) {
        make(kind, "d/x");
        leaves("d", fails(EEXIST, symlink("nowhere", "d/x")));
        ok(take_away(kind, "d/x"));
    }
}

CASE("EINVAL for readlink of anything else")
{
    char target[8];
    for (each_kind(kind)) {
        if (kind == SYMLINK)
            continue;
        make(kind, "x");
        fails(EINVAL, readlink("x", target, sizeof target));
        ok(take_away(kind, "x"));
    }
}

CASE("a target may be of any bytes")
{
    char target[256], got[256];
    for (int i = 1; i < 256; i++)
        target[i - 1] = (char)i;
    target[255] = 0;
    ok(symlink(target, "x"));
    forget();
    same(255, readlink("x", got, sizeof got));
    holds(memcmp(got, target, 255) == 0);
}
