/*
 * tree-ops: several processes do everything to a tree that can be done with names, each keeps a model
 * of what is its own, and all compare.
 *
 *   tree-ops run [--seed N] [--steps N] [--seconds N] [--processes N] [--ctime] DIRECTORY
 *   tree-ops manifest [--ctime] DIRECTORY    what is there, a line for each name
 *
 * Process N works in DIRECTORY/pN (which may hold something already: it is gone on with), among the
 * others in DIRECTORY/common, and against them in DIRECTORY/contended. With --ctime that must not
 * change by itself either.
 *
 * Exit code 0: all answers fit; 1: a fault was told; 2: wrong use.
 */
#define _GNU_SOURCE
#include "tree-ops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 64, CHECK_EVERY = 500 };

void model_fault(struct process *p, const char *path, const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "tree-ops: seed %lu, process %u, step %lu: ", p->seed, p->number, p->step);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (errno %d): %s\n", error, path);
    va_end(arguments);
    exit(1);
}

static struct node *top(const char *name, int shared)
{
    struct node *node = calloc(1, sizeof *node);
    struct stat st;
    if (node == NULL)
        abort();
    if ((mkdir(name, 0755) != 0 && errno != EEXIST) || stat(name, &st) != 0) {
        perror(name);
        exit(1);
    }
    snprintf(node->name, NAME_BYTES, "%s", name);
    node->inode = inode_new(st.st_mode);
    node->inode->uid = st.st_uid;
    node->inode->gid = st.st_gid;
    node->shared = shared;
    return node;
}

struct run {
    unsigned long steps;
    time_t until; /* 0: no limit */
};

static int run_process(struct process *p, const struct run *run)
{
    char own[32];
    snprintf(own, sizeof own, "p%u", p->number);
    p->own = top(own, 0);
    p->common = top(COMMON, 1);
    p->chance.state = p->seed * 1000003 + p->number;
    adopt(p, p->own);
    p->attributes = setxattr(own, "user.9", "", 0, 0) == 0 && removexattr(own, "user.9") == 0;
    p->exchanges = renameat2(AT_FDCWD, own, AT_FDCWD, own, RENAME_EXCHANGE) == 0;
    check_tree(p, p->own);
    for (p->step = 1; p->step <= run->steps && (run->until == 0 || time(NULL) < run->until);
         p->step++) {
        random_tree_step(p);
        if (p->step % CHECK_EVERY == 0)
            check_tree(p, p->own);
    }
    check_tree(p, p->own);
    check_tree(p, p->common);
    printf("tree-ops: seed %lu, process %u: %lu steps, %u names at the end%s%s\n", p->seed,
           p->number, p->step - 1, p->nodes, p->attributes ? "" : ", no xattrs",
           p->exchanges ? "" : ", no exchange");
    return 0;
}

static int run_all(struct process *p, const struct run *run, unsigned processes)
{
    int log = open(LOG, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (log < 0 || close(log) != 0) {
        perror(LOG);
        return 1;
    }
    top(COMMON, 1);
    top(CONTENDED, 1);
    fflush(stdout);
    for (; p->number < processes; p->number++)
        if (fork() == 0)
            exit(run_process(p, run));
    int failed = 0, status;
    while (wait(&status) > 0)
        failed |= status != 0;
    return failed | check_log(processes) | (check_contended(CONTENDED) > 0);
}

static int usage(void)
{
    fputs("usage: tree-ops run [--seed N] [--steps N] [--seconds N] [--processes N] [--ctime] "
          "DIRECTORY\n"
          "       tree-ops manifest [--ctime] DIRECTORY\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct process p = {.seed = 1};
    struct run run = {.steps = 1000};
    unsigned long processes = 4;
    int i = 2;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--ctime") == 0) {
            p.compare_changed = 1;
            continue;
        }
        if (i + 1 == argc)
            return usage();
        const char *name = argv[i];
        unsigned long value = strtoul(argv[++i], NULL, 0);
        if (strcmp(name, "--seed") == 0)
            p.seed = value;
        else if (strcmp(name, "--steps") == 0)
            run.steps = value;
        else if (strcmp(name, "--seconds") == 0)
            run.until = time(NULL) + (time_t)value;
        else if (strcmp(name, "--processes") == 0)
            processes = value;
        else
            return usage();
    }
    if (i + 1 != argc || processes < 1 || processes > PROCESSES_MAX)
        return usage();
    umask(0);
    if (strcmp(argv[1], "manifest") == 0)
        return print_tree_manifest(argv[i], p.compare_changed) > 0;
    if (strcmp(argv[1], "run") != 0)
        return usage();
    if (chdir(argv[i]) != 0) {
        perror(argv[i]);
        return 1;
    }
    return run_all(&p, &run, (unsigned)processes);
}
