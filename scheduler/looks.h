/*
 * looks.h - looks at flow runs, gathered: one POST /flow_runs/filter tells the state of up to 200 of them.
 *
 * A look begins when its request goes out, never before it was wanted: what it shows is at least as young.
 * Looks that can wait are gathered for a second and then let urgent calls go first (prefect_ask.can_wait);
 * the others go in the next turn, together with whatever else has been wanted in this one.
 */
#ifndef SLUICE_LOOKS_H
#define SLUICE_LOOKS_H

#include "api/prefect.h"

struct looks;
struct look;

/* failure NULL: run is what was seen, borrowed; run NULL: there is no such flow run. Called once, on the loop
 * thread, never from inside looks_want(), never after looks_leave(). */
typedef void (*look_fn)(void *arg, const struct failure *failure, int64_t took_ms,
                        const struct prefect_run *run);

/* Both borrowed. */
struct looks *looks_new(struct prefect *prefect, struct timers *timers);
/* Ends every look without a callback. Accepts NULL. */
void looks_free(struct looks *looks);

/* looks_want - flow_run_id is copied. clocks: of the request; with several looks in it, those of the first.
 */
struct look *looks_want(struct looks *looks, const char *flow_run_id, const struct http_clocks *clocks,
                        bool can_wait, look_fn fn, void *arg);
/* Nobody waits for it any more. */
void looks_leave(struct look *look);

#endif
