/*
 * seen.h - what an answer that shows flow runs means for the queued launches: seen anew, or to be dropped.
 *
 * Only launches that are QUEUED are concerned; what is claimed has looks of its own (looks.h). Times are
 * mono.
 */
#ifndef SLUICE_SEEN_H
#define SLUICE_SEEN_H

#include "runner.h"

/* A worker may claim it. */
bool seen_is_claimable(const struct prefect_run *run);
/* seen_note - a request begun at began_ms showed the run as claimable. generation: of the poll; 0: it was
 * another request. */
void seen_note(struct runner *runner, const struct prefect_run *run, int64_t began_ms, uint64_t generation);
/* seen_by_id - a request begun at began_ms asked for these flow runs by id: those that are not claimable any
 * more are dropped, unless something else has shown them since. */
void seen_by_id(struct runner *runner, char (*ids)[UUID_TEXT_SIZE], size_t count,
                const struct prefect_reply *reply, int64_t began_ms);

#endif
