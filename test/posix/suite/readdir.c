#include "fixtures.h"

#include <dirent.h>

#define GROUP "readdir"

#define MANY 160
#define NAMES_MAX 4096

/* How often each of n0, n1, … is met between here and the end; anything unknown is a fault. */
static void count(DIR *directory, int *seen, size_t names)
{
    errno = 0;
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        unsigned long number = strtoul(e->d_name + 1, NULL, 10);
        holds(e->d_name[0] == 'n' && number < names);
        if (number < names)
            seen[number]++;
    }
    same(0, errno);
}

static void fill(const char *directory, int first, int end)
{
    char name[64];
    for (int i = first; i < end; i++) {
        snprintf(name, sizeof name, "%s/n%d", directory, i);
        make(REGULAR, name);
    }
}

static void take_away_some(const char *directory, int first, int end, int step)
{
    char name[64];
    for (int i = first; i < end; i += step) {
        snprintf(name, sizeof name, "%s/n%d", directory, i);
        ok(unlink(name));
    }
}

CASE("shows '.', '..' and each entry once, with its kind and inode number")
{
    static const unsigned char types[KINDS] = {DT_REG, DT_DIR, DT_FIFO, DT_SOCK, DT_LNK, DT_CHR, DT_BLK};
    ok(mkdir("d", 0755));
    for (each_kind(kind)) {
        char name[16];
        snprintf(name, sizeof name, "d/%d", kind);
        make(kind, name);
    }
    forget();
    int seen[KINDS] = {0}, dots = 0;
    DIR *directory = opendir("d");
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            dots++;
            same(DT_DIR, e->d_type);
            continue;
        }
        char name[300];
        snprintf(name, sizeof name, "d/%s", e->d_name);
        int kind = atoi(e->d_name);
        seen[kind]++;
        same(types[kind], e->d_type);
        same(inode_of(name), e->d_ino);
    }
    closedir(directory);
    same(2, dots);
    for (int i = 0; i < KINDS; i++)
        same(1, seen[i]);
}

CASE("shows a large directory whole, again after rewinding")
{
    static int seen[MANY];
    ok(mkdir("d", 0755));
    fill("d", 0, MANY);
    forget();
    DIR *directory = opendir("d");
    for (int round = 1; round <= 2; round++) {
        count(directory, seen, MANY);
        for (int i = 0; i < MANY; i++)
            same(round, seen[i]);
        rewinddir(directory);
    }
    closedir(directory);
}

CASE("after rewinding it shows what came and went")
{
    static int seen[MANY];
    ok(mkdir("d", 0755));
    fill("d", 0, 100);
    DIR *directory = opendir("d");
    count(directory, seen, MANY);
    take_away_some("d", 0, 50, 1);
    fill("d", 100, 150);
    rewinddir(directory);
    memset(seen, 0, sizeof seen);
    count(directory, seen, MANY);
    for (int i = 0; i < MANY; i++)
        same(i >= 50 && i < 150, seen[i]);
    closedir(directory);
}

CASE("what stays is shown once, whatever is removed and made while it is read")
{
    static int seen[2 * MANY];
    ok(mkdir("d", 0755));
    fill("d", 0, MANY);
    forget();
    DIR *directory = opendir("d");
    for (int i = 0; i < 40; i++) {
        struct dirent *e = readdir(directory);
        if (e->d_name[0] == 'n')
            seen[atoi(e->d_name + 1)]++;
    }
    take_away_some("d", 1, MANY, 2);
    fill("d", MANY, 2 * MANY);
    count(directory, seen, 2 * MANY);
    for (int i = 0; i < MANY; i += 2)
        same(1, seen[i]);
    for (int i = MANY; i < 2 * MANY; i++)
        holds(seen[i] <= 1);
    closedir(directory);
}

CASE("removing each entry as it is shown empties the directory")
{
    ok(mkdir("d", 0755));
    fill("d", 0, MANY);
    forget();
    DIR *directory = opendir("d");
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        if (e->d_name[0] == 'n')
            ok(unlinkat(dirfd(directory), e->d_name, 0));
    closedir(directory);
    ok(rmdir("d"));
}

CASE("telldir and seekdir lead back to a place, also after removals")
{
    static int all[MANY], rest[MANY];
    ok(mkdir("d", 0755));
    fill("d", 0, MANY);
    DIR *directory = opendir("d");
    for (int i = 0; i < 80; i++) {
        struct dirent *e = readdir(directory);
        if (e->d_name[0] == 'n')
            all[atoi(e->d_name + 1)]++;
    }
    long place = telldir(directory);
    count(directory, rest, MANY);
    for (int i = 0; i < MANY; i++)
        same(1, all[i] + rest[i]);
    for (int i = 0, gone = 0; i < MANY && gone < 50; i++)
        if (all[i]) {
            char name[32];
            snprintf(name, sizeof name, "d/n%d", i);
            ok(unlink(name));
            gone++;
        }
    seekdir(directory, place);
    static int again[MANY];
    count(directory, again, MANY);
    for (int i = 0; i < MANY; i++)
        same(rest[i], again[i]);
    closedir(directory);
}

CASE("an entry that is renamed while the directory is read is shown under one name at least")
{
    static int seen[NAMES_MAX];
    ok(mkdir("d", 0755));
    fill("d", 0, 100);
    DIR *directory = opendir("d");
    struct dirent *first = readdir(directory);
    if (first->d_name[0] == 'n')
        seen[atoi(first->d_name + 1)]++;
    ok(rename("d/n50", "d/n2000"));
    count(directory, seen, NAMES_MAX);
    holds(seen[50] + seen[2000] >= 1);
    for (int i = 0; i < 100; i++)
        if (i != 50)
            same(1, seen[i]);
    closedir(directory);
}

CASE("names of all lengths")
{
    static int seen[256];
    ok(mkdir("d", 0755));
    ok(chdir("d"));
    for (int length = 1; length <= 255; length++)
        make(REGULAR, long_name(length));
    forget();
    DIR *directory = opendir(".");
    for (struct dirent *e; (e = readdir(directory)) != NULL;)
        if (e->d_name[0] != '.')
            seen[strlen(e->d_name)]++;
    closedir(directory);
    for (int length = 1; length <= 255; length++)
        same(1, seen[length]);
}

CASE("needs read permission, and search permission is not enough")
{
    make(DIRECTORY, "d");
    ok(chmod("d", 0711));
    as(ALICE, ALICE);
    fails(EACCES, open("d", O_RDONLY | O_DIRECTORY));
    as_root();
    ok(chmod("d", 0744));
    as(ALICE, ALICE);
    ok(close(ok(open("d", O_RDONLY | O_DIRECTORY))));
    fails(EACCES, chdir("d"));
}

CASE("reading a directory may move its atime, and nothing else of it")
{
    ok(mkdir("d", 0755));
    fill("d", 0, 3);
    static int seen[3];
    DIR *directory = opendir("d");
    leaves("d", count(directory, seen, 3));
    closedir(directory);
}

CASE("inode numbers of a directory and its entries stay")
{
    ok(mkdir("d", 0755));
    fill("d", 0, 50);
    ino_t before[50];
    char name[32];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "d/n%d", i);
        before[i] = inode_of(name);
        for (int j = 0; j < i; j++)
            holds(before[j] != before[i]);
    }
    forget();
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "d/n%d", i);
        same(before[i], inode_of(name));
    }
}
