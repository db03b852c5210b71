/*
 * poller.h - asks Prefect what is due, and keeps the sight of queued runs fresh.
 *
 * A queued row is a hint, never an authority: a run is claimed only if a request begun less than 2 s ago
 * showed it SCHEDULED (or, with a server that answers more slowly than that, one answered within the last
 * second). Where the pool or a queue has a concurrency limit, the newest poll must be as young, too, and says
 * how many may be claimed (server_limits.h); no poll begins while a claim is out, since only the server knows
 * what is left of such a limit.
 */
#ifndef SLUICE_POLLER_H
#define SLUICE_POLLER_H

#include "admission.h"
#include "catalog.h"
#include "pool.h"
#include "runner.h"

struct poller;

struct poller_settings {
    struct runner *runner;
    struct catalog *catalog;
    struct prefect *prefect;
    struct timers *timers;
    const struct clock *clock;
    const struct random_source *random;
    const struct config *config;
    const struct pool_record *pool;
    void (*on_polled)(void *arg); /* after each successful poll; may be NULL */
    void *arg;
};

struct poller *poller_new(const struct poller_settings *settings);
void poller_free(struct poller *poller);
void poller_set_config(struct poller *poller, const struct config *config);
/* Begin to poll; harmless if it does already. */
void poller_start(struct poller *poller);
/* No more polls. */
void poller_stop(struct poller *poller);
/* Prefect is back after an outage: poll and look at once, and often for a while. */
void poller_wake(struct poller *poller);
/* For admission. */
enum sight poller_sight(const struct poller *poller, const struct live *live);
void poller_want_sight(struct poller *poller, struct live *const *lives, size_t count);
/* The launch is let through to its claim. */
void poller_on_claim(struct poller *poller, const struct live *live);
/* The launch has left the house. */
void poller_note_end(struct poller *poller, const struct live *live);
/* Nobody is claimed at present, or (false) whoever can be: what a launch waits for depends on it. */
void poller_hold(struct poller *poller, bool is_held);
/* Runs of a poll answer that have not become launches yet. */
bool poller_has_dues(const struct poller *poller);
/* Mono time of the beginning of the last poll that went well; 0 before the first. */
int64_t poller_last_ms(const struct poller *poller);
/* Mono time by which the poll will have gone on by itself, whatever the server does; long past: it has got
 * stuck. INT64_MAX: nobody has begun it. */
int64_t poller_due_ms(const struct poller *poller);
/* For tests: what a lost answer without a deadline would leave behind. */
void poller_lose_poll(struct poller *poller);

#endif
