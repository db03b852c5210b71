/*
 * poller.c - three requests, each at most once at a time: the poll, the sight of what is queued, the watch
 * over what is claimed.
 *
 * A run of a poll answer that is new waits for its deployment and flow (catalog) before it becomes a launch,
 * since its class may depend on their names; until then it is a `due`.
 */
#include "poller.h"

#include "base/log.h"
#include "clocks.h"
#include "due.h"
#include "listing.h"
#include "seen.h"
#include "watch.h"

#include <stdio.h>
#include <string.h>

/* Design, section 3: claim only what was seen so recently. */
#define SIGHT_AGE_MS 2000
/* A server that takes longer than that to answer would starve us: its answers count for this long after they
 * have come. */
#define SIGHT_AFTER_ANSWER_MS 1000
#define IDS_MAX 200
#define SIGHT_AGAIN_MS 1000
#define BACKOFF_MAX_MS 60000
/* After an outage runs come back that were ours, some of them only after a call or two: for so long polls are
 * that close. */
#define HURRY_MS 12000
#define HURRY_POLL_MS 2500
/* After a look that failed, the first time. */
#define WATCH_FAILED_MS 1000
/* Between two requests of the watch. */
#define WATCH_PAUSE_MS 20
/* A cancel is seen within 10 s; a lost look makes it a little more. */
#define WATCH_AGE_MAX_MS 20000

struct poller {
    struct poller_settings s;
    struct dues *dues;
    struct listing *listing;
    struct prefect_call *poll_call;
    struct prefect_call *sight_call;
    struct prefect_call *watch_call;
    struct timer poll_timer;
    struct timer watch_timer;
    int64_t poll_began_ms; /* mono */
    int64_t sight_began_ms;
    int64_t sight_age_ms;    /* how old a sight may be, at the pace of the last answer */
    int64_t sight_failed_ms; /* mono; 0: the last went well */
    int64_t last_poll_ms;    /* mono; beginning of the last good poll; 0: none */
    uint64_t generation;     /* of the last good poll */
    int failures;            /* polls in a row that failed */
    int64_t hurry_until_ms;  /* mono */
    bool is_started;
    char (*asked)[UUID_TEXT_SIZE]; /* flow run ids of the sight that is out */
    size_t asked_count;
    char (*watched)[UUID_TEXT_SIZE]; /* launch ids of the watch that is out */
    size_t watched_count;
    bool watch_has_failed; /* the last one did */
};

static void begin_poll(void *arg);
static void begin_watch(void *arg);

static struct prefect_ask ask_for(struct poller *p, prefect_done_fn done, struct prefect_call **call)
{
    return (struct prefect_ask){.stage = STAGE_API,
                                .clocks = clocks_for(p->s.config, "default", STAGE_API),
                                .done = done,
                                .arg = p,
                                .call = call};
}

static int64_t now_ms(const struct poller *p)
{
    return clock_mono_ms(p->s.clock);
}

/* ---- poll ---- */

static void poll_again(struct poller *p, int64_t delay_ms)
{
    /* A tenth of jitter keeps several workers out of step. */
    int64_t jitter_ms = (int64_t)(p->s.random->next(p->s.random->arg) % (uint64_t)(delay_ms / 10 + 1));
    timer_start(p->s.timers, &p->poll_timer, delay_ms - jitter_ms, begin_poll, p);
}

static void poll_failed(struct poller *p, const struct failure *failure)
{
    p->failures++;
    int64_t delay_ms = p->s.config->poll_interval_ms;
    for (int i = 3; i < p->failures && delay_ms < BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    delay_ms = delay_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : delay_ms;
    if (failure->status == 401 || failure->status == 403)
        delay_ms = BACKOFF_MAX_MS;
    /* What the server asked for is the least: poll_again() takes away up to a tenth. */
    int64_t asked_ms = failure->retry_after_ms > 0 ? failure->retry_after_ms / 9 * 10 + 10 : 0;
    if (asked_ms > delay_ms)
        delay_ms = asked_ms;
    if (p->failures == 1)
        log_warn("poll failed; going on trying", kv_int("status", failure->status),
                 kv_s("transport", transport_name(failure->transport)), kv_s("error", failure->message));
    poll_again(p, delay_ms);
}

static void drop_paused(struct poller *p);

static void keep_pace(struct poller *p, int64_t took_ms)
{
    int64_t age_ms = took_ms + SIGHT_AFTER_ANSWER_MS;
    p->sight_age_ms = age_ms > SIGHT_AGE_MS ? age_ms : SIGHT_AGE_MS;
}

static void on_polled(void *arg, const struct prefect_reply *reply)
{
    struct poller *p = arg;
    p->poll_call = NULL;
    if (reply->failure != NULL) {
        runner_record_timeout(p->s.runner, reply->failure, reply->took_ms);
        poll_failed(p, reply->failure);
        return;
    }
    if (p->failures > 0)
        log_info("polls succeed again", kv_int("failed", p->failures));
    p->failures = 0;
    p->generation++;
    p->last_poll_ms = p->poll_began_ms;
    keep_pace(p, reply->took_ms);
    for (size_t i = 0; i < reply->count; i++) {
        const struct prefect_run *run = &reply->runs[i];
        if (runner_find_flow_run(p->s.runner, run->id) != NULL)
            seen_note(p->s.runner, run, p->poll_began_ms, p->generation);
        else
            dues_add(p->dues, run, &(struct dues_sight){p->poll_began_ms, p->generation});
    }
    int64_t delay_ms = p->s.config->poll_interval_ms;
    if (now_ms(p) < p->hurry_until_ms && delay_ms > HURRY_POLL_MS)
        delay_ms = HURRY_POLL_MS;
    poll_again(p, delay_ms);
    drop_paused(p);
    listing_on_poll(p->listing, reply->count >= PREFECT_LIST_MAX);
    if (p->s.on_polled != NULL)
        p->s.on_polled(p->s.arg);
}

static void begin_poll(void *arg)
{
    struct poller *p = arg;
    if (p->poll_call != NULL || !p->is_started)
        return;
    if (p->s.pool->has_limits && runner_slots(p->s.runner, NULL).claiming > 0) {
        timer_start(p->s.timers, &p->poll_timer, 50, begin_poll, p);
        return;
    }
    const struct config *c = p->s.config;
    struct prefect_ask ask = ask_for(p, on_polled, &p->poll_call);
    int64_t before_ms = clock_wall_ms(p->s.clock) + c->prefetch_ms;
    struct err err;
    timer_cancel(&p->poll_timer);
    p->poll_began_ms = now_ms(p);
    /* Also with no room at all: people look at the queue, and the next slot goes to whoever is first then. */
    CHECK(prefect_poll(p->s.prefect, &ask, p->s.pool->name, c->work_queues, c->work_queue_count, before_ms,
                       -1, &err) == 0);
}

/* ---- sight ---- */

/* Queue or pool are paused, as far as is known, and the newest poll has not shown the run since that was
 * read.
 */
static bool is_paused(const struct poller *p, const struct live *live)
{
    bool is_offered = live->seen_generation == p->generation && p->last_poll_ms > p->s.pool->read_mono_ms;
    return !is_offered && pool_is_paused_for(p->s.pool, live->launch->work_queue_id);
}

enum sight poller_sight(const struct poller *p, const struct live *live)
{
    int64_t now = now_ms(p);
    if (is_paused(p, live))
        return SIGHT_HIDDEN;
    bool is_recent = live->seen_mono_ms != 0 && now - live->seen_mono_ms <= p->sight_age_ms;
    if (!p->s.pool->has_limits)
        return is_recent ? SIGHT_FRESH : SIGHT_STALE;
    if (is_recent && live->seen_generation == p->generation)
        return SIGHT_FRESH;
    bool is_poll_recent = p->last_poll_ms != 0 && now - p->last_poll_ms <= p->sight_age_ms;
    return is_poll_recent ? SIGHT_HIDDEN : SIGHT_STALE;
}

static void on_seen(void *arg, const struct prefect_reply *reply)
{
    struct poller *p = arg;
    p->sight_call = NULL;
    if (reply->failure != NULL) {
        p->sight_failed_ms = now_ms(p);
        runner_record_timeout(p->s.runner, reply->failure, reply->took_ms);
        log_debug("sight failed", kv_int("status", reply->failure->status),
                  kv_s("error", reply->failure->message));
        return;
    }
    p->sight_failed_ms = 0;
    keep_pace(p, reply->took_ms);
    seen_by_id(p->s.runner, p->asked, p->asked_count, reply, p->sight_began_ms);
}

static bool may_ask(const struct poller *p)
{
    return p->sight_call == NULL &&
           (p->sight_failed_ms == 0 || now_ms(p) - p->sight_failed_ms >= SIGHT_AGAIN_MS);
}

void poller_want_sight(struct poller *p, struct live *const *lives, size_t count)
{
    if (!p->is_started)
        return;
    if (p->s.pool->has_limits) {
        if (p->failures == 0)
            begin_poll(p);
        return;
    }
    if (!may_ask(p))
        return;
    const char *ids[IDS_MAX];
    p->asked_count = 0;
    for (size_t i = 0; i < count && i < IDS_MAX; i++) {
        ids[i] = lives[i]->launch->flow_run_id;
        snprintf(p->asked[p->asked_count++], UUID_TEXT_SIZE, "%s", ids[i]);
    }
    struct prefect_ask ask = ask_for(p, on_seen, &p->sight_call);
    struct err err;
    p->sight_began_ms = now_ms(p);
    CHECK(prefect_filter_runs(p->s.prefect, &ask, ids, p->asked_count, &err) == 0);
}

/* What a paused queue, or the pool, holds is not to be claimed: it leaves our queue, unless this poll has
 * shown that the pause is over. It comes back with the polls after it. */
static void drop_paused(struct poller *p)
{
    if (!pool_has_pauses(p->s.pool))
        return;
    struct list *all = runner_all(p->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        bool is_queued = live->launch->run.state == RUN_STATE_QUEUED && !live->launch->run.has_claim;
        if (is_queued && is_paused(p, live))
            runner_feed_kind(p->s.runner, live, RUN_EVENT_SEEN_ELSEWHERE);
    }
}

/* ---- watch ---- */

static int64_t watch_due_ms(const struct live *live)
{
    return live->watched_mono_ms == 0 ? 0 : live->watched_mono_ms + watch_period_ms(&live->launch->run);
}

/* The next look is due when the first launch's is; new ones are noticed with the next tick. */
static void watch_again(struct poller *p)
{
    int64_t now = now_ms(p);
    int64_t delay_ms = WATCH_LAUNCHING_MS;
    struct list *all = runner_all(p->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct live *live = LIST_ITEM(link, struct live, all_link);
        if (run_is_watched(&live->launch->run) && live->watched_mono_ms != 0 &&
            watch_due_ms(live) - now < delay_ms)
            delay_ms = watch_due_ms(live) - now;
    }
    timer_start(p->s.timers, &p->watch_timer, delay_ms < WATCH_PAUSE_MS ? WATCH_PAUSE_MS : delay_ms,
                begin_watch, p);
}

static void watch_failed(struct poller *p, const struct failure *failure, int64_t took_ms)
{
    runner_record_timeout(p->s.runner, failure, took_ms);
    for (size_t i = 0; i < p->watched_count; i++) {
        struct live *live = runner_find_launch(p->s.runner, p->watched[i]);
        if (live != NULL)
            live->watched_mono_ms = 0;
    }
    int64_t delay_ms = p->watch_has_failed ? WATCH_LAUNCHING_MS : WATCH_FAILED_MS;
    p->watch_has_failed = true;
    if (failure->retry_after_ms > delay_ms)
        delay_ms = failure->retry_after_ms;
    timer_start(p->s.timers, &p->watch_timer, delay_ms, begin_watch, p);
}

/* How long ago the run came into the state that it is seen in; clocks that differ must not eat up a grace
 * time. */
static int64_t age_of(const struct poller *p, const struct prefect_run *run)
{
    if (run == NULL || run->state == NULL || run->state->timestamp_ms == 0)
        return 0;
    int64_t age_ms = clock_wall_ms(p->s.clock) - run->state->timestamp_ms;
    return age_ms < 0 ? 0 : age_ms > WATCH_AGE_MAX_MS ? WATCH_AGE_MAX_MS : age_ms;
}

/* run NULL: missing from the answer, that is, deleted. */
static void judge(struct poller *p, struct live *live, const struct prefect_run *run)
{
    enum prefect_state_type type = run == NULL ? PREFECT_STATE_CANCELLED : run->state_type;
    enum run_event_kind kind;
    live->is_running_at_server = type == PREFECT_STATE_RUNNING;
    if (!run_is_watched(&live->launch->run) || !run_heeds(&live->launch->run, type, &kind))
        return;
    runner_feed(
        p->s.runner, live,
        (struct run_event){.kind = kind, .retry_after_ms = -1, .was_sent = true, .age_ms = age_of(p, run)});
}

static void on_watched(void *arg, const struct prefect_reply *reply)
{
    struct poller *p = arg;
    p->watch_call = NULL;
    if (reply->failure != NULL) {
        watch_failed(p, reply->failure, reply->took_ms);
        return;
    }
    p->watch_has_failed = false;
    for (size_t i = 0; i < p->watched_count; i++) {
        /* By launch: another one of the same flow run is no business of this answer. */
        struct live *live = runner_find_launch(p->s.runner, p->watched[i]);
        if (live != NULL)
            judge(p, live, prefect_reply_run(reply, live->launch->flow_run_id));
    }
    watch_again(p);
}

/* Take the launches whose look is due within so long, until the request is full. */
static void collect(struct poller *p, int64_t within_ms, const char **ids)
{
    int64_t now = now_ms(p);
    struct list *all = runner_all(p->s.runner);
    for (struct list *link = all->next; link != all && p->watched_count < IDS_MAX; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (!run_is_watched(&live->launch->run) || live->watched_mono_ms == now ||
            watch_due_ms(live) > now + within_ms)
            continue;
        live->watched_mono_ms = now;
        snprintf(p->watched[p->watched_count], UUID_TEXT_SIZE, "%s", live->launch->launch_id);
        ids[p->watched_count++] = live->launch->flow_run_id;
    }
}

/* A request holds 200 launches and is filled up with those that are due next, so that no launch costs a
 * request of its own. */
static void begin_watch(void *arg)
{
    struct poller *p = arg;
    const char *ids[IDS_MAX];
    p->watched_count = 0;
    collect(p, 0, ids);
    if (p->watched_count == 0) {
        watch_again(p);
        return;
    }
    collect(p, WATCH_LAUNCHING_MS, ids);
    collect(p, WATCH_RUNNING_MS, ids);
    struct prefect_ask ask = ask_for(p, on_watched, &p->watch_call);
    struct err err;
    CHECK(prefect_filter_runs(p->s.prefect, &ask, ids, p->watched_count, &err) == 0);
}

/* ---- life ---- */

struct poller *poller_new(const struct poller_settings *settings)
{
    struct poller *p = check_alloc(sizeof(*p));
    p->s = *settings;
    p->sight_age_ms = SIGHT_AGE_MS;
    p->asked = check_alloc(IDS_MAX * sizeof(*p->asked));
    p->watched = check_alloc(IDS_MAX * sizeof(*p->watched));
    p->dues =
        dues_new(settings->runner, settings->catalog, settings->config, settings->pool, settings->clock);
    p->listing = listing_new(&(struct listing_settings){.runner = settings->runner,
                                                        .prefect = settings->prefect,
                                                        .dues = p->dues,
                                                        .timers = settings->timers,
                                                        .clock = settings->clock,
                                                        .config = settings->config,
                                                        .pool = settings->pool});
    timer_start(p->s.timers, &p->watch_timer, 0, begin_watch, p);
    return p;
}

void poller_free(struct poller *p)
{
    if (p == NULL)
        return;
    struct prefect_call *calls[] = {p->poll_call, p->sight_call, p->watch_call};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i] != NULL)
            prefect_cancel(calls[i]);
    timer_cancel(&p->poll_timer);
    timer_cancel(&p->watch_timer);
    listing_free(p->listing);
    dues_free(p->dues);
    free(p->asked);
    free(p->watched);
    free(p);
}

void poller_set_config(struct poller *p, const struct config *config)
{
    p->s.config = config;
    dues_set_config(p->dues, config);
    listing_set_config(p->listing, config);
}

void poller_start(struct poller *p)
{
    if (p->is_started)
        return;
    p->is_started = true;
    begin_poll(p);
}

void poller_stop(struct poller *p)
{
    p->is_started = false;
    timer_cancel(&p->poll_timer);
    listing_stop(p->listing);
    if (p->poll_call != NULL)
        prefect_cancel(p->poll_call);
    p->poll_call = NULL;
}

void poller_wake(struct poller *p)
{
    p->sight_failed_ms = 0;
    p->hurry_until_ms = now_ms(p) + HURRY_MS;
    begin_poll(p);
    if (p->watch_call == NULL)
        timer_start(p->s.timers, &p->watch_timer, 0, begin_watch, p);
}

int64_t poller_last_ms(const struct poller *p)
{
    return p->last_poll_ms;
}

bool poller_has_dues(const struct poller *p)
{
    return dues_count(p->dues) > 0;
}
