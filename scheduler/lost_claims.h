/*
 * lost_claims.h - runs that are PENDING at the server by a claim of ours that no launch knows: the state file
 * was lost, or set aside, or is an old copy. No poll shows them, so nobody else would ever run them.
 *
 * A claim tells whose it is by its transition id (launch_make_ids). The look comes once after each start,
 * when nothing that an earlier process had sent can land any more; a run whose container is running or has
 * run is left to the watcher, which adopts it. For each other one a launch is made that clears what carries
 * its id and hands the run back.
 */
#ifndef SLUICE_LOST_CLAIMS_H
#define SLUICE_LOST_CLAIMS_H

#include "api/engine.h"
#include "api/prefect.h"
#include "runner.h"

struct lost_claims;

/* All borrowed. */
struct lost_claims_settings {
    struct runner *runner;
    struct store *store;
    struct engine *engine;
    struct prefect *prefect;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
    const char *instance; /* of our containers */
    const char *mark;     /* of our claims */
};

struct lost_claims *lost_claims_new(const struct lost_claims_settings *settings);
void lost_claims_free(struct lost_claims *lost);
void lost_claims_set_config(struct lost_claims *lost, const struct config *config);
void lost_claims_start(struct lost_claims *lost);
/* No more looks; for a clean stop. */
void lost_claims_stop(struct lost_claims *lost);

#endif
