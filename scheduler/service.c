/*
 * service.c - see service.h.
 *
 * Who talks to whom: poller -> runner (events) -> act (calls) -> runner (answers); admission stands between
 * runner and act where a launch needs a token or a slot; watcher feeds the ends of containers. All of them
 * meet in the runner, none knows another's inside. Here is their common life: new, turn, stop, reload, free.
 */
#include "service_internal.h"

#include "base/log.h"

#include <sys/stat.h>

/* Docker kills after 10 s. */
#define STOP_MS 8000
/* Goodbyes to a server that doesn't listen. */
#define FLUSH_MS (SERVICE_STOP_MAX_MS - STOP_MS)
/* Prefect's own worker is unwell after so many missed polls. */
#define UNWELL_POLLS 30
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
    if (--s->flushes > 0)
        return;
    log_info("stopped", kv_int("launches", (int64_t)runner_count(s->runner)));
    service_end(s, 0);
}

static int save_loss(struct service *s, const char *what, uint64_t dropped, uint64_t *saved, struct err *err)
{
    uint64_t more = dropped - *saved;
    *saved = dropped;
    if (more == 0)
        return 0;
    return store_add_loss(s->store, what, (int64_t)more, clock_wall_ms(s->s.clock), err);
}

int service_save_losses(struct service *s, struct err *err)
{
    struct tell_counts told = tell_counts(s->tell);
    if (save_loss(s, "output lines", output_counts(s->output).dropped_lines, &s->saved_losses.output_lines,
                  err) != 0 ||
        save_loss(s, "events", told.events.dropped, &s->saved_losses.events, err) != 0 ||
        save_loss(s, "spans", traces_counts(s->traces).dropped, &s->saved_losses.spans, err) != 0)
        return -1;
    return save_loss(s, "run log lines", told.logs.dropped, &s->saved_losses.log_lines, err);
}

/* What was learned since the last commit. */
static int save_learned(struct service *s)
{
    struct err err;
    if (!learned_timeouts_is_unsaved(s->timeouts) && !learning_has_news(s->learning) &&
        !alerts_has_news(s->alerts))
        return 0;
    if (store_begin(s->store, &err) == 0 && learned_timeouts_save(s->timeouts, true, &err) == 0 &&
        learning_save(s->learning, true, &err) == 0 && alerts_save(s->alerts, true, &err) == 0)
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
    s->flushes = 2;
    tell_flush(s->tell, FLUSH_MS, on_flushed, s);
    traces_flush(s->traces, FLUSH_MS, on_flushed, s);
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
    alerts_stop(s->alerts);
    poller_stop(s->poller);
    stale_cancels_stop(s->stale_cancels);
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

const char *service_state_file_trouble(const struct service *s)
{
    struct stat st;
    if (s->is_ended && s->exit_code != 0)
        return "it can't be written";
    return stat(store_path(s->store), &st) == 0 ? "" : "it is gone from its place";
}

int service_reload(struct service *s, const struct config *config, struct err *err)
{
    if (service_save_limits(s, config, err) != 0 ||
        learned_timeouts_set_config(s->timeouts, config, err) != 0)
        return -1;
    meters_set_config(s->meters, config);
    s->s.config = config;
    alerts_set_config(s->alerts, config);
    s->act.config = config;
    runner_set_config(s->runner, config);
    registry_logins_set_config(s->logins, config);
    pulls_set_config(s->pulls, config);
    catalog_set_config(s->catalog, config);
    references_set_config(s->references, config);
    pool_sync_set_config(s->pool_sync, config);
    poller_set_config(s->poller, config);
    run_watch_set_config(s->run_watch, config);
    leases_set_config(s->leases, config);
    shared_starts_set_config(s->shared_starts, config);
    learning_set_config(s->learning, config);
    watcher_set_config(s->watcher, config);
    lost_claims_set_config(s->lost_claims, config);
    stale_cancels_set_config(s->stale_cancels, config);
    upkeep_set_config(s->upkeep, config);
    return admission_set_config(s->admission, config, err);
}

bool service_is_leaving(const struct service *s)
{
    return s->is_stopping || s->is_ended;
}

bool service_reaches_engine(const struct service *s)
{
    return watcher_is_reachable(s->watcher);
}

/* Before the first answer nothing is wrong yet. */
bool service_reaches_prefect(const struct service *s)
{
    return !reach_is_away(s->reach);
}

int64_t service_poller_due_ms(const struct service *s)
{
    int64_t poll_ms = poller_due_ms(s->poller);
    int64_t watch_ms = run_watch_due_ms(s->run_watch);
    return poll_ms < watch_ms ? poll_ms : watch_ms;
}

size_t service_helpers(const struct service *s)
{
    return registry_logins_helpers(s->logins);
}

struct meters *service_meters(struct service *s)
{
    return s->meters;
}

const struct alerts *service_alerts(const struct service *s)
{
    return s->alerts;
}

struct runner *service_runner(struct service *s)
{
    return s->runner;
}

bool service_sees(const struct service *s)
{
    return watcher_listening_since_ms(s->watcher) >= 0 && watcher_has_listed(s->watcher);
}

struct poller *service_poller(struct service *s)
{
    return s->poller;
}

struct run_watch *service_run_watch(struct service *s)
{
    return s->run_watch;
}

struct http *service_http(struct service *s, int which)
{
    struct http *const all[SERVICE_HTTP_COUNT] = {s->engine_http, s->prefect_http, s->probe_http,
                                                  traces_http(s->traces)};
    return all[which];
}
