#include "fixtures.h"

#include <dirent.h>

#include "before.h"

/*
 * file              "content\n"
 * other             "another\n"
 * program           a script with x
 * large             LARGE bytes
 * link              a symlink to file
 * empty/            an empty directory
 * dir/a, dir/b      "a\n", "b\n"
 * dir/sub/deep/leaf "leaf\n"
 * many/n0 …         empty files
 */
static int put(const char *path, const char *bytes, size_t length, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return -1;
    int status = write(fd, bytes, length) == (ssize_t)length ? 0 : -1;
    return close(fd) == 0 ? status : -1;
}

static int make_tree(void)
{
    static char large[LARGE];
    char name[32];
    for (int i = 0; i < LARGE; i++)
        large[i] = LARGE_BYTE(i);
    int failed = put("file", "content\n", 8, 0644) != 0 || put("other", "another\n", 8, 0644) != 0 ||
                 put("program", "#!/bin/sh\n", 10, 0755) != 0 ||
                 put("large", large, LARGE, 0644) != 0 || symlink("file", "link") != 0 ||
                 mkdir("empty", 0755) != 0 || mkdir("dir", 0755) != 0 ||
                 put("dir/a", "a\n", 2, 0644) != 0 || put("dir/b", "b\n", 2, 0644) != 0 ||
                 mkdir("dir/sub", 0755) != 0 || mkdir("dir/sub/deep", 0755) != 0 ||
                 put("dir/sub/deep/leaf", "leaf\n", 5, 0644) != 0 || mkdir("many", 0755) != 0;
    for (int i = 0; i < MANY && !failed; i++) {
        snprintf(name, sizeof name, "many/n%d", i);
        failed = put(name, "", 0, 0644) != 0;
    }
    return failed ? -1 : 0;
}

int make_trees_before(const char *directory)
{
    char name[16];
    umask(022);
    if (chdir(directory) != 0 || mkdir("before", 0755) != 0 || chdir("before") != 0)
        return -1;
    for (int i = 0; i < BEFORE_TREES_MAX; i++) {
        snprintf(name, sizeof name, "%d", i);
        if (mkdir(name, 0755) != 0 || chdir(name) != 0 || make_tree() != 0 || chdir("..") != 0)
            return -1;
    }
    return 0;
}

void enter(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/before/%d", suite_root(), ordinal_in_group());
    ok(chdir(path));
}

int absent(const char *path)
{
    struct stat st;
    return lstat(path, &st) == -1 && errno == ENOENT;
}

int says(const char *path, const char *content)
{
    return strcmp(content_of(path), content) == 0;
}

int has_names(const char *path, const char *names)
{
    char rest[2048];
    int wrong = 0;
    snprintf(rest, sizeof rest, " %s ", names);
    DIR *directory = opendir(path);
    if (directory == NULL)
        return 0;
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        char name[300];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, " %s ", e->d_name);
        char *found = strstr(rest, name);
        if (found == NULL)
            wrong = 1;
        else
            memset(found + 1, '*', strlen(e->d_name));
    }
    closedir(directory);
    for (char *at = rest; *at; at++)
        wrong |= *at != ' ' && *at != '*';
    return !wrong;
}
