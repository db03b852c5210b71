/*
 * shared_starts.h - asks the server for tokens of the global concurrency limit that [limits] shared_limit
 * names, and keeps the host's own bucket for while it can't be asked. The decisions: core/shared_rate.h.
 */
#ifndef SLUICE_SHARED_STARTS_H
#define SLUICE_SHARED_STARTS_H

#include "api/prefect.h"
#include "config.h"

struct shared_starts;

struct shared_starts_settings {
    struct prefect *prefect; /* borrowed, as all below */
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
};

struct shared_starts *shared_starts_new(const struct shared_starts_settings *settings);
void shared_starts_free(struct shared_starts *shared);
void shared_starts_set_config(struct shared_starts *shared, const struct config *config);

/* shared_starts_take - one start, if it may go now; always without a shared limit. Otherwise the turn of the
 * loop that may change it comes by itself. ready: runs that wait for a start, this one included. */
bool shared_starts_take(struct shared_starts *shared, int64_t ready);

#endif
