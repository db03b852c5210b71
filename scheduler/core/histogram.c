#include "core/histogram.h"

const struct histogram_bounds histogram_seconds = {
    .count = 14, .upper = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600}};
const struct histogram_bounds histogram_share = {.count = 9,
                                                 .upper = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1}};
const struct histogram_bounds histogram_lateness = {
    .count = 13, .upper = {0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 7200, 21600}};
const struct histogram_bounds histogram_short = {
    .count = 12, .upper = {0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5}};

void histogram_add(struct histogram *h, const struct histogram_bounds *bounds, double value)
{
    if (!(value >= 0)) /* not a number either */
        value = 0;
    size_t i = 0;
    while (i < bounds->count && value > bounds->upper[i])
        i++;
    h->buckets[i]++;
    h->count++;
    h->sum += value;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++)
        h->buckets[i] += other->buckets[i];
    h->count += other->count;
    h->sum += other->sum;
}

double histogram_quantile(const struct histogram *h, const struct histogram_bounds *bounds, double share)
{
    if (h->count == 0)
        return -1;
    double wanted = share * (double)h->count;
    double below = 0;
    for (size_t i = 0; i < bounds->count; i++) {
        double in = (double)h->buckets[i];
        if (in > 0 && below + in >= wanted) {
            double lower = i == 0 ? 0 : bounds->upper[i - 1];
            return lower + (bounds->upper[i] - lower) * (wanted > below ? (wanted - below) / in : 0);
        }
        below += in;
    }
    return bounds->upper[bounds->count - 1];
}
