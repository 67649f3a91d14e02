/* POSIX access control lists, in the form that the kernel has them: acl(5), linux/posix_acl_xattr.h. */
#include "fixtures.h"

#include <sys/xattr.h>

#define GROUP "acl"

#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
#define ENTRIES_MAX 10
#define NOBODY_SAID 0xffffffffu

struct entry {
    uint16_t tag;
    uint16_t permissions;
    uint32_t id;
};
struct list {
    uint32_t version;
    struct entry entries[ENTRIES_MAX];
};

#define OWNER(bits) {0x01, bits, NOBODY_SAID}
#define USER(uid, bits) {0x02, bits, uid}
#define OWNING_GROUP(bits) {0x04, bits, NOBODY_SAID}
#define A_GROUP(gid, bits) {0x08, bits, gid}
#define MASK(bits) {0x10, bits, NOBODY_SAID}
#define OTHERS(bits) {0x20, bits, NOBODY_SAID}

#define COUNT(...) (sizeof((struct entry[]){__VA_ARGS__}) / sizeof(struct entry))
#define set(path, name, ...) \
    set_list(path, name, COUNT(__VA_ARGS__), &(struct list){2, {__VA_ARGS__}})
#define says(path, name, ...)                                                    \
    check_holds(__LINE__, #name " of " path " that is " #__VA_ARGS__,            \
                is_list(path, name, COUNT(__VA_ARGS__), &(struct list){2, {__VA_ARGS__}}))
#define has_none(path, name) fails(ENODATA, getxattr(path, name, NULL, 0))

static int set_list(const char *path, const char *name, size_t count, const struct list *list)
{
    return setxattr(path, name, list, 4 + 8 * count, 0);
}

static int is_list(const char *path, const char *name, size_t count, const struct list *list)
{
    char found[500];
    ssize_t length = getxattr(path, name, found, sizeof found);
    return length == (ssize_t)(4 + 8 * count) && memcmp(found, list, length) == 0;
}

static int may(uid_t uid, gid_t gid, const char *path, int way)
{
    as(uid, gid);
    int result = faccessat(AT_FDCWD, path, way, AT_EACCESS);
    as_root();
    return result == 0;
}

CASE("a list names users and groups, and what they may do is done")
{
    make_file("x", "content");
    ok(set("x", ACCESS_ACL, OWNER(6), USER(ALICE, 6), USER(BOB, 0), OWNING_GROUP(4),
           A_GROUP(TEAM, 2), MASK(6), OTHERS(4)));
    forget();
    says("x", ACCESS_ACL, OWNER(6), USER(ALICE, 6), USER(BOB, 0), OWNING_GROUP(4),
         A_GROUP(TEAM, 2), MASK(6), OTHERS(4));
    holds(may(ALICE, ALICE, "x", R_OK | W_OK));
    holds(!may(ALICE, ALICE, "x", X_OK));
    holds(!may(BOB, BOB, "x", R_OK));
    holds(!may(BOB, TEAM, "x", W_OK));
    holds(may(4711, TEAM, "x", W_OK));
    holds(!may(4711, TEAM, "x", R_OK));
    holds(may(4711, 4711, "x", R_OK));
    holds(!may(4711, 4711, "x", W_OK));
    as(ALICE, ALICE);
    ok(close(ok(open("x", O_RDWR))));
    as(BOB, BOB);
    fails(EACCES, open("x", O_RDONLY));
}

CASE("the group bits of the mode are the mask, both ways")
{
    make_file("x", "content");
    ok(set("x", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(0), MASK(5), OTHERS(1)));
    same_octal(0751, mode_of("x"));
    forget();
    same_octal(0751, mode_of("x"));
    ok(chmod("x", 0624));
    says("x", ACCESS_ACL, OWNER(6), USER(ALICE, 7), OWNING_GROUP(0), MASK(2), OTHERS(4));
    forget();
    says("x", ACCESS_ACL, OWNER(6), USER(ALICE, 7), OWNING_GROUP(0), MASK(2), OTHERS(4));
    holds(may(ALICE, ALICE, "x", W_OK));
    holds(!may(ALICE, ALICE, "x", R_OK));
    ok(chmod("x", 0600));
    holds(!may(ALICE, ALICE, "x", W_OK));
}

CASE("a list of three entries is a mode, and not kept")
{
    make(REGULAR, "x");
    ok(set("x", ACCESS_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(4)));
    same_octal(0754, mode_of("x"));
    forget();
    has_none("x", ACCESS_ACL);
    same_octal(0754, mode_of("x"));
}

CASE("removing a list leaves the mode")
{
    make(REGULAR, "x");
    ok(set("x", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(1), MASK(6), OTHERS(0)));
    ok(removexattr("x", ACCESS_ACL));
    forget();
    has_none("x", ACCESS_ACL);
    same_octal(0760, mode_of("x"));
    holds(!may(ALICE, ALICE, "x", R_OK));
}

CASE("EINVAL for lists that are none")
{
    make(REGULAR, "x");
    fails(EINVAL, set("x", ACCESS_ACL, OWNER(7), OWNING_GROUP(5)));
    fails(EINVAL, set("x", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), OTHERS(0)));
    fails(EINVAL, set("x", ACCESS_ACL, OWNER(9), OWNING_GROUP(5), OTHERS(0)));
    fails(EINVAL, set("x", ACCESS_ACL, OWNING_GROUP(5), OWNER(7), OTHERS(0)));
    fails(EINVAL, set("x", ACCESS_ACL, OWNER(7), OWNER(7), OWNING_GROUP(5), OTHERS(0)));
    fails(EINVAL, set("x", ACCESS_ACL, OWNER(7), OWNING_GROUP(5), {0x40, 7, 0}));
    fails(EOPNOTSUPP, set_list("x", ACCESS_ACL, 0, &(struct list){1, {OWNER(7)}}));
    has_none("x", ACCESS_ACL);
    same_octal(0644, mode_of("x"));
}

CASE("lists are the owner's and root's to set")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, ALICE));
    ok(chmod("x", 0666));
    as(BOB, BOB);
    fails(EPERM, set("x", ACCESS_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(0)));
    as(ALICE, ALICE);
    ok(set("x", ACCESS_ACL, OWNER(7), USER(BOB, 4), OWNING_GROUP(5), MASK(5), OTHERS(0)));
    as(BOB, BOB);
    fails(EPERM, removexattr("x", ACCESS_ACL));
    ok(getxattr("x", ACCESS_ACL, NULL, 0));
}

CASE("setting one moves ctime alone")
{
    make(REGULAR, "x");
    touches(C_TIME, "x",
            set("x", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(1), MASK(6), OTHERS(0)));
    touches(C_TIME, "x", chmod("x", 0640));
    make(DIRECTORY, "d");
    touches(C_TIME, "d", set("d", DEFAULT_ACL, OWNER(7), OWNING_GROUP(1), OTHERS(0)));
}

CASE("setting one as an owner outside the group clears set-group-ID")
{
    make(REGULAR, "x");
    ok(chown("x", ALICE, TEAM));
    ok(chmod("x", 02755));
    as(ALICE, ALICE);
    ok(set("x", ACCESS_ACL, OWNER(7), USER(BOB, 4), OWNING_GROUP(5), MASK(5), OTHERS(5)));
    same_octal(0755, mode_of("x"));
}

CASE("a default list is for directories")
{
    make(REGULAR, "x");
    make(DIRECTORY, "d");
    fails(EACCES, set("x", DEFAULT_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(0)));
    ok(set("d", DEFAULT_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(0)));
    same_octal(0755, mode_of("d"));
    forget();
    says("d", DEFAULT_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(0));
    has_none("d", ACCESS_ACL);
    ok(removexattr("d", DEFAULT_ACL));
    has_none("d", DEFAULT_ACL);
}

CASE("new files take it over, cut to the mode that was asked for; the umask does not matter")
{
    make(DIRECTORY, "d");
    ok(set("d", DEFAULT_ACL, OWNER(7), USER(ALICE, 6), OWNING_GROUP(7), MASK(7), OTHERS(5)));
    umask(077);
    ok(close(ok(open("d/x", O_CREAT | O_WRONLY, 0664))));
    forget();
    same_octal(0664, mode_of("d/x"));
    says("d/x", ACCESS_ACL, OWNER(6), USER(ALICE, 6), OWNING_GROUP(7), MASK(6), OTHERS(4));
    has_none("d/x", DEFAULT_ACL);
    ok(mkfifo("d/fifo", 0600));
    same_octal(0600, mode_of("d/fifo"));
    says("d/fifo", ACCESS_ACL, OWNER(6), USER(ALICE, 6), OWNING_GROUP(7), MASK(0), OTHERS(0));
    holds(!may(ALICE, ALICE, "d/fifo", R_OK));
    ok(symlink("nowhere", "d/link"));
    same_octal(0777, mode_of("d/link"));
}

CASE("new directories take it over as their own default, too")
{
    make(DIRECTORY, "d");
    ok(set("d", DEFAULT_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), MASK(7), OTHERS(0)));
    umask(022);
    ok(mkdir("d/e", 0777));
    forget();
    same_octal(0770, mode_of("d/e"));
    says("d/e", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), MASK(7), OTHERS(0));
    says("d/e", DEFAULT_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), MASK(7), OTHERS(0));
    ok(mkdir("d/e/f", 0700));
    same_octal(0700, mode_of("d/e/f"));
    says("d/e/f", DEFAULT_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), MASK(7), OTHERS(0));
    holds(may(ALICE, ALICE, "d/e", R_OK | W_OK | X_OK));
}

CASE("a default of three entries gives modes, and no list to files")
{
    make(DIRECTORY, "d");
    ok(set("d", DEFAULT_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(0)));
    umask(0);
    ok(close(ok(open("d/x", O_CREAT | O_WRONLY, 0666))));
    forget();
    same_octal(0640, mode_of("d/x"));
    has_none("d/x", ACCESS_ACL);
    ok(mkdir("d/e", 0777));
    same_octal(0750, mode_of("d/e"));
    says("d/e", DEFAULT_ACL, OWNER(7), OWNING_GROUP(5), OTHERS(0));
}

CASE("without a default list the umask counts")
{
    make(DIRECTORY, "d");
    ok(set("d", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), MASK(7), OTHERS(0)));
    umask(027);
    ok(close(ok(open("d/x", O_CREAT | O_WRONLY, 0666))));
    same_octal(0640, mode_of("d/x"));
    has_none("d/x", ACCESS_ACL);
}

CASE("a symlink has none of its own")
{
    make(REGULAR, "x");
    ok(symlink("x", "link"));
    ok(set("link", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(5), MASK(7), OTHERS(0)));
    same_octal(0770, mode_of("x"));
    const struct list list = {2, {OWNER(7), OWNING_GROUP(5), OTHERS(0)}};
    fails(EOPNOTSUPP, lsetxattr("link", ACCESS_ACL, &list, 4 + 3 * 8, 0));
}

CASE("a list grants the search of a directory, and renaming in it")
{
    make(DIRECTORY, "d");
    ok(chmod("d", 0700));
    make(REGULAR, "d/x");
    ok(set("d", ACCESS_ACL, OWNER(7), USER(ALICE, 3), OWNING_GROUP(0), MASK(7), OTHERS(0)));
    as(ALICE, ALICE);
    ok(rename("d/x", "d/y"));
    ok(unlink("d/y"));
    fails(EACCES, open("d", O_RDONLY));
    as(BOB, BOB);
    fails(EACCES, lstat("d/y", &(struct stat){0}));
}

CASE("an empty list is the same as none")
{
    make(REGULAR, "x");
    ok(set("x", ACCESS_ACL, OWNER(7), USER(ALICE, 7), OWNING_GROUP(1), MASK(6), OTHERS(0)));
    ok(setxattr("x", ACCESS_ACL, &(uint32_t){2}, 4, 0));
    has_none("x", ACCESS_ACL);
}
