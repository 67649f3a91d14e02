#include "fixtures.h"

#include <sys/xattr.h>

#define GROUP "xattr"

static char value[70000];
#define set(path, name, text) lsetxattr(path, name, text, strlen(text), 0)

static int has(const char *path, const char *name, const char *text)
{
    memset(value, '#', sizeof value);
    ssize_t length = lgetxattr(path, name, value, sizeof value);
    return length == (ssize_t)strlen(text) && memcmp(value, text, length) == 0;
}

/* Whether the list of names holds `name`; security modules may add names of their own. */
static int lists(const char *path, const char *name)
{
    ssize_t length = llistxattr(path, value, sizeof value);
    for (char *at = value; at < value + length; at += strlen(at) + 1)
        if (strcmp(at, name) == 0)
            return 1;
    return 0;
}

CASE("user attributes are kept, listed, replaced and removed, on files and directories")
{
    for (int directory = 0; directory < 2; directory++) {
        make(directory ? DIRECTORY : REGULAR, "x");
        ok(set("x", "user.one", "1"));
        ok(set("x", "user.two", "twice"));
        forget();
        holds(has("x", "user.one", "1"));
        holds(has("x", "user.two", "twice"));
        holds(lists("x", "user.one"));
        holds(lists("x", "user.two"));
        ok(set("x", "user.one", "longer than it was"));
        holds(has("x", "user.one", "longer than it was"));
        ok(set("x", "user.one", ""));
        holds(has("x", "user.one", ""));
        ok(removexattr("x", "user.one"));
        forget();
        fails(ENODATA, getxattr("x", "user.one", value, sizeof value));
        fails(ENODATA, removexattr("x", "user.one"));
        holds(!lists("x", "user.one"));
        holds(lists("x", "user.two"));
        ok(take_away(directory ? DIRECTORY : REGULAR, "x"));
    }
}

CASE("XATTR_CREATE: EEXIST, XATTR_REPLACE: ENODATA")
{
    make(REGULAR, "x");
    fails(ENODATA, setxattr("x", "user.a", "1", 1, XATTR_REPLACE));
    ok(setxattr("x", "user.a", "1", 1, XATTR_CREATE));
    fails(EEXIST, setxattr("x", "user.a", "2", 1, XATTR_CREATE));
    ok(setxattr("x", "user.a", "3", 1, XATTR_REPLACE));
    holds(has("x", "user.a", "3"));
    fails(EINVAL, setxattr("x", "user.a", "4", 1, 8));
}

CASE("ERANGE for a buffer too small, the length for none")
{
    make(REGULAR, "x");
    ok(set("x", "user.name", "0123456789"));
    same(10, getxattr("x", "user.name", NULL, 0));
    fails(ERANGE, getxattr("x", "user.name", value, 9));
    same(10, getxattr("x", "user.name", value, 10));
    ssize_t length = listxattr("x", NULL, 0);
    holds(length >= (ssize_t)sizeof "user.name");
    fails(ERANGE, listxattr("x", value, 3));
    same(length, listxattr("x", value, length));
}

CASE("values of any bytes and of some size")
{
    static char bytes[2000];
    make(REGULAR, "x");
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    ok(setxattr("x", "user.bytes", bytes, sizeof bytes, 0));
    forget();
    same(sizeof bytes, getxattr("x", "user.bytes", value, sizeof value));
    holds(memcmp(value, bytes, sizeof bytes) == 0);
}

CASE("names of 255 bytes; ERANGE for longer or empty ones, E2BIG for values above 64 KiB")
{
    char name[300] = "user.";
    make(REGULAR, "x");
    memset(name + 5, 'n', 250);
    ok(set("x", name, "v"));
    forget();
    holds(has("x", name, "v"));
    strcat(name, "n");
    fails(ERANGE, set("x", name, "v"));
    fails(ERANGE, set("x", "", "v"));
    fails(E2BIG, setxattr("x", "user.big", value, 65537, 0));
    fails(EINVAL, set("x", "user.", "v"));
}

CASE("EOPNOTSUPP for a name space that does not exist")
{
    make(REGULAR, "x");
    fails(EOPNOTSUPP, set("x", "castle.x", "v"));
    fails(EOPNOTSUPP, set("x", "plain", "v"));
    fails(EOPNOTSUPP, getxattr("x", "castle.x", value, sizeof value));
}

CASE("user attributes are not for symlinks, devices, FIFOs and sockets")
{
    for (each_kind(kind)) {
        if (kind == REGULAR || kind == DIRECTORY)
            continue;
        make(kind, "x");
        fails(EPERM, set("x", "user.a", "v"));
        ok(unlink("x"));
    }
}

CASE("trusted attributes are root's, on every kind, and others do not see them")
{
    for (each_kind(kind)) {
        make(kind, "x");
        ok(set("x", "trusted.a", "v"));
        forget();
        holds(has("x", "trusted.a", "v"));
        holds(lists("x", "trusted.a"));
        as(ALICE, ALICE);
        fails(ENODATA, lgetxattr("x", "trusted.a", value, sizeof value));
        fails(EPERM, set("x", "trusted.a", "w"));
        holds(!lists("x", "trusted.a"));
        as_root();
        ok(lremovexattr("x", "trusted.a"));
        ok(take_away(kind, "x"));
    }
}

CASE("user attributes need the file's permissions")
{
    make(REGULAR, "x");
    ok(set("x", "user.a", "v"));
    ok(chmod("x", 0604));
    as(ALICE, ALICE);
    holds(has("x", "user.a", "v"));
    fails(EACCES, set("x", "user.a", "w"));
    fails(EACCES, removexattr("x", "user.a"));
    as_root();
    ok(chmod("x", 0602));
    as(ALICE, ALICE);
    fails(EACCES, getxattr("x", "user.a", value, sizeof value));
    ok(set("x", "user.a", "w"));
    ok(removexattr("x", "user.a"));
}

CASE("in a sticky directory of another they are not for those who may write")
{
    make_open_directory("d");
    ok(chmod("d", 01777));
    as(ALICE, ALICE);
    fails(EPERM, set("d", "user.a", "v"));
}

CASE("every name of an inode shows them, they go with it, a new file of the name has none")
{
    make(REGULAR, "x");
    ok(link("x", "y"));
    ok(set("x", "user.a", "v"));
    holds(has("y", "user.a", "v"));
    ok(rename("x", "z"));
    holds(has("z", "user.a", "v"));
    make(REGULAR, "x");
    fails(ENODATA, getxattr("x", "user.a", value, sizeof value));
}

CASE("by descriptor, without a name too; setting needs no descriptor for writing")
{
    make(REGULAR, "x");
    int fd = ok(open("x", O_RDONLY));
    ok(unlink("x"));
    ok(fsetxattr(fd, "user.a", "v", 1, 0));
    same(1, fgetxattr(fd, "user.a", value, sizeof value));
    ok(flistxattr(fd, value, sizeof value));
    ok(fremovexattr(fd, "user.a"));
    fails(ENODATA, fgetxattr(fd, "user.a", value, sizeof value));
    fails(EBADF, fsetxattr(-1, "user.a", "v", 1, 0));
}

CASE("setting and removing move ctime alone, reading none")
{
    make(REGULAR, "x");
    touches(C_TIME, "x", set("x", "user.a", "v"));
    touches(C_TIME, "x", set("x", "user.a", "w"));
    leaves("x", ok(getxattr("x", "user.a", value, sizeof value)));
    touches(C_TIME, "x", removexattr("x", "user.a"));
    leaves("x", fails(ENODATA, removexattr("x", "user.a")));
}

CASE("several on one file")
{
    char name[32];
    make(REGULAR, "x");
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "user.%d", i);
        ok(set("x", name, name));
    }
    for (int i = 0; i < 50; i += 2) {
        snprintf(name, sizeof name, "user.%d", i);
        ok(removexattr("x", name));
    }
    forget();
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "user.%d", i);
        same(i % 2, has("x", name, name));
        same(i % 2, lists("x", name));
    }
}

CASE("capabilities of a program: root's to set, gone when it is written, or changes hands")
{
    /* struct vfs_cap_data, revision 2: cap_net_bind_service, effective. */
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};
    make_file("x", "program");
    ok(chmod("x", 0777));
    ok(setxattr("x", "security.capability", capability, 20, 0));
    forget();
    same(20, getxattr("x", "security.capability", value, sizeof value));
    as(ALICE, ALICE);
    fails(EPERM, setxattr("x", "security.capability", capability, 20, 0));
    int fd = ok(open("x", O_WRONLY));
    same(1, write(fd, "y", 1));
    as_root();
    fails(ENODATA, getxattr("x", "security.capability", value, sizeof value));
    ok(setxattr("x", "security.capability", capability, 20, 0));
    ok(chown("x", BOB, BOB));
    forget();
    fails(ENODATA, getxattr("x", "security.capability", value, sizeof value));
    ok(setxattr("x", "security.capability", capability, 20, 0));
    ok(truncate("x", 1));
    fails(ENODATA, getxattr("x", "security.capability", value, sizeof value));
}
