/*
 * config_fixture - a folder of its own for each test, configurations loaded from texts, and what came of it.
 */
#ifndef SLUICE_TEST_CONFIG_FIXTURE_H
#define SLUICE_TEST_CONFIG_FIXTURE_H

#include "config.h"

struct fixture {
    char folder[64];
    char *start_folder; /* where the program was started: the repository */
    struct config *config;
    struct config_problems problems;
    struct err err;
    int result;
    char line[512]; /* the last one found in the printed configuration */
};

/* For cmocka's setup and teardown; the working folder is the test's own in between. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_write_bytes(const char *name, const void *bytes, size_t len);
void fixture_write(const char *name, const char *text);

/*
 * Load file c.conf with this text (NULL: no file), these environment strings and these flag pairs (both
 * NULL-terminated or NULL). What was loaded before is freed.
 */
void fixture_load(struct fixture *f, const char *text, const char *const *environment,
                  const char *const *flags);
void fixture_load_file(struct fixture *f, const char *path, const char *const *environment,
                       const char *const *flags);

/* The problems are these lines, each ending in a newline, and no others. */
void fixture_expect_problems(const struct fixture *f, const char *expected);
/* "VALUE FROM" as config_print shows a key; fails if it isn't there. */
const char *fixture_printed(struct fixture *f, const char *key);
/* All of config_print, malloc'ed. */
char *fixture_print(const struct fixture *f, bool json);

/* A file, and all that is wrong with it: each sentence with its newline. */
struct fixture_text {
    const char *text;
    const char *problems;
};
void fixture_check_texts(struct fixture *f, const struct fixture_text *texts, size_t count);

#endif
