/*
 * poller.c - two requests, each at most once at a time: the poll, and the sight of what is queued.
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
#include "server_limits.h"
#include "waits.h"

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

struct poller {
    struct poller_settings s;
    struct dues *dues;
    struct listing *listing;
    struct server_limits *limits;
    bool is_held; /* claims are, all of them */
    struct prefect_call *poll_call;
    struct prefect_call *sight_call;
    struct timer poll_timer;
    int64_t poll_began_ms; /* mono */
    int64_t poll_ends_ms;  /* mono; when its clock ends the one that is out */
    int64_t sight_began_ms;
    int64_t sight_age_ms;    /* how old a sight may be, at the pace of the last answer */
    int64_t poll_age_ms;     /* how old a poll, at its own pace */
    int64_t sight_failed_ms; /* mono; 0: the last went well */
    int64_t last_poll_ms;    /* mono; beginning of the last good poll; 0: none */
    uint64_t generation;     /* of the last good poll */
    int failures;            /* polls in a row that failed */
    int64_t hurry_until_ms;  /* mono */
    bool is_started;
    char (*asked)[UUID_TEXT_SIZE]; /* flow run ids of the sight that is out */
    size_t asked_count;
};

static void begin_poll(void *arg);

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

static int64_t end_of(const struct poller *p, const struct prefect_ask *ask)
{
    return ask->clocks.total_ms > 0 ? now_ms(p) + ask->clocks.total_ms : INT64_MAX;
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

static void tell_waits(struct poller *p)
{
    waits_tell(p->s.runner, p->limits, p->generation, p->is_held);
}

static void keep_pace(struct poller *p, int64_t took_ms)
{
    int64_t age_ms = took_ms + SIGHT_AFTER_ANSWER_MS;
    p->sight_age_ms = age_ms > SIGHT_AGE_MS ? age_ms : SIGHT_AGE_MS;
}

/* Take in what the poll has shown. True: some of it was shown by the one before, too, and has not started. */
static bool take_in(struct poller *p, const struct prefect_reply *reply)
{
    bool is_again = false;
    for (size_t i = 0; i < reply->count; i++) {
        const struct prefect_run *run = &reply->runs[i];
        const struct live *live = runner_find_flow_run(p->s.runner, run->id);
        if (live == NULL) {
            dues_add(p->dues, run, &(struct dues_sight){p->poll_began_ms, p->generation});
            continue;
        }
        is_again = is_again || (live->launch->run.state == RUN_STATE_QUEUED &&
                                live->seen_generation == p->generation - 1);
        seen_note(p->s.runner, run, p->poll_began_ms, p->generation);
    }
    return is_again;
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
    p->poll_age_ms = p->sight_age_ms;
    server_limits_polled(p->limits, reply);
    bool is_again = take_in(p, reply);
    int64_t delay_ms = p->s.config->poll_interval_ms;
    if (now_ms(p) < p->hurry_until_ms && delay_ms > HURRY_POLL_MS)
        delay_ms = HURRY_POLL_MS;
    poll_again(p, delay_ms);
    drop_paused(p);
    listing_on_poll(p->listing, reply->count >= PREFECT_LIST_MAX || (p->s.pool->has_limits && is_again));
    tell_waits(p);
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
    p->poll_ends_ms = end_of(p, &ask);
    server_limits_poll_begins(p->limits);
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

static bool is_shown(const struct poller *p, const struct live *live)
{
    return live->seen_generation == p->generation;
}

static bool is_seen_lately(const struct poller *p, const struct live *live)
{
    return live->seen_mono_ms != 0 && now_ms(p) - live->seen_mono_ms <= p->sight_age_ms;
}

static bool is_poll_recent(const struct poller *p)
{
    return p->last_poll_ms != 0 && now_ms(p) - p->last_poll_ms <= p->poll_age_ms;
}

enum sight poller_sight(const struct poller *p, const struct live *live)
{
    if (is_paused(p, live))
        return SIGHT_HIDDEN;
    enum sight seen = is_seen_lately(p, live) ? SIGHT_FRESH : SIGHT_STALE;
    if (!server_limits_bind(p->limits, live))
        return seen;
    if (!is_poll_recent(p))
        return SIGHT_STALE;
    if (is_shown(p, live))
        return server_limits_have_room(p->limits, live) ? SIGHT_FRESH : SIGHT_HIDDEN;
    return server_limits_let_hidden(p->limits, live) ? seen : SIGHT_HIDDEN;
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

static void ask_by_id(struct poller *p)
{
    const char *ids[IDS_MAX];
    for (size_t i = 0; i < p->asked_count; i++)
        ids[i] = p->asked[i];
    struct prefect_ask ask = ask_for(p, on_seen, &p->sight_call);
    struct err err;
    p->sight_began_ms = now_ms(p);
    CHECK(prefect_filter_runs(p->s.prefect, &ask, ids, p->asked_count, &err) == 0);
}

/* Those that count against limits: a poll tells whether they may be claimed. */
static void want_poll(struct poller *p, struct live *const *lives, size_t count)
{
    bool wants = false;
    for (size_t i = 0; i < count; i++)
        wants = wants || server_limits_bind(p->limits, lives[i]);
    if (wants && p->failures == 0 && !is_poll_recent(p))
        begin_poll(p);
}

/* One that limits hide is asked for by id only beside a poll, or right after it: else the one would be too
 * old when the other came. */
static bool is_for_sight(const struct poller *p, const struct live *live)
{
    if (!server_limits_bind(p->limits, live))
        return true;
    return !is_shown(p, live) && !is_seen_lately(p, live) && server_limits_are_alone(p->limits) &&
           (p->poll_call != NULL || is_poll_recent(p));
}

void poller_want_sight(struct poller *p, struct live *const *lives, size_t count)
{
    if (!p->is_started)
        return;
    want_poll(p, lives, count);
    if (!may_ask(p))
        return;
    p->asked_count = 0;
    for (size_t i = 0; i < count && p->asked_count < IDS_MAX; i++)
        if (is_for_sight(p, lives[i]))
            snprintf(p->asked[p->asked_count++], UUID_TEXT_SIZE, "%s", lives[i]->launch->flow_run_id);
    if (p->asked_count > 0)
        ask_by_id(p);
}

void poller_on_claim(struct poller *p, const struct live *live)
{
    server_limits_take(p->limits, live);
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

/* ---- life ---- */

struct poller *poller_new(const struct poller_settings *settings)
{
    struct poller *p = check_alloc(sizeof(*p));
    p->s = *settings;
    p->sight_age_ms = SIGHT_AGE_MS;
    p->poll_age_ms = SIGHT_AGE_MS;
    p->asked = check_alloc(IDS_MAX * sizeof(*p->asked));
    p->dues =
        dues_new(settings->runner, settings->catalog, settings->config, settings->pool, settings->clock);
    p->limits = server_limits_new(&(struct server_limits_settings){.runner = settings->runner,
                                                                   .prefect = settings->prefect,
                                                                   .clock = settings->clock,
                                                                   .config = settings->config,
                                                                   .pool = settings->pool});
    p->listing = listing_new(&(struct listing_settings){.runner = settings->runner,
                                                        .prefect = settings->prefect,
                                                        .dues = p->dues,
                                                        .timers = settings->timers,
                                                        .clock = settings->clock,
                                                        .config = settings->config,
                                                        .pool = settings->pool,
                                                        .limits = p->limits});
    return p;
}

void poller_free(struct poller *p)
{
    if (p == NULL)
        return;
    struct prefect_call *calls[] = {p->poll_call, p->sight_call};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        if (calls[i] != NULL)
            prefect_cancel(calls[i]);
    timer_cancel(&p->poll_timer);
    listing_free(p->listing);
    server_limits_free(p->limits);
    dues_free(p->dues);
    free(p->asked);
    free(p);
}

void poller_set_config(struct poller *p, const struct config *config)
{
    p->s.config = config;
    dues_set_config(p->dues, config);
    listing_set_config(p->listing, config);
    server_limits_set_config(p->limits, config);
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
    server_limits_stop(p->limits);
    if (p->poll_call != NULL)
        prefect_cancel(p->poll_call);
    p->poll_call = NULL;
}

void poller_wake(struct poller *p)
{
    p->sight_failed_ms = 0;
    p->hurry_until_ms = now_ms(p) + HURRY_MS;
    begin_poll(p);
}

void poller_note_end(struct poller *p, const struct live *live)
{
    dues_note_end(p->dues, live->launch->flow_run_id);
}

void poller_hold(struct poller *p, bool is_held)
{
    if (p->is_held == is_held)
        return;
    p->is_held = is_held;
    tell_waits(p);
}

int64_t poller_last_ms(const struct poller *p)
{
    return p->last_poll_ms;
}

int64_t poller_due_ms(const struct poller *p)
{
    if (!p->is_started)
        return INT64_MAX;
    if (p->poll_call != NULL)
        return p->poll_ends_ms;
    return timer_is_running(&p->poll_timer) ? p->poll_timer.deadline_ms : 0;
}

void poller_lose_poll(struct poller *p)
{
    if (p->poll_call != NULL)
        prefect_cancel(p->poll_call);
    p->poll_call = NULL;
    timer_cancel(&p->poll_timer);
}

bool poller_has_dues(const struct poller *p)
{
    return dues_count(p->dues) > 0;
}
