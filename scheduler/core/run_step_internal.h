/*
 * run_step_internal.h - what the files of run_step share: the argument of every state's function, and the
 * moves.
 *
 * run_step.c          entry, what every state does the same (cancel, drain, deadline), QUEUED to READY
 * run_step_launch.c   CREATING to STARTING: where a container comes to life, once
 * run_step_end.c      RUNNING to FINISHED: how a launch ends
 * run_step_moves.c    the moves: stay, act, enter a state, wait and try again, give up
 */
#ifndef SLUICE_CORE_RUN_STEP_INTERNAL_H
#define SLUICE_CORE_RUN_STEP_INTERNAL_H

#include "core/run_step.h"

/* Names tried before giving up: name, name-1 ... name-20, and one made of the launch id. */
#define RUN_NAME_INDEX_MAX 21
/* An announcement that keeps failing is given up after so many tries: the run matters more than its cancel
 * button. */
#define RUN_ANNOUNCE_TRIES 3
/* An engine that answers a list has begun whatever it was asked before, and carries it out within this. */
#define RUN_CREATE_SETTLE_MS 3000
/* A container that ended well leaves its flow run RUNNING for so many looks, this far apart, before it counts
 * as crashed. */
#define RUN_LEFT_RUNNING_LOOKS 6
#define RUN_LEFT_RUNNING_DELAY_MS 8000

struct step_input {
    const struct run_event *event;
    const struct retry_policy *policy;
    enum run_action answered; /* the request that the event answers; NONE if it is no answer */
};

/* Nothing to do: the request that is out stays out. */
struct run_step step_stay(struct run run);
/* Perform an action in the present state. */
struct run_step step_act(struct run run, enum run_action action);
/* Wait for delay_ms, then feed ENTER. */
struct run_step step_wait(struct run run, const struct step_input *in, int64_t delay_ms);
/* Wait in the present state until a create whose answer was lost has landed, or can't any more; then feed
 * ENTER. RUN_CREATE_SETTLE_MS is enough if the engine has answered something since, and what lands later is
 * harmless. */
struct run_step step_wait_for_create(struct run run, const struct step_input *in, int64_t delay_ms);
/* Watch the container; wake up when its cancellation becomes ours to enforce. */
struct run_step step_watch(struct run run, const struct step_input *in);
/* Go to another state and do its first action. */
struct run_step step_enter(struct run run, enum run_state state, const struct step_input *in);
/* The same for a run that has rested: others may have changed it since, so the state begins with its look. */
struct run_step step_enter_looking(struct run run, enum run_state state, const struct step_input *in);
/* What a state does when it is entered by a move (first) or again by ENTER (timer, restart). */
struct run_step step_begin(struct run run, bool is_first, const struct step_input *in);
/* The request failed in a way that may pass: wait and try again; give the launch up after max_attempts or
 * max_time (RESOLVING to STARTING only). */
struct run_step step_retry(struct run run, const struct step_input *in);
/* A try of this state has failed, and counts. */
struct run step_count_try(struct run run, const struct step_input *in);
/* Has this state used up its tries, or their time? */
bool step_is_exhausted(const struct run *run, const struct step_input *in);
/* Drop the launch; but while a proposal of ours may still land on the run, wait and look again in the present
 * state first. */
struct run_step step_finish(struct run run, const struct step_input *in);
/* A proposal of PENDING was sent and not answered: it may land for a while. */
struct run step_unsettle(struct run run, const struct step_input *in);
/* Is a launch that failed kept aside instead of reported? */
bool step_shall_park(const struct run *run, const struct step_input *in);
/* The container's one start was sent and the engine never said that it failed. */
bool step_may_have_started(const struct run *run);
/* End the launch with a verdict: through CLEARING if a container of ours may exist. */
struct run_step step_end_with(struct run run, enum run_verdict verdict, const struct step_input *in);

struct run_step step_creating(struct run run, const struct step_input *in);
struct run_step step_connecting(struct run run, const struct step_input *in);
struct run_step step_announcing(struct run run, const struct step_input *in);
struct run_step step_starting(struct run run, const struct step_input *in);

struct run_step step_running(struct run run, const struct step_input *in);
struct run_step step_stopping(struct run run, const struct step_input *in);
struct run_step step_clearing(struct run run, const struct step_input *in);
struct run_step step_reporting(struct run run, const struct step_input *in);
struct run_step step_handing_back(struct run run, const struct step_input *in);
struct run_step step_restoring(struct run run, const struct step_input *in);
struct run_step step_parked(struct run run, const struct step_input *in);
struct run_step step_removing(struct run run, const struct step_input *in);

/* The container has ended, with what the event says. */
struct run_step step_exited(struct run run, const struct step_input *in);

#endif
