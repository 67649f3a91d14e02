/*
 * check: what the guest does to a share, and what the host does to the original.
 *
 *   check manifest [--expected] [--jobs N] [--via WAY] [--attribute NAME] [--progress] DIR
 *   check behaviour DIR     the rules of a read-only share, tried out on the made corpus in DIR
 *   check digest FILE...    BLAKE3 of single files
 *   check root DIR          castore's digest of a whole tree, in hexadecimal
 *
 * Exit code 0: no fault; 1: faults were printed; 2: wrong use.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "behaviour.h"
#include "castore.h"
#include "manifest.h"

static int usage(void)
{
    fputs("usage: check manifest [--expected] [--jobs N] [--via WAY] [--attribute NAME] [--progress] DIR\n"
          "       check behaviour DIR\n"
          "       check digest FILE...\n"
          "       check root DIR\n",
          stderr);
    return 2;
}

static int manifest(int argc, char **argv)
{
    struct manifest_options options = {.jobs = 1, .way = BY_READ};
    int i = 0;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--expected") == 0) {
            options.expected = 1;
            continue;
        }
        if (strcmp(argv[i], "--progress") == 0) {
            options.progress = 1;
            continue;
        }
        if (i + 1 == argc)
            return usage();
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--jobs") == 0) {
            options.jobs = atoi(value);
        } else if (strcmp(argv[i], "--attribute") == 0) {
            options.attribute = value;
        } else if (strcmp(argv[i], "--via") == 0) {
            for (options.way = 0; options.way < WAYS; options.way++)
                if (strcmp(value, way_names[options.way]) == 0)
                    break;
        } else {
            return usage();
        }
        i++;
    }
    if (i + 1 != argc || options.way == WAYS || options.jobs < 1 || options.jobs > 64)
        return usage();
    return print_manifest(argv[i], &options) > 0;
}

static void print_hex(const uint8_t digest[BLAKE3_BYTES])
{
    for (int b = 0; b < BLAKE3_BYTES; b++)
        printf("%02x", digest[b]);
}

static int root(const char *directory)
{
    uint8_t digest[BLAKE3_BYTES];
    if (castore_root(directory, digest) != 0)
        return 1;
    printf("root ");
    print_hex(digest);
    putchar('\n');
    return 0;
}

static int digest(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        uint8_t bytes[BLAKE3_BYTES];
        struct stat st;
        if (stat(argv[i], &st) != 0 ||
            read_whole(AT_FDCWD, argv[i], st.st_size, BY_READ, bytes) < 0) {
            perror(argv[i]);
            return 1;
        }
        print_hex(bytes);
        printf("  %s\n", argv[i]);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return usage();
    if (strcmp(argv[1], "manifest") == 0)
        return manifest(argc - 2, argv + 2);
    if (strcmp(argv[1], "behaviour") == 0)
        return check_behaviour(argv[2]) > 0;
    if (strcmp(argv[1], "root") == 0)
        return root(argv[2]);
    if (strcmp(argv[1], "digest") == 0)
        return digest(argc - 2, argv + 2);
    return usage();
}
