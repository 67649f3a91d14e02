/* The rules of a read-only share, each tried out with system calls and reported as a sentence. */
#ifndef CHECK_BEHAVIOUR_H
#define CHECK_BEHAVIOUR_H

/* root: where the made corpus is mounted. Prints one line a rule; answers how many are broken. */
long check_behaviour(const char *root);

/* Groups of rules. The working directory is the made corpus. */
void check_absence(void);
void check_refusals(void);
void check_listing(void);
void check_places(void);
void check_files(void);

/* Says whether a rule holds: "ok - sentence", or "not ok - sentence (detail)". */
__attribute__((format(printf, 2, 3))) void rule(int holds, const char *format, ...);

/* True when the last call failed (failed != 0) with this errno; remembers it for the report. */
int refused(int failed, int error);

#endif
