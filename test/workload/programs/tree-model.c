#define _GNU_SOURCE
#include "tree-model.h"

#include <stdlib.h>
#include <string.h>

struct inode *inode_new(mode_t mode)
{
    struct inode *inode = calloc(1, sizeof *inode);
    if (inode == NULL)
        abort();
    inode->mode = mode;
    inode->links = S_ISDIR(mode) ? 2 : 1;
    return inode;
}

void inode_drop(struct inode *inode)
{
    inode->seen = 0;
    if (--inode->links > 0 && !S_ISDIR(inode->mode))
        return;
    free(inode->content);
    free(inode);
}

static void link_into(struct node *node, struct node *parent, const char *name)
{
    snprintf(node->name, NAME_BYTES, "%s", name);
    node->parent = parent;
    node->next = parent->children;
    parent->children = node;
    parent->inode->links += is_directory(node) ? 1 : 0;
    parent->inode->seen = 0;
}

static void take_out(struct node *node)
{
    struct node **at = &node->parent->children;
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    node->parent->inode->links -= is_directory(node) ? 1 : 0;
    node->parent->inode->seen = 0;
}

struct node *node_add(struct process *p, struct node *parent, const char *name, struct inode *inode)
{
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        abort();
    node->inode = inode;
    link_into(node, parent, name);
    p->nodes++;
    return node;
}

void node_unlink(struct process *p, struct node *node)
{
    take_out(node);
    inode_drop(node->inode);
    free(node);
    p->nodes--;
}

void node_move(struct node *node, struct node *to, const char *name)
{
    take_out(node);
    link_into(node, to, name);
    node->inode->seen = 0;
}

const char *node_path(const struct node *node, char path[PATH_BYTES])
{
    char rest[PATH_BYTES];
    snprintf(path, PATH_BYTES, "%s", node->name);
    for (node = node->parent; node != NULL; node = node->parent) {
        snprintf(rest, PATH_BYTES, "%s", path);
        if (snprintf(path, PATH_BYTES, "%s/%s", node->name, rest) >= PATH_BYTES)
            abort();
    }
    return path;
}

int node_depth(const struct node *node)
{
    int depth = 0;
    for (; node->parent != NULL; node = node->parent)
        depth++;
    return depth;
}

int node_is_inside(const struct node *node, const struct node *ancestor)
{
    for (; node != NULL; node = node->parent)
        if (node == ancestor)
            return 1;
    return 0;
}

/* Reservoir sampling: each that fits is as likely as another. */
static void sample(struct process *p, struct node *node, int directories, unsigned *met,
                   struct node **chosen)
{
    if ((!directories && node->parent != NULL) || (directories && is_directory(node)))
        if (one_in(&p->chance, ++*met))
            *chosen = node;
    for (struct node *child = node->children; child != NULL; child = child->next)
        sample(p, child, directories, met, chosen);
}

static struct node *any(struct process *p, int directories)
{
    struct node *chosen = NULL;
    unsigned met = 0;
    sample(p, p->own, directories, &met, &chosen);
    sample(p, p->common, directories, &met, &chosen);
    return chosen;
}

struct node *any_node(struct process *p)
{
    return any(p, 0);
}

struct node *any_directory(struct process *p)
{
    return any(p, 1);
}

void new_name(struct process *p, char name[NAME_BYTES])
{
    int length = snprintf(name, NAME_BYTES, "p%u-%lu", p->number, p->names_made++);
    if (one_in(&p->chance, 20)) /* as long as a name may be */
        memset(name + length, 'n', (size_t)(NAME_BYTES - 1 - length));
    name[NAME_BYTES - 1] = 0;
}
