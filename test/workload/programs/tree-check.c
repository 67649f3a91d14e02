/* Compares what the file system says with the model, and takes what it says into the model. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree-model.h"

static uint8_t buffer[CONTENT_MAX + 1];

static int differs(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

static void check_seen(struct process *p, const char *path, struct inode *inode,
                       const struct stat *st)
{
    if (inode->seen) {
        if (st->st_ino != inode->number)
            model_fault(p, path, "its inode number went from %llu to %llu",
                        (unsigned long long)inode->number, (unsigned long long)st->st_ino);
        if (differs(st->st_mtim, inode->modified))
            model_fault(p, path, "mtime went from %lld.%09ld to %lld.%09ld",
                        (long long)inode->modified.tv_sec, inode->modified.tv_nsec,
                        (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
        if (p->compare_changed && differs(st->st_ctim, inode->changed))
            model_fault(p, path, "ctime went from %lld.%09ld to %lld.%09ld",
                        (long long)inode->changed.tv_sec, inode->changed.tv_nsec,
                        (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
    }
    inode->number = st->st_ino;
    inode->modified = st->st_mtim;
    inode->changed = st->st_ctim;
    inode->seen = 1;
}

static void check_content(struct process *p, const char *path, const struct inode *inode)
{
    ssize_t got;
    if (S_ISLNK(inode->mode)) {
        got = readlink(path, (char *)buffer, sizeof buffer);
    } else {
        int fd = open(path, O_RDONLY);
        if (fd < 0)
            model_fault(p, path, "open");
        got = 0;
        for (ssize_t n; (n = read(fd, buffer + got, sizeof buffer - (size_t)got)) != 0; got += n)
            if (n < 0)
                model_fault(p, path, "read");
        close(fd);
    }
    if (got != inode->size)
        model_fault(p, path, "holds %zd bytes, not %lld", got, (long long)inode->size);
    for (ssize_t i = 0; i < got; i++)
        if (buffer[i] != inode->content[i])
            model_fault(p, path, "byte %zd is %02x, not %02x", i, buffer[i], inode->content[i]);
}

static void check_attributes(struct process *p, const char *path, const struct inode *inode)
{
    char names[1024];
    ssize_t listed = llistxattr(path, names, sizeof names);
    if (listed < 0)
        model_fault(p, path, "llistxattr");
    for (int i = 0; i < ATTRIBUTES_MAX; i++) {
        const struct attribute *attribute = &inode->attributes[i];
        char name[16];
        snprintf(name, sizeof name, "user.%d", i);
        int found = 0;
        for (char *at = names; at < names + listed; at += strlen(at) + 1)
            found |= strcmp(at, name) == 0;
        if (found != (attribute->length > 0))
            model_fault(p, path, "%s is %slisted", name, found ? "" : "not ");
        ssize_t got = lgetxattr(path, name, buffer, sizeof buffer);
        if (attribute->length == 0 ? got >= 0 || errno != ENODATA
                                   : got != (ssize_t)attribute->length ||
                                         memcmp(buffer, attribute->value, (size_t)got) != 0)
            model_fault(p, path, "%s: getxattr gives %zd, not %zu bytes", name, got,
                        attribute->length);
    }
}

void check_node(struct process *p, struct node *node)
{
    char path[PATH_BYTES];
    node_path(node, path);
    struct inode *inode = node->inode;
    struct stat st;
    if (lstat(path, &st) != 0)
        model_fault(p, path, "lstat");
    if (st.st_mode != inode->mode || st.st_uid != inode->uid || st.st_gid != inode->gid)
        model_fault(p, path, "mode, uid, gid are %o %u %u, not %o %u %u", st.st_mode, st.st_uid,
                    st.st_gid, inode->mode, inode->uid, inode->gid);
    if (st.st_nlink != inode->links)
        model_fault(p, path, "nlink is %lu, not %u", (unsigned long)st.st_nlink, inode->links);
    if ((S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) && st.st_size != inode->size)
        model_fault(p, path, "size is %lld, not %lld", (long long)st.st_size,
                    (long long)inode->size);
    if (st.st_rdev != inode->device)
        model_fault(p, path, "rdev is %llx, not %llx", (unsigned long long)st.st_rdev,
                    (unsigned long long)inode->device);
    check_seen(p, path, inode, &st);
    if (S_ISREG(inode->mode) || S_ISLNK(inode->mode))
        check_content(p, path, inode);
    if (p->attributes && (S_ISREG(inode->mode) || S_ISDIR(inode->mode))) /* no other has user. */
        check_attributes(p, path, inode);
}

void check_listing(struct process *p, struct node *directory)
{
    char path[PATH_BYTES], prefix[32];
    node_path(directory, path);
    int prefix_length = snprintf(prefix, sizeof prefix, "p%u-", p->number);
    DIR *listing = opendir(path);
    if (listing == NULL)
        model_fault(p, path, "opendir");
    unsigned met = 0, own = 0, dots = 0;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            dots++;
            continue;
        }
        if (directory->shared && strncmp(entry->d_name, prefix, (size_t)prefix_length) != 0)
            continue;
        struct node *child = directory->children;
        while (child != NULL && strcmp(child->name, entry->d_name) != 0)
            child = child->next;
        if (child == NULL)
            model_fault(p, path, "lists %s, which is not in it", entry->d_name);
        if (entry->d_type != DT_UNKNOWN && entry->d_type != IFTODT(child->inode->mode))
            model_fault(p, path, "lists %s with type %d", entry->d_name, entry->d_type);
        met++;
    }
    if (errno != 0)
        model_fault(p, path, "readdir");
    closedir(listing);
    for (struct node *child = directory->children; child != NULL; child = child->next)
        own++;
    if (met != own || dots != 2)
        model_fault(p, path, "lists %u of its %u entries, %u of the dots", met, own, dots);
}

void check_tree(struct process *p, struct node *node)
{
    if (!node->shared)
        check_node(p, node);
    if (!is_directory(node))
        return;
    check_listing(p, node);
    for (struct node *child = node->children; child != NULL; child = child->next)
        check_tree(p, child);
}

static struct inode *adopted_inode(struct process *p, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        model_fault(p, path, "lstat");
    struct inode *inode = inode_new(st.st_mode);
    inode->uid = st.st_uid;
    inode->gid = st.st_gid;
    inode->size = st.st_size;
    inode->device = st.st_rdev;
    inode->content = calloc(1, CONTENT_MAX);
    ssize_t got = 0;
    if (S_ISLNK(st.st_mode)) {
        got = readlink(path, (char *)inode->content, CONTENT_MAX);
    } else if (S_ISREG(st.st_mode)) {
        int fd = open(path, O_RDONLY);
        for (ssize_t n; got < CONTENT_MAX && (n = read(fd, inode->content + got,
                                                       (size_t)(CONTENT_MAX - got))) > 0;)
            got += n;
        close(fd);
    } else {
        return inode;
    }
    if (got != st.st_size)
        model_fault(p, path, "%zd bytes can be adopted, not %lld", got, (long long)st.st_size);
    return inode;
}

void adopt(struct process *p, struct node *directory)
{
    char path[PATH_BYTES];
    DIR *listing = opendir(node_path(directory, path));
    if (listing == NULL)
        model_fault(p, path, "opendir");
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char below[PATH_BYTES];
        snprintf(below, PATH_BYTES, "%.*s/%s", PATH_BYTES - NAME_BYTES - 2, path, entry->d_name);
        struct node *child = node_add(p, directory, entry->d_name, adopted_inode(p, below));
        if (is_directory(child))
            adopt(p, child);
    }
    closedir(listing);
}
