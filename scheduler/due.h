/*
 * due.h - runs of an answer on their way to becoming launches: they wait for the names of their
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
/* Rows are memory and disk, a server's queue has no end: from so many launches on, what is read behind a
 * poll's answer is taken in only if its class has fewer than so many queued, so that one class's thousands
 * leave room for the others. What a poll shows is always taken in. */
#define DUES_LAUNCHES_MAX 20000
#define DUES_OF_CLASS_MIN 1000

struct dues_sight {
    int64_t mono_ms;     /* beginning of the request that showed the run SCHEDULED */
    uint64_t generation; /* of the poll; 0: the run was read behind its answer */
};

/* dues_add - a run that was seen SCHEDULED; one that is on its way already is only seen anew. Copies what it
 * keeps. */
void dues_add(struct dues *dues, const struct prefect_run *run, const struct dues_sight *sight);
/* dues_note_end - a launch of this run has left the house: what a request begun earlier shows of the run is
 * from before that, and is passed over. */
void dues_note_end(struct dues *dues, const char *flow_run_id);
/* Is there room for one more launch of the class that was not shown by a poll? */
bool dues_have_room(size_t launches, int64_t queued_of_class);
size_t dues_count(const struct dues *dues);

#endif
