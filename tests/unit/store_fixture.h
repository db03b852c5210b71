/*
 * store_fixture.h - what the tests of store/ share: a folder of their own, a clock, a launch with every field
 * filled, and the real sqlite3 shell as the second, reading connection.
 */
#ifndef SLUICE_TESTS_STORE_FIXTURE_H
#define SLUICE_TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct store_fixture {
    char folder[64];
    char path[128]; /* of the state file; not there yet */
    struct clock clock;
    int64_t now_ms; /* what the clock says; at first the machine's time, since views read that */
};

/* cmocka setup and teardown: *state is a struct store_fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);

/* Open the fixture's file, or fail the test. */
struct store *store_fixture_open(struct store_fixture *f);

/* A launch in QUEUED whose ids all derive from n. */
struct launch *store_fixture_launch(struct store_fixture *f, int n);

/* begin, save, commit */
void store_fixture_save(struct store *store, const struct launch *launch);

/* Run the sqlite3 shell with -readonly; its output, last newline cut; NULL columns print as (null). The test
 * fails if the shell does. Freed by the caller. */
char *store_fixture_shell(const char *path, const char *sql);
/* The same without -readonly, to make files that are not ours. */
char *store_fixture_shell_write(const char *path, const char *sql);
/* Expect the shell's answer to a query. */
void store_fixture_expect(const char *path, const char *sql, const char *answer);

/* Write bytes into a file that is made or emptied first. */
void store_fixture_write_file(const char *path, const void *bytes, size_t len);

#endif
