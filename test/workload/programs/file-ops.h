/* One file under test and the array that says what must be in it. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "chance.h"

enum { PAGE = 4096 };

struct subject {
    unsigned long seed;
    struct chance chance;
    char path[4096];
    int fd;
    int appending;
    int direct; /* -1: the file system has no O_DIRECT */
    size_t limit; /* the file never grows beyond it */
    off_t size;
    uint8_t *model; /* all of limit; zero from size on */
    uint8_t *buffer; /* as long, aligned for O_DIRECT */
    uint64_t written;
    int syncs_before_seek;
};

/* Says what the present step is, for the report of a fault. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fault(struct subject *s, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

void compare(struct subject *s, const uint8_t *found, off_t at, size_t length, const char *how);
void check_size(struct subject *s);
/* Reads the whole file. */
void check_all(struct subject *s, const char *how);
void open_all(struct subject *s, int flags);
void close_all(struct subject *s);

/* file-steps.c */
void random_step(struct subject *s);
/* The steps that the file system answered with EOPNOTSUPP. */
void print_unsupported(void);
