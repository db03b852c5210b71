/*
 * timeouts.h - which clocks ran out, and each clock beside what calls take: what one needs to choose a
 * timeout.
 *
 * Of each class and stage that had calls there is a row for its total clock, and one for each other clock
 * that ran out. Times are of the newest 1,000 calls that went well; what a clock cut off would have taken
 * longer, so with many timeouts the true times are higher. Silence (the inactivity clock) is at most the
 * whole call.
 */
#ifndef SLUICE_TIMEOUTS_H
#define SLUICE_TIMEOUTS_H

#include "table.h"

struct timeouts;

struct timeouts_filter {
    int64_t since_ms;      /* wall; calls that began then or later */
    const char *job_class; /* NULL: all */
    const char *stage;     /* NULL: all */
    int64_t limit;         /* single timeouts, the newest first; 0: all */
};

/* timeouts_read - errors: those of store_reader_open(). */
int timeouts_read(const char *state_path, const struct timeouts_filter *filter, struct timeouts **out,
                  struct err *err) MUST_CHECK;
/* Accepts NULL. */
void timeouts_free(struct timeouts *timeouts);

/* timeouts_json - an object; keys: docs/commands.md. */
struct json *timeouts_json(const struct timeouts *timeouts);
void timeouts_print(const struct timeouts *timeouts, const struct terminal *terminal, int64_t now_ms,
                    FILE *out);

#endif
