/*
 * toml.h - a reader of TOML text that tells each plain value with its path.
 *
 * Enough for Prefect's profiles.toml, prefect.toml and the [tool.prefect] part of any pyproject.toml. Debian
 * 12 ships TOML libraries for C++ only.
 */
#ifndef SLUICE_TOML_H
#define SLUICE_TOML_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define TOML_MAX_DEPTH 24
#define TOML_MAX_VALUE_BYTES (64 * 1024)

enum toml_kind {
    TOML_TABLE, /* a [table] begins: path is the table, value is "" */
    TOML_STRING,
    TOML_BOOL,   /* "true", "false" */
    TOML_NUMBER, /* integer, float or date, as written, without underscores */
    TOML_ARRAY   /* its plain items, with commas between them */
};

/* path: depth parts, tables first, the key last; all borrowed for the call. */
typedef void toml_fn(void *arg, const char *const *path, size_t depth, enum toml_kind kind, const char *value,
                     int line);

/*
 * toml_read - call on_value for each [table], string, boolean, number and array, in order; what is in an
 * array within an array, or in a table within one, is checked and left out. Errors: PARSE, with the line in
 * *bad_line; values before it have been told. Source: TOML v1.0.0. Not checked: a table or key defined twice,
 * the inner form of numbers and dates.
 */
int toml_read(const char *text, size_t len, toml_fn *on_value, void *arg, int *bad_line,
              struct err *err) MUST_CHECK;

#endif
