/* What every system call that takes a path has to say about the path. */
#include "fixtures.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

/* What has to be at the path for the call to succeed. */
enum wanted { NOTHING, A_FILE, A_DIRECTORY, A_SYMLINK };

#define FOLLOWS 1u  /* a symlink at the path is followed */
#define CHANGES 2u  /* the file system is changed: not on a read-only one */
#define WRITES_DIRECTORY 4u /* the directory's write permission is needed */

struct call {
    const char *name;
    long (*with)(const char *path);
    enum wanted wanted;
    unsigned traits;
};

#define CALL(identifier, ...)                            \
    static long call_##identifier(const char *p)         \
    {                                                    \
        return (__VA_ARGS__);                            \
    }

static const struct timespec some_times[2] = {{1000, 0}, {2000, 0}};
static struct stat some_status;
static struct statfs some_statistics;
static char some_bytes[64];

static long closed(int fd)
{
    return fd < 0 ? -1 : close(fd);
}

static long there_and_back(const char *path)
{
    int here = open(".", O_PATH | O_DIRECTORY);
    long result = chdir(path);
    int error = errno;
    if (fchdir(here) != 0 || close(here) != 0)
        abort();
    errno = error;
    return result;
}

CALL(access, faccessat(AT_FDCWD, p, F_OK, AT_EACCESS))
CALL(chdir, there_and_back(p))
CALL(chmod, chmod(p, 0700))
CALL(chown, chown(p, 1, 1))
CALL(creat, closed(open(p, O_CREAT | O_WRONLY | O_EXCL, 0644)))
CALL(lchown, lchown(p, 1, 1))
CALL(link_from, link(p, "other"))
CALL(link_to, link("source", p))
CALL(listxattr, listxattr(p, some_bytes, sizeof some_bytes))
CALL(lstat, lstat(p, &some_status))
CALL(mkdir, mkdir(p, 0755))
CALL(mkfifo, mkfifo(p, 0644))
CALL(mknod, mknod(p, S_IFREG | 0644, 0))
CALL(open, closed(open(p, O_RDONLY)))
CALL(opendir, closed(open(p, O_RDONLY | O_DIRECTORY)))
CALL(readlink, readlink(p, some_bytes, sizeof some_bytes))
CALL(rename_from, rename(p, "other"))
CALL(rename_to, rename("source", p))
CALL(rmdir, rmdir(p))
CALL(setxattr, setxattr(p, "user.x", "1", 1, 0))
CALL(stat, stat(p, &some_status))
CALL(statfs, statfs(p, &some_statistics))
CALL(symlink, symlink("anywhere", p))
CALL(truncate, truncate(p, 0))
CALL(unlink, unlink(p))
CALL(utimensat, utimensat(AT_FDCWD, p, some_times, 0))

#define MAKES NOTHING, CHANGES | WRITES_DIRECTORY
#define ALTERS A_FILE, FOLLOWS | CHANGES

static const struct call calls[] = {
    {"access", call_access, A_FILE, FOLLOWS},
    {"chdir", call_chdir, A_DIRECTORY, FOLLOWS},
    {"chmod", call_chmod, ALTERS},
    {"chown", call_chown, ALTERS},
    {"open to create", call_creat, MAKES},
    {"lchown", call_lchown, A_FILE, CHANGES},
    {"link from", call_link_from, A_FILE, CHANGES},
    {"link to", call_link_to, MAKES},
    {"listxattr", call_listxattr, A_FILE, FOLLOWS},
    {"lstat", call_lstat, A_FILE, 0},
    {"mkdir", call_mkdir, MAKES},
    {"mkfifo", call_mkfifo, MAKES},
    {"mknod", call_mknod, MAKES},
    {"open", call_open, A_FILE, FOLLOWS},
    {"open a directory", call_opendir, A_DIRECTORY, FOLLOWS},
    {"readlink", call_readlink, A_SYMLINK, 0},
    {"rename from", call_rename_from, A_FILE, CHANGES | WRITES_DIRECTORY},
    {"rename to", call_rename_to, MAKES},
    {"rmdir", call_rmdir, A_DIRECTORY, CHANGES | WRITES_DIRECTORY},
    {"setxattr", call_setxattr, ALTERS},
    {"stat", call_stat, A_FILE, FOLLOWS},
    {"statfs", call_statfs, A_FILE, FOLLOWS},
    {"symlink", call_symlink, MAKES},
    {"truncate", call_truncate, ALTERS},
    {"unlink", call_unlink, A_FILE, CHANGES | WRITES_DIRECTORY},
    {"utimensat", call_utimensat, ALTERS},
};

static void provide(const struct call *call, const char *path)
{
    if (call->wanted == A_FILE)
        make(REGULAR, path);
    else if (call->wanted == A_DIRECTORY)
        make(DIRECTORY, path);
    else if (call->wanted == A_SYMLINK)
        make(SYMLINK, path);
}

static void begin(void)
{
    make(REGULAR, "source");
}

static void names_at_their_limit(const void *argument)
{
    const struct call *call = argument;
    begin();
    fails(ENAMETOOLONG, call->with(long_name(NAME_BYTES_MAX + 1)));
    fails(ENAMETOOLONG, call->with(long_name(1025)));
    provide(call, long_name(NAME_BYTES_MAX));
    ok(call->with(long_name(NAME_BYTES_MAX)));
}

static void paths_at_their_limit(const void *argument)
{
    const struct call *call = argument;
    begin();
    provide(call, "x");
    fails(ENAMETOOLONG, call->with(long_path(PATH_BYTES_MAX + 1, "x")));
    ok(call->with(long_path(PATH_BYTES_MAX, "x")));
}

static void a_parent_that_is_none(const void *argument)
{
    const struct call *call = argument;
    begin();
    for (each_kind(kind)) {
        if (kind == DIRECTORY || kind == SYMLINK)
            continue;
        make(kind, "parent");
        fails(ENOTDIR, call->with("parent/x"));
        ok(unlink("parent"));
    }
}

static void what_is_absent(const void *argument)
{
    const struct call *call = argument;
    begin();
    fails(ENOENT, call->with("absent/x"));
    fails(ENOENT, call->with(""));
    if (call->wanted != NOTHING)
        fails(ENOENT, call->with("absent"));
    make(SYMLINK, "astray");
    fails(ENOENT, call->with("astray/x"));
    if (call->traits & FOLLOWS)
        fails(ENOENT, call->with("astray"));
}

static void symlinks_without_end(const void *argument)
{
    const struct call *call = argument;
    begin();
    ok(symlink("there", "here"));
    ok(symlink("here", "there"));
    fails(ELOOP, call->with("here/x"));
    if (call->traits & FOLLOWS)
        fails(ELOOP, call->with("here"));
    ok(symlink(".", "0"));
    provide(call, "x");
    char path[3 * 41 + 2] = "";
    for (int i = 0; i < 40; i++)
        strcat(path, "0/");
    strcat(path, "x");
    ok(call->with(path));
    char farther[sizeof path + 4];
    snprintf(farther, sizeof farther, "0/%s", path);
    fails(ELOOP, call->with(farther));
}

static void a_directory_that_may_not_be_searched(const void *argument)
{
    const struct call *call = argument;
    make_open_directory("closed");
    make_open_directory("closed/inner");
    ok(chown("closed/inner", ALICE, ALICE));
    make_open_directory("mine");
    ok(chdir("mine"));
    begin();
    ok(chown("source", ALICE, ALICE));
    provide(call, "../closed/inner/x");
    ok(lchown(call->wanted == NOTHING ? "." : "../closed/inner/x", ALICE, ALICE));
    ok(chmod("../closed", 0666));
    as(ALICE, ALICE);
    fails(EACCES, call->with("../closed/inner/x"));
    as_root();
    ok(chmod("../closed", 0711));
    as(ALICE, ALICE);
    if (strstr(call->name, "chown") == NULL)
        ok(call->with("../closed/inner/x"));
    else
        fails(EPERM, call->with("../closed/inner/x"));
}

static void a_directory_that_may_not_be_written(const void *argument)
{
    const struct call *call = argument;
    make_open_directory("mine");
    ok(chdir("mine"));
    begin();
    ok(chown("source", ALICE, ALICE));
    make_open_directory("shut");
    provide(call, "shut/x");
    if (call->wanted != NOTHING)
        ok(chown("shut/x", ALICE, ALICE));
    ok(chmod("shut", 0755));
    as(ALICE, ALICE);
    leaves("shut", fails(EACCES, call->with("shut/x")));
    as_root();
    ok(chmod("shut", 0757));
    as(ALICE, ALICE);
    ok(call->with("shut/x"));
}

static void an_address_outside_memory(const void *argument)
{
    const struct call *call = argument;
    begin();
    fails(EFAULT, call->with((const char *)-1L));
    fails(EFAULT, call->with((const char *)1L));
}

static void a_file_with_a_slash_behind(const void *argument)
{
    const struct call *call = argument;
    begin();
    if (call->wanted == A_FILE) {
        make(REGULAR, "x");
        fails(ENOTDIR, call->with("x/"));
    } else if (call->wanted == A_DIRECTORY) {
        make(DIRECTORY, "x");
        ok(call->with("x/"));
    } else if (call->with == call_mkdir) {
        ok(call->with("x//"));
    } else if (call->wanted == NOTHING) {
        int expected = call->with == call_creat ? EISDIR : call->with == call_rename_to ? ENOTDIR : ENOENT;
        fails(expected, call->with("x/"));
    }
}

static void a_read_only_mount(const void *argument)
{
    const struct call *call = argument;
    make(DIRECTORY, "fixed");
    ok(chdir("fixed"));
    begin();
    provide(call, "x");
    ok(chdir(".."));
    ok(unshare(CLONE_NEWNS));
    ok(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    ok(mount("fixed", "fixed", NULL, MS_BIND, NULL));
    ok(mount("fixed", "fixed", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
    ok(chdir("fixed"));
    fails(EROFS, call->with("x"));
    ok(chdir(".."));
    ok(umount2("fixed", MNT_DETACH));
}

static void add(const struct call *call, const char *title, void (*run)(const void *))
{
    char *whole;
    if (asprintf(&whole, "%s: %s", call->name, title) < 0)
        abort();
    add_case("path", whole, run, call);
}

__attribute__((constructor)) static void add_all(void)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const struct call *call = &calls[i];
        add(call, "names of 255 bytes, not of 256", names_at_their_limit);
        add(call, "paths of 4095 bytes, not of 4096", paths_at_their_limit);
        add(call, "ENOTDIR when the parent is no directory", a_parent_that_is_none);
        add(call, "ENOENT for what is absent", what_is_absent);
        add(call, "ELOOP after 40 symlinks", symlinks_without_end);
        add(call, "EACCES without search permission", a_directory_that_may_not_be_searched);
        add(call, "EFAULT", an_address_outside_memory);
        if (call->traits & WRITES_DIRECTORY)
            add(call, "EACCES without write permission on the directory",
                a_directory_that_may_not_be_written);
        if (call->traits & CHANGES)
            add(call, "EROFS on a read-only mount", a_read_only_mount);
        add(call, "a slash behind the name", a_file_with_a_slash_behind);
    }
}
