/*
 * adopt.h - containers that run, or have ended, and that no launch knows: whose are they, and what becomes of
 * them.
 *
 * Ours, when the state file was lost or is older than they; another instance's or the official worker's, when
 * the user asked for that (--adopt). Their flow runs are read first, in one request for all, then each that
 * is still the run's own container becomes a launch in state RUNNING: from there on it is like any other.
 */
#ifndef SLUICE_ADOPT_H
#define SLUICE_ADOPT_H

#include "api/engine.h"
#include "api/prefect.h"
#include "runner.h"

/* The word that stands for the official worker's containers of our pool. */
#define ADOPT_OFFICIAL "official"

struct adopt;

struct adopt_settings {
    struct runner *runner;
    struct prefect *prefect;
    const struct clock *clock;
    const struct config *config;
};

struct adopt *adopt_new(const struct adopt_settings *settings);
void adopt_free(struct adopt *adopt);
void adopt_set_config(struct adopt *adopt, const struct config *config);
/* adopt_want - a container that is listed and belongs to no launch in memory; copies what it keeps. One that
 * was settled before, or for which there is no room now, is passed over: the next list shows it again. */
void adopt_want(struct adopt *adopt, const struct engine_container *container);
/* adopt_has_settled - its run is over, or has moved on: nothing is left to do for it. */
bool adopt_has_settled(const struct adopt *adopt, const char *container_id);
/* adopt_begin - read the runs of those that are wanted, and take them over when the answer has come. */
void adopt_begin(struct adopt *adopt);

#endif
