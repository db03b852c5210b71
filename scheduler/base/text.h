/*
 * text.h - what libc has no answer to: questions about C strings, and numbers as text.
 */
#ifndef SLUICE_BASE_TEXT_H
#define SLUICE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Every text ends with "". */
bool text_ends_with(const char *text, const char *end);

/* text_fitting - how many of the text's len bytes go into max bytes without half a UTF-8 character at the
 * end.
 */
size_t text_fitting(const char *text, size_t len, size_t max);
#define TEXT_DOUBLE_SIZE 40
/* The shortest text that reads back as the same number, as Python's repr() writes it: "30.0", "0.1", "1e+16",
 * "inf", "nan". Returns out. */
const char *text_of_double(double number, char out[static TEXT_DOUBLE_SIZE]);

#endif
