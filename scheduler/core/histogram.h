/*
 * histogram.h - how often a value fell below each of a few fixed bounds; for /metrics and the status page.
 *
 * Buckets count on their own here and are summed up where OpenMetrics wants them cumulative. Counts only
 * rise.
 */
#ifndef SLUICE_CORE_HISTOGRAM_H
#define SLUICE_CORE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 16

/* Upper bounds (inclusive), rising; static, shared by many histograms. */
struct histogram_bounds {
    size_t count;
    double upper[HISTOGRAM_BOUNDS_MAX];
};

extern const struct histogram_bounds histogram_seconds;  /* of calls: 5 ms to 10 min */
extern const struct histogram_bounds histogram_share;    /* of a timeout that was used: 0.01 to 1 */
extern const struct histogram_bounds histogram_lateness; /* 100 ms to 6 h */
extern const struct histogram_bounds histogram_short;    /* of commits and turns: 0.1 ms to 5 s */

struct histogram {
    uint64_t buckets[HISTOGRAM_BOUNDS_MAX + 1]; /* the last: above all bounds */
    uint64_t count;
    double sum;
};

/* histogram_add - a value below 0, or none at all (NaN), counts as 0. */
void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds, double value);
/* histogram_merge - add what another has counted by the same bounds. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);
/* histogram_quantile - share in 0..1; between the bounds of the bucket that holds it, in proportion; the
 * highest bound if it lies above; -1 without a value. */
double histogram_quantile(const struct histogram *histogram, const struct histogram_bounds *bounds,
                          double share);

#endif
