/*
 * run_world.h - a small model of the Engine and the Prefect server for random walks over run_step.
 *
 * One flow run, one launch of ours, a second worker on the same pool that claims and finishes the run when it
 * can, a person who cancels, perhaps a container of somebody else's that has the name for a while, an
 * automation that reports the run Crashed. Requests lose their answers before or after their effect, their
 * effects land late (also after a later look), the process dies between any two of save, effect and answer,
 * and changes of state that needed no commit of their own may be lost with it. Limits of the model: a
 * proposal of a state lands within settle_ms, or never; a create within three seconds of the first answer
 * that the engine gives after it (a halted one may have waited for hours); a start at any time.
 */
#ifndef SLUICE_TESTS_RUN_WORLD_H
#define SLUICE_TESTS_RUN_WORLD_H

#include "core/run_step.h"

#include <stdint.h>

typedef struct run_step (*run_step_fn)(const struct run *, const struct run_event *,
                                       const struct retry_policy *);

struct walk_result {
    const char *violation; /* NULL: the walk kept all promises */
    int steps;
    int crashes;
    int lost_answers;
    int late_effects;
    int other_worker_runs;
    int cancels;
    int ended_by_others;          /* runs of ours that somebody reported Crashed */
    int landed[RUN_ACTION_COUNT]; /* effects that came after the client had given the answer up */
    int starts;                   /* containers started for the launch */
    bool reached[RUN_STATE_COUNT];
};

/* run_walk - one life under the given seed. Same seed and function: same walk. */
struct walk_result run_walk(uint64_t seed, run_step_fn step);

#endif
