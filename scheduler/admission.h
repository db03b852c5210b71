/*
 * admission.h - who may go on: the claim (running slots, claim-ahead window, a fresh sight of the run) and
 * the start (a token and a launch slot at every level that applies). Here, and only here, tokens are taken.
 *
 * Launches of each class stand in lines of their own, so that a class at its limit never holds up another;
 * among the heads of the lines that can go on, the order of core/order.h decides. Slots are counted from rows
 * (runner_slots), tokens are GCRA buckets whose state is saved before the start they paid for.
 *
 * With a fixed `launching` a slot is a create or a start; with auto each has a limit of its own, and no
 * further container is created while as many as may start at once wait for that.
 */
#ifndef SLUICE_ADMISSION_H
#define SLUICE_ADMISSION_H

#include "runner.h"

struct admission;

/* May the run be claimed, judging by when it was last seen SCHEDULED? */
enum sight {
    SIGHT_FRESH, /* seen recently enough */
    SIGHT_STALE, /* must be seen again first */
    SIGHT_HIDDEN /* the server does not offer it now (a limit of pool or queue): pass it over */
};

struct admission_settings {
    struct runner *runner;
    struct store *store;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
    enum sight (*sight)(void *arg, const struct live *live);
    /* With launching = auto: calls of the stage that may be in flight now. */
    int64_t (*learned_limit)(void *arg, enum learning_stage stage);
    /* These launches wait only for a fresh sight. Called at most once per admission_run(). */
    void (*want_sight)(void *arg, struct live *const *lives, size_t count);
    /* The launch is let through to a claim, after its sight was asked for. May be NULL. */
    void (*on_claim)(void *arg, const struct live *live);
    /* A start more: does the rate that hosts share allow it? ready: launches that wait for a start. NULL:
     * there is none. */
    bool (*take_shared)(void *arg, int64_t ready);
    void *arg;
};

/* admission_new - loads the buckets' states. Errors: those of the store. */
int admission_new(const struct admission_settings *settings, struct admission **out,
                  struct err *err) MUST_CHECK;
void admission_free(struct admission *admission);
int admission_set_config(struct admission *admission, const struct config *config,
                         struct err *err) MUST_CHECK;

/* Stand in line (ADMIT, ASK_START, ASK_SLOT, ASK_STOP), or leave it (NONE). */
void admission_wait(struct admission *admission, struct live *live, enum run_action what);
/* What is let through now. */
struct admission_gates {
    bool claims;   /* closed: engine or Prefect out of reach, paused, draining */
    bool starts;   /* new starts of what is claimed; closed: engine out of reach, paused */
    bool going_on; /* launches that have had their token, and stops; closed: engine out of reach */
};
void admission_open(struct admission *admission, struct admission_gates gates);
/* Let through whoever may go; returns how many. Call at the end of each turn, after runner_flush(). */
size_t admission_run(struct admission *admission);
/* admission_tokens - that are there now, whole and in part; class_name NULL: of the pool; -1: no limit. */
double admission_tokens(const struct admission *admission, const char *class_name);
/* Launches that wait to be claimed. */
size_t admission_queued(const struct admission *admission);

#endif
