/*
 * timers.h - a heap of deadlines ordered by (deadline, start number), without any event library.
 *
 * The owner embeds `struct timer`, so starting one allocates nothing but the heap's array. Whoever turns the
 * loop asks timers_next_ms() how long it may sleep and calls timers_run() when it wakes. With a fake clock
 * the same code runs in tests. Not here: wall-clock times (turn them into a delay first, see
 * timer_start_wall).
 */
#ifndef SLUICE_BASE_TIMERS_H
#define SLUICE_BASE_TIMERS_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct timers;
typedef void (*timer_fn)(void *arg);

struct timer {
    struct timers *timers; /* NULL while it does not run */
    size_t heap_index;     /* place in the heap while it runs */
    int64_t deadline_ms;   /* mono */
    uint64_t seq;          /* equal deadlines fire in the order they were started */
    timer_fn fn;
    void *arg;
};

struct timers *timers_new(const struct clock *clock);
void timers_free(struct timers *t);

/* Called whenever the earliest deadline changes, so that the loop can re-arm its one real timer. fn may be
 * NULL. */
void timers_on_change(struct timers *t, void (*fn)(void *arg), void *arg);

/* timer_start - run fn(arg) once after delay_ms (negative counts as 0); a running timer is moved. Never calls
 * fn itself. */
void timer_start(struct timers *t, struct timer *timer, int64_t delay_ms, timer_fn fn, void *arg);

/* timer_start_wall - as timer_start, for a stored wall time; the delay is cut to 0..max_delay_ms, so a clock
 * that jumps freezes nothing. */
void timer_start_wall(struct timers *t, struct timer *timer, int64_t wall_ms, int64_t max_delay_ms,
                      timer_fn fn, void *arg);

/* timer_cancel - fn is not called any more; harmless if it does not run. */
void timer_cancel(struct timer *timer);
bool timer_is_running(const struct timer *timer);

/* Milliseconds until the earliest deadline, 0 if it has passed, -1 if no timer runs. */
int64_t timers_next_ms(const struct timers *t);

/* Microseconds since the earliest deadline; 0 if it is still to come, or no timer runs. */
int64_t timers_late_us(const struct timers *t);

/* Run, in order, every timer whose deadline has come when this is called; those started meanwhile wait for
 * the next call. Returns how many ran. */
int timers_run(struct timers *t);

const struct clock *timers_clock(const struct timers *t);

#endif
