/* The steps of tree-ops. */
#pragma once

#include "tree-model.h"

/* Made once by the first process, below the directory where all work. */
#define COMMON "common"
#define CONTENDED "contended"
#define LOG "log"

void random_tree_step(struct process *p);

/* tree-together.c: what processes do to the same names and files. */
void append_to_log(struct process *p);
void use_without_name(struct process *p);
/* Creates, renames, removes where the others do, too: any answer will do that fits some order. */
void contend(struct process *p);
/* After the last step of all; the number of faults. */
int check_log(unsigned processes);
int check_contended(const char *directory);

/* tree-manifest.c: a line for each inode below a directory, in the order of the names. */
int print_tree_manifest(const char *directory, int with_changed);
