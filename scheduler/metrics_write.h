/*
 * metrics_write.h - all metrics of a moment as text: values in, text out.
 *
 * How many series there are follows from the number of classes and from limits below, and not from the number
 * of runs, images, registries or errors: about 1,900 with 20 classes if everything that can happen has
 * happened, 20 more a class. What goes beyond a limit is counted under the label value "(other)", which is no
 * class's name; a series that was shown once is shown for the process's life, so that no counter falls.
 */
#ifndef SLUICE_METRICS_WRITE_H
#define SLUICE_METRICS_WRITE_H

#include "learned_timeouts.h"
#include "meters.h"
#include "metrics_text.h"
#include "snapshot.h"
#include "store/store.h"

#define METRICS_OTHER "(other)"
/* Registries with a breaker and a budget of their own. */
#define METRICS_REGISTRIES_MAX 8
#define METRICS_RETRY_SERIES_MAX 88
#define METRICS_TIMEOUT_SERIES_MAX 64
/* Totals come first: those of 20 classes fit in any case. */
#define METRICS_LEARNED_SERIES_MAX 160

struct metrics_process {
    double cpu_seconds;
    double start_seconds;   /* wall */
    int64_t resident_bytes; /* -1 here and below: not known, and not written */
    int64_t virtual_bytes;
    int64_t open_fds;
    int64_t max_fds;
};

struct metrics_losses {
    uint64_t output_lines;
    uint64_t events;
    uint64_t log_lines;
};

/* All borrowed for the call. */
struct metrics_view {
    const struct snapshot *now;
    const struct meters *done;
    const struct learned_timeouts *timeouts; /* NULL: none */
    struct store_disk state;
    bool was_state_damaged;
    struct metrics_losses lost;
    struct metrics_process process;
};

/* Of a series that may be one too many: not seen yet, shown by itself, or part of "(other)". */
enum metrics_place { METRICS_UNSEEN, METRICS_OWN, METRICS_IN_OTHER };

/* What was decided in earlier scrapes, by the place of the class in meters. All zero at first. */
struct metrics_places {
    unsigned char retries[METERS_CLASSES_MAX][ERROR_CLASS_COUNT]; /* enum metrics_place */
    unsigned char timeouts[METERS_CLASSES_MAX][STAGE_COUNT][CLOCK_KIND_COUNT];
    size_t retry_series;
    size_t timeout_series;
};

/* metrics_write - the whole of it, with the closing line. *series: how many. False: the buffer is too small.
 */
bool metrics_write(const struct metrics_view *view, struct metrics_places *places, enum metrics_format format,
                   struct buf *out, size_t *series);

#endif
