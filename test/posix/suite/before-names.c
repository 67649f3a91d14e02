/* Names and directories that were there before. */
#include "fixtures.h"

#include <dirent.h>

#include "before.h"

#define GROUP BEFORE_GROUP

CASE("removed names stay away, and new things of that name are new")
{
    enter();
    touches(M_TIME | C_TIME, ".", unlink("file"));
    holds(absent("file"));
    forget();
    holds(absent("file"));
    holds(has_names(".", "other program large link empty dir many"));
    make_file("file", "again");
    forget();
    holds(says("file", "again"));
    holds(has_names(".", "file other program large link empty dir many"));
    ok(unlink("file"));
    forget();
    holds(absent("file"));
}

CASE("ENOTEMPTY for a directory until all of it is gone; made again it is empty")
{
    enter();
    fails(ENOTEMPTY, rmdir("dir"));
    ok(unlink("dir/a"));
    ok(unlink("dir/b"));
    fails(ENOTEMPTY, rmdir("dir"));
    ok(unlink("dir/sub/deep/leaf"));
    ok(rmdir("dir/sub/deep"));
    same(2, links_of("dir/sub"));
    ok(rmdir("dir/sub"));
    same(2, links_of("dir"));
    forget();
    ok(rmdir("dir"));
    same(4, links_of("."));
    ok(mkdir("dir", 0755));
    forget();
    holds(has_names("dir", ""));
    holds(absent("dir/a"));
    same(2, links_of("dir"));
}

CASE("a file is renamed, and renamed back")
{
    enter();
    ino_t inode = inode_of("file");
    ok(rename("file", "dir/moved"));
    forget();
    holds(absent("file"));
    holds(says("dir/moved", "content\n"));
    same(inode, inode_of("dir/moved"));
    holds(has_names("dir", "a b sub moved"));
    ok(rename("dir/moved", "file"));
    forget();
    holds(says("file", "content\n"));
    same(inode, inode_of("file"));
    holds(has_names("dir", "a b sub"));
}

CASE("a file takes another's place")
{
    enter();
    ino_t inode = inode_of("other");
    int fd = ok(open("file", O_RDONLY));
    ok(rename("other", "file"));
    forget();
    holds(says("file", "another\n"));
    same(inode, inode_of("file"));
    holds(absent("other"));
    char got[16] = "";
    same(8, read(fd, got, 16));
    holds(strcmp(got, "content\n") == 0);
}

CASE("a directory is renamed with all that is in it")
{
    enter();
    ino_t directory = inode_of("dir"), leaf = inode_of("dir/sub/deep/leaf");
    int fd = ok(open("dir/sub/deep/leaf", O_RDWR));
    ok(rename("dir", "empty/moved"));
    forget();
    holds(absent("dir"));
    holds(absent("dir/a"));
    same(directory, inode_of("empty/moved"));
    same(leaf, inode_of("empty/moved/sub/deep/leaf"));
    holds(says("empty/moved/sub/deep/leaf", "leaf\n"));
    holds(says("empty/moved/a", "a\n"));
    holds(has_names("empty/moved", "a b sub"));
    same(3, links_of("empty"));
    same(4, links_of("."));
    same(3, pwrite(fd, "LEA", 3, 0));
    holds(says("empty/moved/sub/deep/leaf", "LEAf\n"));
    struct stat st;
    ok(stat("empty/moved/sub/..", &st));
    same(directory, st.st_ino);
}

CASE("what takes a renamed directory's name has nothing of it")
{
    enter();
    ok(rename("dir", "away"));
    ok(mkdir("dir", 0755));
    forget();
    holds(has_names("dir", ""));
    make_file("dir/a", "new");
    ok(mkdir("dir/sub", 0755));
    forget();
    holds(says("dir/a", "new"));
    holds(says("away/a", "a\n"));
    holds(has_names("dir/sub", ""));
    holds(has_names("away/sub", "deep"));
    fails(ENOTEMPTY, rename("dir", "away"));
}

CASE("a directory that is renamed again and again keeps what was changed in it")
{
    enter();
    ok(unlink("dir/a"));
    ok(rename("dir", "one"));
    make_file("one/new", "new");
    ok(rename("one/sub", "sub"));
    ok(rename("one", "sub/two"));
    ok(rename("sub/deep", "sub/two/deep"));
    make_file("sub/two/deep/leaf", "changed");
    ok(rename("sub", "dir"));
    forget();
    holds(has_names("dir", "two"));
    holds(has_names("dir/two", "b new deep"));
    holds(says("dir/two/deep/leaf", "changed"));
    holds(says("dir/two/b", "b\n"));
    holds(says("dir/two/new", "new"));
    holds(absent("dir/sub"));
}

CASE("a directory takes an empty one's place, not a full one's")
{
    enter();
    fails(ENOTEMPTY, rename("empty", "dir"));
    ino_t inode = inode_of("dir");
    ok(rename("dir", "empty"));
    forget();
    same(inode, inode_of("empty"));
    holds(has_names("empty", "a b sub"));
    holds(absent("dir"));
    fails(EINVAL, rename("empty", "empty/sub/deep/x"));
}

CASE("RENAME_EXCHANGE of a file and a directory that were there, and with a new one")
{
    enter();
    ino_t file = inode_of("file"), directory = inode_of("dir");
    ok(renameat2(AT_FDCWD, "file", AT_FDCWD, "dir", RENAME_EXCHANGE));
    forget();
    same(file, inode_of("dir"));
    same(directory, inode_of("file"));
    holds(says("dir", "content\n"));
    holds(says("file/sub/deep/leaf", "leaf\n"));
    ok(mkdir("new", 0755));
    make_file("new/inner", "inner");
    ok(renameat2(AT_FDCWD, "new", AT_FDCWD, "file", RENAME_EXCHANGE));
    forget();
    holds(says("file/inner", "inner"));
    holds(has_names("file", "inner"));
    holds(has_names("new", "a b sub"));
    fails(EEXIST, renameat2(AT_FDCWD, "other", AT_FDCWD, "link", RENAME_NOREPLACE));
}

CASE("a file gets another name")
{
    enter();
    ino_t inode = inode_of("file");
    touches(C_TIME, "file", link("file", "dir/second"));
    forget();
    same(2, links_of("file"));
    same(inode, inode_of("dir/second"));
    make_file("dir/second", "by the second");
    holds(says("file", "by the second"));
    ok(unlink("file"));
    forget();
    same(1, links_of("dir/second"));
    same(inode, inode_of("dir/second"));
    holds(says("dir/second", "by the second"));
}

CASE("listings show what came and went")
{
    char name[32];
    enter();
    for (int i = 0; i < MANY; i += 3) {
        snprintf(name, sizeof name, "many/n%d", i);
        ok(unlink(name));
    }
    for (int i = 0; i < MANY; i += 6) {
        snprintf(name, sizeof name, "many/n%d", i);
        make_file(name, "again");
    }
    make(DIRECTORY, "many/n1000");
    static int seen[MANY];
    for (int round = 0; round < 2; round++) {
        int others = 0;
        memset(seen, 0, sizeof seen);
        DIR *directory = opendir("many");
        for (struct dirent *e; (e = readdir(directory)) != NULL;) {
            int number = e->d_name[0] == 'n' ? atoi(e->d_name + 1) : -1;
            if (number >= 0 && number < MANY)
                seen[number]++;
            else
                others++;
        }
        closedir(directory);
        same(3, others);
        int wrong = 0;
        for (int i = 0; i < MANY; i++)
            wrong += seen[i] != (i % 3 != 0 || i % 6 == 0);
        same(0, wrong);
        forget();
    }
}

CASE("a listing that is under way goes on while entries go and come")
{
    static int seen[MANY];
    char name[32];
    enter();
    forget();
    DIR *directory = opendir("many");
    for (int i = 0; i < 20; i++) {
        struct dirent *e = readdir(directory);
        if (e->d_name[0] == 'n')
            seen[atoi(e->d_name + 1)]++;
    }
    for (int i = 0; i < MANY; i += 2) {
        snprintf(name, sizeof name, "many/n%d", i);
        ok(unlink(name));
        snprintf(name, sizeof name, "many/m%d", i);
        make(REGULAR, name);
    }
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        if (e->d_name[0] == 'n')
            seen[atoi(e->d_name + 1)]++;
    closedir(directory);
    int wrong = 0;
    for (int i = 1; i < MANY; i += 2)
        wrong += seen[i] != 1;
    same(0, wrong);
}

CASE("links of directories follow what is made, removed and moved")
{
    enter();
    ok(mkdir("dir/new", 0755));
    same(4, links_of("dir"));
    ok(rename("dir/sub", "empty/sub"));
    forget();
    same(3, links_of("dir"));
    same(3, links_of("empty"));
    same(3, links_of("empty/sub"));
    ok(rename("empty/sub/deep", "empty/deep"));
    forget();
    same(4, links_of("empty"));
    same(2, links_of("empty/sub"));
    ok(rmdir("empty/sub"));
    same(3, links_of("empty"));
}

CASE("an open directory is worked in while it is renamed and its old name is given away")
{
    enter();
    int fd = ok(open("dir", O_RDONLY | O_DIRECTORY));
    ok(rename("dir", "empty/moved"));
    ok(mkdir("dir", 0755));
    ok(mkdirat(fd, "made", 0755));
    ok(unlinkat(fd, "a", 0));
    ok(symlinkat("there", fd, "sym"));
    forget();
    holds(has_names("empty/moved", "b sub made sym"));
    holds(has_names("dir", ""));
}

CASE("EEXIST, EISDIR and ENOTDIR for what was there as for what is new")
{
    enter();
    fails(EEXIST, mkdir("dir", 0755));
    fails(EEXIST, mkdir("file", 0755));
    fails(EEXIST, symlink("x", "link"));
    fails(EEXIST, link("file", "other"));
    fails(EEXIST, mkfifo("dir/a", 0644));
    fails(EEXIST, open("file", O_CREAT | O_EXCL | O_WRONLY, 0644));
    fails(EISDIR, unlink("dir"));
    fails(EISDIR, open("dir", O_WRONLY));
    fails(EISDIR, rename("file", "dir"));
    fails(ENOTDIR, rename("dir", "file"));
    fails(ENOTDIR, rmdir("file"));
    fails(ENOTDIR, open("file/x", O_CREAT | O_WRONLY, 0644));
    fails(EPERM, link("dir", "x"));
    fails(ENOTEMPTY, rename("empty", "many"));
}

CASE("a directory that is emptied by renaming can be removed and its name used")
{
    enter();
    ok(rename("dir/a", "a"));
    ok(rename("dir/b", "b"));
    ok(rename("dir/sub", "sub"));
    ok(rmdir("dir"));
    make_file("dir", "now a file");
    forget();
    holds(says("dir", "now a file"));
    holds(says("a", "a\n"));
    holds(says("sub/deep/leaf", "leaf\n"));
    ok(unlink("dir"));
    ok(rename("sub", "dir"));
    forget();
    holds(has_names("dir", "deep"));
    holds(has_names(".", "file other program large link empty dir many a b"));
}
