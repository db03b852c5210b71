/*
 * due.h - runs of a poll answer on their way to becoming launches: they wait for the names of their
 * deployment and flow.
 */
#ifndef SLUICE_DUE_H
#define SLUICE_DUE_H

#include "catalog.h"
#include "pool.h"
#include "runner.h"

struct dues;

struct dues *dues_new(struct runner *runner, struct catalog *catalog, const struct config *config,
                      const struct pool_record *pool, const struct clock *clock);
void dues_free(struct dues *dues);
void dues_set_config(struct dues *dues, const struct config *config);
/* dues_add - a run that was seen SCHEDULED by a poll begun at seen_mono_ms; one that is on its way already is
 * only seen anew. Copies what it keeps. */
void dues_add(struct dues *dues, const struct prefect_run *run, int64_t seen_mono_ms, uint64_t generation);
size_t dues_count(const struct dues *dues);

#endif
