/*
 * run_step.h - the one function that changes the state of a launch.
 */
#ifndef SLUICE_CORE_RUN_STEP_H
#define SLUICE_CORE_RUN_STEP_H

#include "core/retry.h"
#include "core/run.h"

struct run_step {
    struct run next;
    enum run_action action;
    int64_t delay_ms; /* with WAIT, and with WATCH when something is due later: feed ENTER after this long;
                         else 0 */
};

/*
 * run_step - decide what follows from one event. Pure: same input, same answer; never fails, never blocks.
 * The caller saves `next` first if the action is durable, then performs the one action. A late answer (older
 * epoch) must not be fed at all. Source: docs/states.md.
 */
struct run_step run_step(const struct run *run, const struct run_event *event,
                         const struct retry_policy *policy);

/* run_new - a launch seen due. */
struct run run_new(int64_t due_at_ms);

#endif
