/* Several processes at once, and what programs do with a file system beyond files: sockets, running. */
#include "fixtures.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define GROUP "together"

#define PROCESSES 4

/* Starts all at the same moment; `run` is told who it is. Their exit codes are added up. */
static int together(int (*run)(int who))
{
    int gate[2], sum = 0;
    ok(pipe(gate));
    for (int who = 0; who < PROCESSES; who++) {
        if (ok(fork()) == 0) {
            char byte;
            close(gate[1]);
            if (read(gate[0], &byte, 1) != 0)
                _exit(100);
            _exit(run(who));
        }
    }
    ok(close(gate[1]));
    for (int who = 0; who < PROCESSES; who++) {
        int status;
        ok(wait(&status));
        sum += WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
    }
    return sum;
}

static int count_entries(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(directory);
    return count;
}

static int win_by_creating(int who)
{
    (void)who;
    int won = 0;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        won += open(name, O_CREAT | O_EXCL | O_WRONLY, 0644) >= 0;
    }
    return won;
}

CASE("one alone makes a name with O_EXCL")
{
    same(20, together(win_by_creating));
    same(20, count_entries("."));
}

static int win_by_removing(int who)
{
    (void)who;
    int won = 0;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        won += (i % 2 ? rmdir(name) : unlink(name)) == 0;
    }
    return won;
}

CASE("one alone removes a name")
{
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        make(i % 2 ? DIRECTORY : REGULAR, name);
    }
    same(20, together(win_by_removing));
    same(0, count_entries("."));
}

static int win_by_renaming(int who)
{
    char name[16];
    snprintf(name, sizeof name, "mine%d", who);
    return rename("x", name) == 0;
}

CASE("one alone renames")
{
    make(DIRECTORY, "x");
    same(1, together(win_by_renaming));
    same(1, count_entries("."));
}

static int make_many(int who)
{
    char name[32];
    for (int i = 0; i < 24; i++) {
        snprintf(name, sizeof name, "d/%d-%d", who, i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (fd < 0 || write(fd, name, strlen(name)) != (ssize_t)strlen(name) || close(fd) != 0)
            return 1;
    }
    for (int i = 0; i < 24; i += 2) {
        snprintf(name, sizeof name, "d/%d-%d", who, i);
        if (unlink(name) != 0)
            return 1;
    }
    return 0;
}

CASE("what many make and remove in one directory is all there, and gone")
{
    ok(mkdir("d", 0755));
    same(0, together(make_many));
    forget();
    same(PROCESSES * 12, count_entries("d"));
    for (int who = 0; who < PROCESSES; who++) {
        char name[32];
        snprintf(name, sizeof name, "d/%d-7", who);
        holds(strcmp(content_of(name), name) == 0);
    }
}

static int append(int who)
{
    char line[64];
    int fd = open("log", O_WRONLY | O_APPEND);
    for (int i = 0; i < 50; i++) {
        int length = snprintf(line, sizeof line, "%d says %d and that is the line\n", who, i);
        if (write(fd, line, length) != length)
            return 1;
    }
    return 0;
}

CASE("lines that many append are whole")
{
    char line[64];
    int next[PROCESSES] = {0};
    make(REGULAR, "log");
    same(0, together(append));
    forget();
    FILE *log = fopen("log", "r");
    while (fgets(line, sizeof line, log) != NULL) {
        int who = -1, i = -1, length = 0;
        sscanf(line, "%d says %d and that is the line%n", &who, &i, &length);
        holds(length > 0 && who >= 0 && who < PROCESSES && i == next[who]++);
    }
    fclose(log);
    for (int who = 0; who < PROCESSES; who++)
        same(50, next[who]);
}

static int write_own_part(int who)
{
    char bytes[1000];
    int fd = open("x", O_RDWR);
    memset(bytes, 'a' + who, sizeof bytes);
    for (int i = 0; i < 24; i++)
        if (pwrite(fd, bytes, sizeof bytes, (i * PROCESSES + who) * 1000L) != sizeof bytes)
            return 1;
    return 0;
}

CASE("parts that many write into one file are all there")
{
    static char bytes[24 * PROCESSES * 1000];
    make(REGULAR, "x");
    same(0, together(write_own_part));
    forget();
    int fd = ok(open("x", O_RDONLY));
    same(sizeof bytes, read(fd, bytes, sizeof bytes));
    int wrong = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        wrong += bytes[i] != 'a' + (int)(i / 1000 % PROCESSES);
    same(0, wrong);
}

static int swap_around(int who)
{
    int done = 0;
    for (int i = 0; i < 30; i++) {
        char from[16], to[16];
        snprintf(from, sizeof from, "d%d/x", (who + i) % 3);
        snprintf(to, sizeof to, "d%d/x", (who + i + 1) % 3);
        done += rename(from, to) == 0 || errno == ENOENT || errno == ENOTEMPTY ||
                errno == EEXIST;
    }
    return done == 30 ? 0 : 1;
}

CASE("a directory that many move about is in one place at last")
{
    ok(mkdir("d0", 0755));
    ok(mkdir("d1", 0755));
    ok(mkdir("d2", 0755));
    ok(mkdir("d0/x", 0755));
    make_file("d0/x/inner", "content");
    same(0, together(swap_around));
    forget();
    int places = 0;
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "d%d/x/inner", i);
        places += strcmp(content_of(name), "content") == 0;
        snprintf(name, sizeof name, "d%d", i);
        same(2 + count_entries(name), links_of(name));
    }
    same(1, places);
}

static int cross(int who)
{
    for (int i = 0; i < 30; i++) {
        const char *from = who % 2 ? "a" : "b", *to = who % 2 ? "b/in" : "a/in";
        if (rename(from, to) == 0 && rename(to, from) != 0)
            return 1;
    }
    return 0;
}

CASE("two directories are never moved into one another")
{
    ok(mkdir("a", 0755));
    ok(mkdir("b", 0755));
    same(0, together(cross));
    forget();
    same(2, count_entries("."));
    same(2, links_of("a"));
    same(2, links_of("b"));
}

CASE("a socket is bound, found by its name, and stays as a name")
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int listening = ok(socket(AF_UNIX, SOCK_STREAM, 0));
    ok(bind(listening, (struct sockaddr *)&address, sizeof address));
    holds(S_ISSOCK(status("socket").st_mode));
    ok(listen(listening, 1));
    ok(rename("socket", "renamed"));
    strcpy(address.sun_path, "renamed");
    int calling = ok(socket(AF_UNIX, SOCK_STREAM, 0));
    ok(connect(calling, (struct sockaddr *)&address, sizeof address));
    same(2, write(calling, "hi", 2));
    char got[2];
    int called = ok(accept(listening, NULL, NULL));
    same(2, read(called, got, 2));
    int again = ok(socket(AF_UNIX, SOCK_STREAM, 0));
    fails(EADDRINUSE, bind(again, (struct sockaddr *)&address, sizeof address));
    ok(close(listening));
    int late = ok(socket(AF_UNIX, SOCK_STREAM, 0));
    fails(ECONNREFUSED, connect(late, (struct sockaddr *)&address, sizeof address));
}

CASE("a program with set-user-ID runs as its owner")
{
    char bytes[65536];
    ssize_t length;
    int from = ok(open("/proc/self/exe", O_RDONLY));
    int to = ok(open("program", O_CREAT | O_WRONLY, 0755));
    while ((length = read(from, bytes, sizeof bytes)) > 0)
        same(length, write(to, bytes, length));
    ok(close(to));
    ok(chown("program", BOB, BOB));
    ok(chmod("program", 04755));
    ok(mkfifo("fifo", 0644));
    ok(chown("fifo", BOB, BOB));
    ok(chmod("fifo", 0400)); /* BOB alone may read it */
    forget();
    pid_t child = ok(fork());
    if (child == 0) {
        if (setresgid(ALICE, ALICE, ALICE) != 0 || setresuid(ALICE, ALICE, ALICE) != 0)
            _exit(8);
        execl("./program", "./program", "--wait", "fifo", NULL);
        _exit(9);
    }
    int fd = -1;
    for (int i = 0; i < 500 && fd < 0; i++) {
        fd = open("fifo", O_WRONLY | O_NONBLOCK); /* ENXIO until it reads */
        if (fd < 0)
            later();
    }
    holds(fd >= 0);
    close(fd);
    await_child(__LINE__, child);
}
