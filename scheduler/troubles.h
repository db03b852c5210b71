/*
 * troubles.h - the last calls that went wrong, with what was said about each, for the status page.
 *
 * A ring in memory of fixed size; the state file's view `attempts` has all of them, and those of before the
 * start.
 */
#ifndef SLUICE_TROUBLES_H
#define SLUICE_TROUBLES_H

#include "core/classify.h"

#include <stddef.h>
#include <stdint.h>

#define TROUBLES_MAX 50

struct trouble {
    int64_t at_ms; /* wall */
    char run_id[64];
    char run_name[80]; /* "": of no run */
    char class_name[64];
    enum stage stage;
    enum clock_kind clock; /* NONE: an error, not a timeout */
    int64_t took_ms;
    int64_t timeout_ms;    /* of the clock that ran out; 0: none did */
    char timeout_from[64]; /* where its value came from */
    int32_t attempt;
    enum error_class error_class;
    char error[240]; /* the other side's sentence, or ours; the rest is cut off between characters */
};

struct troubles {
    struct trouble ring[TROUBLES_MAX];
    size_t next;
    size_t count;
};

/* troubles_add - the place for one more, zeroed; the oldest goes when there are too many. */
struct trouble *troubles_add(struct troubles *troubles);
/* troubles_get - index 0 is the newest; index < count. */
const struct trouble *troubles_get(const struct troubles *troubles, size_t index);
/* troubles_text - cut between characters. NULL counts as "". */
void troubles_text(char *to, size_t size, const char *text);

#endif
