/*
 * listing.h - reads on where a poll's answer is full, so that two hundred runs that can't start hide nobody.
 *
 * A poll shows the first 200 due runs and has no second page. POST /flow_runs/filter shows the others, page
 * by page (core/sweep.h says which); new ones go the way of polled ones (due.h), known ones are seen anew.
 * Queued launches that no page of a pass has shown, or, where polls aren't full, no poll for a while, are
 * asked for by id, and dropped if they are gone.
 *
 * One request at a time; all but those of windows let others go first. One that fails goes again after the
 * next full poll. Nothing is read on while pool or queues have concurrency limits: what is left of such a
 * limit shows in polls alone, so nothing else could be claimed. Runs of paused queues, which polls leave out
 * and the filter doesn't, are left out here, as far as pool_sync.c knows of the pause.
 */
#ifndef SLUICE_LISTING_H
#define SLUICE_LISTING_H

#include "due.h"

struct listing;

struct listing_settings { /* all borrowed */
    struct runner *runner;
    struct prefect *prefect;
    struct dues *dues;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
    const struct pool_record *pool;
};

struct listing *listing_new(const struct listing_settings *settings);
/* Accepts NULL. */
void listing_free(struct listing *listing);
void listing_set_config(struct listing *listing, const struct config *config);
/* A poll went well; is_full: it held as many runs as an answer can. */
void listing_on_poll(struct listing *listing, bool is_full);
/* Nothing more until the next full poll. */
void listing_stop(struct listing *listing);

#endif
