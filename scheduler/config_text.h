/*
 * config_text.h - readers of numbers, durations and words, and the nearest known word to a mistyped one.
 */
#ifndef SLUICE_CONFIG_TEXT_H
#define SLUICE_CONFIG_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Whole text only: no blanks, no exponent, no locale. Too large values come out as very large ones. */
bool text_to_whole(const char *text, int64_t *out) MUST_CHECK;
bool text_to_decimal(const char *text, double *out) MUST_CHECK;

enum text_duration { TEXT_DURATION_FINE, TEXT_DURATION_BAD, TEXT_DURATION_NO_UNIT };
/* "500ms", "1.5s", "5m", "2h", "7d"; "0" alone. */
enum text_duration text_to_duration(const char *text, int64_t *out_ms) MUST_CHECK;
/* "60", and "2.5" unless is_whole; above 0 becomes at least 1 ms. */
bool text_seconds_to_ms(const char *text, bool is_whole, int64_t *out_ms) MUST_CHECK;
#define TEXT_DURATION_SIZE 32
/* In the largest unit that divides it: "90s", "30m"; "0". Returns out. */
const char *text_of_duration(int64_t ms, char out[static TEXT_DURATION_SIZE]);

#define TEXT_SIZE_SIZE 32
/* "500MB", "4GB", "1.5GB", in powers of ten; "0" alone. */
bool text_to_size(const char *text, int64_t *out_bytes) MUST_CHECK;
/* In the largest unit that divides it; bytes as "1234B". Returns out. */
const char *text_of_size(int64_t bytes, char out[static TEXT_SIZE_SIZE]);

/* The words Prefect takes for booleans: true, 1, on, t, y, yes and their opposites, in any case. */
bool text_to_bool(const char *text, bool *out) MUST_CHECK;
/* words: separated by blanks. */
bool text_is_in_words(const char *text, const char *words);
/* What is wrong with a text as such ("holds a control character", "is not valid UTF-8"); NULL: nothing. */
const char *text_find_fault(const char *text);
/* The word of `words` (NULL-terminated) nearest to `word` by edit distance; NULL if none is near. */
const char *text_nearest(const char *word, const char *const *words);

/* Read a whole file of at most max_bytes into *out, malloc'ed and NUL-terminated. Errors: NOT_FOUND, IO,
 * LIMIT. */
int text_read_file(const char *path, size_t max_bytes, char **out, size_t *len, struct err *err) MUST_CHECK;

#endif
