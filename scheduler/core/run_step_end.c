/*
 * run_step_end.c - RUNNING to FINISHED: how a launch ends.
 *
 * From RUNNING on nothing is ever given up: delays are only capped. Only the engine's word that the container
 * has ended, or isn't there, leads to a verdict; only the flow's own report decides a flow that ended well.
 */
#include "core/run_step_internal.h"

struct run_step step_exited(struct run run, const struct step_input *in)
{
    run.exit_code = in->event->exit_code;
    run.oom_killed = in->event->oom_killed;
    enum run_verdict verdict = run.exit_code == 0 ? RUN_VERDICT_ENDED : RUN_VERDICT_EXITED;
    if (run.verdict == RUN_VERDICT_RAN_TOO_LONG)
        verdict = RUN_VERDICT_RAN_TOO_LONG;
    if (run.cancel_wanted)
        verdict = RUN_VERDICT_CANCELLED;
    run.verdict = verdict;
    return step_enter(run, RUN_STATE_REPORTING, in);
}

static struct run_step disappeared(struct run run, const struct step_input *in)
{
    run.has_container = false;
    if (run.verdict == RUN_VERDICT_NONE)
        run.verdict = RUN_VERDICT_DISAPPEARED;
    if (run.cancel_wanted)
        run.verdict = RUN_VERDICT_CANCELLED;
    return step_enter(run, RUN_STATE_REPORTING, in);
}

/* It runs: wait for its end, or until its cancellation becomes ours to enforce. */
static struct run_step watch(struct run run, const struct step_input *in)
{
    run.attempt = 0;
    run.reach_tries = 0;
    run.unreachable_since_ms = 0;
    if (run.died_early) {
        /* Seen to die while the look was out: look again, soon, since a restart policy may have brought it
         * back. */
        run.died_early = false;
        return step_wait(run, in, in->policy->base_ms);
    }
    bool is_due = run.cancel_at_ms != 0 && in->event->now_ms >= run.cancel_at_ms;
    if (run.cancel_wanted && is_due)
        return step_enter(run, RUN_STATE_STOPPING, in);
    if (run.is_over && is_due && in->policy->stop_when_over) {
        run.verdict = RUN_VERDICT_OVER;
        return step_enter(run, RUN_STATE_STOPPING, in);
    }
    run.is_left_alone = run.is_over && is_due;
    return step_watch(run, in);
}

/* The container may end by itself within the grace time, which began when that happened at the server. */
static struct run_step begin_grace(struct run run, const struct step_input *in)
{
    run.cancel_at_ms = in->event->now_ms + in->policy->cancel_grace_ms - in->event->age_ms;
    /* A look that is out, or due after a backoff, comes first: it may show the end. */
    if (run.pending != RUN_ACTION_NONE || run.next_try_at_ms != 0)
        return step_stay(run);
    bool is_due = run.cancel_at_ms <= in->event->now_ms;
    return is_due ? step_act(run, RUN_ACTION_LOOK_CONTAINER) : step_watch(run, in);
}

static struct run_step cancel_running(struct run run, const struct step_input *in)
{
    if (run.cancel_wanted)
        return step_stay(run);
    run.cancel_wanted = true;
    run.is_over = false;
    run.is_left_alone = false;
    return begin_grace(run, in);
}

static struct run_step over_while_running(struct run run, const struct step_input *in)
{
    if (run.cancel_wanted || run.is_over)
        return step_stay(run);
    run.is_over = true;
    return begin_grace(run, in);
}

static struct run_step alive_after_all(struct run run)
{
    run.is_over = false;
    run.is_left_alone = false;
    if (!run.cancel_wanted)
        run.cancel_at_ms = 0;
    return step_stay(run);
}

struct run_step step_running(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DIED:
        if (run.pending == RUN_ACTION_NONE)
            return step_act(run, RUN_ACTION_LOOK_CONTAINER);
        run.died_early = true;
        return step_stay(run);
    case RUN_EVENT_FOUND_RUNNING:
        return watch(run, in);
    case RUN_EVENT_FOUND_EXITED:
        return step_exited(run, in);
    case RUN_EVENT_FOUND_ABSENT:
    case RUN_EVENT_GONE:
        return disappeared(run, in);
    case RUN_EVENT_CANCEL:
        return cancel_running(run, in);
    case RUN_EVENT_SEEN_OVER:
        return over_while_running(run, in);
    case RUN_EVENT_SEEN_ALIVE:
        return alive_after_all(run);
    case RUN_EVENT_MAX_RUN_TIME:
        run.verdict = RUN_VERDICT_RAN_TOO_LONG;
        return step_enter(run, RUN_STATE_STOPPING, in);
    case RUN_EVENT_FOUND_CREATED:
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

/* The engine says that the container has ended, or is gone. */
static struct run_step stopped(struct run run, const struct step_input *in)
{
    if (run.cancel_wanted || run.verdict == RUN_VERDICT_NONE)
        run.verdict = RUN_VERDICT_CANCELLED;
    return step_enter(run, RUN_STATE_REPORTING, in);
}

struct run_step step_stopping(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_ADMITTED:
        return step_act(run, RUN_ACTION_STOP);
    case RUN_EVENT_CANCEL:
        run.cancel_wanted = true;
        return step_stay(run);
    case RUN_EVENT_DONE:
        /* A kill is answered before the container has ended. */
        return in->answered == RUN_ACTION_KILL ? step_retry(run, in) : stopped(run, in);
    case RUN_EVENT_FOUND_EXITED:
    case RUN_EVENT_FOUND_ABSENT:
    case RUN_EVENT_GONE:
        return stopped(run, in);
    case RUN_EVENT_PERMANENT: /* refused, but it may run: only its end is an end */
        return in->answered == RUN_ACTION_STOP ? step_act(run, RUN_ACTION_LOOK_CONTAINER)
                                               : step_retry(run, in);
    case RUN_EVENT_FOUND_RUNNING:
        return step_act(run, RUN_ACTION_KILL);
    case RUN_EVENT_FOUND_CREATED:
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

static struct run_step cleared(struct run run, const struct step_input *in)
{
    run.has_container = false;
    if (run.verdict == RUN_VERDICT_HAND_BACK)
        return step_enter(run, RUN_STATE_HANDING_BACK, in);
    /* Parked, it would be started once more when it is released. */
    if (run.verdict == RUN_VERDICT_LAUNCH_FAILED && step_shall_park(&run, in) && !step_may_have_started(&run))
        return step_enter(run, RUN_STATE_PARKED, in);
    return step_enter(run, RUN_STATE_REPORTING, in);
}

struct run_step step_clearing(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_CANCEL:
        run.cancel_wanted = true;
        run.verdict = RUN_VERDICT_CANCELLED;
        return step_stay(run);
    case RUN_EVENT_SEEN_OVER: /* handed back, it would begin anew */
        if (run.verdict == RUN_VERDICT_HAND_BACK)
            run.verdict = RUN_VERDICT_OVER;
        return step_stay(run);
    case RUN_EVENT_DONE:
    case RUN_EVENT_GONE:
        if (!run.create_lost)
            return cleared(run, in);
        return step_wait_for_create(run, in, RUN_CREATE_SETTLE_MS);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

/* The run's end is known at the server. */
static struct run_step reported(struct run run, const struct step_input *in)
{
    if (run.unsettled_until_ms == 0 && run.has_container && in->policy->remove_ended_container)
        return step_enter(run, RUN_STATE_REMOVING, in);
    return step_finish(run, in);
}

/* Our container is over, and the server still shows the run RUNNING. */
static struct run_step report_running(struct run run, const struct step_input *in)
{
    bool ours_may_have_run = run.start_sent || run.started_at_ms != 0;
    if (!ours_may_have_run || run.verdict == RUN_VERDICT_OVER)
        return reported(run, in); /* it is another's */
    if (run.verdict != RUN_VERDICT_ENDED)
        return step_act(run, RUN_ACTION_REPORT);
    run.reach_tries = 0;
    run.attempt++;
    if (run.attempt < RUN_LEFT_RUNNING_LOOKS)
        return step_wait(run, in, RUN_LEFT_RUNNING_DELAY_MS);
    run.verdict = RUN_VERDICT_LEFT_RUNNING;
    return step_act(run, RUN_ACTION_REPORT);
}

struct run_step step_reporting(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_CANCEL: /* waits for another look or try: it need not */
        if (run.pending != RUN_ACTION_NONE)
            return step_stay(run);
        run.cancel_wanted = true;
        return step_begin(run, false, in);
    case RUN_EVENT_DONE:
    case RUN_EVENT_REFUSED:
    case RUN_EVENT_GONE:
    case RUN_EVENT_RUN_ENDED:
    case RUN_EVENT_RUN_SCHEDULED:
        return reported(run, in);
    case RUN_EVENT_PERMANENT: /* a verdict the server will never take; a look only has to be repeated */
        return in->answered == RUN_ACTION_REPORT ? reported(run, in) : step_retry(run, in);
    case RUN_EVENT_OVERTOOK: /* what we sent landed on a run that had ended, or was scheduled again */
        return step_enter(run, RUN_STATE_RESTORING, in);
    case RUN_EVENT_RUN_PENDING:
        if (run.verdict == RUN_VERDICT_ENDED)
            run.verdict = RUN_VERDICT_NEVER_RAN;
        return step_act(run, RUN_ACTION_REPORT);
    case RUN_EVENT_RUN_RUNNING:
        return report_running(run, in);
    case RUN_EVENT_RUN_CANCELLING:
        if (in->answered == RUN_ACTION_REPORT && run.verdict == RUN_VERDICT_CANCELLED)
            return step_retry(run, in); /* at once it would be refused again */
        run.verdict = RUN_VERDICT_CANCELLED;
        return step_act(run, RUN_ACTION_REPORT);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

struct run_step step_handing_back(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_CANCEL: /* waits: don't wait any longer */
        return run.pending == RUN_ACTION_NONE ? step_begin(run, false, in) : step_stay(run);
    case RUN_EVENT_RUN_PENDING:
        /* Sent twice, the first could land on a run that another worker has taken up since. */
        return run.unsettled_until_ms == 0 ? step_act(run, RUN_ACTION_HAND_BACK) : step_finish(run, in);
    case RUN_EVENT_RUN_CANCELLING:
        run.verdict = RUN_VERDICT_CANCELLED;
        return step_enter(run, RUN_STATE_REPORTING, in);
    case RUN_EVENT_OVERTOOK: /* a "Submitting" that landed late overwrote what the run was */
        return step_enter(run, RUN_STATE_RESTORING, in);
    case RUN_EVENT_DONE:
    case RUN_EVENT_REFUSED:
    case RUN_EVENT_GONE:
    case RUN_EVENT_RUN_SCHEDULED:
    case RUN_EVENT_RUN_RUNNING:
    case RUN_EVENT_RUN_ENDED:
        return step_finish(run, in);
    case RUN_EVENT_PERMANENT:
        if (in->answered == RUN_ACTION_HAND_BACK)
            return step_finish(run, in);
        return step_retry(run, in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
        return step_retry(run, in);
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_finish(step_unsettle(run, in), in);
    default:
        return step_stay(run);
    }
}

struct run_step step_restoring(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
    case RUN_EVENT_REFUSED:
    case RUN_EVENT_GONE:
    case RUN_EVENT_PERMANENT:
    case RUN_EVENT_RUN_ENDED:
        return step_finish(run, in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
        return step_retry(run, in);
    case RUN_EVENT_UNKNOWN_OUTCOME: /* sent twice, the first could land on a run taken up since */
        return step_finish(step_unsettle(run, in), in);
    default:
        return step_stay(run);
    }
}

struct run_step step_parked(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_RELEASE:
        /* The claim is still ours at the server: CLAIMING will look and find it. */
        run.verdict = RUN_VERDICT_NONE;
        run.launch_tries = 0;
        run.park_wanted = false;
        run.has_repulled = false;
        run.start_sent = false;
        run.start_sent_at_ms = 0;
        run.is_retiring = false;
        run.is_announced = false;
        run.claimed_at_ms = in->event->now_ms; /* its launch deadline begins anew */
        /* It was claimed in time: waiting for a person has not made it late. */
        if (run_is_late(&run, run.claimed_at_ms, in->policy->late_after_ms))
            run.due_at_ms = run.claimed_at_ms - in->policy->late_after_ms;
        return step_enter(run, RUN_STATE_QUEUED, in);
    case RUN_EVENT_DISCARD:
        return step_enter_looking(run, RUN_STATE_REPORTING, in);
    case RUN_EVENT_SEEN_ELSEWHERE: /* someone has scheduled it again: that is a launch of its own */
        return step_enter_looking(run, RUN_STATE_HANDING_BACK, in);
    case RUN_EVENT_CANCEL:
        run.verdict = RUN_VERDICT_CANCELLED;
        return step_enter(run, RUN_STATE_REPORTING, in);
    case RUN_EVENT_SEEN_OVER:
        run.verdict = RUN_VERDICT_OVER;
        return step_enter(run, RUN_STATE_REPORTING, in);
    default:
        return step_stay(run);
    }
}

struct run_step step_removing(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
    case RUN_EVENT_GONE:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_enter(run, RUN_STATE_FINISHED, in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}
