/*
 * metrics_internal.h - what the files that write metrics share.
 *
 * metrics_write.c   the order of families; those of the service as a whole
 * metrics_classes.c those by class
 */
#ifndef SLUICE_METRICS_INTERNAL_H
#define SLUICE_METRICS_INTERNAL_H

#include "metrics_write.h"

struct metrics_scrape {
    const struct metrics_view *view;
    struct metrics_places *places;
    struct metrics_text *text;
    size_t left_out;
};

#define METRICS_LABEL(...) ((const struct metrics_label[METRICS_LABELS_MAX + 1]){__VA_ARGS__})

/* Queue, running and limits by class, and what is learned. */
void metrics_write_class_gauges(struct metrics_scrape *scrape);
/* Claims, starts, attempts, retries and timeouts by class. */
void metrics_write_class_counters(struct metrics_scrape *scrape);

#endif
