#include "fixtures.h"

#define GROUP "renameat2"
#define exchange(a, b) renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE)
#define keep(a, b) renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE)

CASE("NOREPLACE: EEXIST when there is anything of that name, else it renames")
{
    make(REGULAR, "x");
    for (each_kind(kind)) {
        make(kind, "y");
        leaves(".", fails(EEXIST, keep("x", "y")));
        same_octal(kind_bits(kind), status("y").st_mode & S_IFMT);
        ok(take_away(kind, "y"));
    }
    fails(EEXIST, keep("x", "x"));
    ok(keep("x", "y"));
    forget();
    holds(S_ISREG(status("y").st_mode));
    fails(ENOENT, keep("x", "z"));
}

CASE("EXCHANGE: entries of all kinds swap names, files with directories as well")
{
    for (enum kind first = 0; first < KINDS; first++) {
        for (each_kind(second)) {
            make(first, "x");
            make(second, "y");
            ino_t x = inode_of("x"), y = inode_of("y");
            ok(exchange("x", "y"));
            same(x, inode_of("y"));
            same(y, inode_of("x"));
            same_octal(kind_bits(first), status("y").st_mode & S_IFMT);
            same_octal(kind_bits(second), status("x").st_mode & S_IFMT);
            ok(take_away(first, "y"));
            ok(take_away(second, "x"));
        }
    }
}

CASE("EXCHANGE between directories: contents and links follow")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    ok(mkdir("a/x", 0755));
    make_file("a/x/inner", "content");
    make_file("b/y", "file");
    ok(exchange("a/x", "b/y"));
    forget();
    same(2, links_of("a"));
    same(3, links_of("b"));
    holds(strcmp(content_of("b/y/inner"), "content") == 0);
    holds(strcmp(content_of("a/x"), "file") == 0);
    struct stat st;
    ok(stat("b/y/..", &st));
    same(inode_of("b"), st.st_ino);
}

CASE("EXCHANGE of directories that are not empty")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    make_file("a/one", "1");
    make_file("b/two", "2");
    ok(exchange("a", "b"));
    holds(strcmp(content_of("b/one"), "1") == 0);
    holds(strcmp(content_of("a/two"), "2") == 0);
}

CASE("EXCHANGE: ENOENT when one of them is absent, EINVAL within itself")
{
    ok(mkdir("a", 0755));
    ok(mkdir("a/b", 0755));
    fails(ENOENT, exchange("a", "absent"));
    fails(ENOENT, exchange("absent", "a"));
    fails(EINVAL, exchange("a", "a/b"));
    fails(EINVAL, exchange("a/b", "a"));
}

CASE("EXCHANGE moves ctime of both and the times of both directories")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    make(REGULAR, "a/x");
    make(REGULAR, "b/y");
    struct stat b = status("b"), x = status("a/x"), y = status("b/y");
    touches(M_TIME | C_TIME, "a", exchange("a/x", "b/y"));
    holds(is_before(b.st_mtim, status("b").st_mtim));
    holds(is_before(b.st_ctim, status("b").st_ctim));
    holds(is_before(x.st_ctim, status("b/y").st_ctim));
    holds(is_before(y.st_ctim, status("a/x").st_ctim));
    same(x.st_mtim.tv_nsec, status("b/y").st_mtim.tv_nsec);
}

CASE("EINVAL for flags that exclude one another or do not exist")
{
    make(REGULAR, "x");
    make(REGULAR, "y");
    fails(EINVAL, renameat2(AT_FDCWD, "x", AT_FDCWD, "y", RENAME_EXCHANGE | RENAME_NOREPLACE));
    fails(EINVAL, renameat2(AT_FDCWD, "x", AT_FDCWD, "y", 0x100));
}
