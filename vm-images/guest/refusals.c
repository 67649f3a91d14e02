/* Whatever would change the share answers EROFS, and nothing changes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "behaviour.h"

/*
 * Opening for writing may succeed (a kernel that was told that open needs no request does not ask);
 * then the first change must fail. close() is where a kernel that writes late reports it.
 */
static int write_refused(int flags, int by_truncate)
{
    int fd = open("sizes/4096", flags);
    if (fd < 0)
        return refused(1, EROFS);
    int failed = by_truncate ? ftruncate(fd, 1) : write(fd, "x", 1) < 0;
    int answer = refused(failed, EROFS);
    close(fd);
    return answer;
}

static int bind_refused(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "new"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int answer = refused(bind(fd, (struct sockaddr *)&address, sizeof address), EROFS);
    close(fd);
    return answer;
}

void check_refusals(void)
{
    struct stat before, after;
    static const struct timespec times[2];
    stat("sizes/4096", &before);
    rule(write_refused(O_WRONLY, 0), "writing to a file answers EROFS");
    rule(write_refused(O_RDWR, 0), "so does writing to one opened for both");
    rule(write_refused(O_RDWR, 1), "so does ftruncate");
    rule(write_refused(O_WRONLY | O_APPEND, 0), "so does appending");
    rule(refused(open("sizes/4096", O_WRONLY | O_TRUNC) < 0, EROFS), "O_TRUNC answers EROFS");
    rule(refused(open("new", O_WRONLY | O_CREAT, 0644) < 0, EROFS), "creating answers EROFS");
    rule(refused(open(".", O_TMPFILE | O_RDWR, 0644) < 0, EROFS) || errno == EOPNOTSUPP,
         "O_TMPFILE answers EROFS or EOPNOTSUPP");
    rule(refused(truncate("sizes/4096", 0), EROFS), "truncate answers EROFS");
    rule(refused(mkdir("new", 0755), EROFS), "mkdir answers EROFS");
    rule(refused(mkdir("many", 0755), EEXIST), "mkdir of what exists answers EEXIST");
    rule(refused(rmdir("empty-directory"), EROFS), "rmdir answers EROFS");
    rule(refused(unlink("sizes/4096"), EROFS), "unlink answers EROFS");
    rule(refused(unlink("absent"), ENOENT), "unlink of an absent name answers ENOENT");
    rule(refused(rename("sizes/4096", "new"), EROFS), "rename answers EROFS");
    rule(refused(renameat2(AT_FDCWD, "sizes/4096", AT_FDCWD, "sizes/4097", RENAME_EXCHANGE), EROFS),
         "renameat2 with RENAME_EXCHANGE answers EROFS");
    rule(refused(link("sizes/4096", "new"), EROFS), "link answers EROFS");
    rule(refused(symlink("target", "new"), EROFS), "symlink answers EROFS");
    rule(refused(mknod("new", S_IFIFO | 0644, 0), EROFS), "mknod answers EROFS");
    rule(bind_refused(), "binding a socket answers EROFS");
    rule(refused(chmod("sizes/4096", 0777), EROFS), "chmod answers EROFS");
    rule(refused(chown("sizes/4096", 1, 1), EROFS), "chown answers EROFS");
    rule(refused(utimensat(AT_FDCWD, "sizes/4096", times, 0), EROFS), "utimensat answers EROFS");
    rule(refused(setxattr("sizes/4096", "user.x", "1", 1, 0), EROFS), "setxattr answers EROFS");
    rule(refused(removexattr("sizes/4096", "user.x"), EROFS), "removexattr answers EROFS");
    int fd = open("sizes/4096", O_RDWR);
    rule(refused(fd < 0 || fallocate(fd, 0, 0, 8192), EROFS) || errno == EOPNOTSUPP,
         "fallocate answers EROFS or EOPNOTSUPP");
    close(fd);
    rule(stat("sizes/4096", &after) == 0 && after.st_size == 4096 &&
             after.st_mode == before.st_mode && after.st_mtime == before.st_mtime &&
             access("new", F_OK) != 0,
         "and nothing has changed");
}
