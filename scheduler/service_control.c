/*
 * service_control.c - what people ask a running service to do, and what holds its runs.
 *
 * Pause, drain and stop differ in what they close and in how they end: a pause closes claims and new starts
 * until it is taken back, a drain closes claims and ends the service when nothing is left, a stop ends it
 * within seconds and leaves containers to the next start. What holds all runs is kept in the state file for
 * the view `queue`; of these only the pause is read again.
 */
#include "service_internal.h"

#include "base/log.h"

#define HELD_LOOK_MS 1000
#define HOLD_PAUSED "paused"

/* ---- gates, and who waits at them ---- */

/* Mono time since which starts are held; -1: they aren't. */
static int64_t starts_held_since_ms(const struct service *s)
{
    int64_t since_ms = watcher_is_reachable(s->watcher) ? -1 : s->unreachable_since_ms;
    if (s->paused_at_ms != 0 && (since_ms < 0 || s->paused_since_ms < since_ms))
        since_ms = s->paused_since_ms;
    return since_ms;
}

/* Nothing fails while the gate of starts is closed, so those who wait at it have nobody else to tell them. */
static void on_held(void *arg)
{
    struct service *s = arg;
    int64_t now_ms = clock_mono_ms(s->s.clock);
    int64_t held_ms = starts_held_since_ms(s);
    bool reach = watcher_is_reachable(s->watcher);
    service_keep_reach(s, DEPENDENCY_ENGINE, reach); /* it may not have been there from the start on */
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        int64_t since_ms = live->waits_since_ms > held_ms ? live->waits_since_ms : held_ms;
        const struct config_class *c = config_class_by_name(s->s.config, live->launch->class_name);
        if (live->launch->run.state != RUN_STATE_READY || now_ms - since_ms < c->retry.hand_back_after_ms)
            continue;
        runner_note(s->runner, live,
                    reach
                        ? "sluice is paused: handed back, so that another worker can take the run"
                        : "the engine is out of reach: handed back, so that another worker can take the run");
        runner_feed_kind(s->runner, live, RUN_EVENT_LAUNCH_DEADLINE);
    }
    timer_start(s->s.timers, &s->held_timer, HELD_LOOK_MS, on_held, s);
}

void service_open_gates(struct service *s)
{
    bool reach = watcher_is_reachable(s->watcher);
    bool is_paused = s->paused_at_ms != 0;
    bool claims = s->is_online && reach && !s->is_stopping && !s->is_draining && !is_paused;
    /* After a restart looks go at once, before it is known whether the engine is there: a cancel that is seen
     * first would not know that the container runs, and would remove it instead of stopping it. */
    bool going_on = reach || !s->is_online;
    poller_hold(s->poller, !claims);
    admission_open(s->admission, (struct admission_gates){claims, reach && !is_paused, going_on});
    if (starts_held_since_ms(s) < 0)
        timer_cancel(&s->held_timer);
    else if (!timer_is_running(&s->held_timer))
        timer_start(s->s.timers, &s->held_timer, HELD_LOOK_MS, on_held, s);
}

/* ---- what is kept of it ---- */

/* On disk when this returns 0; else the service ends. */
static int keep(struct service *s, const struct store_hold *hold, bool holds, struct err *err)
{
    if (s->is_ended)
        return err_set(err, ERR_IO, "sluice ends");
    int rc = store_begin(s->store, err);
    if (rc == 0)
        rc = holds ? store_save_hold(s->store, hold, err) : store_clear_hold(s->store, hold->name, err);
    if (rc != 0) {
        service_on_save_failure(s, err);
        return -1;
    }
    if (runner_sync(s->runner) != 0) /* which has told why */
        return err_set(err, ERR_IO, "the state file can't be written: sluice ends");
    return 0;
}

void service_keep_reach(struct service *s, enum dependency dependency, bool is_reachable)
{
    struct err err;
    bool is_engine = dependency == DEPENDENCY_ENGINE;
    bool *is_away = is_engine ? &s->is_engine_away : &s->is_prefect_away;
    if (*is_away == !is_reachable)
        return;
    *is_away = !is_reachable;
    int64_t ago_ms = is_engine ? clock_mono_ms(s->s.clock) - s->unreachable_since_ms : 0;
    struct store_hold hold = {.name = dependency_name(dependency),
                              .holds_starts = is_engine,
                              .said = is_engine ? "engine out of reach" : "Prefect out of reach",
                              .since_ms = clock_wall_ms(s->s.clock) - ago_ms};
    if (keep(s, &hold, !is_reachable, &err) != 0)
        log_debug("not kept", kv_s("hold", hold.name), kv_s("error", err.msg));
}

static int keep_pause(struct service *s, int64_t since_ms, struct err *err)
{
    struct store_hold hold = {.name = HOLD_PAUSED,
                              .holds_starts = true,
                              .said = "paused (sluice resume ends it)",
                              .since_ms = since_ms};
    return keep(s, &hold, since_ms != 0, err);
}

int service_load_holds(struct service *s, struct err *err)
{
    if (store_begin(s->store, err) != 0 ||
        store_keep_hold(s->store, HOLD_PAUSED, &s->paused_at_ms, err) != 0 ||
        store_commit(s->store, err) != 0)
        return -1;
    s->paused_since_ms = clock_mono_ms(s->s.clock);
    if (s->paused_at_ms != 0)
        log_warn("still paused: nothing is claimed or started until sluice resume");
    return 0;
}

/* ---- pause and resume ---- */

static int refuse_while_leaving(const struct service *s, struct err *err)
{
    if (s->is_stopping)
        return err_set(err, ERR_CONFLICT, "it is stopping");
    return s->is_draining
               ? err_set(err, ERR_CONFLICT,
                         "it is draining, which can't be taken back: start it again when it has ended")
               : 0;
}

int service_pause(struct service *s, struct err *err)
{
    if (refuse_while_leaving(s, err) != 0)
        return -1;
    if (s->paused_at_ms != 0)
        return 0;
    int64_t now_ms = clock_wall_ms(s->s.clock);
    if (keep_pause(s, now_ms, err) != 0)
        return -1;
    s->paused_at_ms = now_ms;
    s->paused_since_ms = clock_mono_ms(s->s.clock);
    log_warn("paused: nothing is claimed or started until sluice resume");
    service_open_gates(s);
    return 0;
}

int service_resume(struct service *s, struct err *err)
{
    if (refuse_while_leaving(s, err) != 0)
        return -1;
    if (s->paused_at_ms == 0)
        return 0;
    if (keep_pause(s, 0, err) != 0)
        return -1;
    s->paused_at_ms = 0;
    log_info("resumed");
    service_open_gates(s);
    return 0;
}

/* ---- drain ---- */

void service_drain_ready(struct service *s)
{
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        const struct run *run = &live->launch->run;
        bool is_in_backoff =
            run->state == RUN_STATE_CREATING && !run->has_container && run->pending == RUN_ACTION_NONE;
        bool is_released = run->state == RUN_STATE_QUEUED && run->has_claim;
        bool may_go_back = (run->state >= RUN_STATE_RESOLVING && run->state <= RUN_STATE_READY) ||
                           is_in_backoff || is_released;
        if (may_go_back && !live->was_drained) {
            live->was_drained = true;
            runner_feed_kind(s->runner, live, RUN_EVENT_DRAIN);
        }
    }
}

int service_drain(struct service *s, struct err *err)
{
    if (s->is_stopping)
        return err_set(err, ERR_CONFLICT, "it is stopping");
    if (s->is_draining)
        return 0;
    s->is_draining = true;
    log_info(
        "draining: nothing more is claimed, what has no container goes back, what runs is watched to its end",
        kv_int("launches", (int64_t)runner_count(s->runner)));
    poller_stop(s->poller);
    stale_cancels_stop(s->stale_cancels);
    service_open_gates(s);
    return 0;
}

struct service_progress service_progress(struct service *s)
{
    struct service_progress p = {
        .paused_at_ms = s->paused_at_ms, .is_draining = s->is_draining, .is_stopping = s->is_stopping};
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct run *run = &LIST_ITEM(link, struct live, all_link)->launch->run;
        if (run->state == RUN_STATE_QUEUED && !run->has_claim)
            p.queued++;
        else if (run->state == RUN_STATE_PARKED)
            p.parked++;
        else if (run->state == RUN_STATE_RUNNING || run->state == RUN_STATE_STOPPING)
            p.running++;
        else if (run->state < RUN_STATE_RUNNING)
            p.waiting++;
        else
            p.ending++;
    }
    return p;
}

bool service_is_drained(struct service *s)
{
    if (!s->is_draining)
        return false;
    struct service_progress p = service_progress(s);
    return p.waiting + p.running + p.ending + p.parked == 0;
}
