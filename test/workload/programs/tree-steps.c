/* The steps of tree-ops: each does one thing to the tree, expects one answer, and keeps the model. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree-ops.h"

/* The error is left in errno where it is the expected one. */
static void must(struct process *p, const char *path, int result, int expected, const char *what)
{
    int error = result < 0 ? errno : 0;
    if (error == expected)
        return;
    model_fault(p, path, "%s answers \"%s\", not \"%s\"", what, strerror(error),
                strerror(expected));
}

/* Where something new can be: a directory that is not too deep, and a name that is not in it. */
static struct node *some_place(struct process *p, char name[NAME_BYTES], char path[PATH_BYTES])
{
    struct node *parent = any_directory(p);
    if (p->nodes >= NODES_MAX || node_depth(parent) >= DEPTH_MAX)
        return NULL;
    new_name(p, name);
    struct node probe = {.parent = parent};
    memcpy(probe.name, name, NAME_BYTES);
    node_path(&probe, path);
    return parent;
}

static struct node *some_of_kind(struct process *p, mode_t kind)
{
    struct node *node = NULL;
    for (int attempt = 0; attempt < 8; attempt++) {
        node = any_node(p);
        if (node == NULL || (node->inode->mode & S_IFMT) == kind)
            return node;
    }
    return NULL;
}

static void set_content(struct process *p, struct inode *inode, size_t from, size_t length)
{
    if (inode->content == NULL && (inode->content = calloc(1, CONTENT_MAX)) == NULL)
        abort();
    fill(&p->chance, inode->content + from, length);
    if ((off_t)(from + length) > inode->size)
        inode->size = (off_t)(from + length);
}

static mode_t some_mode(struct process *p)
{
    return (mode_t)(0700 | below(&p->chance, 0100));
}

static void make_file(struct process *p)
{
    char name[NAME_BYTES], path[PATH_BYTES];
    struct node *parent = some_place(p, name, path);
    if (parent == NULL)
        return;
    struct inode *inode = inode_new(S_IFREG | some_mode(p));
    set_content(p, inode, 0, one_in(&p->chance, 4) ? 0 : some_length(&p->chance, CONTENT_MAX));
    int fd;
    if (one_in(&p->chance, 6) && (fd = open(p->own->name, O_TMPFILE | O_RDWR, inode->mode)) >= 0) {
        char by_fd[64];
        snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", fd);
        must(p, path, linkat(AT_FDCWD, by_fd, AT_FDCWD, path, AT_SYMLINK_FOLLOW), 0,
             "linkat of a file without a name");
    } else {
        fd = open(path, O_CREAT | O_EXCL | O_RDWR, inode->mode);
    }
    must(p, path, fd, 0, "creat");
    if (write(fd, inode->content, (size_t)inode->size) != inode->size)
        model_fault(p, path, "write");
    if (one_in(&p->chance, 20))
        must(p, path, fsync(fd), 0, "fsync");
    must(p, path, close(fd), 0, "close");
    check_node(p, node_add(p, parent, name, inode));
}

static void make_directory(struct process *p)
{
    char name[NAME_BYTES], path[PATH_BYTES];
    struct node *parent = some_place(p, name, path);
    if (parent == NULL)
        return;
    mode_t mode = some_mode(p);
    must(p, path, mkdir(path, mode), 0, "mkdir");
    must(p, path, mkdir(path, mode), EEXIST, "mkdir again");
    check_node(p, node_add(p, parent, name, inode_new(S_IFDIR | mode)));
}

static void make_symlink(struct process *p)
{
    char name[NAME_BYTES], path[PATH_BYTES], target[PATH_BYTES];
    struct node *parent = some_place(p, name, path);
    if (parent == NULL)
        return;
    size_t length = one_in(&p->chance, 10) ? PATH_BYTES - 1 : 1 + below(&p->chance, 100);
    for (size_t i = 0; i < length; i++)
        target[i] = (char)(i % 100 == 99 ? '/' : 'a' + below(&p->chance, 26));
    target[length] = 0;
    must(p, path, symlink(target, path), 0, "symlink");
    struct inode *inode = inode_new(S_IFLNK | 0777);
    inode->content = (uint8_t *)strdup(target);
    inode->size = (off_t)length;
    check_node(p, node_add(p, parent, name, inode));
}

static void make_special(struct process *p)
{
    char name[NAME_BYTES], path[PATH_BYTES];
    struct node *parent = some_place(p, name, path);
    if (parent == NULL)
        return;
    static const mode_t kinds[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    mode_t kind = kinds[below(&p->chance, 4)];
    struct inode *inode = inode_new(kind | some_mode(p));
    if (kind == S_IFCHR || kind == S_IFBLK)
        inode->device = makedev(1 + below(&p->chance, 4000), below(&p->chance, 1000000));
    must(p, path, mknod(path, inode->mode, inode->device), 0, "mknod");
    check_node(p, node_add(p, parent, name, inode));
}

static void make_link(struct process *p)
{
    char name[NAME_BYTES], path[PATH_BYTES], existing[PATH_BYTES];
    struct node *node = any_node(p), *parent = some_place(p, name, path);
    if (node == NULL || parent == NULL)
        return;
    node_path(node, existing);
    int result = link(existing, path);
    if (is_directory(node)) {
        must(p, existing, result, EPERM, "link of a directory");
        return;
    }
    must(p, path, result, 0, "link");
    node->inode->links++;
    node->inode->seen = 0;
    check_node(p, node_add(p, parent, name, node->inode));
}

static void remove_node(struct process *p)
{
    struct node *node = any_node(p);
    if (node == NULL)
        return;
    char path[PATH_BYTES];
    node_path(node, path);
    if (!is_directory(node)) {
        must(p, path, rmdir(path), ENOTDIR, "rmdir of what is no directory");
        must(p, path, unlink(path), 0, "unlink");
    } else {
        must(p, path, unlink(path), EISDIR, "unlink of a directory");
        must(p, path, rmdir(path), node->children != NULL ? ENOTEMPTY : 0, "rmdir");
        if (node->children != NULL)
            return;
    }
    struct stat st;
    must(p, path, lstat(path, &st), ENOENT, "lstat of what was removed");
    node_unlink(p, node);
}

/* What rename(2) says of these two; 0 where it goes through. */
static int rename_error(const struct node *from, const struct node *to, const struct node *onto)
{
    if (node_is_inside(to, from))
        return EINVAL;
    if (onto == NULL)
        return 0;
    if (node_is_inside(from, onto) && onto != from)
        return ENOTEMPTY;
    if (is_directory(from) && !is_directory(onto))
        return ENOTDIR;
    if (!is_directory(from) && is_directory(onto))
        return EISDIR;
    return onto->children != NULL && onto != from ? ENOTEMPTY : 0;
}

static void rename_node(struct process *p)
{
    char name[NAME_BYTES], from[PATH_BYTES], to[PATH_BYTES];
    struct node *node = any_node(p), *onto = one_in(&p->chance, 2) ? any_node(p) : NULL;
    if (node == NULL)
        return;
    struct node *parent = onto != NULL ? onto->parent : any_directory(p);
    if (onto != NULL)
        node_path(onto, to);
    else if (node_depth(parent) >= DEPTH_MAX || p->nodes >= 2 * NODES_MAX)
        return;
    if (onto == NULL) {
        new_name(p, name);
        struct node probe = {.parent = parent};
        memcpy(probe.name, name, NAME_BYTES);
        node_path(&probe, to);
    } else {
        memcpy(name, onto->name, NAME_BYTES);
    }
    node_path(node, from);
    int error = rename_error(node, parent, onto);
    if (onto != NULL && error != EINVAL && one_in(&p->chance, 4)) {
        int refused = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
        must(p, to, refused, EEXIST, "rename without replacing");
    }
    must(p, from, rename(from, to), error, "rename");
    if (error != 0 || onto == node || (onto != NULL && onto->inode == node->inode))
        return; /* two names of one inode: nothing happens */
    if (onto != NULL)
        node_unlink(p, onto);
    node_move(node, parent, name);
    struct stat st;
    must(p, from, lstat(from, &st), ENOENT, "lstat of what was renamed");
    check_node(p, node);
}

static void exchange(struct process *p)
{
    struct node *one = any_node(p), *other = any_node(p);
    if (one == NULL || one == other || one->inode == other->inode)
        return;
    char path[PATH_BYTES], other_path[PATH_BYTES];
    node_path(one, path);
    node_path(other, other_path);
    int loop = node_is_inside(one, other) || node_is_inside(other, one);
    int result = renameat2(AT_FDCWD, path, AT_FDCWD, other_path, RENAME_EXCHANGE);
    if (result != 0 && errno == EINVAL && !p->exchanges)
        return;
    must(p, path, result, loop ? EINVAL : 0, "exchange");
    if (loop)
        return;
    struct node *parent = one->parent, *other_parent = other->parent;
    char name[NAME_BYTES], other_name[NAME_BYTES];
    memcpy(name, one->name, NAME_BYTES);
    memcpy(other_name, other->name, NAME_BYTES);
    node_move(one, other_parent, other_name);
    node_move(other, parent, name);
    check_node(p, one);
    check_node(p, other);
}

static void write_file(struct process *p)
{
    struct node *node = some_of_kind(p, S_IFREG);
    if (node == NULL)
        return;
    char path[PATH_BYTES];
    node_path(node, path);
    struct inode *inode = node->inode;
    size_t from = below(&p->chance, CONTENT_MAX);
    size_t length = some_length(&p->chance, CONTENT_MAX - from);
    if (length > CONTENT_MAX - from)
        length = CONTENT_MAX - from;
    int fd = open(path, O_WRONLY);
    must(p, path, fd, 0, "open");
    set_content(p, inode, from, length);
    if (pwrite(fd, inode->content + from, length, (off_t)from) != (ssize_t)length)
        model_fault(p, path, "pwrite");
    must(p, path, close(fd), 0, "close");
    inode->seen = 0;
    check_node(p, node);
}

static void truncate_file(struct process *p)
{
    struct node *node = some_of_kind(p, S_IFREG);
    if (node == NULL)
        return;
    char path[PATH_BYTES];
    node_path(node, path);
    struct inode *inode = node->inode;
    off_t size = one_in(&p->chance, 4) ? 0 : (off_t)below(&p->chance, CONTENT_MAX);
    must(p, path, truncate(path, size), 0, "truncate");
    set_content(p, inode, 0, 0);
    if (size < inode->size)
        memset(inode->content + size, 0, (size_t)(inode->size - size));
    inode->size = size;
    inode->seen = 0;
    check_node(p, node);
}

static void change_attributes(struct process *p)
{
    struct node *node = any_node(p);
    if (node == NULL)
        return;
    char path[PATH_BYTES];
    node_path(node, path);
    struct inode *inode = node->inode;
    uint64_t what = below(&p->chance, 3);
    inode->seen = 0;
    if (what == 0 && !S_ISLNK(inode->mode)) {
        mode_t mode = some_mode(p);
        must(p, path, chmod(path, mode), 0, "chmod");
        inode->mode = (inode->mode & S_IFMT) | mode;
    } else if (what == 1) {
        inode->uid = (uid_t)below(&p->chance, 4);
        inode->gid = (gid_t)below(&p->chance, 70000);
        must(p, path, lchown(path, inode->uid, inode->gid), 0, "lchown");
    } else {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
                                    {.tv_sec = (time_t)below(&p->chance, 2000000000),
                                     .tv_nsec = (long)below(&p->chance, 1000000000)}};
        must(p, path, utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0, "utimensat");
        check_node(p, node);
        if (inode->modified.tv_sec != times[1].tv_sec ||
            (inode->modified.tv_nsec != times[1].tv_nsec && inode->modified.tv_nsec % 1000 != 0))
            model_fault(p, path, "utimensat set another time");
    }
    check_node(p, node);
}

static void change_xattr(struct process *p)
{
    struct node *node = one_in(&p->chance, 4) ? any_node(p) : some_of_kind(p, S_IFREG);
    if (!p->attributes || node == NULL)
        return;
    if (!S_ISREG(node->inode->mode) && !S_ISDIR(node->inode->mode))
        return;
    char path[PATH_BYTES], name[16];
    node_path(node, path);
    uint64_t which = below(&p->chance, ATTRIBUTES_MAX);
    struct attribute *attribute = &node->inode->attributes[which];
    snprintf(name, sizeof name, "user.%d", (int)which);
    int there = attribute->length > 0;
    if (there && one_in(&p->chance, 3)) {
        must(p, path, removexattr(path, name), 0, "removexattr");
        attribute->length = 0;
    } else {
        size_t length = 1 + below(&p->chance, ATTRIBUTE_MAX);
        uint8_t value[ATTRIBUTE_MAX];
        fill(&p->chance, value, length);
        must(p, path, setxattr(path, name, value, length, XATTR_CREATE), there ? EEXIST : 0,
             "setxattr of a new attribute");
        must(p, path, setxattr(path, name, value, length, XATTR_REPLACE), 0, "setxattr");
        memcpy(attribute->value, value, length);
        attribute->length = length;
    }
    node->inode->seen = 0;
    check_node(p, node);
}

static void try_what_is_refused(struct process *p)
{
    struct node *node = any_node(p);
    if (node == NULL)
        return;
    char path[PATH_BYTES], below_it[PATH_BYTES + 8];
    struct stat st;
    node_path(node, path);
    must(p, path, open(path, O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST, "creat of what is there");
    must(p, path, symlink("x", path), EEXIST, "symlink onto what is there");
    snprintf(below_it, sizeof below_it, "%s/absent", path);
    if (!S_ISLNK(node->inode->mode))
        must(p, below_it, lstat(below_it, &st), is_directory(node) ? ENOENT : ENOTDIR, "lstat");
}

static void look(struct process *p)
{
    struct node *node = any_node(p);
    if (node != NULL)
        check_node(p, node);
}

static void list(struct process *p)
{
    check_listing(p, any_directory(p));
}

static void sync_directory(struct process *p)
{
    char path[PATH_BYTES];
    int fd = open(node_path(any_directory(p), path), O_RDONLY | O_DIRECTORY);
    must(p, path, fd, 0, "open of a directory");
    must(p, path, fsync(fd), 0, "fsync of a directory");
    must(p, path, close(fd), 0, "close");
}

static const struct {
    unsigned weight;
    void (*take)(struct process *p);
} steps[] = {
    {12, make_file},     {6, make_directory},    {4, make_symlink},   {3, make_special},
    {6, make_link},      {14, remove_node},      {14, rename_node},   {5, exchange},
    {12, write_file},    {5, truncate_file},     {8, change_attributes}, {6, change_xattr},
    {4, try_what_is_refused}, {10, look},        {5, list},           {1, sync_directory},
    {4, use_without_name}, {6, append_to_log},   {10, contend},
};

void random_tree_step(struct process *p)
{
    unsigned total = 0, i = 0;
    for (unsigned s = 0; s < sizeof steps / sizeof *steps; s++)
        total += steps[s].weight;
    uint64_t choice = below(&p->chance, total);
    while (choice >= steps[i].weight)
        choice -= steps[i++].weight;
    steps[i].take(p);
}
