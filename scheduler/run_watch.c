/*
 * run_watch.c - one request at a time, each for up to 200 claimed runs whose look is due.
 */
#include "run_watch.h"

#include "clocks.h"
#include "watch.h"

#include <stdio.h>

#define IDS_MAX 200
/* After a look that failed, the first time. */
#define FAILED_MS 1000
/* Between two requests. */
#define PAUSE_MS 20
/* A cancel is seen within 10 s; a lost look makes it a little more. */
#define AGE_MAX_MS 20000

struct run_watch {
    struct run_watch_settings s;
    struct prefect_call *call;
    struct timer timer;
    int64_t ends_ms;                    /* mono; when its clock ends the call that is out */
    char (*launch_ids)[UUID_TEXT_SIZE]; /* of the call that is out */
    size_t count;
    bool has_failed; /* the last one did */
};

static void begin_look(void *arg);

static int64_t now_ms(const struct run_watch *w)
{
    return clock_mono_ms(w->s.clock);
}

static int64_t look_due_ms(const struct live *live)
{
    return live->watched_mono_ms == 0 ? 0 : live->watched_mono_ms + watch_period_ms(&live->launch->run);
}

/* The next look is due when the first launch's is; new ones are noticed with the next tick. */
static void look_again(struct run_watch *w)
{
    int64_t now = now_ms(w);
    int64_t delay_ms = WATCH_LAUNCHING_MS;
    struct list *all = runner_all(w->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct live *live = LIST_ITEM(link, struct live, all_link);
        if (run_is_watched(&live->launch->run) && live->watched_mono_ms != 0 &&
            look_due_ms(live) - now < delay_ms)
            delay_ms = look_due_ms(live) - now;
    }
    timer_start(w->s.timers, &w->timer, delay_ms < PAUSE_MS ? PAUSE_MS : delay_ms, begin_look, w);
}

static void look_failed(struct run_watch *w, const struct failure *failure, int64_t took_ms)
{
    runner_record_timeout(w->s.runner, failure, took_ms);
    for (size_t i = 0; i < w->count; i++) {
        struct live *live = runner_find_launch(w->s.runner, w->launch_ids[i]);
        if (live != NULL)
            live->watched_mono_ms = 0;
    }
    int64_t delay_ms = w->has_failed ? WATCH_LAUNCHING_MS : FAILED_MS;
    w->has_failed = true;
    if (failure->retry_after_ms > delay_ms)
        delay_ms = failure->retry_after_ms;
    timer_start(w->s.timers, &w->timer, delay_ms, begin_look, w);
}

/* How long ago the run came into the state that it is seen in; clocks that differ must not eat up a grace
 * time. */
static int64_t age_of(const struct run_watch *w, const struct prefect_run *run)
{
    if (run == NULL || run->state == NULL || run->state->timestamp_ms == 0)
        return 0;
    int64_t age_ms = clock_wall_ms(w->s.clock) - run->state->timestamp_ms;
    return age_ms < 0 ? 0 : age_ms > AGE_MAX_MS ? AGE_MAX_MS : age_ms;
}

/* run NULL: missing from the answer, that is, deleted. */
static void judge(struct run_watch *w, struct live *live, const struct prefect_run *run)
{
    enum prefect_state_type type = run == NULL ? PREFECT_STATE_CANCELLED : run->state_type;
    enum run_event_kind kind;
    live->is_running_at_server = type == PREFECT_STATE_RUNNING;
    if (!run_is_watched(&live->launch->run) || !run_heeds(&live->launch->run, type, &kind))
        return;
    runner_feed(
        w->s.runner, live,
        (struct run_event){.kind = kind, .retry_after_ms = -1, .was_sent = true, .age_ms = age_of(w, run)});
}

static void on_looked(void *arg, const struct prefect_reply *reply)
{
    struct run_watch *w = arg;
    w->call = NULL;
    if (reply->failure != NULL) {
        look_failed(w, reply->failure, reply->took_ms);
        return;
    }
    w->has_failed = false;
    for (size_t i = 0; i < w->count; i++) {
        /* By launch: another one of the same flow run is no business of this answer. */
        struct live *live = runner_find_launch(w->s.runner, w->launch_ids[i]);
        if (live != NULL)
            judge(w, live, prefect_reply_run(reply, live->launch->flow_run_id));
    }
    look_again(w);
}

/* Take the launches whose look is due within so long, until the request is full. */
static void collect(struct run_watch *w, int64_t within_ms, const char **ids)
{
    int64_t now = now_ms(w);
    struct list *all = runner_all(w->s.runner);
    for (struct list *link = all->next; link != all && w->count < IDS_MAX; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (!run_is_watched(&live->launch->run) || live->watched_mono_ms == now ||
            look_due_ms(live) > now + within_ms)
            continue;
        live->watched_mono_ms = now;
        snprintf(w->launch_ids[w->count], UUID_TEXT_SIZE, "%s", live->launch->launch_id);
        ids[w->count++] = live->launch->flow_run_id;
    }
}

/* A request holds 200 launches and is filled up with those that are due next, so that no launch costs a
 * request of its own. */
static void begin_look(void *arg)
{
    struct run_watch *w = arg;
    const char *ids[IDS_MAX];
    w->count = 0;
    collect(w, 0, ids);
    if (w->count == 0) {
        look_again(w);
        return;
    }
    collect(w, WATCH_LAUNCHING_MS, ids);
    collect(w, WATCH_RUNNING_MS, ids);
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = clocks_for(w->s.config, "default", STAGE_API),
                              .done = on_looked,
                              .arg = w,
                              .call = &w->call};
    struct err err;
    w->ends_ms = ask.clocks.total_ms > 0 ? now_ms(w) + ask.clocks.total_ms : INT64_MAX;
    CHECK(prefect_filter_runs(w->s.prefect, &ask, ids, w->count, &err) == 0);
}

/* ---- life ---- */

struct run_watch *run_watch_new(const struct run_watch_settings *settings)
{
    struct run_watch *w = check_alloc(sizeof(*w));
    w->s = *settings;
    w->launch_ids = check_alloc(IDS_MAX * sizeof(*w->launch_ids));
    timer_start(w->s.timers, &w->timer, 0, begin_look, w);
    return w;
}

void run_watch_free(struct run_watch *w)
{
    if (w == NULL)
        return;
    if (w->call != NULL)
        prefect_cancel(w->call);
    timer_cancel(&w->timer);
    free(w->launch_ids);
    free(w);
}

void run_watch_set_config(struct run_watch *w, const struct config *config)
{
    w->s.config = config;
}

void run_watch_wake(struct run_watch *w)
{
    if (w->call == NULL)
        timer_start(w->s.timers, &w->timer, 0, begin_look, w);
}

int64_t run_watch_due_ms(const struct run_watch *w)
{
    if (w->call != NULL)
        return w->ends_ms;
    return timer_is_running(&w->timer) ? w->timer.deadline_ms : 0;
}

void run_watch_lose_look(struct run_watch *w)
{
    if (w->call != NULL)
        prefect_cancel(w->call);
    w->call = NULL;
    timer_cancel(&w->timer);
}
