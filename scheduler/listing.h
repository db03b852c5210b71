/*
 * listing.h - reads on where a poll's answer is full, so that two hundred runs that can't start hide nobody.
 *
 * A poll shows the first 200 due runs, or as many as a concurrency limit at the server leaves room for, and
 * has no second page. POST /flow_runs/filter shows the others, page by page (core/sweep.h says which); new
 * ones go the way of polled ones (due.h), known ones are seen anew. Queued launches that no page of a pass
 * has shown, or, where polls aren't full, no poll for a while, are asked for by id, and dropped if they are
 * gone.
 *
 * One request at a time; all but those of windows let others go first. One that fails goes again after the
 * next such poll. Runs of which polls alone tell whether they may be claimed (server_limits.h) are not read.
 * Runs of paused queues, which polls leave out and the filter doesn't, are left out here, as far as
 * pool_sync.c knows of the pause.
 */
#ifndef SLUICE_LISTING_H
#define SLUICE_LISTING_H

#include "due.h"
#include "server_limits.h"

struct listing;

struct listing_settings { /* all borrowed */
    struct runner *runner;
    struct prefect *prefect;
    struct dues *dues;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
    const struct pool_record *pool;
    const struct server_limits *limits;
};

struct listing *listing_new(const struct listing_settings *settings);
/* Accepts NULL. */
void listing_free(struct listing *listing);
void listing_set_config(struct listing *listing, const struct config *config);
/* A poll went well; may_hide: it held as many runs as an answer can, or a limit has cut it and shown what
 * doesn't start. */
void listing_on_poll(struct listing *listing, bool may_hide);
/* Nothing more until the next such poll. */
void listing_stop(struct listing *listing);

#endif
