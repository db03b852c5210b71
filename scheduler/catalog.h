/*
 * catalog.h - deployments and flows by id, read from Prefect once and shared.
 *
 * A deployment's job variables may change, so that a reader says how old the copy may be; names of flows
 * hardly ever change.
 */
#ifndef SLUICE_CATALOG_H
#define SLUICE_CATALOG_H

#include "api/prefect.h"
#include "config.h"
#include "guards.h"

struct catalog;

struct catalog_item {
    char *id;
    char *name;
    char *flow_id;            /* deployments */
    char *updated;            /* deployments: ISO text */
    char *job_variables_json; /* deployments */
    int64_t read_mono_ms;
};

struct catalog *catalog_new(struct prefect *prefect, struct timers *timers, const struct config *config);
void catalog_free(struct catalog *catalog);
/* catalog_set_guard - Prefect's; borrowed. Reading again what could not be read is a retry. */
void catalog_set_guard(struct catalog *catalog, struct guard *guard);
void catalog_set_config(struct catalog *catalog, const struct config *config);

/* What is known now, however old; NULL if nothing. Borrowed until the next turn of the loop. */
const struct catalog_item *catalog_deployment(const struct catalog *catalog, const char *id);
const struct catalog_item *catalog_flow(const struct catalog *catalog, const char *id);

typedef void (*catalog_done_fn)(void *arg, const struct failure *failure, int64_t took_ms);
/*
 * Returns true if a copy not older than max_age_ms is here; done is not called then. Otherwise it is read
 * (one request, however many ask, and none before the time that a Retry-After has named) and done comes once,
 * later, unless catalog_leave(arg).
 */
bool catalog_want_deployment(struct catalog *catalog, const char *id, int64_t max_age_ms,
                             catalog_done_fn done, void *arg);
bool catalog_want_flow(struct catalog *catalog, const char *id, int64_t max_age_ms, catalog_done_fn done,
                       void *arg);
/* No done for this arg any more. */
void catalog_leave(struct catalog *catalog, const void *arg);

#endif
