/*
 * status_series.h - the last hour in steps of ten seconds, for the charts of the status page: a ring of fixed
 * size.
 */
#ifndef SLUICE_STATUS_SERIES_H
#define SLUICE_STATUS_SERIES_H

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

#define STATUS_SERIES_STEP_MS 10000
#define STATUS_SERIES_MAX 360

/* Counters as they stand; the series keeps what was added since the last step. */
struct status_sample {
    uint64_t starts;
    uint64_t timeouts;
    uint64_t errors;
    int64_t running;
    int64_t due;    /* unclaimed, and due */
    int64_t create; /* in flight */
    int64_t start;
    int64_t pull;
    int64_t create_limit; /* 0: none */
    int64_t start_limit;
    int64_t pull_limit;
};

struct status_series {
    struct status_sample ring[STATUS_SERIES_MAX]; /* with differences for counters */
    size_t next;
    size_t count;
    struct status_sample last; /* as it was given */
};

/* status_series_begin - counters are counted from here on. */
void status_series_begin(struct status_series *series, const struct status_sample *now);
/* status_series_add - a step is over. */
void status_series_add(struct status_series *series, const struct status_sample *now);
/* status_series_write - a JSON object: "step_s", and an array of numbers for each field, the oldest first. At
 * most 64 KiB. */
void status_series_write(const struct status_series *series, struct buf *out);

#endif
