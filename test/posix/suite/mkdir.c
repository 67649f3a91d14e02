#include "fixtures.h"

#define GROUP "mkdir"

CASE("makes an empty directory with two names")
{
    ok(mkdir("x", 0755));
    forget();
    holds(S_ISDIR(status("x").st_mode));
    same(2, links_of("x"));
    ok(close(ok(open("x", O_RDONLY | O_DIRECTORY))));
    ok(rmdir("x"));
}

CASE("the mode is what was asked for without the umask")
{
    struct {
        mode_t mask, asked, got;
    } rows[] = {
        {0, 0755, 0755}, {0, 0777, 0777}, {022, 0777, 0755}, {077, 0777, 0700},
        {0111, 0777, 0666}, {0777, 0777, 0}, {0, 0151, 0151}, {070, 0345, 0305},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        umask(rows[i].mask);
        ok(mkdir("x", rows[i].asked));
        same_octal(rows[i].got, mode_of("x"));
        forget();
        same_octal(rows[i].got, mode_of("x"));
        ok(rmdir("x"));
    }
}

CASE("the sticky bit is kept, set-user-ID and set-group-ID are not asked for here")
{
    umask(0);
    ok(mkdir("x", 07777));
    same_octal(01777, mode_of("x"));
}

CASE("belongs to the one who makes it")
{
    make_open_directory("d");
    ok(chown("d", BOB, BOB));
    as_member(ALICE, ALICE, TEAM);
    ok(mkdir("d/x", 0755));
    same(ALICE, status("d/x").st_uid);
    same(ALICE, status("d/x").st_gid);
}

CASE("in a directory with set-group-ID it takes over the group and the bit")
{
    make_open_directory("d");
    ok(chown("d", BOB, TEAM));
    ok(chmod("d", 02777));
    as(ALICE, ALICE);
    ok(mkdir("d/x", 0755));
    forget();
    same(ALICE, status("d/x").st_uid);
    same(TEAM, status("d/x").st_gid);
    same_octal(02755, mode_of("d/x"));
    ok(mkdir("d/x/y", 0700));
    same(TEAM, status("d/x/y").st_gid);
    same_octal(02700, mode_of("d/x/y"));
}

CASE("its parent counts it")
{
    make(DIRECTORY, "d");
    long before = links_of("d");
    ok(mkdir("d/a", 0755));
    same(before + 1, links_of("d"));
    ok(mkdir("d/b", 0755));
    make(REGULAR, "d/file");
    forget();
    same(before + 2, links_of("d"));
    ok(rmdir("d/a"));
    ok(rmdir("d/b"));
    forget();
    same(before, links_of("d"));
}

CASE("its times are of now, and its parent's mtime and ctime move")
{
    make(DIRECTORY, "d");
    struct stat before = status("d");
    touches(M_TIME | C_TIME, "d", mkdir("d/x", 0755));
    struct stat st = status("d/x");
    holds(is_before(before.st_ctim, st.st_atim));
    holds(is_before(before.st_ctim, st.st_mtim));
    holds(is_before(before.st_ctim, st.st_ctim));
}

CASE("EEXIST when there is anything of that name, a symlink that leads nowhere too")
{
    make(DIRECTORY, "d");
    for (each_kind(kind)) {
        make(kind, "d/x");
        fails(EEXIST, mkdir("d/x", 0755));
        leaves("d", fails(EEXIST, mkdir("d/x", 0755)));
        ok(take_away(kind, "d/x"));
    }
    fails(EEXIST, mkdir(".", 0755));
    fails(EEXIST, mkdir("d/..", 0755));
    fails(EEXIST, mkdir("/", 0755));
}

CASE("a deep tree, and '..' leads back through it")
{
    struct stat top = status(".");
    for (int i = 0; i < 60; i++) {
        ok(mkdir("deeper", 0755));
        ok(chdir("deeper"));
    }
    forget();
    for (int i = 0; i < 60; i++)
        ok(chdir(".."));
    same(top.st_ino, inode_of("."));
}

CASE("mkdirat goes by a descriptor")
{
    make(DIRECTORY, "d");
    make(REGULAR, "file");
    int directory = ok(open("d", O_RDONLY | O_DIRECTORY));
    ok(mkdirat(directory, "x", 0755));
    holds(S_ISDIR(status("d/x").st_mode));
    int file = ok(open("file", O_RDONLY));
    fails(ENOTDIR, mkdirat(file, "x", 0755));
    fails(EBADF, mkdirat(-1, "x", 0755));
}

CASE("ENOENT in a directory that was removed while it is open")
{
    make(DIRECTORY, "d");
    int directory = ok(open("d", O_RDONLY | O_DIRECTORY));
    ok(rmdir("d"));
    fails(ENOENT, mkdirat(directory, "x", 0755));
    fails(ENOENT, openat(directory, "x", O_CREAT | O_WRONLY, 0644));
    fails(ENOENT, symlinkat("there", directory, "x"));
}

CASE("names of any bytes but slash and zero")
{
    char name[2] = "";
    for (int byte = 1; byte < 256; byte++) {
        if (byte == '/' || byte == '.')
            continue;
        name[0] = (char)byte;
        ok(mkdir(name, 0755));
    }
    forget();
    for (int byte = 1; byte < 256; byte++) {
        name[0] = (char)byte;
        if (byte != '/' && byte != '.')
            ok(rmdir(name));
    }
}
