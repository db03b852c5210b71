/*
 * reader.h - a state file as it was at one moment, for the commands that show it.
 *
 * Works beside a running service and without one: the connection is opened read-only and takes no lock that a
 * writer would notice (WAL). It needs no struct store and never waits for the lock file. All questions to one
 * reader are answered from the same commit, so that the sums of two tables fit; it is for looks of moments,
 * since the log can't be emptied meanwhile.
 */
#ifndef SLUICE_STORE_READER_H
#define SLUICE_STORE_READER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct store_reader;

enum store_cell_kind { STORE_CELL_NULL, STORE_CELL_NUMBER, STORE_CELL_TEXT };

struct store_cell {
    const char *name;
    const char *text; /* "" for NULL; numbers as SQLite writes them */
    enum store_cell_kind kind;
};

/* Cells are borrowed for the call. */
typedef void (*store_reader_row_fn)(void *arg, size_t columns, const struct store_cell *cells);

/* store_reader_open - errors: NOT_FOUND (no such file), INVALID (no ordinary file), PARSE, VERSION, IO. */
int store_reader_open(const char *path, struct store_reader **out, struct err *err) MUST_CHECK;
/* Accepts NULL. */
void store_reader_close(struct store_reader *reader);

/* store_reader_has - is there a table or view of that name? Files of older forms lack some. */
bool store_reader_has(struct store_reader *reader, const char *name);

/* store_reader_ask - one reading statement. values: texts for ?1, ?2, ..., ended by NULL; NULL: none;
 * those it does not ask for are ignored. Rows
 * already handed out stay so when an error follows. Errors: INVALID (not one reading statement), PARSE, IO.
 */
int store_reader_ask(struct store_reader *reader, const char *sql, const char *const *values,
                     store_reader_row_fn fn, void *arg, struct err *err) MUST_CHECK;

#endif
