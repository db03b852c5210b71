/*
 * run_step_launch.c - CREATING to STARTING: where a container comes to life, once.
 *
 * A create may be repeated under the same saved name, since the engine lets a name exist once; an answer that
 * got lost, or a name that is taken, is looked at first. A start is sent once in a container's life:
 * start_sent is saved before it. If it was sent and the container still shows Created when its clock has run
 * out, that container is retired (removed, and made sure that it never started) and a new one is created, so
 * that a start that comes late finds nothing.
 */
#include "core/run_step_internal.h"

/* The container is gone or was retired, and surely never started: begin again with a new one. */
static struct run_step create_anew(struct run run, const struct step_input *in)
{
    run.has_container = false;
    run.start_sent = false;
    run.start_sent_at_ms = 0;
    run.is_announced = false;
    run.is_retiring = false;
    run.died_early = false;
    run.launch_tries++;
    if (run.launch_tries >= in->policy->max_attempts)
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    run.state = RUN_STATE_CREATING;
    run.attempt = 0;
    run.retrying_since_ms = 0;
    return step_act(run, RUN_ACTION_ASK_SLOT);
}

static struct run_step run_found(struct run run, const struct step_input *in)
{
    run.has_container = true;
    return step_enter(run, RUN_STATE_RUNNING, in);
}

/* Nobody's container has our name. If it was in use a moment ago, it is held by a create that the engine is
 * still working on, perhaps our own, or by a removal: to ask again at once would use up all tries in no time.
 */
static struct run_step name_is_free(struct run run, const struct step_input *in)
{
    if (!run.name_was_taken)
        return step_act(run, RUN_ACTION_CREATE);
    run.name_was_taken = false;
    run.last_delay_ms = retry_delay_ms(in->policy, ERROR_CLASS_TRANSIENT, run.attempt, -1, run.last_delay_ms,
                                       in->event->random);
    return step_wait(run, in, run.last_delay_ms);
}

/* Look who holds our name: after a conflict, and after a create whose answer was lost. Counted, so that it
 * ends. */
static struct run_step look_at_name(struct run run, const struct step_input *in)
{
    run = step_count_try(run, in);
    if (step_is_exhausted(&run, in))
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    return step_act(run, RUN_ACTION_LOOK_NAME);
}

/* Another's container has our name. It may give the name up, and a create of ours whose answer was lost land
 * under it: a second name before that can't happen any more could make a second container. Rare enough to
 * wait for the slowest. */
static struct run_step take_next_name(struct run run, const struct step_input *in)
{
    if (run.create_lost)
        return step_wait_for_create(run, in, in->policy->settle_ms);
    if (run.name_index >= RUN_NAME_INDEX_MAX)
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    run.name_index++;
    run.name_was_taken = false;
    run.attempt = 0; /* the names are counted, not the conflicts that they cost */
    return step_act(run, RUN_ACTION_CREATE);
}

struct run_step step_creating(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_ADMITTED:
        return step_act(run, RUN_ACTION_LOOK_NAME);
    case RUN_EVENT_DONE:
    case RUN_EVENT_FOUND_CREATED:
        run.has_container = true;
        return step_enter(run, RUN_STATE_CONNECTING, in);
    case RUN_EVENT_FOUND_RUNNING:
        return run_found(run, in);
    case RUN_EVENT_FOUND_EXITED:
        run.has_container = true;
        return step_exited(run, in);
    case RUN_EVENT_FOUND_ABSENT:
        return name_is_free(run, in);
    case RUN_EVENT_FOUND_FOREIGN:
        return take_next_name(run, in);
    case RUN_EVENT_CONFLICT:
        run.name_was_taken = true;
        return look_at_name(run, in);
    case RUN_EVENT_UNKNOWN_OUTCOME:
        run.create_lost = true;
        return look_at_name(run, in);
    case RUN_EVENT_GONE: /* no such image: it was removed since we looked */
        if (run.has_repulled)
            return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
        run.has_repulled = true;
        return step_enter(run, RUN_STATE_PULLING, in);
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

struct run_step step_connecting(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_ADMITTED:
        return step_act(run, RUN_ACTION_CONNECT);
    case RUN_EVENT_DONE:
        return step_enter(run, RUN_STATE_ANNOUNCING, in);
    case RUN_EVENT_GONE:
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_UNKNOWN_OUTCOME: /* "already connected" counts as done, so that it may be repeated */
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

/* However few tries the policy allows, a failed announcement must not end the launch. */
static bool is_last_announcement(const struct run *run, const struct retry_policy *policy)
{
    return run->attempt + 1 >= RUN_ANNOUNCE_TRIES || run->attempt + 1 >= policy->max_attempts;
}

struct run_step step_announcing(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
        run.is_announced = true;
        return step_enter(run, RUN_STATE_STARTING, in);
    case RUN_EVENT_GONE: /* the flow run was deleted */
        return step_end_with(run, RUN_VERDICT_CANCELLED, in);
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        return step_enter(run, RUN_STATE_STARTING, in);
    case RUN_EVENT_TRANSIENT:
    case RUN_EVENT_THROTTLED:
    case RUN_EVENT_CAPACITY:
    case RUN_EVENT_CONFLICT:
    case RUN_EVENT_UNKNOWN_OUTCOME:
        if (!in->event->out_of_reach && !in->event->is_held && is_last_announcement(&run, in->policy))
            return step_enter(run, RUN_STATE_STARTING, in);
        return step_retry(run, in);
    default:
        return step_stay(run);
    }
}

/* Created, and its one start was sent: retire it when the start can be waited for no longer. */
static struct run_step start_not_seen(struct run run, const struct step_input *in)
{
    int64_t waited_ms = in->event->now_ms - run.start_sent_at_ms;
    bool is_answered = run.start_sent_at_ms == 0;
    /* A clock that jumped back must not make us wait longer than the clock itself. */
    bool is_over = waited_ms >= in->policy->start_clock_ms || waited_ms < 0;
    if (is_answered || is_over) {
        if (step_is_exhausted(&run, in))
            return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
        run.is_retiring = true;
        return step_act(run, RUN_ACTION_RETIRE);
    }
    return step_wait(run, in, in->policy->start_clock_ms - waited_ms);
}

/* The engine answered the start with an error that may pass: it can't land any more, and the next try gets a
 * new container. */
static struct run_step start_failed(struct run run, const struct step_input *in)
{
    if (!in->event->was_sent)
        run.start_sent = false;
    run.start_sent_at_ms = 0;
    return step_retry(run, in);
}

static struct run_step start_absent(struct run run, const struct step_input *in)
{
    if (run.is_retiring)
        return step_act(run, RUN_ACTION_RETIRE);
    if (step_may_have_started(&run)) {
        run.has_container = false;
        /* It may have run. Twice is worse than a Crashed. */
        return step_end_with(run, RUN_VERDICT_DISAPPEARED, in);
    }
    return create_anew(run, in);
}

/* Answers to RETIRE differ from those to START and to a look. */
static struct run_step step_retired(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
        return create_anew(run, in);
    case RUN_EVENT_GONE: /* removed, but it may have started before: nobody will ever know its exit code */
        run.has_container = false;
        return step_end_with(run, RUN_VERDICT_DISAPPEARED, in);
    case RUN_EVENT_CONFLICT: /* it runs, or somebody else removes it: the look tells; counted, so that it ends
                              */
        run = step_count_try(run, in);
        return step_act(run, RUN_ACTION_LOOK_CONTAINER);
    default:
        return step_retry(run, in);
    }
}

static struct run_step step_started(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_DONE:
        return step_enter(run, RUN_STATE_RUNNING, in);
    case RUN_EVENT_GONE: /* the container was pruned before it could start */
        run.start_sent_at_ms = 0;
        return create_anew(run, in);
    case RUN_EVENT_AUTH:
    case RUN_EVENT_PERMANENT:
        run.start_sent_at_ms = 0; /* answered: it can't land any more */
        return step_end_with(run, RUN_VERDICT_LAUNCH_FAILED, in);
    case RUN_EVENT_UNKNOWN_OUTCOME:
        return step_act(run, RUN_ACTION_LOOK_CONTAINER);
    case RUN_EVENT_CONFLICT: /* being removed, or another operation on it: the look tells */
        return step_retry(run, in);
    default:
        return start_failed(run, in);
    }
}

static struct run_step step_looked_at_start(struct run run, const struct step_input *in)
{
    switch ((int)in->event->kind) {
    case RUN_EVENT_FOUND_CREATED:
        return start_not_seen(run, in);
    case RUN_EVENT_FOUND_RUNNING:
        return run_found(run, in);
    case RUN_EVENT_FOUND_EXITED:
        return step_exited(run, in);
    case RUN_EVENT_FOUND_ABSENT:
    case RUN_EVENT_GONE:
        return start_absent(run, in);
    default:
        return step_retry(run, in);
    }
}

struct run_step step_starting(struct run run, const struct step_input *in)
{
    const struct run_event *ev = in->event;
    if (ev->kind == RUN_EVENT_DIED) {
        if (run.start_sent && run.next_try_at_ms != 0) /* it did start: no need to wait for its clock */
            return step_act(run, RUN_ACTION_ASK_SLOT);
        run.died_early = true;
        return step_stay(run);
    }
    if (ev->kind == RUN_EVENT_ADMITTED) {
        if (run.start_sent)
            return step_act(run, RUN_ACTION_LOOK_CONTAINER);
        run.start_sent = true;
        run.start_sent_at_ms = ev->now_ms;
        return step_act(run, RUN_ACTION_START);
    }
    switch ((int)in->answered) {
    case RUN_ACTION_START:
        return step_started(run, in);
    case RUN_ACTION_RETIRE:
        return step_retired(run, in);
    case RUN_ACTION_LOOK_CONTAINER:
        return step_looked_at_start(run, in);
    default:
        return step_stay(run);
    }
}
