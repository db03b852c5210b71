/*
 * service.c - see service.h.
 *
 * Who talks to whom: poller -> runner (events) -> act (calls) -> runner (answers); admission stands between
 * runner and act where a launch needs a token or a slot; watcher feeds the ends of containers. All of them
 * meet in the runner, none knows another's inside. Here is their common life: new, turn, stop, reload, free.
 */
#include "service_internal.h"

#include "base/log.h"

/* Docker kills after 10 s. */
#define STOP_MS 8000
/* Goodbyes to a server that doesn't listen. */
#define FLUSH_MS 1000
/* Prefect's own worker is unwell after so many missed polls. */
#define UNWELL_POLLS 30
/* The history is not trimmed while there is so much else to do. */
#define FIRST_TRIM_MS (10 * 60 * 1000)
#define TURN_PASSES_MAX 32

void service_end(struct service *s, int exit_code)
{
    if (s->is_ended)
        return;
    s->is_ended = true;
    s->exit_code = exit_code;
}

int service_new(const struct service_settings *settings, struct service **out, struct err *err)
{
    struct service *s = check_alloc(sizeof(*s));
    const struct config *c = settings->config;
    s->s = *settings;
    s->began_ms = clock_mono_ms(settings->clock);
    service_instance(c->api_url, c->pool, c->worker_name, s->instance);
    service_mark(s->instance, c->state_path, s->mark);
    if (store_open(c->state_path, settings->clock, &s->store, err) != 0 || service_make(s, err) != 0 ||
        service_save_limits(s, c, err) != 0 || service_load_holds(s, err) != 0 ||
        runner_load(s->runner, err) != 0) {
        service_free(s);
        return -1;
    }
    service_tell_of_file(s);
    service_begin(s);
    timer_start(settings->timers, &s->trim_timer, FIRST_TRIM_MS, service_on_trim, s);
    *out = s;
    return 0;
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    timer_cancel(&s->stop_timer);
    timer_cancel(&s->held_timer);
    timer_cancel(&s->give_up_timer);
    timer_cancel(&s->trim_timer);
    service_unmake(s);
    store_close(s->store);
    free(s);
}

/* ---- turning, stopping, reloading ---- */

/* --run-once: one poll, then leave; with --limit, when all it launched has ended. */
static bool has_run_once(struct service *s)
{
    if (!s->s.config->run_once || !s->has_polled || admission_queued(s->admission) > 0 ||
        poller_has_dues(s->poller))
        return false;
    bool waits_for_end = s->s.config->limit != CONFIG_NO_LIMIT;
    return waits_for_end ? runner_count(s->runner) == 0 : runner_calls_out(s->runner) == 0;
}

/* Nothing is out any more: the rows are at rest in a state that the next start goes on from. */
static bool is_at_rest(struct service *s)
{
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct run *run = &LIST_ITEM(link, struct live, all_link)->launch->run;
        /* It goes back as soon as what may still land on the engine is cleared: seconds. */
        if (run->state == RUN_STATE_CLEARING && run->verdict == RUN_VERDICT_HAND_BACK)
            return false;
    }
    return runner_calls_out(s->runner) == 0;
}

static void on_flushed(void *arg)
{
    struct service *s = arg;
    log_info("stopped", kv_int("launches", (int64_t)runner_count(s->runner)));
    service_end(s, 0);
}

/* What was learned since the last commit. */
static int save_learned(struct service *s)
{
    struct err err;
    if (!learned_timeouts_is_unsaved(s->timeouts))
        return 0;
    if (store_begin(s->store, &err) == 0 && learned_timeouts_save(s->timeouts, true, &err) == 0)
        return 0;
    service_on_save_failure(s, &err);
    return -1;
}

/* The rows are on disk; what is left is to say goodbye, for a moment only. */
static void finish_stop(struct service *s)
{
    if (s->is_flushing || save_learned(s) != 0 || runner_sync(s->runner) != 0)
        return;
    s->is_flushing = true;
    timer_cancel(&s->stop_timer);
    if (s->is_online)
        tell_stopped(s->tell);
    tell_flush(s->tell, FLUSH_MS, on_flushed, s);
}

static void on_stop_timer(void *arg)
{
    struct service *s = arg;
    log_warn("stopping with calls out; the next start looks what became of them",
             kv_int("calls", (int64_t)runner_calls_out(s->runner)));
    finish_stop(s);
}

void service_stop(struct service *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    log_info("stopping: nothing more is claimed, containers live on",
             kv_int("launches", (int64_t)runner_count(s->runner)));
    poller_stop(s->poller);
    prefect_hurry(s->prefect);
    watcher_stop_answering(s->watcher);
    service_open_gates(s);
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next)
        runner_feed_kind(s->runner, LIST_ITEM(link, struct live, all_link), RUN_EVENT_DRAIN);
    timer_start(s->s.timers, &s->stop_timer, STOP_MS, on_stop_timer, s);
}

void service_turn_end(struct service *s)
{
    for (int pass = 0; pass < TURN_PASSES_MAX && !s->is_ended; pass++) {
        if (s->is_stopping || s->is_draining)
            service_drain_ready(s);
        if (runner_flush(s->runner) != 0 || admission_run(s->admission) == 0)
            break;
    }
    if (!s->is_stopping && (has_run_once(s) || service_is_drained(s)))
        service_stop(s);
    if (s->is_stopping && !s->is_ended && is_at_rest(s))
        finish_stop(s);
    if (s->is_ended && s->s.on_end != NULL) {
        void (*on_end)(void *arg, int exit_code) = s->s.on_end;
        s->s.on_end = NULL;
        on_end(s->s.arg, s->exit_code);
    }
}

bool service_is_well(const struct service *s)
{
    if (s->is_ended && s->exit_code != 0)
        return false;
    if (s->is_draining) /* it polls no more, and must not be killed for that */
        return true;
    int64_t since_ms = poller_last_ms(s->poller);
    if (since_ms == 0)
        since_ms = s->began_ms;
    return clock_mono_ms(s->s.clock) - since_ms <= UNWELL_POLLS * s->s.config->poll_interval_ms;
}

int service_reload(struct service *s, const struct config *config, struct err *err)
{
    if (service_save_limits(s, config, err) != 0 ||
        learned_timeouts_set_config(s->timeouts, config, err) != 0)
        return -1;
    s->s.config = config;
    s->act.config = config;
    runner_set_config(s->runner, config);
    pulls_set_config(s->pulls, config);
    catalog_set_config(s->catalog, config);
    pool_sync_set_config(s->pool_sync, config);
    poller_set_config(s->poller, config);
    leases_set_config(s->leases, config);
    shared_starts_set_config(s->shared_starts, config);
    watcher_set_config(s->watcher, config);
    lost_claims_set_config(s->lost_claims, config);
    return admission_set_config(s->admission, config, err);
}

struct runner *service_runner(struct service *s)
{
    return s->runner;
}

bool service_sees(const struct service *s)
{
    return watcher_listening_since_ms(s->watcher) >= 0 && watcher_has_listed(s->watcher);
}

struct http *service_http(struct service *s, int which)
{
    struct http *const all[SERVICE_HTTP_COUNT] = {s->engine_http, s->prefect_http, s->probe_http};
    return all[which];
}
