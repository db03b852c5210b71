/*
 * run_step.c - the entry of the transition function, what all states do alike, and the states QUEUED to
 * READY.
 *
 * The whole table is in docs/states.md. Invariants that the random walk (tests/unit/test_run_walk.c) holds
 * this code to: every launch ends; no container of a launch is started twice; no flow runs twice through our
 * doing; a verdict never overtakes a create or start that may still land; slots follow from rows.
 */
#include "core/run_step_internal.h"

struct run run_new(int64_t due_at_ms)
{
    return (struct run){.state = RUN_STATE_QUEUED, .due_at_ms = due_at_ms};
}

/* Released: what it had made was cleared before it was parked, and in line it holds no slot for clearing. */
static struct run_step end_released(struct run run, enum run_verdict verdict, const struct step_input *in)
{
    run.verdict = verdict;
    return step_enter(run, RUN_STATE_REPORTING, in);
}

static struct run_step step_queued(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_ADMITTED:
        if (in->policy->leave_late && !run.has_claim &&
            run_is_late(&run, in->event->now_ms, in->policy->late_after_ms))
            return step_enter(run, RUN_STATE_FINISHED, in);
        return step_enter(run, RUN_STATE_CLAIMING, in);
    case RUN_EVENT_CANCEL:
        if (run.has_claim)
            return end_released(run, RUN_VERDICT_CANCELLED, in);
        return step_enter(run, RUN_STATE_FINISHED, in);
    case RUN_EVENT_SEEN_OVER:
        return run.has_claim ? end_released(run, RUN_VERDICT_OVER, in) : step_stay(run);
    case RUN_EVENT_SEEN_ELSEWHERE:
        if (run.has_claim) /* released: it is PENDING through us, and CLAIMING will look */
            return step_stay(run);
        return step_enter(run, RUN_STATE_FINISHED, in);
    case RUN_EVENT_DRAIN: /* released: nobody else could take it */
        return run.has_claim ? step_enter_looking(run, RUN_STATE_HANDING_BACK, in) : step_stay(run);
    default:
        return step_stay(run);
    }
}

/* Ours. Whether it is too late for it was decided when it was first claimed: a restart, or a person who
 * releases a parked run, doesn't skip it. */
static struct run_step step_claimed(struct run run, const struct step_input *in)
{
    if (in->policy->skip_late && run_is_late(&run, run.claimed_at_ms, in->policy->late_after_ms))
        return step_end_with(run, RUN_VERDICT_SKIPPED, in);
    return step_enter(run, RUN_STATE_SUBMITTING, in);
}

/* A claim whose answer is missing may be another worker's run: only a look tells whose cancellation that is.
 */
static struct run_step step_claiming(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_CANCEL:
        return run.pending == RUN_ACTION_NONE ? step_begin(run, false, in) : step_stay(run);
    case RUN_EVENT_DONE:
    case RUN_EVENT_RUN_PENDING:
        return step_claimed(run, in);
    case RUN_EVENT_RUN_SCHEDULED:
        return step_act(run, RUN_ACTION_CLAIM);
    case RUN_EVENT_OVERTOOK:
        return step_enter(run, RUN_STATE_RESTORING, in);
    case RUN_EVENT_RUN_CANCELLING:
        return step_end_with(run, RUN_VERDICT_CANCELLED, in);
    case RUN_EVENT_REFUSED:
    case RUN_EVENT_RUN_RUNNING:
    case RUN_EVENT_RUN_ENDED:
    case RUN_EVENT_GONE:
        return step_finish(run, in);
    case RUN_EVENT_PERMANENT: /* a claim the server will never take; a look only has to be repeated */
        return in->answered == RUN_ACTION_CLAIM ? step_finish(run, in) : step_retry(run, in);
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_retry(step_unsettle(run, in), in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

/* Not ours to launch: CLAIMING knows how to wait until nothing of ours can land any more. */
static struct run_step leave_submitting(struct run run, const struct step_input *in)
{
    if (run.unsettled_until_ms != 0)
        run.state = RUN_STATE_CLAIMING;
    return step_finish(run, in);
}

/* "Submitting" is for people: whatever becomes of it, the launch goes on, unless the answer shows that the
 * run is no longer ours to launch. */
static struct run_step step_submitting(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_RUN_CANCELLING:
        return step_end_with(run, RUN_VERDICT_CANCELLED, in);
    case RUN_EVENT_RUN_ENDED:
    case RUN_EVENT_RUN_RUNNING:
    case RUN_EVENT_RUN_SCHEDULED:
    case RUN_EVENT_GONE:
        return leave_submitting(run, in);
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_enter(step_unsettle(run, in), RUN_STATE_RESOLVING, in);
    case RUN_EVENT_DONE:
    case RUN_EVENT_REFUSED:
    case RUN_EVENT_RUN_PENDING:
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_enter(run, RUN_STATE_RESOLVING, in);
    default:
        return step_stay(run);
    }
}

static struct run_step step_resolving(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
        return step_enter(run, RUN_STATE_PULLING, in);
    case RUN_EVENT_GONE: /* the deployment or the flow was deleted */
        return step_end_with(run, RUN_VERDICT_CANCELLED, in);
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
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

static struct run_step step_pulling(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
        return step_enter(run, RUN_STATE_READY, in);
    case RUN_EVENT_GONE:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
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

static struct run_step step_ready(struct run run, const struct step_input *in)
{
    if (in->event->kind == RUN_EVENT_ADMITTED)
        return step_enter(run, RUN_STATE_CREATING, in);
    return step_stay(run);
}

/* A request is out whose effect may still land, so that nothing may be decided over its head. */
static bool is_changing_request_out(const struct run *run)
{
    switch ((int)run->pending) {
    case RUN_ACTION_CLAIM:
    case RUN_ACTION_SUBMIT:
    case RUN_ACTION_CREATE:
    case RUN_ACTION_CONNECT:
    case RUN_ACTION_ANNOUNCE:
    case RUN_ACTION_START:
    case RUN_ACTION_RETIRE:
        return true;
    default:
        return false;
    }
}

static bool is_before_running(const struct run *run)
{
    return run->state >= RUN_STATE_CLAIMING && run->state <= RUN_STATE_STARTING;
}

static bool is_launching(const struct run *run)
{
    return run->state >= RUN_STATE_SUBMITTING && run->state <= RUN_STATE_STARTING;
}

/* The start was sent and nobody knows what became of it: what runs is stopped, with its grace time, and not
 * removed. So the next look comes first. */
static bool may_be_running(const struct run *run)
{
    return run->state == RUN_STATE_STARTING && step_may_have_started(run);
}

/* CANCEL before RUNNING: at once, or after the answer of the request that is out, or the look, it needs. */
static struct run_step step_cancel_launch(struct run run, const struct step_input *in)
{
    run.cancel_wanted = true;
    if (is_changing_request_out(&run))
        return step_stay(run);
    if (may_be_running(&run))
        return run.pending == RUN_ACTION_NONE ? step_act(run, RUN_ACTION_ASK_SLOT) : step_stay(run);
    return step_end_with(run, RUN_VERDICT_CANCELLED, in);
}

/* The answer that a cancel was waiting for, on the way to RUNNING. */
static bool ends_by_cancel(const struct run *next, const struct run_event *answer)
{
    return next->cancel_wanted && is_before_running(next) &&
           (!may_be_running(next) || answer->kind == RUN_EVENT_FOUND_CREATED);
}

/* Others have ended the run: it isn't launched any more. Once the start may have been sent, that end may be
 * our own container's. */
static struct run_step step_drop_launch(struct run run, const struct step_input *in)
{
    if (run.start_sent || is_changing_request_out(&run))
        return step_stay(run);
    return step_end_with(run, RUN_VERDICT_OVER, in);
}

/* Deadline, drain or a lost lease before RUNNING: give the claim back, as long as surely no container of it
 * has been started. */
static struct run_step step_hand_back(struct run run, const struct step_input *in)
{
    bool is_drain = in->event->kind == RUN_EVENT_DRAIN;
    if (is_drain && run.state == RUN_STATE_CLAIMING && run.pending == RUN_ACTION_NONE)
        return step_begin(run, false, in); /* the claim may have landed: find out while there is time */
    if (run.state == RUN_STATE_CLAIMING || run.state == RUN_STATE_SUBMITTING || is_changing_request_out(&run))
        return step_stay(run);
    if (run.start_sent || (is_drain && run.has_container))
        return step_stay(run);
    return step_end_with(run, RUN_VERDICT_HAND_BACK, in);
}

static struct run_step step_in_state(struct run run, const struct step_input *in)
{
    switch (run.state) {
    case RUN_STATE_QUEUED:
        return step_queued(run, in);
    case RUN_STATE_CLAIMING:
        return step_claiming(run, in);
    case RUN_STATE_SUBMITTING:
        return step_submitting(run, in);
    case RUN_STATE_RESOLVING:
        return step_resolving(run, in);
    case RUN_STATE_PULLING:
        return step_pulling(run, in);
    case RUN_STATE_READY:
        return step_ready(run, in);
    case RUN_STATE_CREATING:
        return step_creating(run, in);
    case RUN_STATE_CONNECTING:
        return step_connecting(run, in);
    case RUN_STATE_ANNOUNCING:
        return step_announcing(run, in);
    case RUN_STATE_STARTING:
        return step_starting(run, in);
    case RUN_STATE_RUNNING:
        return step_running(run, in);
    case RUN_STATE_STOPPING:
        return step_stopping(run, in);
    case RUN_STATE_CLEARING:
        return step_clearing(run, in);
    case RUN_STATE_REPORTING:
        return step_reporting(run, in);
    case RUN_STATE_HANDING_BACK:
        return step_handing_back(run, in);
    case RUN_STATE_RESTORING:
        return step_restoring(run, in);
    case RUN_STATE_PARKED:
        return step_parked(run, in);
    case RUN_STATE_REMOVING:
        return step_removing(run, in);
    case RUN_STATE_FINISHED:
        return step_stay(run);
    }
    return step_stay(run);
}

static bool is_answer(enum run_event_kind kind)
{
    return kind >= RUN_EVENT_DONE && kind <= RUN_EVENT_FOUND_EXITED;
}

static bool is_reason_to_hand_back(enum run_event_kind kind)
{
    return kind == RUN_EVENT_DRAIN || kind == RUN_EVENT_LAUNCH_DEADLINE || kind == RUN_EVENT_LEASE_LOST;
}

struct run_step run_step(const struct run *run, const struct run_event *event,
                         const struct retry_policy *policy)
{
    bool answers = is_answer(event->kind);
    struct retry_policy ruled = *policy;
    retry_policy_override(&ruled, &event->retry);
    const struct step_input in = {event, &ruled, answers ? run->pending : RUN_ACTION_NONE};
    struct run now = *run;
    if (answers) {
        /* Nothing is out: a late answer, which changes nothing. */
        if (now.pending == RUN_ACTION_NONE)
            return step_stay(now);
        now.pending = RUN_ACTION_NONE;
    }
    if (event->kind == RUN_EVENT_ENTER)
        return step_begin(now, false, &in);
    if (event->kind == RUN_EVENT_CANCEL && is_launching(&now))
        return step_cancel_launch(now, &in);
    if (event->kind == RUN_EVENT_SEEN_OVER && is_launching(&now))
        return step_drop_launch(now, &in);
    if (is_reason_to_hand_back(event->kind) && is_before_running(&now))
        return step_hand_back(now, &in);

    struct run_step step = step_in_state(now, &in);
    if (answers && step.action == RUN_ACTION_NONE && step.next.state == run->state) {
        /* An answer that no rule expects; without this nothing would ever happen again. */
        step = step_retry(now, &in);
    }
    if (answers && ends_by_cancel(&step.next, event)) /* what it was about to lead to is not performed */
        return step_end_with(step.next, RUN_VERDICT_CANCELLED, &in);
    return step;
}
