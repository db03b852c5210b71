/*
 * run_step_moves.c - the moves every state is made of.
 *
 * Entering, retrying and recovering are one thing: step_begin() is what a state does when it is entered, when
 * its timer rings and when the process was restarted. `is_first` is true only when the state was entered by a
 * move in this process; then nothing of this state can have been sent yet, and the look that otherwise comes
 * before a repetition is left out.
 */
#include "core/run_step_internal.h"

struct run_step step_stay(struct run run)
{
    return (struct run_step){.next = run, .action = RUN_ACTION_NONE};
}

struct run_step step_act(struct run run, enum run_action action)
{
    run.pending = RUN_ACTION_NONE;
    if (run_action_is_request(action)) {
        run.pending = action;
        run.epoch++;
    }
    run.next_try_at_ms = 0;
    return (struct run_step){.next = run, .action = action};
}

struct run_step step_wait(struct run run, const struct step_input *in, int64_t delay_ms)
{
    struct run_step step = step_act(run, RUN_ACTION_WAIT);
    step.next.next_try_at_ms = in->event->now_ms + delay_ms;
    step.delay_ms = delay_ms;
    return step;
}

static struct run_step enter(struct run run, enum run_state state, bool is_first, const struct step_input *in)
{
    run.state = state;
    run.pending = RUN_ACTION_NONE;
    run.attempt = 0;
    run.reach_tries = 0;
    run.unreachable_since_ms = 0;
    run.last_delay_ms = 0;
    run.retrying_since_ms = 0;
    run.waits_for_create = false;
    if (state == RUN_STATE_RUNNING && run.started_at_ms == 0)
        run.started_at_ms = in->event->now_ms;
    return step_begin(run, is_first, in);
}

struct run_step step_enter(struct run run, enum run_state state, const struct step_input *in)
{
    return enter(run, state, true, in);
}

struct run_step step_enter_looking(struct run run, enum run_state state, const struct step_input *in)
{
    return enter(run, state, false, in);
}

struct run step_unsettle(struct run run, const struct step_input *in)
{
    run.unsettled_until_ms = in->event->now_ms + in->policy->settle_ms;
    return run;
}

struct run_step step_finish(struct run run, const struct step_input *in)
{
    if (run.unsettled_until_ms == 0)
        return step_enter(run, RUN_STATE_FINISHED, in);
    int64_t delay_ms = run.unsettled_until_ms - in->event->now_ms;
    if (delay_ms > in->policy->settle_ms)
        delay_ms = in->policy->settle_ms; /* the clock jumped back */
    return step_wait(run, in, delay_ms > 0 ? delay_ms : 0);
}

/* What begins when nothing can land any more is the last word. A time further off than any proposal takes is
 * a clock that jumped back while nobody watched it: how long ago the proposal was sent is not known. */
static struct run settle_if_due(struct run run, const struct step_input *in)
{
    int64_t left_ms = run.unsettled_until_ms - in->event->now_ms;
    if (left_ms <= 0)
        run.unsettled_until_ms = 0;
    else if (left_ms > in->policy->settle_ms)
        run = step_unsettle(run, in);
    return run;
}

static struct run_step look_run(struct run run, const struct step_input *in)
{
    return step_act(settle_if_due(run, in), RUN_ACTION_LOOK_RUN);
}

/* The first create of a launch has nothing to look for; any later one may find its predecessor under the same
 * name. */
static struct run_step begin_create(struct run run)
{
    if (run.create_sent)
        return step_act(run, RUN_ACTION_LOOK_NAME);
    run.create_sent = true;
    return step_act(run, RUN_ACTION_CREATE);
}

/* What was put back may have been taken up by others since: it is put back again only when nothing can land
 * any more. */
static struct run_step begin_restore(struct run run, bool is_first, const struct step_input *in)
{
    run = settle_if_due(run, in);
    if (is_first || run.unsettled_until_ms == 0)
        return step_act(run, RUN_ACTION_RESTORE);
    return step_finish(run, in);
}

static struct run_step begin_claim(struct run run, const struct step_input *in)
{
    if (run.has_claim) {
        return look_run(run, in);
    }
    run.has_claim = true;
    run.claimed_at_ms = in->event->now_ms;
    return step_act(run, RUN_ACTION_CLAIM);
}

struct run_step step_watch(struct run run, const struct step_input *in)
{
    struct run_step step = step_act(run, RUN_ACTION_WATCH);
    if (!run.cancel_wanted && (!run.is_over || run.is_left_alone))
        return step;
    int64_t left_ms = run.cancel_at_ms - in->event->now_ms;
    bool is_wrong =
        run.cancel_at_ms == 0 || left_ms > in->policy->cancel_grace_ms; /* the clock jumped back */
    step.delay_ms = is_wrong ? in->policy->cancel_grace_ms : left_ms;
    step.next.cancel_at_ms = in->event->now_ms + step.delay_ms;
    return step;
}

/* A container that has just been started needs no look, unless its end was seen before the start's answer. */
static struct run_step begin_run(struct run run, bool is_first, const struct step_input *in)
{
    if (!is_first || run.died_early) {
        run.died_early = false;
        return step_act(run, RUN_ACTION_LOOK_CONTAINER);
    }
    return step_watch(run, in);
}

/* States whose proposal may have been sent by the process that died. */
static bool may_have_proposed(const struct run *run)
{
    return run->state == RUN_STATE_SUBMITTING || run->state == RUN_STATE_HANDING_BACK ||
           run->state == RUN_STATE_RESTORING || (run->state == RUN_STATE_CLAIMING && run->has_claim);
}

bool step_may_have_started(const struct run *run)
{
    return run->start_sent && run->start_sent_at_ms != 0;
}

/* A flow that ended, or that was asked to end, has mostly told the server itself, and its own word stands:
 * the server would let Cancelled overwrite it, and Crashed the next try that somebody has scheduled since. */
static bool may_have_reported(const struct run *run)
{
    bool has_ended = run->verdict == RUN_VERDICT_ENDED || run->verdict == RUN_VERDICT_EXITED ||
                     run->verdict == RUN_VERDICT_DISAPPEARED;
    bool was_asked = run->verdict == RUN_VERDICT_CANCELLED || run->verdict == RUN_VERDICT_RAN_TOO_LONG;
    if (run->verdict == RUN_VERDICT_LAUNCH_FAILED && step_may_have_started(run))
        return true;
    return has_ended || run->verdict == RUN_VERDICT_OVER || (was_asked && run->started_at_ms != 0);
}

/* The process that died may have sent a create and not heard of it, also one before that of the container it
 * had. */
static bool may_have_created(const struct run *run)
{
    return run->state <= RUN_STATE_CLEARING && run->create_sent;
}

struct run_step step_wait_for_create(struct run run, const struct step_input *in, int64_t delay_ms)
{
    run.waits_for_create = true;
    return step_wait(run, in, delay_ms);
}

/* What is left of a backoff that the process which died had begun; 0: none. A dependency that was out of
 * reach may be back, and an end that nobody watched for is looked at at once. */
static int64_t left_of_backoff_ms(const struct run *run, const struct step_input *in)
{
    if (!run_is_backing_off(run) || run->unreachable_since_ms != 0 || run->state == RUN_STATE_RUNNING)
        return 0;
    int64_t left_ms = run->next_try_at_ms - in->event->now_ms;
    return left_ms < run->last_delay_ms ? left_ms : run->last_delay_ms; /* the clock jumped back */
}

struct run_step step_begin(struct run run, bool is_first, const struct step_input *in)
{
    if (run.waits_for_create) { /* and has waited: the next look sees whatever has landed */
        run.waits_for_create = false;
        run.create_lost = false;
    }
    if (in->event->after_restart && may_have_created(&run))
        run.create_lost = true;
    if (in->event->after_restart && may_have_proposed(&run))
        run = step_unsettle(run, in);
    if (in->event->after_restart && left_of_backoff_ms(&run, in) > 0)
        return step_wait(run, in, left_of_backoff_ms(&run, in));
    switch (run.state) {
    case RUN_STATE_QUEUED:
        return step_act(run, RUN_ACTION_ADMIT);
    case RUN_STATE_CLAIMING:
        return begin_claim(run, in);
    case RUN_STATE_SUBMITTING:
        return step_act(run, RUN_ACTION_SUBMIT);
    case RUN_STATE_RESOLVING:
        return step_act(run, RUN_ACTION_RESOLVE);
    case RUN_STATE_PULLING:
        return step_act(run, RUN_ACTION_PULL);
    case RUN_STATE_READY:
        return step_act(run, RUN_ACTION_ASK_START);
    case RUN_STATE_CREATING:
        /* READY has brought the slot along; a repetition, after a backoff that held none, asks again. */
        return is_first ? begin_create(run) : step_act(run, RUN_ACTION_ASK_SLOT);
    case RUN_STATE_CONNECTING:
        return step_act(run, is_first ? RUN_ACTION_CONNECT : RUN_ACTION_ASK_SLOT);
    case RUN_STATE_ANNOUNCING:
        return step_act(run, RUN_ACTION_ANNOUNCE);
    case RUN_STATE_STARTING:
        return step_act(run, RUN_ACTION_ASK_SLOT);
    case RUN_STATE_RUNNING:
        return begin_run(run, is_first, in);
    case RUN_STATE_STOPPING:
        return step_act(run, RUN_ACTION_ASK_STOP);
    case RUN_STATE_CLEARING:
        return step_act(run, RUN_ACTION_CLEAR);
    case RUN_STATE_REPORTING:
        /* A repeated report must not hit a run that others have taken up since; and where a proposal of ours
         * may land late, the state that the server judges a report by may be ours, on top of the end. */
        if (!is_first || may_have_reported(&run) || run.unsettled_until_ms != 0)
            return look_run(run, in);
        return step_act(run, RUN_ACTION_REPORT);
    case RUN_STATE_HANDING_BACK:
        return is_first ? step_act(run, RUN_ACTION_HAND_BACK) : look_run(run, in);
    case RUN_STATE_RESTORING:
        return begin_restore(run, is_first, in);
    case RUN_STATE_PARKED:
        return step_act(run, RUN_ACTION_NONE);
    case RUN_STATE_REMOVING:
        return step_act(run, RUN_ACTION_REMOVE);
    case RUN_STATE_FINISHED:
        return step_act(run, RUN_ACTION_FORGET);
    }
    return step_stay(run);
}

static enum error_class event_error_class(enum run_event_kind kind)
{
    switch ((int)kind) {
    case RUN_EVENT_THROTTLED:
        return ERROR_CLASS_THROTTLED;
    case RUN_EVENT_CAPACITY:
        return ERROR_CLASS_CAPACITY;
    default:
        return ERROR_CLASS_TRANSIENT;
    }
}

/* Wait, without counting a try of this state. */
static struct run_step wait_uncounted(struct run run, const struct step_input *in)
{
    const struct run_event *ev = in->event;
    run.reach_tries++;
    int64_t delay_ms = retry_delay_ms(in->policy, event_error_class(ev->kind), run.reach_tries,
                                      ev->retry_after_ms, run.last_delay_ms, ev->random);
    run.last_delay_ms = delay_ms;
    return step_wait(run, in, delay_ms);
}

/* Nothing was sent, and it is known when it may be: counts for nothing, neither as a try nor as time. */
static struct run_step wait_held(struct run run, const struct step_input *in)
{
    int64_t delay_ms = in->event->retry_after_ms > 0 ? in->event->retry_after_ms : 0;
    if (run.retrying_since_ms != 0 && !in->event->out_of_reach)
        run.retrying_since_ms += delay_ms;
    return step_wait(run, in, delay_ms);
}

/* Nobody's fault but the dependency's: costs no attempt. A claimed run that has nothing on the engine goes
 * back after a while; but not from RESOLVING, which waits for Prefect alone: until that is back nothing can
 * be handed back, and then the launch goes on. */
static struct run_step wait_for_reach(struct run run, const struct step_input *in)
{
    const struct run_event *ev = in->event;
    if (run.unreachable_since_ms == 0 || run.unreachable_since_ms > ev->now_ms) /* or the clock jumped back */
        run.unreachable_since_ms = ev->now_ms;
    bool may_go_back = run.state == RUN_STATE_PULLING || run.state == RUN_STATE_READY;
    if (may_go_back && ev->now_ms - run.unreachable_since_ms >= in->policy->hand_back_after_ms)
        return step_end_with(run, RUN_VERDICT_HAND_BACK, in);
    return ev->is_held ? wait_held(run, in) : wait_uncounted(run, in);
}

/* A wait for a dependency out of reach counts for nothing, neither as a try nor as time. */
static struct run end_of_unreachable(struct run run, const struct step_input *in)
{
    int64_t waited_ms = in->event->now_ms - run.unreachable_since_ms;
    if (run.unreachable_since_ms != 0 && run.retrying_since_ms != 0 && waited_ms > 0)
        run.retrying_since_ms += waited_ms;
    run.unreachable_since_ms = 0;
    return run;
}

struct run step_count_try(struct run run, const struct step_input *in)
{
    run.attempt++;
    if (run.retrying_since_ms == 0 ||
        run.retrying_since_ms > in->event->now_ms) /* or the clock jumped back */
        run.retrying_since_ms = in->event->now_ms;
    return run;
}

bool step_is_exhausted(const struct run *run, const struct step_input *in)
{
    int64_t max_time_ms = in->policy->max_time_ms;
    return run->attempt >= in->policy->max_attempts ||
           (max_time_ms > 0 && run->retrying_since_ms != 0 &&
            in->event->now_ms - run->retrying_since_ms >= max_time_ms);
}

/* The last try comes when the time is up, not later; but never sooner than the other side asked for. */
static int64_t cut_to_max_time(int64_t delay_ms, const struct run *run, const struct step_input *in)
{
    int64_t left_ms = run->retrying_since_ms + in->policy->max_time_ms - in->event->now_ms;
    bool is_free = in->policy->max_time_ms > 0 && in->event->retry_after_ms <= 0;
    return is_free && left_ms > 0 && left_ms < delay_ms ? left_ms : delay_ms;
}

struct run_step step_retry(struct run run, const struct step_input *in)
{
    const struct run_event *ev = in->event;
    if (ev->out_of_reach)
        return wait_for_reach(run, in);
    if (ev->is_held)
        return wait_held(run, in);
    run = end_of_unreachable(run, in);
    /* There `attempt` counts the looks that showed the run still RUNNING; a failed look is none of them. */
    if (run.state == RUN_STATE_REPORTING && run.verdict == RUN_VERDICT_ENDED)
        return wait_uncounted(run, in);
    run.reach_tries = 0;
    run = step_count_try(run, in);
    bool gives_up = run_state_gives_up(run.state);
    if (gives_up && step_is_exhausted(&run, in))
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    int64_t delay_ms = retry_delay_ms(in->policy, event_error_class(ev->kind), run.attempt,
                                      ev->retry_after_ms, run.last_delay_ms, ev->random);
    if (gives_up)
        delay_ms = cut_to_max_time(delay_ms, &run, in);
    run.last_delay_ms = delay_ms;
    return step_wait(run, in, delay_ms);
}

bool step_shall_park(const struct run *run, const struct step_input *in)
{
    return in->policy->park || run->park_wanted;
}

struct run_step step_end_with(struct run run, enum run_verdict verdict, const struct step_input *in)
{
    if (run.cancel_wanted)
        verdict = RUN_VERDICT_CANCELLED;
    run.verdict = verdict;
    run.park_wanted = run.park_wanted || in->event->park;
    bool may_exist = run.create_sent && run.state < RUN_STATE_RUNNING;
    if (may_exist)
        return step_enter(run, RUN_STATE_CLEARING, in);
    if (verdict == RUN_VERDICT_HAND_BACK)
        return step_enter(run, RUN_STATE_HANDING_BACK, in);
    if (verdict == RUN_VERDICT_LAUNCH_FAILED && step_shall_park(&run, in))
        return step_enter(run, RUN_STATE_PARKED, in);
    return step_enter(run, RUN_STATE_REPORTING, in);
}
