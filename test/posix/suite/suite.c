/*
 * posix: the conformance suite. Run as root.
 *
 *   posix [--set-clock] [--forget] DIRECTORY [GROUP...]
 *   posix --make-before DIRECTORY     what cases of the group `before` want to find there
 *
 * Prints a line per case, `ok GROUP: TITLE (N ms)` or `FAIL GROUP: TITLE: what was expected and found`, and
 * at the end `# cases N failed M assertions K seconds S`. Exit code 1 when a case failed.
 * --set-clock and --forget are for a machine of one's own: the system's clock is set by that of the
 * file system, again and again, which makes times of both comparable; forget() has the kernel drop
 * what it remembers.
 */
#include "suite.h"

#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "before.h"
#include "fixtures.h"

#define CASES_MAX 2000
#define CASE_SECONDS_MAX 60
#define FAULTS_MAX 3
/* Clocks of an emulated machine drift. */
#define CASES_PER_CLOCK 20

struct verdict {
    unsigned assertions;
    unsigned faults;
    char text[FAULTS_MAX][400];
};

static struct test_case cases[CASES_MAX];
static int case_count;
static struct verdict *verdict; /* shared with the case's process */
static char current[200];
static const char *root;
static const struct test_case *running;

void add_case(const char *group, const char *title, void (*run)(const void *), const void *argument)
{
    if (case_count == CASES_MAX)
        abort();
    cases[case_count++] =
        (struct test_case){.group = group, .title = title, .run = run, .argument = argument};
}

const char *suite_root(void)
{
    return root;
}

int ordinal_in_group(void)
{
    int ordinal = 0;
    for (const struct test_case *c = cases; c < running; c++)
        ordinal += strcmp(c->group, running->group) == 0;
    return ordinal;
}

int trying(const char *what)
{
    snprintf(current, sizeof current, "%s", what);
    return 1;
}

__attribute__((format(printf, 1, 2))) static void fault(const char *format, ...)
{
    unsigned index = verdict->faults++;
    if (index >= FAULTS_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    char *text = verdict->text[index];
    size_t room = sizeof verdict->text[index];
    int used = *current ? snprintf(text, room, "(%.60s) ", current) : 0;
    vsnprintf(text + used, room - used, format, arguments);
    va_end(arguments);
    for (; *text; text++)
        if (*text == '\n')
            *text = ' ';
}

static const char *error_name(int error)
{
    const char *name = error == 0 ? "success" : strerrorname_np(error);
    return name ? name : "an unknown error";
}

long check_success(int line, const char *call, long result)
{
    int error = errno;
    verdict->assertions++;
    if (result == -1)
        fault("line %d: %.90s: expected success, found %s", line, call, error_name(error));
    errno = error;
    return result;
}

int check_errno(int line, const char *call, int expected, long result)
{
    int error = result == -1 ? errno : 0;
    verdict->assertions++;
    if (error != expected)
        fault("line %d: %.90s: expected %s, found %s", line, call, error_name(expected),
              error_name(error));
    return error == expected;
}

int check_same(int line, const char *what, long long expected, long long found, int octal)
{
    verdict->assertions++;
    if (expected != found)
        fault(octal ? "line %d: %.90s: expected %#llo, found %#llo"
                    : "line %d: %.90s: expected %lld, found %lld",
              line, what, expected, found);
    return expected == found;
}

int check_holds(int line, const char *what, int holds)
{
    verdict->assertions++;
    if (!holds)
        fault("line %d: expected %.120s, found otherwise", line, what);
    return holds;
}

void await_child(int line, pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fault("line %d: a child process ended badly", line);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

/* In the case's own process. */
static void run_case(const struct test_case *c, const char *directory)
{
    if (chdir(directory) != 0) {
        fault("its directory cannot be entered: %s", strerror(errno));
        return;
    }
    umask(022);
    alarm(CASE_SECONDS_MAX);
    c->run(c->argument);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

/* Answers whether the case is without a fault. */
static int try_case(const struct test_case *c, int number)
{
    double begin = seconds_now();
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/case-%d", root, number);
    memset(verdict, 0, sizeof *verdict);
    *current = 0;
    running = c;
    if (mkdir(directory, 0755) != 0 || chmod(directory, 0755) != 0)
        fault("its directory cannot be made: %s", strerror(errno));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_case(c, directory);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status))
        fault("ended by signal %d", WTERMSIG(status));
    else if (status != 0)
        fault("ended with exit code %d", WEXITSTATUS(status));
    if (nftw(directory, remove_entry, 32, FTW_DEPTH | FTW_PHYS) != 0)
        fault("its directory cannot be removed: %s", strerror(errno));

    if (verdict->faults == 0) {
        printf("ok %s: %s (%.0f ms)\n", c->group, c->title, (seconds_now() - begin) * 1000);
        return 1;
    }
    printf("FAIL %s: %s", c->group, c->title);
    for (unsigned i = 0; i < verdict->faults && i < FAULTS_MAX; i++)
        printf("%s%s", i == 0 ? ": " : "; ", verdict->text[i]);
    printf(verdict->faults > FAULTS_MAX ? "; and %u more\n" : "\n", verdict->faults - FAULTS_MAX);
    return 0;
}

static int chosen(const struct test_case *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], c->group) == 0)
            return 1;
    return argc == 0;
}

/* What a case runs that needs a program: it opens a file for reading, and ends when that ends. */
static int wait_on(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);
    return fd < 0 || read(fd, &byte, 1) != 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--wait") == 0)
        return wait_on(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--make-before") == 0)
        return make_trees_before(argv[2]) == 0 ? 0 : 1;
    argc--, argv++;
    int set_clock = argc > 0 && strcmp(*argv, "--set-clock") == 0;
    argc -= set_clock, argv += set_clock;
    if (argc > 0 && strcmp(*argv, "--forget") == 0) {
        allow_forgetting();
        argc--, argv++;
    }
    root = argc > 0 ? realpath(*argv, NULL) : NULL;
    if (root == NULL || geteuid() != 0) {
        fputs("usage (as root): posix [--set-clock] [--forget] DIRECTORY [GROUP...]\n", stderr);
        return 2;
    }
    verdict = mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    as_root();
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    if (chmod(root, 0755) != 0 || measure_clock(root, set_clock) != 0) {
        fprintf(stderr, "posix: %s cannot be used: %s\n", root, strerror(errno));
        return 2;
    }
    double begin = seconds_now();
    int tried = 0, failed = 0;
    unsigned long assertions = 0;
    for (int i = 0; i < case_count; i++) {
        if (!chosen(&cases[i], argc - 1, argv + 1))
            continue;
        if (++tried % CASES_PER_CLOCK == 0 && measure_clock(root, set_clock) != 0)
            return 2;
        failed += !try_case(&cases[i], i);
        assertions += verdict->assertions;
    }
    printf("# cases %d failed %d assertions %lu seconds %.1f\n", tried, failed, assertions,
           seconds_now() - begin);
    return failed > 0;
}
