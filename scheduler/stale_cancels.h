/*
 * stale_cancels.h - cancelled runs that nobody carries out: CANCELLING at the server, and nothing left to
 * stop.
 *
 * A run whose launch with us is over keeps the pid of the ended container. Scheduled again (a person's Retry,
 * a late claim that a limit turned away) and cancelled before anybody has claimed it, it becomes CANCELLING,
 * since the server thinks that the pid's container has to be stopped (docs/prefect-facts.md, States). No
 * worker has the run, so none would ever say that it is Cancelled. Every 30 s the server is asked for the
 * pool's CANCELLING runs, and CANCELLED is proposed, once at a time and for 20 of them a round at most, for
 * each one that
 * - no launch in memory has: those carry out their own cancels;
 * - names a container of a launch of that run that is FINISHED in our state file: it has ended, or was
 * removed before it ran. Any other pid is another host's, or another worker's;
 * - nobody had claimed when it was cancelled, by its history. A worker that had, and has not written its own
 *   pid yet, will carry out the cancel itself; CANCELLED must not come before it, since the server lets a
 *   container go from CANCELLED to RUNNING, but not from CANCELLING. Who claims later is refused by both.
 *
 * The two looks come before each proposal, so one whose answer was lost is simply looked at again in the next
 * round; if it lands late, the run is Cancelled once more. What remains: somebody who forces the run out of
 * CANCELLING between the look and the arrival of our proposal, since the server takes no condition along.
 */
#ifndef SLUICE_STALE_CANCELS_H
#define SLUICE_STALE_CANCELS_H

#include "api/prefect.h"
#include "runner.h"

struct stale_cancels;

/* All borrowed. */
struct stale_cancels_settings {
    struct runner *runner;
    struct store *store;
    struct prefect *prefect;
    struct timers *timers;
    const struct config *config;
};

struct stale_cancels *stale_cancels_new(const struct stale_cancels_settings *settings);
void stale_cancels_free(struct stale_cancels *stale);
void stale_cancels_set_config(struct stale_cancels *stale, const struct config *config);
/* From now on, every 30 s. */
void stale_cancels_start(struct stale_cancels *stale);
/* No more looks, and no more proposals. */
void stale_cancels_stop(struct stale_cancels *stale);

#endif
