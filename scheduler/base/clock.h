/*
 * clock.h - the two clocks, handed in as a value so that tests own the time.
 *
 * mono never jumps and is for waiting; it is never stored. wall is what is stored and what Prefect speaks; it
 * may jump. Times are int64_t milliseconds; wall counts from 1970-01-01 UTC.
 */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*mono_ms)(void *arg);
    int64_t (*wall_ms)(void *arg);
    void *arg;
    int64_t (*mono_us)(void *arg); /* mono in microseconds, for measuring; NULL: mono_ms is fine enough */
};

/* The machine's own clocks. */
extern const struct clock clock_system;

static inline int64_t clock_mono_ms(const struct clock *c)
{
    return c->mono_ms(c->arg);
}

static inline int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c->arg);
}

static inline int64_t clock_mono_us(const struct clock *c)
{
    return c->mono_us != NULL ? c->mono_us(c->arg) : c->mono_ms(c->arg) * 1000;
}

#define CLOCK_TEXT_SIZE 32

/* clock_format - write a wall time as ISO 8601 UTC with milliseconds, "2026-11-23T02:40:08.113Z". */
void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT_SIZE]);

/*
 * clock_parse - read an ISO 8601 time as Prefect writes it: "T" or a blank between date and time, 0 to 9
 * digits of fraction, "Z", "+hh:mm", "-hh:mm" or nothing (taken as UTC). Errors: PARSE.
 */
int clock_parse(const char *text, int64_t *wall_ms, struct err *err) MUST_CHECK;

#endif
