/*
 * breaker.h - whether one dependency is asked at all: closed, open, half open (a probe is out).
 *
 * It opens when the dependency itself fails, not one request. Three patterns, each without a call that went
 * well in between: nobody answers for a while; so many failures of any such kind in a row over that while; or
 * (with good calls in between) nearly all calls of the last 10 s failed. While it is open nothing goes but
 * probes: one at a time, BREAKER_GAP_MS apart and a little more with each, never more than
 * BREAKER_GAP_MAX_MS, so that a dependency that is back is noticed soon; later if it has asked for that
 * itself. Any call that goes well closes it. Which failures count is the caller's business. Time is an
 * argument (mono milliseconds). Source: M. Nygard, "Release It!", circuit breaker; the states' names are his.
 */
#ifndef SLUICE_CORE_BREAKER_H
#define SLUICE_CORE_BREAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BREAKER_GAP_MS 1000
#define BREAKER_GAP_STEP_MS 250
#define BREAKER_GAP_MAX_MS 2000
#define BREAKER_TEXT_SIZE 64

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* When to open. */
struct breaker_rule {
    int64_t failing_ms;    /* no call went well for so long, and */
    int32_t silent;        /* so many in a row, the last of which nobody answered, or */
    int32_t failures;      /* so many in a row of any kind */
    int32_t share_calls;   /* or: of at least so many calls in the last 10 s */
    int32_t share_percent; /* so many failed */
};

#define BREAKER_SECONDS 10

struct breaker {
    enum breaker_state state;
    int32_t failures;         /* in a row */
    int64_t failing_since_ms; /* the first of them began; valid while failures > 0 */
    int64_t good_ms;          /* the last call that went well ended; 0: none yet */
    int64_t newest_s;         /* of the ring */
    int32_t calls[BREAKER_SECONDS];
    int32_t failed[BREAKER_SECONDS];
    bool is_silent;        /* valid while it is not closed: it opened because nobody answered, and not because
                              answers said no */
    int32_t probes;        /* sent since it opened */
    int64_t next_probe_ms; /* valid while it is not closed */
};

/* A call that failed in a way that says something about the dependency. */
struct breaker_failure {
    int64_t began_ms;
    int64_t retry_after_ms; /* what the dependency asked for; -1: nothing */
    bool is_silent;         /* nobody answered, or a gateway did */
    bool is_refusal;        /* an answer all the same, that may come from too much load */
};

/* All zero is a closed breaker. */

void breaker_fail(struct breaker *breaker, const struct breaker_rule *rule, int64_t now_ms,
                  const struct breaker_failure *failure);
/* breaker_succeed - a call was answered well: closed, whatever it was. */
void breaker_succeed(struct breaker *breaker, int64_t now_ms);
/* breaker_open - open it for a reason of the caller's: nobody answers. No effect on one that is open. */
void breaker_open(struct breaker *breaker, int64_t now_ms);
/* breaker_wait_ms - 0: a call may go, or, unless it is closed, a probe; else how long until then. */
int64_t breaker_wait_ms(const struct breaker *breaker, int64_t now_ms);
/* breaker_probe - the probe that breaker_wait_ms() allowed goes now. random: spreads the next one. */
void breaker_probe(struct breaker *breaker, int64_t now_ms, uint64_t random);

/* breaker_write - as one line for the state file. breaker_read - back; an open one stays open, and its next
 * probe may go a gap from now. What can't be read, or NULL, is a closed one. */
void breaker_write(const struct breaker *breaker, char text[static BREAKER_TEXT_SIZE]);
struct breaker breaker_read(const char *text, int64_t now_ms);

#endif
