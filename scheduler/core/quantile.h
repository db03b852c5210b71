/*
 * quantile.h - a quantile of times, from a sketch of fixed size that forgets.
 *
 * Times are counted in buckets whose bounds grow by 8 %, so every quantile is known with the same relative
 * error at any size: what quantile_ms() says is never below the true one and at most 8 % above it (or one
 * millisecond, below 13 ms). When the weight of 2,048 samples is there, all weights are halved: a sample's
 * say fades with each thousand that follow, and a lasting change shows soon. Pure; nothing is allocated.
 * Source: Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees", VLDB 2019.
 */
#ifndef SLUICE_CORE_QUANTILE_H
#define SLUICE_CORE_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1.08^239 ms are 27 hours; what is longer counts as that. */
#define QUANTILE_BUCKETS 240
/* Room for quantile_save(): at most 240 times "239:2097152 ". */
#define QUANTILE_TEXT_SIZE 3072

struct quantile {
    uint32_t weights[QUANTILE_BUCKETS]; /* [i]: times above 1.08^(i-1) ms, up to 1.08^i ms */
    uint32_t total;                     /* of all weights */
};

/* quantile_add - count one time. Below 1 ms counts as 1 ms. */
void quantile_add(struct quantile *q, int64_t ms);

/* quantile_ms - the time that a share (0..1) of the samples doesn't exceed, recent ones counting more; 0
 * without samples. */
int64_t quantile_ms(const struct quantile *q, double share);

/* quantile_save - as text of one line, "" without samples. quantile_load - the reverse; false, and *q as it
 * was, if the text is not one that quantile_save() can have made. */
void quantile_save(const struct quantile *q, char text[static QUANTILE_TEXT_SIZE]);
bool quantile_load(struct quantile *q, const char *text);

#endif
