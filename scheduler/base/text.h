/*
 * text.h - questions about C strings that libc has no answer to.
 */
#ifndef SLUICE_BASE_TEXT_H
#define SLUICE_BASE_TEXT_H

#include <stdbool.h>

/* Every text ends with "". */
bool text_ends_with(const char *text, const char *end);

#endif
