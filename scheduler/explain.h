/*
 * explain.h - how an error would be judged, and the delays that follow, as JSON for people and scripts.
 */
#ifndef SLUICE_EXPLAIN_H
#define SLUICE_EXPLAIN_H

#include "config.h"

#include <stdio.h>

#define EXPLAIN_MAX_HEADERS 16

/* As it was given on the command line; borrowed. NULL: not given. */
struct explain_question {
    const char *stage;
    const char *dependency;
    const char *transport;
    const char *message;
    const char *message_file;
    const char *job_class;
    const char *headers[EXPLAIN_MAX_HEADERS]; /* "Retry-After: 5"; the first NULL ends the list */
    int status;
};

/*
 * explain - prints one JSON object with class, retry, rule, delays_ms and more to `out`, notes and mistakes
 * to `errors`. config: NULL for the built-in table and the default policy. now_ms: wall. Returns an exit
 * code: 0 fine, 1 the file can't be read or tells of no error, 2 wrong use.
 */
int explain(const struct explain_question *question, const struct config *config, int64_t now_ms, FILE *out,
            FILE *errors);

#endif
