/*
 * fake_clock.h - a clock that stands still until a test moves it.
 *
 * fake_clock_advance() goes from deadline to deadline, so that a timer sees the time it was set for, and a
 * timer that starts another one within the span runs that one too.
 */
#ifndef SLUICE_TESTS_SUPPORT_FAKE_CLOCK_H
#define SLUICE_TESTS_SUPPORT_FAKE_CLOCK_H

#include "base/clock.h"
#include "base/timers.h"

struct fake_clock {
    struct clock clock; /* hand out by fake_clock_clock() */
    int64_t mono_ms;    /* may be changed at will, as may wall_ms: a wall clock that jumps is a test */
    int64_t wall_ms;
    /* Called after the timers of each deadline, NULL: nothing. A place to turn the loop, so that what a timer
     * started happens before the next deadline. */
    void (*after_timers)(void *arg);
    void *after_timers_arg;
};

/* fake_clock_init - mono at 1,000,000 ms, wall at 2026-01-01T00:00:00Z. Not to be moved in memory afterwards.
 */
void fake_clock_init(struct fake_clock *fc);
const struct clock *fake_clock_clock(const struct fake_clock *fc);

/* fake_clock_advance - move both clocks by `ms`, running every timer that falls due on the way, in order.
 * Timers that are due already run first, also with ms 0. Stops the program after 1,000,000 deadlines. */
void fake_clock_advance(struct fake_clock *fc, struct timers *timers, int64_t ms);

#endif
