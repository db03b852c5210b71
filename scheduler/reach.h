/*
 * reach.h - whether Prefect answers: one notion, for everybody who has to wait for it.
 *
 * Every call to Prefect is told here when it ends, and goes into Prefect's breaker (guards.h): Prefect counts
 * as away while that is open. Nobody answers, that is: no connection, silence, a gateway's 502 to 504, a page
 * that is not the API's; or it refuses all, with 429 and 500. While it is away nothing is sent but a question
 * for our pool every second or two, with short clocks, so that its return is noticed soon however long the
 * backoffs of those who wait have become. It is back with the first call that is answered; who waits is told
 * then.
 */
#ifndef SLUICE_REACH_H
#define SLUICE_REACH_H

#include "api/prefect.h"
#include "base/timers.h"
#include "guards.h"

struct reach;

struct reach_settings {
    struct prefect *prefect; /* that of the probe */
    struct guard *guard;     /* Prefect's */
    struct timers *timers;
    const struct clock *clock;
    const char *pool; /* borrowed */
    /* Prefect answers again. answered_since_ms: mono; calls that began before it and have got no byte yet
     * were sent into the void. Comes from a timer, never from inside a call's end. */
    void (*on_back)(void *arg, int64_t answered_since_ms);
    void *arg;
};

struct reach *reach_new(const struct reach_settings *settings);
void reach_free(struct reach *reach);
/* reach_note - a call to Prefect has ended; failure NULL: it went well. began_ms: mono. */
void reach_note(struct reach *reach, const struct failure *failure, int64_t began_ms);
bool reach_is_away(const struct reach *reach);

#endif
