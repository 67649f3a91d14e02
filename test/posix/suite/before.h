/*
 * What was there before: a tree that a file system has when it is first mounted, once for each case
 * that looks at it. On a layered file system it is the part that the layer does not hold.
 */
#ifndef BEFORE_H
#define BEFORE_H

#define BEFORE_GROUP "before"
#define BEFORE_TREES_MAX 32
/* Entries of `many`: n0, n1, … */
#define MANY 60
/* Bytes of `large`; byte i is LARGE_BYTE(i). */
#define LARGE 300000
#define LARGE_BYTE(i) ((char)((i) * 7 + (i) / 251))

/* Makes `DIRECTORY/before/0`, `DIRECTORY/before/1`, … 0, or -1. */
int make_trees_before(const char *directory);

/* The case goes on in a tree of its own. */
void enter(void);
int absent(const char *path);
/* Whether it is a small file with that content. */
int says(const char *path, const char *content);
/* Whether the directory has these names and no others; `names` are separated by spaces. */
int has_names(const char *path, const char *names);

#endif
