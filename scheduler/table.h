/*
 * table.h - rows out of a state file, for people in columns that fit the terminal, for programs as JSON.
 *
 * A program gets each value as the file has it: numbers, texts, null. People get titles, times as how long
 * ago (on a terminal that cuts; else as the file has them), durations in their unit, and no character that a
 * terminal would obey.
 */
#ifndef SLUICE_TABLE_H
#define SLUICE_TABLE_H

#include "api/json.h"
#include "store/reader.h"
#include "terminal.h"

#include <stdint.h>
#include <stdio.h>

enum table_kind {
    TABLE_TEXT,
    TABLE_STATE,  /* of a run, coloured */
    TABLE_NUMBER, /* to the right */
    TABLE_MS,     /* a duration in milliseconds */
    TABLE_S,      /* in seconds */
    TABLE_SHARE,  /* of a limit, in percent: the fuller, the redder */
    TABLE_TIME,   /* ISO 8601, or wall milliseconds, which become that; 0 becomes null */
    TABLE_ID,     /* a container's: its first 12 digits say enough */
};

struct table_column {
    const char *key;   /* in JSON, and in the query */
    const char *title; /* for people */
    enum table_kind kind;
    uint8_t least; /* columns it may be cut down to; 0: never cut */
    uint8_t rank;  /* where there is no room the highest is left out first; 0: never */
};

struct table;

/* table_new - columns are borrowed for its life. */
struct table *table_new(const struct table_column *columns, size_t count);
/* Accepts NULL. */
void table_free(struct table *table);

/* table_ask - add what the query tells, in which each column has its key's name, in their order; values as in
 * store_reader_ask(). Errors: those of store_reader_ask(). */
int table_ask(struct table *table, struct store_reader *reader, const char *sql, const char *const *values,
              struct err *err) MUST_CHECK;
/* table_add - add one row; of a cell only text and kind count. */
void table_add(struct table *table, const struct store_cell *cells);

size_t table_rows(const struct table *table);
/* table_text - a cell as the file has it, "" for null; borrowed. */
const char *table_text(const struct table *table, size_t row, size_t column);
enum store_cell_kind table_kind_of(const struct table *table, size_t row, size_t column);

/* table_json - an array of objects by key. */
struct json *table_json(const struct table *table);
/* table_print - a heading (NULL: none), titles and at most max_rows rows (0: all), then how many more there
 * are; nothing if there is no row. */
void table_print(const struct table *table, const char *heading, const struct terminal *terminal,
                 int64_t now_ms, size_t max_rows, FILE *out);

#define TABLE_SPAN_SIZE 32
/* table_span - for people: "350ms", "1.25s", "60s", "5m 12s", "3h", "2d 4h". Returns out. */
const char *table_span(int64_t ms, char out[static TABLE_SPAN_SIZE]);

#endif
