/*
 * fuzz.h - what the targets share: an input as texts.
 *
 * Each target says at its head how it takes its bytes apart, and which properties it checks beyond "no crash,
 * no leak, no undefined behaviour". An input that once failed is kept in failed/NAME.
 */
#ifndef SLUICE_TESTS_FUZZ_H
#define SLUICE_TESTS_FUZZ_H

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

/* As a text: up to the first NUL. malloc'ed, no byte longer than it is, so that ASan sees a step too far. */
static inline char *fuzz_text(const void *data, size_t len)
{
    return check_strndup(data, len);
}

/* Take one line off the front of the input; "" if nothing is left. malloc'ed. */
static inline char *fuzz_line(const unsigned char **data, size_t *len)
{
    const unsigned char *end = *len == 0 ? NULL : memchr(*data, '\n', *len);
    size_t line_len = end == NULL ? *len : (size_t)(end - *data);
    char *line = fuzz_text(*data, line_len);
    size_t used = line_len + (end == NULL ? 0 : 1);
    *data += used;
    *len -= used;
    return line;
}

static inline bool fuzz_starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

#endif
