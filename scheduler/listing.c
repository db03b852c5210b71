#include "listing.h"

#include "base/log.h"
#include "clocks.h"
#include "core/sweep.h"
#include "seen.h"

#include <stdio.h>
#include <string.h>

/* Where polls show all that is due, launches that they don't show any more are asked for after so long. */
#define UNSEEN_MS 15000

_Static_assert(SWEEP_PAGE == PREFECT_LIST_MAX, "a page is what one answer holds");

struct listing {
    struct listing_settings s;
    struct sweep sweep;
    struct sweep_page page; /* that is out */
    struct prefect_call *call;
    struct timer timer;      /* goes on in a turn of its own */
    bool has_warned;         /* of the present trouble */
    bool wants_unseen;       /* launches not seen since then are to be asked for by id */
    int64_t unseen_since_ms; /* mono */
    char asked[PREFECT_LIST_MAX][UUID_TEXT_SIZE];
    size_t asked_count;
};

static void go_on(void *arg);

struct listing *listing_new(const struct listing_settings *settings)
{
    struct listing *l = check_alloc(sizeof(*l));
    l->s = *settings;
    return l;
}

void listing_stop(struct listing *l)
{
    if (l->call != NULL)
        prefect_cancel(l->call);
    l->call = NULL;
    timer_cancel(&l->timer);
}

void listing_free(struct listing *l)
{
    if (l == NULL)
        return;
    listing_stop(l);
    free(l);
}

void listing_set_config(struct listing *l, const struct config *config)
{
    l->s.config = config;
}

static int64_t now_ms(const struct listing *l)
{
    return clock_mono_ms(l->s.clock);
}

/* In the next turn, when the runner has taken in what the answer meant. */
static void go_on_soon(struct listing *l)
{
    timer_start(l->s.timers, &l->timer, 0, go_on, l);
}

/* The next full poll goes on with the same request. */
static void failed(struct listing *l, const struct prefect_reply *reply)
{
    runner_record_timeout(l->s.runner, reply->failure, reply->took_ms);
    if (!l->has_warned)
        log_warn("runs behind a full poll could not be read; going on trying",
                 kv_int("status", reply->status),
                 kv_s("transport", transport_name(reply->failure->transport)),
                 kv_s("error", reply->failure->message));
    l->has_warned = true;
}

/* ---- pages ---- */

static void take_in(struct listing *l, const struct prefect_run *run, int64_t began_ms)
{
    if (!seen_is_claimable(run) || pool_is_paused_for(l->s.pool, run->work_queue_id))
        return;
    if (runner_find_flow_run(l->s.runner, run->id) != NULL) {
        seen_note(l->s.runner, run, began_ms, 0);
        return;
    }
    dues_add(l->s.dues, run, &(struct dues_sight){.mono_ms = began_ms});
}

static void end_pass(struct listing *l)
{
    log_info("read all runs that are due behind the poll's answer",
             kv_int("launches", (int64_t)runner_count(l->s.runner)),
             kv_int("took_ms", now_ms(l) - l->sweep.began_mono_ms));
    l->wants_unseen = true;
    l->unseen_since_ms = l->sweep.began_mono_ms;
}

static void on_page(void *arg, const struct prefect_reply *reply)
{
    struct listing *l = arg;
    l->call = NULL;
    if (reply->failure != NULL) {
        failed(l, reply);
        return;
    }
    l->has_warned = false;
    for (size_t i = 0; i < reply->count; i++)
        take_in(l, &reply->runs[i], now_ms(l) - reply->took_ms);
    int64_t last_due_ms = reply->count > 0 ? reply->runs[reply->count - 1].expected_start_ms : 0;
    if (sweep_answered(&l->sweep, &l->page, reply->count, last_due_ms, now_ms(l)))
        end_pass(l);
    go_on_soon(l);
}

static struct prefect_ask ask_for(struct listing *l, prefect_done_fn done, bool can_wait)
{
    return (struct prefect_ask){.stage = STAGE_API,
                                .clocks = clocks_for(l->s.config, "default", STAGE_API),
                                .done = done,
                                .arg = l,
                                .call = &l->call,
                                .can_wait = can_wait};
}

static bool is_served(const struct config *c, const char *queue)
{
    bool is = c->work_queue_count == 0;
    for (size_t i = 0; i < c->work_queue_count; i++)
        is = is || strcmp(c->work_queues[i], queue) == 0;
    return is;
}

/* The queues we serve whose runs might be claimed, so that a paused queue's thousands cost no pages. 0: all.
 */
static size_t open_queues(const struct listing *l, const char **names)
{
    const struct config *c = l->s.config;
    const struct pool_record *pool = l->s.pool;
    size_t count = 0;
    bool is_whole = pool->queue_count < PREFECT_LIST_MAX; /* no more is known than one answer holds */
    if (is_whole && (pool_has_pauses(pool) || pool->has_limits))
        for (int i = 0; i < pool->queue_count; i++)
            if (!pool->queues[i].is_paused && is_served(c, pool->queues[i].name) &&
                server_limits_read_queue(l->s.limits, &pool->queues[i]))
                names[count++] = pool->queues[i].name;
    if (count > 0)
        return count;
    for (size_t i = 0; i < c->work_queue_count && i < PREFECT_LIST_MAX; i++)
        names[count++] = c->work_queues[i];
    return c->work_queue_count > PREFECT_LIST_MAX ? 0 : count;
}

static void ask_page(struct listing *l)
{
    const char *queues[PREFECT_LIST_MAX];
    const struct prefect_due_page due = {.pool = l->s.pool->name,
                                         .queue_names = queues,
                                         .queue_count = open_queues(l, queues),
                                         .has_after = l->page.after_ms != SWEEP_FROM_FIRST,
                                         .after_ms = l->page.after_ms,
                                         .before_ms = l->page.before_ms,
                                         .is_by_id = l->page.is_by_id,
                                         .offset = l->page.offset};
    struct prefect_ask ask = ask_for(l, on_page, !l->page.is_window);
    struct err err;
    CHECK(prefect_list_due(l->s.prefect, &ask, &due, &err) == 0);
}

/* ---- launches that neither poll nor page has shown ---- */

static void collect_unseen(struct listing *l)
{
    l->asked_count = 0;
    struct list *all = runner_all(l->s.runner);
    for (struct list *link = all->next; link != all && l->asked_count < PREFECT_LIST_MAX; link = link->next) {
        const struct live *live = LIST_ITEM(link, struct live, all_link);
        const struct launch *launch = live->launch;
        if (launch->run.state == RUN_STATE_QUEUED && !launch->run.has_claim &&
            live->seen_mono_ms < l->unseen_since_ms)
            snprintf(l->asked[l->asked_count++], UUID_TEXT_SIZE, "%s", launch->flow_run_id);
    }
}

static void on_unseen(void *arg, const struct prefect_reply *reply)
{
    struct listing *l = arg;
    l->call = NULL;
    if (reply->failure != NULL) {
        failed(l, reply);
        return;
    }
    seen_by_id(l->s.runner, l->asked, l->asked_count, reply, now_ms(l) - reply->took_ms);
    go_on_soon(l);
}

static void ask_unseen(struct listing *l)
{
    const char *ids[PREFECT_LIST_MAX];
    for (size_t i = 0; i < l->asked_count; i++)
        ids[i] = l->asked[i];
    struct prefect_ask ask = ask_for(l, on_unseen, true);
    struct err err;
    CHECK(prefect_filter_runs(l->s.prefect, &ask, ids, l->asked_count, &err) == 0);
}

/* ---- life ---- */

/* --run-once: what one poll shows. */
static bool may_read_on(const struct listing *l)
{
    return server_limits_read_on(l->s.limits) && !l->s.config->run_once;
}

static void go_on(void *arg)
{
    struct listing *l = arg;
    if (l->call != NULL)
        return;
    if (may_read_on(l) && sweep_next(&l->sweep, &l->page)) {
        ask_page(l);
        return;
    }
    if (!l->wants_unseen)
        return;
    collect_unseen(l);
    l->wants_unseen = l->asked_count > 0;
    if (l->wants_unseen)
        ask_unseen(l);
}

/* A limit at the server hides any number of launches, and they must not be asked for all the time: about one
 * request in UNSEEN_MS, however many they are. */
static int64_t unseen_ms(const struct listing *l)
{
    return l->s.pool->has_limits ? UNSEEN_MS * (1 + runner_slots(l->s.runner, NULL).queued / PREFECT_LIST_MAX)
                                 : UNSEEN_MS;
}

void listing_on_poll(struct listing *l, bool may_hide)
{
    int64_t wall_ms = clock_wall_ms(l->s.clock);
    if (may_hide && may_read_on(l)) {
        sweep_open(&l->sweep, now_ms(l), wall_ms, wall_ms + l->s.config->prefetch_ms);
    } else if (!l->wants_unseen) {
        l->wants_unseen = true;
        l->unseen_since_ms = now_ms(l) - unseen_ms(l);
    }
    go_on(l);
}
