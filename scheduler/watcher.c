#include "watcher.h"

#include "adopt.h"
#include "base/log.h"
#include "clocks.h"
#include "keeper.h"

#include <stdio.h>
#include <string.h>

#define RECONCILE_MS 60000
#define REOPEN_FIRST_MS 250
#define REOPEN_MAX_MS 5000
/* An engine that takes longer to begin its events, or to answer the list, is as good as away. */
#define OPEN_CLOCK_MS 15000
/* Calls that fail without an answer lead to a list, but not more often than that. */
#define SUSPECT_EVERY_MS 5000
/* A container without a row that was only created may belong to a create that is just being answered. */
#define ORPHAN_AGE_MS 120000

struct watcher {
    struct watcher_settings s;
    struct engine_call *stream;
    struct engine_call *list;
    struct adopt *adopt;
    struct keeper *keeper;
    struct timer stream_timer;
    struct timer open_timer; /* the stream is being opened */
    struct timer list_timer;
    struct timer trip_timer;
    int64_t listening_since_ms; /* mono; -1: the stream is not open */
    int64_t reopen_ms;
    int losses;                 /* since the stream was open last */
    int64_t list_began_ms;      /* wall */
    int64_t list_began_mono_ms; /* mono */
    size_t list_index;          /* 0: our own containers, n: the n-th of config.adopt */
    uint64_t round;             /* of lists */
    bool has_listed;            /* a round of lists has come to its end */
    bool is_reachable;
    bool has_warned;
    enum transport warned_transport; /* with has_warned */
    int warned_status;
};

static void open_stream(void *arg);
static void begin_list(void *arg);
static void lose(struct watcher *w, const struct failure *f);

/* Nobody has answered, but perhaps something that stands between us and the engine. */
static bool is_silence(const struct failure *f)
{
    bool is_gateways = f->status >= 502 && f->status <= 504;
    bool is_ours = f->transport == TRANSPORT_CANCELLED || f->transport == TRANSPORT_BREAKER_OPEN;
    return (f->transport != TRANSPORT_NONE && !is_ours) || is_gateways;
}

struct watcher *watcher_new(const struct watcher_settings *settings)
{
    struct watcher *w = check_alloc(sizeof(*w));
    w->s = *settings;
    w->reopen_ms = REOPEN_FIRST_MS;
    w->listening_since_ms = -1;
    w->keeper = keeper_new(settings->engine, settings->config);
    w->adopt = adopt_new(&(struct adopt_settings){.runner = settings->runner,
                                                  .prefect = settings->prefect,
                                                  .clock = settings->clock,
                                                  .config = settings->config});
    return w;
}

void watcher_free(struct watcher *w)
{
    if (w == NULL)
        return;
    if (w->stream != NULL)
        engine_cancel(w->stream);
    if (w->list != NULL)
        engine_cancel(w->list);
    timer_cancel(&w->stream_timer);
    timer_cancel(&w->open_timer);
    timer_cancel(&w->list_timer);
    timer_cancel(&w->trip_timer);
    adopt_free(w->adopt);
    keeper_free(w->keeper);
    free(w);
}

void watcher_set_config(struct watcher *watcher, const struct config *config)
{
    watcher->s.config = config;
    adopt_set_config(watcher->adopt, config);
    keeper_set_config(watcher->keeper, config);
    /* The lists to take are others now. */
    if (watcher->list != NULL)
        engine_cancel(watcher->list);
    watcher->list = NULL;
    watcher_look(watcher);
}

bool watcher_is_reachable(const struct watcher *watcher)
{
    return watcher->is_reachable;
}

bool watcher_has_listed(const struct watcher *watcher)
{
    return watcher->has_listed;
}

int64_t watcher_listening_since_ms(const struct watcher *watcher)
{
    return watcher->listening_since_ms;
}

/* ---- reconcile ---- */

static void remove_orphan(struct watcher *w, const struct engine_container *c)
{
    log_warn("removing a container of ours that was never started and that no launch knows",
             kv_s("container", c->id), kv_s("name", c->name), kv_s("launch", c->launch_id));
    keeper_remove(w->keeper, c->id);
}

/* A container of ours that belongs to no launch in memory. */
static void settle_orphan(struct watcher *w, const struct engine_container *c)
{
    struct err err;
    int64_t ended_at_ms = 0;
    if (store_last_change(w->s.store, c->launch_id, &ended_at_ms, &err) != 0) {
        log_warn("a container's launch could not be looked up", kv_s("container", c->id),
                 kv_s("error", err.msg));
        return;
    }
    bool never_started = c->state == ENGINE_CONTAINER_CREATED;
    bool is_old = w->list_began_ms - c->created_at_ms > ORPHAN_AGE_MS;
    if (c->state == ENGINE_CONTAINER_REMOVING)
        return;
    if (never_started && (is_old || ended_at_ms != 0)) /* a create that landed after its launch had ended */
        remove_orphan(w, c);
    else if (c->state == ENGINE_CONTAINER_EXITED && (ended_at_ms != 0 || adopt_has_settled(w->adopt, c->id)))
        keeper_look(w->keeper, c, ended_at_ms);
    else if (!never_started && ended_at_ms == 0 && c->flow_run_id[0] != '\0')
        adopt_want(w->adopt, c);
}

/* Running launches whose container is gone: they look for themselves. */
static void hint_running(struct watcher *w)
{
    struct list *all = runner_all(w->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        const struct run *run = &live->launch->run;
        if (run->state == RUN_STATE_RUNNING && run->started_at_ms < w->list_began_ms &&
            live->listed_in != w->round)
            runner_feed_kind(w->s.runner, live, RUN_EVENT_DIED);
    }
}

/* The launch of a container, or NULL. The official worker's carry no launch id. */
static struct live *live_of(const struct watcher *w, const char *container_id, const char *launch_id,
                            const char *flow_run_id)
{
    struct live *live = launch_id[0] != '\0' ? runner_find_launch(w->s.runner, launch_id)
                                             : runner_find_flow_run(w->s.runner, flow_run_id);
    bool is_other =
        live != NULL && launch_id[0] == '\0' && strcmp(live->launch->container_id, container_id) != 0;
    return is_other ? NULL : live;
}

static bool is_own_list(const struct watcher *w)
{
    return w->list_index == 0;
}

static void take_listed(struct watcher *w, const struct engine_container *c)
{
    bool is_sluices = c->instance[0] != '\0';
    if (!is_own_list(w) && strcmp(w->s.config->adopt[w->list_index - 1], ADOPT_OFFICIAL) == 0 && is_sluices)
        return;
    struct live *live = live_of(w, c->id, c->launch_id, c->flow_run_id);
    if (live != NULL && strcmp(live->launch->container_id, c->id) == 0)
        live->listed_in = w->round;
    if (live != NULL && live->listed_in == w->round && c->state == ENGINE_CONTAINER_RUNNING)
        live->runs_in = w->round;
    if (live != NULL && c->state == ENGINE_CONTAINER_EXITED)
        runner_feed_kind(w->s.runner, live, RUN_EVENT_DIED);
    else if (live == NULL && is_own_list(w))
        settle_orphan(w, c);
    else if (live == NULL)
        adopt_want(w->adopt, c);
}

/* The first round is over, with or without a list. */
static void answer_looks(struct watcher *w, bool has_list)
{
    bool was_first = !w->has_listed;
    w->has_listed = true;
    struct list *all = runner_all(w->s.runner);
    for (struct list *link = all->next; was_first && link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (!live->awaits_list)
            continue;
        live->awaits_list = false;
        if (!has_list)
            runner_feed(
                w->s.runner, live,
                (struct run_event){.kind = RUN_EVENT_TRANSIENT, .out_of_reach = true, .retry_after_ms = -1});
        else if (live->runs_in == w->round)
            runner_feed_kind(w->s.runner, live, RUN_EVENT_FOUND_RUNNING);
        else
            w->s.look(w->s.arg, live);
    }
}

bool watcher_answers(struct watcher *w, struct live *live)
{
    if (w->has_listed)
        return false;
    live->awaits_list = true;
    return true;
}

void watcher_stop_answering(struct watcher *w)
{
    answer_looks(w, false);
}

static void begin_next_list(struct watcher *w);

static void on_listed(void *arg, const struct engine_reply *reply)
{
    struct watcher *w = arg;
    w->list = NULL;
    timer_start(w->s.timers, &w->list_timer, RECONCILE_MS, begin_list, w);
    if (reply->failure != NULL) {
        runner_record_timeout(w->s.runner, reply->failure, reply->took_ms);
        log_debug("reconcile failed", kv_int("status", reply->failure->status),
                  kv_s("error", reply->failure->message));
        if (is_silence(reply->failure))
            lose(w, reply->failure);
        answer_looks(w, false);
        return;
    }
    for (size_t i = 0; i < reply->count; i++)
        take_listed(w, &reply->containers[i]);
    w->list_index++;
    if (w->list_index <= w->s.config->adopt_count) {
        begin_next_list(w);
        return;
    }
    answer_looks(w, w->listening_since_ms >= 0 && w->listening_since_ms <= w->list_began_mono_ms);
    hint_running(w);
    adopt_begin(w->adopt);
}

static char *list_label(const struct watcher *w)
{
    const char *value = is_own_list(w) ? w->s.instance : w->s.config->adopt[w->list_index - 1];
    if (!is_own_list(w) && strcmp(value, ADOPT_OFFICIAL) == 0)
        return check_printf("%s=%s", ENGINE_LABEL_POOL, w->s.config->pool);
    return check_printf("%s=%s", ENGINE_LABEL_INSTANCE, value);
}

static void begin_next_list(struct watcher *w)
{
    timer_cancel(&w->list_timer);
    struct http_clocks clocks = clocks_for(w->s.config, "default", STAGE_INSPECT);
    if (clocks.total_ms == 0 || clocks.total_ms > OPEN_CLOCK_MS)
        clocks.total_ms = OPEN_CLOCK_MS;
    char *label = list_label(w);
    struct err err;
    if (engine_list(w->s.engine, label, &clocks, on_listed, w, &w->list, &err) != 0)
        timer_start(w->s.timers, &w->list_timer, RECONCILE_MS, begin_list, w);
    free(label);
}

/* One list of our own containers, and one for each that are to be adopted. */
static void begin_list(void *arg)
{
    struct watcher *w = arg;
    if (w->list != NULL)
        return;
    w->list_began_ms = clock_wall_ms(w->s.clock);
    w->list_began_mono_ms = clock_mono_ms(w->s.clock);
    w->list_index = 0;
    w->round++;
    keeper_begin(w->keeper, w->list_began_ms);
    begin_next_list(w);
}

/* ---- the stream ---- */

static bool on_event(void *arg, const struct engine_event *event)
{
    struct watcher *w = arg;
    if (strcmp(event->type, "image") == 0) {
        pulls_forget(w->s.pulls);
        return true;
    }
    struct live *live = live_of(w, event->id, event->launch_id, event->flow_run_id);
    if (live == NULL || strcmp(live->launch->container_id, event->id) != 0)
        return true;
    live->was_heard_to_die = live->was_heard_to_die || strcmp(event->action, "die") == 0;
    runner_feed_kind(w->s.runner, live, RUN_EVENT_DIED); /* also if it was destroyed */
    return true;
}

static void reopen_later(struct watcher *w)
{
    bool is_probe = guard_is_open(w->s.guard);
    timer_start(w->s.timers, &w->stream_timer, is_probe ? guard_wait_ms(w->s.guard) : w->reopen_ms,
                open_stream, w);
    w->reopen_ms = w->reopen_ms * 2 > REOPEN_MAX_MS ? REOPEN_MAX_MS : w->reopen_ms * 2;
}

static void on_open(void *arg)
{
    struct watcher *w = arg;
    timer_cancel(&w->open_timer);
    w->listening_since_ms = clock_mono_ms(w->s.clock);
    w->reopen_ms = REOPEN_FIRST_MS;
    w->losses = 0;
    guard_note(w->s.guard, NULL, w->listening_since_ms);
    if (!w->is_reachable) {
        log_info("engine within reach", kv_s("engine", engine_host(w->s.engine)),
                 kv_s("api_version", engine_api_version(w->s.engine)));
        w->is_reachable = true;
        w->has_warned = false;
        w->s.on_reach(w->s.arg, true);
    }
    pulls_forget(w->s.pulls);
    begin_list(w); /* whatever happened while nobody listened */
}

/* Once for each kind of trouble in a row: an engine that is away may come back with a certificate that does
 * not fit. */
static void warn_of(struct watcher *w, const struct failure *f)
{
    bool is_new = !w->has_warned || f->transport != w->warned_transport || f->status != w->warned_status;
    if (!is_new || (w->has_warned && f->transport == TRANSPORT_BREAKER_OPEN))
        return;
    log_warn("the engine can't be reached; nothing is claimed meanwhile",
             kv_s("engine", engine_host(w->s.engine)), kv_int("status", f->status),
             kv_s("transport", transport_name(f->transport)), kv_s("error", f->message));
    w->has_warned = true;
    w->warned_transport = f->transport;
    w->warned_status = f->status;
}

/* The engine does not answer: the stream, if it is still there, is worth nothing, and is opened again soon.
 */
static void lose(struct watcher *w, const struct failure *f)
{
    if (w->stream != NULL)
        engine_cancel(w->stream);
    w->stream = NULL;
    w->listening_since_ms = -1;
    timer_cancel(&w->open_timer);
    warn_of(w, f);
    /* A stream that breaks is opened again at once; what can't be opened then is away. */
    if (w->losses++ > 0)
        guard_open(w->s.guard);
    if (w->is_reachable) {
        w->is_reachable = false;
        w->s.on_reach(w->s.arg, false);
    }
    reopen_later(w);
}

static void on_stream_end(void *arg, const struct engine_reply *reply)
{
    struct watcher *w = arg;
    w->stream = NULL;
    w->listening_since_ms = -1;
    timer_cancel(&w->open_timer);
    if (reply->failure == NULL) {
        reopen_later(w);
        return;
    }
    runner_record_timeout(w->s.runner, reply->failure, reply->took_ms);
    lose(w, reply->failure);
}

/* A stream has no clock of its own once its request is out. */
static void on_open_timer(void *arg)
{
    struct watcher *w = arg;
    struct failure failure = {.dependency = DEPENDENCY_ENGINE,
                              .stage = STAGE_INSPECT,
                              .transport = TRANSPORT_READ_TIMEOUT,
                              .retry_after_ms = -1,
                              .message = "the engine took the request for its events and never answered"};
    lose(w, &failure);
}

static void open_stream(void *arg)
{
    struct watcher *w = arg;
    struct http_clocks clocks = clocks_for(w->s.config, "default", STAGE_INSPECT);
    struct err err;
    guard_probe(w->s.guard);
    CHECK(engine_events(w->s.engine, NULL, 0, 0, on_open, on_event, &clocks, on_stream_end, w, &w->stream,
                        &err) == 0);
    timer_start(w->s.timers, &w->open_timer, OPEN_CLOCK_MS, on_open_timer, w);
}

void watcher_suspect(struct watcher *w, const struct failure *failure)
{
    if (!is_silence(failure) || !w->is_reachable || w->list != NULL)
        return;
    int64_t at_ms = w->list_began_mono_ms + SUSPECT_EVERY_MS;
    int64_t now_ms = clock_mono_ms(w->s.clock);
    if (timer_is_running(&w->list_timer) && w->list_timer.deadline_ms <= at_ms)
        return;
    timer_start(w->s.timers, &w->list_timer, at_ms > now_ms ? at_ms - now_ms : 0, begin_list, w);
}

void watcher_look(struct watcher *w)
{
    if (w->is_reachable && w->list == NULL)
        timer_start(w->s.timers, &w->list_timer, 0, begin_list, w);
}

static void on_tripped(void *arg)
{
    struct watcher *w = arg;
    struct failure failure = {.dependency = DEPENDENCY_ENGINE,
                              .stage = STAGE_INSPECT,
                              .transport = TRANSPORT_BREAKER_OPEN,
                              .retry_after_ms = -1,
                              .message = "all calls to the engine fail"};
    if (w->is_reachable && guard_is_open(w->s.guard))
        lose(w, &failure);
}

void watcher_trip(struct watcher *watcher)
{
    timer_start(watcher->s.timers, &watcher->trip_timer, 0, on_tripped, watcher);
}

void watcher_start(struct watcher *watcher)
{
    if (guard_is_open(watcher->s.guard)) /* it was when we stopped */
        reopen_later(watcher);
    else
        open_stream(watcher);
}
