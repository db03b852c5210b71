/*
 * A token bucket as GCRA.
 *
 * The TAT says when the bucket would be full again. Each start moves it on by one interval; a start is
 * allowed while the TAT is no more than (burst - 1) intervals ahead. So in any window of w seconds at most
 * burst + rate * w starts happen, and nothing has to be refilled. Rounding is always against the start: the
 * interval goes up to the next microsecond, a wait up to the next millisecond.
 *
 * A TAT more than `burst` intervals ahead cannot be ours unless the clock was set back (or the limit was
 * changed): then one start is let through and the bucket counts as just emptied. A wait is therefore never
 * longer than one interval, whatever the clock does.
 */
#include "core/bucket.h"

#include <math.h>

/* Far beyond any real time or depth (36,000 years in microseconds), and sums of three still fit. */
#define FAR_US (INT64_C(1) << 60)

static int64_t clamp_us(int64_t value)
{
    if (value < 0)
        return 0;
    return value < FAR_US ? value : FAR_US;
}

static int64_t to_us(int64_t now_ms)
{
    return now_ms < FAR_US / 1000 ? clamp_us(now_ms * (now_ms > 0 ? 1000 : 0)) : FAR_US;
}

static int64_t depth_us(const struct bucket *b)
{
    return b->interval_us > FAR_US / b->burst ? FAR_US : b->interval_us * b->burst;
}

/* The TAT is in a future that this clock and this limit cannot have made. */
static bool is_impossible(const struct bucket *b, int64_t now_us)
{
    return b->tat_us - now_us > depth_us(b);
}

struct bucket bucket_make(double rate_per_s, int64_t burst, int64_t tat_us)
{
    struct bucket b = {.burst = burst > 1 ? burst : 1, .tat_us = clamp_us(tat_us)};
    if (rate_per_s > 0) {
        double interval_us = ceil(1e6 / rate_per_s);
        b.interval_us = interval_us < (double)FAR_US ? (int64_t)interval_us : FAR_US;
    }
    return b;
}

int64_t bucket_wait_ms(const struct bucket *b, int64_t now_ms)
{
    int64_t now_us = to_us(now_ms);
    if (b->interval_us == 0 || is_impossible(b, now_us))
        return 0;
    int64_t wait_us = b->tat_us - now_us - (depth_us(b) - b->interval_us);
    return wait_us > 0 ? wait_us / 1000 + (wait_us % 1000 != 0) : 0;
}

struct bucket bucket_take(struct bucket b, int64_t now_ms)
{
    if (b.interval_us == 0)
        return b;
    int64_t now_us = to_us(now_ms);
    if (is_impossible(&b, now_us))
        b.tat_us = now_us + depth_us(&b);
    else
        b.tat_us = (b.tat_us > now_us ? b.tat_us : now_us) + b.interval_us;
    b.tat_us = clamp_us(b.tat_us);
    return b;
}

double bucket_tokens(const struct bucket *b, int64_t now_ms)
{
    int64_t now_us = to_us(now_ms);
    if (b->interval_us == 0)
        return -1;
    if (is_impossible(b, now_us))
        return 1;
    if (b->tat_us <= now_us)
        return (double)b->burst;
    return (double)(depth_us(b) - (b->tat_us - now_us)) / (double)b->interval_us;
}
