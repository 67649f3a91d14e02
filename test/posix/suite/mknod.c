#include "fixtures.h"

#include <sys/sysmacros.h>

/* mkfifo is mknod with S_IFIFO; both are tried. */
#define GROUP "mknod"

CASE("makes FIFOs, sockets, devices and regular files")
{
    static const mode_t kinds[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG};
    for (size_t i = 0; i < 5; i++) {
        ok(mknod("x", kinds[i] | 0640, makedev(1, 7)));
        forget();
        same_octal(kinds[i] | 0640, status("x").st_mode);
        same(1, links_of("x"));
        same(0, size_of("x"));
        ok(unlink("x"));
    }
    ok(mkfifo("x", 0640));
    same_octal(S_IFIFO | 0640, status("x").st_mode);
}

CASE("without a kind it is a regular file")
{
    ok(mknod("x", 0644, 0));
    holds(S_ISREG(status("x").st_mode));
}

CASE("keeps the numbers of a device, large ones too")
{
    const dev_t devices[] = {makedev(0, 0), makedev(1, 3), makedev(255, 255),
                                    makedev(4095, 255), makedev(259, 1048575)};
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        ok(mknod("c", S_IFCHR | 0600, devices[i]));
        ok(mknod("b", S_IFBLK | 0600, devices[i]));
        forget();
        same(devices[i], status("c").st_rdev);
        same(devices[i], status("b").st_rdev);
        ok(unlink("c"));
        ok(unlink("b"));
    }
}

CASE("a device that is made here works")
{
    char byte = 1;
    ok(mknod("zero", S_IFCHR | 0666, makedev(1, 5)));
    int fd = ok(open("zero", O_RDONLY));
    same(1, read(fd, &byte, 1));
    same(0, byte);
    ok(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    fd = ok(open("null", O_RDWR));
    same(1, write(fd, &byte, 1));
    same(0, read(fd, &byte, 1));
}

CASE("ENXIO for a device that is not there, and for a socket")
{
    ok(mknod("c", S_IFCHR | 0666, makedev(511, 200)));
    fails(ENXIO, open("c", O_RDONLY));
    make(SOCKET, "s");
    fails(ENXIO, open("s", O_RDONLY));
}

CASE("the umask is taken off")
{
    umask(027);
    ok(mknod("x", S_IFREG | 0777, 0));
    same_octal(0750, mode_of("x"));
    ok(mkfifo("y", 0777));
    same_octal(0750, mode_of("y"));
    umask(0);
    ok(mkfifo("z", 0777));
    forget();
    same_octal(0777, mode_of("z"));
}

CASE("set-user-ID, set-group-ID and sticky bits are kept for what is no directory")
{
    umask(0);
    ok(mknod("x", S_IFREG | 07777, 0));
    same_octal(07777, mode_of("x"));
    ok(mknod("y", S_IFIFO | 06755, 0));
    same_octal(06755, mode_of("y"));
}

CASE("devices are root's to make, FIFOs and sockets anybody's")
{
    make_open_directory("d");
    as(ALICE, ALICE);
    fails(EPERM, mknod("d/x", S_IFCHR | 0600, makedev(1, 3)));
    fails(EPERM, mknod("d/x", S_IFBLK | 0600, makedev(1, 3)));
    ok(mknod("d/f", S_IFIFO | 0600, 0));
    ok(mknod("d/s", S_IFSOCK | 0600, 0));
    ok(mkfifo("d/g", 0600));
    same(ALICE, status("d/f").st_uid);
    same(ALICE, status("d/s").st_gid);
}

CASE("in a directory with set-group-ID it takes over the group, not the bit")
{
    make_open_directory("d");
    ok(chown("d", BOB, TEAM));
    ok(chmod("d", 02777));
    as(ALICE, ALICE);
    ok(mkfifo("d/x", 0644));
    ok(mknod("d/y", S_IFREG | 0644, 0));
    forget();
    same(TEAM, status("d/x").st_gid);
    same_octal(0644, mode_of("d/x"));
    same(TEAM, status("d/y").st_gid);
    same(ALICE, status("d/y").st_uid);
}

CASE("its times are of now, and its parent's mtime and ctime move")
{
    make(DIRECTORY, "d");
    for (each_kind(kind)) {
        if (kind == DIRECTORY || kind == SYMLINK)
            continue;
        struct stat before = status("d");
        touches(M_TIME | C_TIME, "d", mknod("d/x", kind_bits(kind) | 0644, makedev(1, 3)));
        struct stat st = status("d/x");
        holds(is_before(before.st_ctim, st.st_atim));
        holds(is_before(before.st_ctim, st.st_mtim));
        holds(is_before(before.st_ctim, st.st_ctim));
        ok(unlink("d/x"));
    }
}

CASE("EEXIST when there is anything of that name")
{
    make(DIRECTORY, "d");
    for (each_kind(kind)) {
        make(kind, "d/x");
        fails(EEXIST, mknod("d/x", S_IFIFO | 0600, 0));
        fails(EEXIST, mknod("d/x", S_IFREG | 0600, 0));
        fails(EEXIST, mkfifo("d/x", 0600));
        leaves("d", fails(EEXIST, mkfifo("d/x", 0600)));
        ok(take_away(kind, "d/x"));
    }
}

CASE("directories are not made by it")
{
    fails(EPERM, mknod("x", S_IFDIR | 0755, 0));
    fails(EINVAL, mknod("x", S_IFLNK | 0755, 0));
}

CASE("a FIFO carries bytes from one process to another")
{
    make(FIFO, "x");
    in_child({
        int fd = ok(open("x", O_RDWR));
        same(5, write(fd, "bytes", 5));
        char got[6] = "";
        same(5, read(fd, got, 5));
        holds(strcmp(got, "bytes") == 0);
    });
    fails(ENXIO, open("x", O_WRONLY | O_NONBLOCK));
    int reader = ok(open("x", O_RDONLY | O_NONBLOCK));
    int writer = ok(open("x", O_WRONLY | O_NONBLOCK));
    same(3, write(writer, "abc", 3));
    char got[4] = "";
    same(3, read(reader, got, 4));
    same(0, size_of("x"));
    ok(unlink("x"));
    same(2, write(writer, "de", 2));
}
