#define _GNU_SOURCE
#include "behaviour.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { FUSE_MAGIC = 0x65735546 };

static long held, broken;
static int last_error;

void rule(int holds, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs(holds ? "ok - " : "not ok - ", stdout);
    vprintf(format, arguments);
    if (!holds && last_error != 0)
        printf(" (got %s)", strerror(last_error));
    putchar('\n');
    va_end(arguments);
    *(holds ? &held : &broken) += 1;
    last_error = 0;
}

int refused(int failed, int error)
{
    last_error = failed ? errno : 0;
    return failed && errno == error;
}

void check_absence(void)
{
    struct stat st;
    char name[257];
    memset(name, 'n', 256);
    name[256] = 0;
    rule(refused(stat("absent", &st), ENOENT), "an absent name answers ENOENT");
    rule(refused(stat("absent", &st), ENOENT), "and again, from the negative cache");
    rule(refused(stat("absent/below", &st), ENOENT), "a path below an absent name answers ENOENT");
    rule(refused(stat("sizes/4096/below", &st), ENOTDIR), "a path below a file answers ENOTDIR");
    rule(refused(stat(name, &st), ENAMETOOLONG), "a name of 256 bytes answers ENAMETOOLONG");
    name[255] = 0;
    rule(refused(stat(name, &st), ENOENT), "an absent name of 255 bytes answers ENOENT");
    memset(name, 'x', 255);
    rule(stat(name, &st) == 0, "a name of 255 bytes is found");
    rule(refused(stat("Sizes", &st), ENOENT), "names are found only in the right case");
    rule(refused(open("links/dangling", O_RDONLY) < 0, ENOENT), "a dangling link answers ENOENT");
    rule(refused(open("links/loop", O_RDONLY) < 0, ELOOP), "a link to itself answers ELOOP");
    rule(refused(chdir("sizes/4096"), ENOTDIR), "chdir to a file answers ENOTDIR");
}

void check_places(void)
{
    char there[4096], again[4096];
    struct stat here, up, twin;
    rule(chdir("twins/left/same/deep") == 0, "a deep directory can be entered");
    rule(getcwd(there, sizeof there) != NULL && strstr(there, "/left/same/deep") != NULL,
         "its path is the one taken");
    /* The same content once more elsewhere: were both one inode to the kernel, it would move the
     * directory that we stand in over there. */
    rule(stat("../../../right/same/deep/file", &twin) == 0, "its twin is found too");
    rule(getcwd(again, sizeof again) != NULL && strcmp(there, again) == 0,
         "and the working directory has stayed where it was");
    rule(stat("..", &up) == 0 && stat("../deep/..", &here) == 0 && up.st_ino == here.st_ino,
         ".. of a directory is its parent");
    rule(stat("../../../left", &up) == 0 && stat("../..", &here) == 0 && up.st_ino == here.st_ino,
         "../.. is the parent's parent");
    if (chdir("../../../..") != 0)
        perror("chdir");
    rule(stat("executables/plain", &here) == 0 && stat("executables/runs", &up) == 0 &&
             here.st_mode == (S_IFREG | 0444) && up.st_mode == (S_IFREG | 0555),
         "equal bytes keep their own modes: 0444 plain, 0555 executable");
}

/* Runs a program of the share in a child; its exit code, or 100 + errno where it does not start. */
static int run(const char *path)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execl(path, path, (char *)NULL);
        _exit(100 + errno);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void check_files(void)
{
    char bytes[64];
    int fd = open("sizes/4097", O_RDONLY);
    rule(fd >= 0 && pread(fd, bytes, 64, 4090) == 7, "a read across the end stops at the end");
    rule(pread(fd, bytes, 64, 4097) == 0, "a read at the end answers 0 bytes");
    rule(pread(fd, bytes, 64, 0x7ffffffffffff000) == 0, "a read near 2^63 answers 0 bytes");
    rule(lseek(fd, 0, SEEK_END) == 4097, "SEEK_END is the size");
    rule(lseek(fd, 10, SEEK_DATA) == 10, "SEEK_DATA finds data where it stands");
    rule(lseek(fd, 10, SEEK_HOLE) == 4097, "SEEK_HOLE finds the end");
    rule(refused(lseek(fd, 4097, SEEK_DATA) < 0, ENXIO), "SEEK_DATA at the end answers ENXIO");
    rule(refused(lseek(fd, 5000, SEEK_HOLE) < 0, ENXIO), "SEEK_HOLE past the end answers ENXIO");
    rule(fsync(fd) == 0 && syncfs(fd) == 0, "fsync and syncfs have nothing to do");
    char *page = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    int clean = page != MAP_FAILED;
    for (int i = 4097; clean && i < 8192; i++)
        clean = page[i] == 0;
    rule(clean, "a mapping holds zeros between the end and the end of its page");
    close(fd);
    rule(refused((fd = open(".", O_RDONLY)) >= 0 && read(fd, bytes, 1) < 0, EISDIR),
         "reading a directory answers EISDIR");
    close(fd);
    rule(run("executables/runs") == 42, "an executable of the share runs");
    rule(run("executables/plain") == 100 + EACCES, "the same bytes without the bit do not");

    struct statfs fs;
    rule(statfs(".", &fs) == 0 && fs.f_namelen == 255 && fs.f_bsize > 0,
         "statfs tells a block size, and names of up to 255 bytes");
    struct stat st;
    char target[32];
    rule(lstat("links/absolute", &st) == 0 && S_ISLNK(st.st_mode) &&
             readlink("links/absolute", target, sizeof target) == st.st_size,
         "a link is as long as its target");
    rule(readlink("links/absolute", target, 4) == 4 && memcmp(target, "/pro", 4) == 0,
         "readlink into a short buffer cuts the target");
    rule(refused(readlink("sizes/4096", target, 32) < 0, EINVAL),
         "readlink of a file answers EINVAL");
    rule(refused(getxattr("sizes/4096", "user.absent", bytes, 64) < 0, ENODATA) ||
             errno == EOPNOTSUPP, /* a share that has no attributes at all */
         "an absent extended attribute answers ENODATA or EOPNOTSUPP");
}

long check_behaviour(const char *root)
{
    if (chdir(root) != 0) {
        perror(root);
        return 1;
    }
    struct statfs fs;
    if (statfs(".", &fs) != 0 || fs.f_type != FUSE_MAGIC) {
        fprintf(stderr, "%s: not a FUSE file system: these checks would change it\n", root);
        return 1;
    }
    check_absence();
    check_places();
    check_files();
    check_listing();
    check_refusals();
    printf("# rules %ld broken %ld\n", held + broken, broken);
    return broken;
}
