/*
 * pull_limits.h - how fast and how many images are pulled from one registry. Tokens are GCRA buckets without
 * burst, one per registry; their state is saved, so a restart grants no extra pull.
 */
#ifndef SLUICE_PULL_LIMITS_H
#define SLUICE_PULL_LIMITS_H

#include "config.h"
#include "store/store.h"

struct pull_limits;

/* store NULL: nothing is saved, for tests. */
struct pull_limits *pull_limits_new(struct store *store, const struct clock *clock);
void pull_limits_free(struct pull_limits *limits);

/* pull_limits_wait_ms - 0: the registry allows a pull now, with so many of it in flight; above 0: a token
 * comes then; -1: when one of those in flight ends. */
int64_t pull_limits_wait_ms(struct pull_limits *limits, const struct config *config, const char *registry,
                            int64_t in_flight);
/* pull_limits_take - a pull begins. Its token goes to disk with the next commit. */
void pull_limits_take(struct pull_limits *limits, const struct config *config, const char *registry);

#endif
