/*
 * The frame of the conformance suite: cases register themselves, each runs in a process and a
 * directory of its own, and what it finds wrong is kept with the line and what was expected.
 *
 *   #define GROUP "unlink"
 *   CASE("a removed name is gone")
 *   {
 *       make(REGULAR, "x");
 *       ok(unlink("x"));
 *       fails(ENOENT, unlink("x"));
 *   }
 */
#ifndef SUITE_H
#define SUITE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct test_case {
    const char *group;
    const char *title;
    void (*run)(const void *argument);
    const void *argument;
};

/* Keeps a case; called before main. `group` and `title` live for ever. */
void add_case(const char *group, const char *title, void (*run)(const void *), const void *argument);

#define CASE(title) CASE_ON(title, __LINE__)
#define CASE_ON(title, line) CASE_NAMED(title, line)
#define CASE_NAMED(title, line)                                                     \
    static void case_##line(const void *);                                          \
    __attribute__((constructor)) static void register_##line(void)                  \
    {                                                                               \
        add_case(GROUP, title, case_##line, NULL);                                  \
    }                                                                               \
    static void case_##line(const void *argument __attribute__((unused)))

/* The call succeeds; its result is the macro's. */
#define ok(call) (errno = 0, check_success(__LINE__, #call, (long)(call)))
/* The call answers -1 (a pointer: NULL) and errno is `expected`. */
#define fails(expected, call) (errno = 0, check_errno(__LINE__, #call, (expected), (long)(call)))
#define fails_null(expected, call) \
    (errno = 0, check_errno(__LINE__, #call, (expected), (call) == NULL ? -1 : 0))
#define same(expected, found) \
    check_same(__LINE__, #found, (long long)(expected), (long long)(found), 0)
#define same_octal(expected, found) \
    check_same(__LINE__, #found, (long long)(expected), (long long)(found), 1)
#define holds(condition) check_holds(__LINE__, #condition, !!(condition))

long check_success(int line, const char *call, long result);
int check_errno(int line, const char *call, int expected, long result);
int check_same(int line, const char *what, long long expected, long long found, int octal);
int check_holds(int line, const char *what, int holds);

/* What is being tried, for messages, until the next call: "fifo". Answers 1. */
int trying(const char *what);

/* Runs `body` in a child process and waits: its checks count, and it can be another user for good. */
#define in_child(...)                                                                \
    do {                                                                             \
        pid_t child_ = fork();                                                       \
        if (child_ == 0) {                                                           \
            __VA_ARGS__;                                                              \
            _exit(0);                                                                \
        }                                                                            \
        await_child(__LINE__, child_);                                               \
    } while (0)
void await_child(int line, pid_t child);

/* The directory of the whole run; for what a case does outside its own. */
const char *suite_root(void);
/* How many cases of the group come before the running one. */
int ordinal_in_group(void);

#endif
