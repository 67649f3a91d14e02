#include "fixtures.h"

#include <sys/wait.h>

#define GROUP "open"

CASE("O_CREAT makes an empty regular file, with the umask off its mode")
{
    struct {
        mode_t mask, asked, got;
    } rows[] = {
        {0, 0755, 0755}, {0, 0151, 0151}, {022, 0666, 0644}, {077, 0666, 0600},
        {070, 0345, 0305}, {0501, 0345, 0244}, {0, 0, 0}, {0, 04755, 04755},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        umask(rows[i].mask);
        ok(close(ok(open("x", O_CREAT | O_WRONLY, rows[i].asked))));
        same_octal(S_IFREG | rows[i].got, status("x").st_mode);
        forget();
        same_octal(S_IFREG | rows[i].got, status("x").st_mode);
        same(0, size_of("x"));
        same(1, links_of("x"));
        ok(unlink("x"));
    }
}

CASE("who makes a file may use it as opened, whatever its mode")
{
    make_open_directory("d");
    as(ALICE, ALICE);
    int fd = ok(open("d/x", O_CREAT | O_RDWR, 0));
    same(4, write(fd, "four", 4));
    char got[5] = "";
    same(4, pread(fd, got, 4, 0));
    fails(EACCES, open("d/x", O_RDONLY));
    same(ALICE, status("d/x").st_uid);
    same(ALICE, status("d/x").st_gid);
}

CASE("a new file belongs to the group of a directory with set-group-ID")
{
    make_open_directory("d");
    ok(chown("d", BOB, TEAM));
    ok(chmod("d", 02777));
    as(ALICE, ALICE);
    ok(close(ok(open("d/x", O_CREAT | O_WRONLY, 0644))));
    forget();
    same(ALICE, status("d/x").st_uid);
    same(TEAM, status("d/x").st_gid);
    same_octal(0644, mode_of("d/x"));
}

CASE("there, set-group-ID with x is not granted to a maker outside the group")
{
    make_open_directory("d");
    ok(chown("d", BOB, TEAM));
    ok(chmod("d", 02777));
    umask(0);
    as(ALICE, ALICE);
    ok(close(ok(open("d/x", O_CREAT | O_WRONLY, 02755))));
    same_octal(0755, mode_of("d/x"));
    as_member(ALICE, ALICE, TEAM);
    ok(close(ok(open("d/y", O_CREAT | O_WRONLY, 02755))));
    same_octal(02755, mode_of("d/y"));
}

CASE("creating moves the directory's mtime and ctime, opening what is there does not")
{
    make(DIRECTORY, "d");
    struct stat before = status("d");
    touches(M_TIME | C_TIME, "d", close(open("d/x", O_CREAT | O_WRONLY, 0644)));
    struct stat st = status("d/x");
    holds(is_before(before.st_ctim, st.st_atim));
    holds(is_before(before.st_ctim, st.st_mtim));
    holds(is_before(before.st_ctim, st.st_ctim));
    leaves("d", ok(close(open("d/x", O_CREAT | O_WRONLY, 0644))));
    leaves("d/x", ok(close(open("d/x", O_CREAT | O_WRONLY, 0644))));
}

CASE("O_CREAT on what is there keeps mode, owner and content")
{
    make_file("x", "content");
    ok(chmod("x", 0604));
    ok(close(ok(open("x", O_CREAT | O_WRONLY, 0777))));
    same_octal(0604, mode_of("x"));
    holds(strcmp(content_of("x"), "content") == 0);
}

CASE("O_EXCL: EEXIST when there is anything of that name")
{
    make(DIRECTORY, "d");
    for (each_kind(kind)) {
        make(kind, "d/x");
        fails(EEXIST, open("d/x", O_CREAT | O_EXCL | O_WRONLY, 0644));
        leaves("d", fails(EEXIST, open("d/x", O_CREAT | O_EXCL, 0644)));
        ok(take_away(kind, "d/x"));
    }
}

CASE("O_CREAT through a symlink that leads nowhere makes what it leads to")
{
    ok(symlink("there", "link"));
    ok(close(ok(open("link", O_CREAT | O_WRONLY, 0644))));
    holds(S_ISREG(status("there").st_mode));
    holds(S_ISLNK(status("link").st_mode));
}

CASE("O_TRUNC empties a file and moves mtime and ctime")
{
    make_file("x", "content");
    touches(M_TIME | C_TIME, "x", close(open("x", O_WRONLY | O_TRUNC)));
    forget();
    same(0, size_of("x"));
    touches(M_TIME | C_TIME, "x", close(open("x", O_WRONLY | O_TRUNC))); /* when empty, too */
}

CASE("O_TRUNC without write permission is refused and changes nothing")
{
    make_file("x", "content");
    ok(chmod("x", 0444));
    as(ALICE, ALICE);
    leaves("x", fails(EACCES, open("x", O_RDONLY | O_TRUNC)));
    leaves("x", fails(EACCES, open("x", O_WRONLY | O_TRUNC)));
    same(7, size_of("x"));
}

CASE("each way of opening needs its permission, of owner, group and others")
{
    static const struct {
        int flags;
        int needed;
    } ways[] = {{O_RDONLY, 4}, {O_WRONLY, 2}, {O_RDWR, 6}, {O_RDONLY | O_TRUNC, 6}};
    make(REGULAR, "x");
    ok(chown("x", ALICE, TEAM));
    for (int shift = 6; shift >= 0; shift -= 3) {
        for (int granted = 0; granted < 8; granted++) {
            as_root();
            ok(chmod("x", granted << shift));
            if (shift == 6)
                as(ALICE, ALICE);
            else if (shift == 3)
                as_member(BOB, BOB, TEAM);
            else
                as(BOB, BOB);
            for (size_t i = 0; i < 4; i++) {
                if ((granted & ways[i].needed) == ways[i].needed)
                    ok(close(ok(open("x", ways[i].flags))));
                else
                    fails(EACCES, open("x", ways[i].flags));
            }
        }
    }
}

CASE("root opens what grants nothing")
{
    make(REGULAR, "x");
    ok(chmod("x", 0));
    ok(close(ok(open("x", O_RDWR))));
}

CASE("EISDIR for writing to a directory")
{
    make(DIRECTORY, "x");
    fails(EISDIR, open("x", O_WRONLY));
    fails(EISDIR, open("x", O_RDWR));
    fails(EISDIR, open("x", O_RDONLY | O_TRUNC));
    fails(EISDIR, open("x", O_CREAT | O_WRONLY, 0644));
    fails(EISDIR, open("x", O_CREAT | O_RDONLY, 0644));
    ok(close(ok(open("x", O_RDONLY))));
}

CASE("O_DIRECTORY: ENOTDIR for what is none")
{
    for (each_kind(kind)) {
        make(kind, "x");
        if (kind == DIRECTORY)
            ok(close(ok(open("x", O_RDONLY | O_DIRECTORY))));
        else if (kind == SYMLINK)
            fails(ENOENT, open("x", O_RDONLY | O_DIRECTORY));
        else
            fails(ENOTDIR, open("x", O_RDONLY | O_DIRECTORY));
        ok(take_away(kind, "x"));
    }
}

CASE("O_NOFOLLOW: ELOOP for a symlink")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    fails(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
    fails(ELOOP, open("link", O_WRONLY | O_NOFOLLOW | O_CREAT, 0644));
    ok(close(ok(open("x", O_RDONLY | O_NOFOLLOW))));
    ok(close(ok(open("link", O_PATH | O_NOFOLLOW))));
}

CASE("O_APPEND writes at the end, wherever another has moved it")
{
    make_file("x", "one");
    int appending = ok(open("x", O_WRONLY | O_APPEND));
    int another = ok(open("x", O_WRONLY | O_APPEND));
    same(3, write(appending, "two", 3));
    same(5, write(another, "three", 5));
    ok(lseek(appending, 0, SEEK_SET));
    same(4, write(appending, "four", 4));
    ok(ftruncate(another, 6));
    same(4, write(appending, "five", 4));
    forget();
    holds(strcmp(content_of("x"), "onetwofive") == 0);
}

CASE("reading what was opened for writing fails, and the other way round")
{
    char byte = 0;
    make_file("x", "content");
    int fd = ok(open("x", O_WRONLY));
    fails(EBADF, read(fd, &byte, 1));
    fd = ok(open("x", O_RDONLY));
    fails(EBADF, write(fd, &byte, 1));
    fd = ok(open("x", O_PATH));
    fails(EBADF, read(fd, &byte, 1));
    fails(EBADF, fchmod(fd, 0600));
    make(DIRECTORY, "d");
    fd = ok(open("d", O_RDONLY));
    fails(EISDIR, read(fd, &byte, 1));
}

CASE("ETXTBSY for writing to a program that runs, ETXTBSY for running what is written")
{
    char bytes[65536];
    ssize_t length;
    int from = ok(open("/proc/self/exe", O_RDONLY));
    int to = ok(open("program", O_CREAT | O_WRONLY, 0755));
    while ((length = read(from, bytes, sizeof bytes)) > 0)
        same(length, write(to, bytes, length));
    char *const words[] = {"./program", NULL};
    fails(ETXTBSY, execv("./program", words));
    ok(close(to));
    ok(mkfifo("fifo", 0600));
    pid_t child = ok(fork());
    if (child == 0) {
        char *const waiting[] = {"./program", "--wait", "fifo", NULL};
        execv("./program", waiting);
        _exit(9);
    }
    int pipe = ok(open("fifo", O_WRONLY)); /* the program has it open, so it runs */
    fails(ETXTBSY, open("program", O_WRONLY));
    fails(ETXTBSY, truncate("program", 0));
    ok(close(ok(open("program", O_RDONLY))));
    ok(close(pipe));
    await_child(__LINE__, child);
    ok(close(ok(open("program", O_WRONLY))));
}

CASE("O_NOATIME is the owner's and root's alone")
{
    make_file("x", "content");
    ok(chown("x", ALICE, ALICE));
    ok(close(ok(open("x", O_RDONLY | O_NOATIME))));
    as(ALICE, ALICE);
    ok(close(ok(open("x", O_RDONLY | O_NOATIME))));
    as(BOB, BOB);
    fails(EPERM, open("x", O_RDONLY | O_NOATIME));
}

CASE("a file opened with O_SYNC or O_DSYNC holds what was written")
{
    int fd = ok(open("x", O_CREAT | O_WRONLY | O_SYNC, 0644));
    same(3, write(fd, "one", 3));
    ok(close(fd));
    fd = ok(open("x", O_WRONLY | O_APPEND | O_DSYNC));
    same(3, write(fd, "two", 3));
    ok(fsync(fd));
    ok(fdatasync(fd));
    ok(syncfs(fd));
    forget();
    holds(strcmp(content_of("x"), "onetwo") == 0);
    int directory = ok(open(".", O_RDONLY));
    ok(fsync(directory));
}
