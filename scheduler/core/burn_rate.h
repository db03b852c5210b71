/*
 * burn_rate.h - how fast an error budget is being used up: good and bad events in sliding windows, in fixed
 * memory.
 *
 * An objective of 99.5 % leaves a budget of 0.5 % bad events. The burn is the share of bad ones divided by
 * that budget: 1 uses up exactly what is allowed. An alert asks two windows at once: the long one says that
 * it matters, the short one that it goes on. Source: Google's "The Site Reliability Workbook", chapter 5,
 * "Multiwindow, Multi-Burn-Rate Alerts", whose factors and windows these are.
 *
 * Counts are kept by the minute for 6 h and by the half hour for 3 d: 4 KiB. A window is the unit that is
 * under way and as many before it as make up its length, so it is at most one unit shorter than it says. Time
 * is an argument, in milliseconds: the wall clock's at the start of the process, and from then on what the
 * mono clock has moved. So no jump of the wall clock moves a window, and windows go on after a restart. What
 * seems to be earlier than before counts as now.
 */
#ifndef SLUICE_CORE_BURN_RATE_H
#define SLUICE_CORE_BURN_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BURN_MINUTES 360
#define BURN_HALF_HOURS 144

struct burn_counts {
    uint64_t total;
    uint64_t bad; /* of these */
};

struct burn_unit {
    uint32_t total; /* at most UINT32_MAX, as is bad */
    uint32_t bad;
};

struct burn_rate {
    int64_t minute;   /* the newest unit, counted from time 0 */
    int64_t since_ms; /* nothing from before is known */
    struct burn_unit minutes[BURN_MINUTES];
    struct burn_unit half_hours[BURN_HALF_HOURS];
};

enum burn_speed_id { BURN_FAST, BURN_MEDIUM, BURN_SLOW };
#define BURN_SPEED_COUNT 3

struct burn_speed {
    const char *name;
    double factor; /* of the budget */
    int64_t long_ms;
    int64_t short_ms;
    /* Bad events in the long window without which nothing is said: fewer are one run that was tried again and
     * again, not a service. */
    uint64_t bad_min;
    /* So many standard deviations of the bad count must lie above the threshold, where that is near to what
     * is usual: a ratio of 0.3 % is seen as 0.6 % now and then. */
    double deviations;
};
extern const struct burn_speed burn_speeds[BURN_SPEED_COUNT];

/* A single bad event in the short window is none that goes on. */
#define BURN_SHORT_BAD_MIN 2

enum burn_verdict {
    BURN_LOW,     /* the short window is clean: below half the factor, and all of it was seen */
    BURN_BETWEEN, /* neither: what was so before goes on */
    BURN_HIGH     /* both windows are above the factor */
};

struct burn_look {
    enum burn_verdict verdict;
    struct burn_counts in_long;
    struct burn_counts in_short;
    double long_burn;
    double short_burn;
};

/* burn_rate_begin - empty, from now on. */
void burn_rate_begin(struct burn_rate *rate, int64_t now_ms);
void burn_rate_add(struct burn_rate *rate, int64_t now_ms, struct burn_counts counts);
/* burn_rate_window - the counts of the last window_ms: whole minutes up to 6 h, whole half hours above that,
 * up to 3 d. */
struct burn_counts burn_rate_window(struct burn_rate *rate, int64_t now_ms, int64_t window_ms);
/* burn_rate_look - what one speed's windows say. budget: allowed share of bad events, above 0. */
struct burn_look burn_rate_look(struct burn_rate *rate, int64_t now_ms, const struct burn_speed *speed,
                                double budget);

/* burn_delta - what was added to a counter of a process; one that fell has begun anew. */
uint64_t burn_delta(uint64_t before, uint64_t now);

/* Large enough for any. */
#define BURN_TEXT_SIZE 24576
/* burn_rate_write - as one line for the state file. Returns its length. */
size_t burn_rate_write(struct burn_rate *rate, int64_t now_ms, char text[static BURN_TEXT_SIZE]);
/* burn_rate_read - back; one from the future was written just now. False, and an empty one that begins now,
 * if the text is none that burn_rate_write() can have written. */
bool burn_rate_read(struct burn_rate *rate, const char *text, int64_t now_ms);

#endif
