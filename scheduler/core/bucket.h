/*
 * bucket.h - a token bucket as GCRA: one number, the theoretical arrival time (TAT), no refill timer.
 *
 * Time is an argument (wall milliseconds since 1970, kept in microseconds inside), so the state can be
 * stored: a restart grants no new burst. A clock that jumps back by more than the bucket's depth is noticed,
 * lets one start through and the TAT is pulled back to now + depth, so a bucket never freezes: no wait is
 * longer than one interval. A jump forward looks like idle time and fills the bucket; so a process should
 * read the wall clock once and go on from there by the mono clock. With burst 1 a start that comes late is
 * lost for good (two closer than an interval would break the limit); a burst of 2 makes up for it.
 * Source: ITU-T I.371, "generic cell rate algorithm"; Brandur Leach, "Rate limiting, cells, and GCRA".
 */
#ifndef SLUICE_CORE_BUCKET_H
#define SLUICE_CORE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    int64_t interval_us; /* time one token takes to come back: 1e6 / rate, rounded up; 0: no limit at all */
    int64_t burst;       /* tokens that may be taken at once, >= 1 */
    int64_t tat_us;      /* theoretical arrival time of the next start, wall microseconds; 0: full */
};

/* bucket_make - rate_per_s <= 0, not a number or infinite: no limit. burst < 1 counts as 1. tat_us: what was
 * stored, 0 for a full bucket. */
struct bucket bucket_make(double rate_per_s, int64_t burst, int64_t tat_us);

/* bucket_wait_ms - how long until a token is there; 0: now. Never more than one interval. */
int64_t bucket_wait_ms(const struct bucket *b, int64_t now_ms);

/* bucket_take - take one token. Only call when bucket_wait_ms() is 0; else the bucket goes into debt by one
 * interval. Returns the bucket after it. */
struct bucket bucket_take(struct bucket b, int64_t now_ms);

/* bucket_tokens - whole and part tokens there now, 0..burst; for people. -1 without a limit. */
double bucket_tokens(const struct bucket *b, int64_t now_ms);

#endif
