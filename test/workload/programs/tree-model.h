/* What one process of tree-ops knows of the names and inodes that are its own. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "chance.h"

enum {
    NAME_BYTES = 256,
    PATH_BYTES = 4096,
    CONTENT_MAX = 96 * 1024,
    ATTRIBUTES_MAX = 3,
    ATTRIBUTE_MAX = 600,
    NODES_MAX = 400, /* from here on more is removed than made */
    DEPTH_MAX = 8,
};

struct inode {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    unsigned links; /* of a directory: 2 and its subdirectories */
    dev_t device;
    off_t size;
    uint8_t *content; /* of a file: its bytes; of a symlink: its target */
    struct attribute {
        size_t length; /* 0: not there; its name is user.N */
        uint8_t value[ATTRIBUTE_MAX];
    } attributes[ATTRIBUTES_MAX];
    /* As seen last, and whether they must be that still. */
    struct timespec modified, changed;
    ino_t number;
    int seen;
};

/* A name. Those of directories have children. */
struct node {
    char name[NAME_BYTES];
    struct inode *inode;
    struct node *parent; /* NULL: a top directory */
    struct node *children, *next;
    int shared; /* a top directory in which other processes have names, too */
};

struct process {
    unsigned number;
    unsigned long seed;
    struct chance chance;
    struct node *own, *common;
    unsigned nodes; /* without the two */
    unsigned long step;
    unsigned long names_made;
    int compare_changed; /* ctime: not every file server keeps it */
    int attributes, exchanges; /* the file system has xattrs, RENAME_EXCHANGE */
};

void model_fault(struct process *p, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

struct inode *inode_new(mode_t mode);
/* A name fewer; without names nothing is left of an inode. */
void inode_drop(struct inode *inode);

struct node *node_add(struct process *p, struct node *parent, const char *name,
                      struct inode *inode);
void node_unlink(struct process *p, struct node *node);
void node_move(struct node *node, struct node *to, const char *name);
const char *node_path(const struct node *node, char path[PATH_BYTES]);
int node_depth(const struct node *node);
int node_is_inside(const struct node *node, const struct node *ancestor);

static inline int is_directory(const struct node *node)
{
    return S_ISDIR(node->inode->mode);
}

/* Any node but the top directories; NULL where there is none. */
struct node *any_node(struct process *p);
struct node *any_directory(struct process *p);
/* A name that begins as all names of this process do. */
void new_name(struct process *p, char name[NAME_BYTES]);

/* tree-check.c: everything that stat, readdir, read, readlink and getxattr say of it. */
void check_node(struct process *p, struct node *node);
void check_listing(struct process *p, struct node *directory);
void check_tree(struct process *p, struct node *top);
/* Takes a tree that is there already into the model. */
void adopt(struct process *p, struct node *directory);


