/*
 * loop.h - the event loop: libevent's base, our timers on one of its timers, signals, and the end of each
 * turn.
 *
 * One of the few files that know libevent. A turn: libevent runs callbacks (each only turns what happened
 * into an event and hands it on), then the turn's end saves and acts (runner.h).
 */
#ifndef SLUICE_LOOP_H
#define SLUICE_LOOP_H

#include "base/err.h"
#include "base/timers.h"

struct event_base;
struct loop;

/* loop_new - clock is borrowed. Errors: IO. */
int loop_new(const struct clock *clock, struct loop **out, struct err *err) MUST_CHECK;
void loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop);
struct timers *loop_timers(struct loop *loop);

typedef void (*loop_fn)(void *arg);
/* loop_on_signal - fn(arg) on the loop thread for each signal of that number; at most 8 numbers. */
int loop_on_signal(struct loop *loop, int signal_number, loop_fn fn, void *arg, struct err *err) MUST_CHECK;
/* loop_on_turn_end - fn(arg) after the callbacks of each turn. */
void loop_on_turn_end(struct loop *loop, loop_fn fn, void *arg);
/* loop_on_lag - fn(arg) each time that timers are run: how much later than it should have the earliest is. */
void loop_on_lag(struct loop *loop, void (*fn)(void *arg, int64_t late_us), void *arg);
/* loop_run - turn until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
