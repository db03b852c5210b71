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
/* Queued runs that polls don't show any more are asked for by id after so long. */
#define UNSEEN_MS 15000
/* Cancellations are noticed within this while a launch is on its way, and within that otherwise. */
#define WATCH_LAUNCHING_MS 3000
#define WATCH_RUNNING_MS 10000

struct poller {
    struct poller_settings s;
    struct dues *dues;
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
    bool is_started;
    char (*asked)[UUID_TEXT_SIZE]; /* ids of the sight or the watch that is out */
    size_t asked_count;
    char (*watched)[UUID_TEXT_SIZE];
    size_t watched_count;
    char watch_after[UUID_TEXT_SIZE]; /* the watch goes round in blocks: the last launch id of the last block
                                       */
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

static void see(struct poller *p, const char *flow_run_id, int64_t began_ms, uint64_t generation)
{
    struct live *live = runner_find_flow_run(p->s.runner, flow_run_id);
    if (live == NULL || live->launch->run.state != RUN_STATE_QUEUED)
        return;
    live->seen_mono_ms = began_ms;
    if (generation != 0)
        live->seen_generation = generation;
}

static void ask_for_unseen(struct poller *p);

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
            see(p, run->id, p->poll_began_ms, p->generation);
        else
            dues_add(p->dues, run, p->poll_began_ms, p->generation);
    }
    poll_again(p, p->s.config->poll_interval_ms);
    ask_for_unseen(p);
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

enum sight poller_sight(const struct poller *p, const struct live *live)
{
    int64_t now = now_ms(p);
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
    for (size_t i = 0; i < reply->count; i++)
        if (reply->runs[i].state_type == PREFECT_STATE_SCHEDULED)
            see(p, reply->runs[i].id, p->sight_began_ms, 0);
    for (size_t i = 0; i < p->asked_count; i++) {
        struct live *live = runner_find_flow_run(p->s.runner, p->asked[i]);
        if (live != NULL && live->launch->run.state == RUN_STATE_QUEUED && !live->launch->run.has_claim &&
            live->seen_mono_ms < p->sight_began_ms)
            runner_feed_kind(p->s.runner, live, RUN_EVENT_SEEN_ELSEWHERE);
    }
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
    p->asked_count = 0;
    for (size_t i = 0; i < count && i < IDS_MAX; i++)
        snprintf(p->asked[p->asked_count++], UUID_TEXT_SIZE, "%s", lives[i]->launch->flow_run_id);
    ask_by_id(p);
}

/* Rows that polls no longer show may have been taken, cancelled or moved: ask for them by id. */
static void ask_for_unseen(struct poller *p)
{
    if (!may_ask(p))
        return;
    p->asked_count = 0;
    struct list *all = runner_all(p->s.runner);
    for (struct list *link = all->next; link != all && p->asked_count < IDS_MAX; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        bool is_queued = live->launch->run.state == RUN_STATE_QUEUED && !live->launch->run.has_claim;
        if (is_queued && now_ms(p) - live->seen_mono_ms > UNSEEN_MS)
            snprintf(p->asked[p->asked_count++], UUID_TEXT_SIZE, "%s", live->launch->flow_run_id);
    }
    if (p->asked_count > 0)
        ask_by_id(p);
}

/* ---- watch ---- */

static bool is_watched(const struct run *run)
{
    return run->state >= RUN_STATE_SUBMITTING && run->state <= RUN_STATE_CLEARING && !run->cancel_wanted;
}

static void watch_again(struct poller *p)
{
    bool is_launching = false;
    struct list *all = runner_all(p->s.runner);
    for (struct list *link = all->next; link != all && !is_launching; link = link->next) {
        const struct run *run = &LIST_ITEM(link, struct live, all_link)->launch->run;
        is_launching = is_watched(run) && run->state < RUN_STATE_RUNNING;
    }
    bool goes_round = p->watch_after[0] != '\0';
    int64_t delay_ms = is_launching ? WATCH_LAUNCHING_MS : WATCH_RUNNING_MS;
    timer_start(p->s.timers, &p->watch_timer, goes_round ? 100 : delay_ms, begin_watch, p);
}

static bool is_cancelled(enum prefect_state_type type)
{
    return type == PREFECT_STATE_CANCELLING || type == PREFECT_STATE_CANCELLED;
}

static void on_watched(void *arg, const struct prefect_reply *reply)
{
    struct poller *p = arg;
    p->watch_call = NULL;
    if (reply->failure != NULL) {
        runner_record_timeout(p->s.runner, reply->failure, reply->took_ms);
    } else {
        for (size_t i = 0; i < p->watched_count; i++) {
            const struct prefect_run *run = NULL;
            for (size_t j = 0; j < reply->count && run == NULL; j++)
                if (strcmp(reply->runs[j].id, p->watched[i]) == 0)
                    run = &reply->runs[j];
            struct live *live = runner_find_flow_run(p->s.runner, p->watched[i]);
            /* Missing from the answer: deleted. */
            if (live != NULL && is_watched(&live->launch->run) &&
                (run == NULL || is_cancelled(run->state_type)))
                runner_feed_kind(p->s.runner, live, RUN_EVENT_CANCEL);
        }
    }
    watch_again(p);
}

static void begin_watch(void *arg)
{
    struct poller *p = arg;
    const char *ids[IDS_MAX];
    bool is_past = p->watch_after[0] == '\0';
    struct list *all = runner_all(p->s.runner);
    struct list *link;
    p->watched_count = 0;
    for (link = all->next; link != all && p->watched_count < IDS_MAX; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (is_past && is_watched(&live->launch->run)) {
            snprintf(p->watched[p->watched_count], UUID_TEXT_SIZE, "%s", live->launch->flow_run_id);
            ids[p->watched_count] = p->watched[p->watched_count];
            p->watched_count++;
            if (p->watched_count == IDS_MAX)
                snprintf(p->watch_after, sizeof(p->watch_after), "%s", live->launch->launch_id);
        }
        is_past = is_past || strcmp(live->launch->launch_id, p->watch_after) == 0;
    }
    if (p->watched_count < IDS_MAX)
        p->watch_after[0] = '\0';
    if (p->watched_count == 0) {
        watch_again(p);
        return;
    }
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
    timer_start(p->s.timers, &p->watch_timer, WATCH_LAUNCHING_MS, begin_watch, p);
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
    dues_free(p->dues);
    free(p->asked);
    free(p->watched);
    free(p);
}

void poller_set_config(struct poller *p, const struct config *config)
{
    p->s.config = config;
    dues_set_config(p->dues, config);
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
    if (p->poll_call != NULL)
        prefect_cancel(p->poll_call);
    p->poll_call = NULL;
}

int64_t poller_last_ms(const struct poller *p)
{
    return p->last_poll_ms;
}

bool poller_has_dues(const struct poller *p)
{
    return dues_count(p->dues) > 0;
}
