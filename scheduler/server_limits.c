#include "server_limits.h"

#include "base/log.h"
#include "clocks.h"

#include <string.h>

/* A look at who is there counts for so long from its beginning, or if the server is slower than that, for the
 * second after its answer. */
#define LOOK_AGE_MS 2000
#define LOOK_AFTER_ANSWER_MS 1000

struct server_limits {
    struct server_limits_settings s;
    struct vacancy now;  /* after the newest poll */
    struct vacancy next; /* after the one that is out, or was sent last */
    bool is_full;        /* the newest poll's answer held all that one can */
    struct prefect_call *call;
    int64_t look_began_ms; /* mono; the look that is out */
    int64_t alone_ms; /* mono; beginning of the last look that showed nobody but us; 0: the last one didn't */
    int64_t look_age_ms;
    bool has_told; /* of the other worker that is there */
};

struct server_limits *server_limits_new(const struct server_limits_settings *settings)
{
    struct server_limits *l = check_alloc(sizeof(*l));
    l->s = *settings;
    l->look_age_ms = LOOK_AGE_MS;
    return l;
}

void server_limits_stop(struct server_limits *l)
{
    if (l->call != NULL)
        prefect_cancel(l->call);
    l->call = NULL;
}

void server_limits_free(struct server_limits *l)
{
    if (l == NULL)
        return;
    server_limits_stop(l);
    vacancy_done(&l->now);
    vacancy_done(&l->next);
    free(l);
}

void server_limits_set_config(struct server_limits *l, const struct config *config)
{
    l->s.config = config;
}

/* ---- who else is there ---- */

/* The name of somebody who isn't us; NULL if we are there, and alone. */
static const char *other_worker(const struct server_limits *l, const struct prefect_reply *reply)
{
    bool are_we_there = false;
    for (size_t i = 0; i < reply->count; i++) {
        if (strcmp(reply->worker_names[i], l->s.config->worker_name) != 0)
            return reply->worker_names[i];
        are_we_there = true;
    }
    return are_we_there ? NULL : "";
}

static void on_workers(void *arg, const struct prefect_reply *reply)
{
    struct server_limits *l = arg;
    l->call = NULL;
    if (reply->failure != NULL) {
        runner_record_timeout(l->s.runner, reply->failure, reply->took_ms);
        log_debug("the pool's workers could not be read", kv_int("status", reply->failure->status),
                  kv_s("error", reply->failure->message));
        return;
    }
    const char *other = other_worker(l, reply);
    if (other != NULL && other[0] != '\0' && !l->has_told)
        log_info("another worker serves the pool, which has a concurrency limit at the server: only runs "
                 "that polls "
                 "show are claimed",
                 kv_s("pool", l->s.pool->name), kv_s("worker", other));
    l->has_told = other != NULL && (l->has_told || other[0] != '\0');
    l->alone_ms = other == NULL ? l->look_began_ms : 0;
    int64_t age_ms = reply->took_ms + LOOK_AFTER_ANSWER_MS;
    l->look_age_ms = age_ms > LOOK_AGE_MS ? age_ms : LOOK_AGE_MS;
}

/* If nobody waits there is nobody to be claimed in another's place. */
static void look_for_others(struct server_limits *l)
{
    if (l->call != NULL || !l->s.pool->has_limits || l->s.config->run_once ||
        runner_slots(l->s.runner, NULL).queued == 0)
        return;
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = clocks_for(l->s.config, "default", STAGE_API),
                              .done = on_workers,
                              .arg = l,
                              .call = &l->call};
    struct err err;
    l->look_began_ms = clock_mono_ms(l->s.clock);
    CHECK(prefect_list_workers(l->s.prefect, &ask, l->s.pool->name,
                               clock_wall_ms(l->s.clock) - PEER_SILENT_MS, &err) == 0);
}

bool server_limits_are_alone(const struct server_limits *l)
{
    return l->alone_ms != 0;
}

/* By a look that is young enough to claim by. */
static bool are_alone_now(const struct server_limits *l)
{
    return server_limits_are_alone(l) && clock_mono_ms(l->s.clock) - l->alone_ms <= l->look_age_ms;
}

/* ---- polls and claims ---- */

/* A claim is out, or one may still land whose answer was lost. */
static bool may_land(const struct run *run)
{
    return run->state == RUN_STATE_CLAIMING || run->unsettled_until_ms != 0;
}

void server_limits_poll_begins(struct server_limits *l)
{
    vacancy_done(&l->next);
    if (!l->s.pool->has_limits)
        return;
    struct list *all = runner_all(l->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct live *live = LIST_ITEM(link, struct live, all_link);
        if (may_land(&live->launch->run))
            vacancy_take(&l->next, live->launch->work_queue_id);
    }
    look_for_others(l);
}

void server_limits_polled(struct server_limits *l, const struct prefect_reply *reply)
{
    vacancy_done(&l->now);
    l->now = l->next;
    l->next = (struct vacancy){0};
    l->is_full = reply->count >= PREFECT_LIST_MAX;
    for (size_t i = 0; i < reply->count; i++)
        vacancy_show(&l->now, reply->runs[i].work_queue_id);
}

void server_limits_take(struct server_limits *l, const struct live *live)
{
    vacancy_take(&l->now, live->launch->work_queue_id);
    vacancy_take(&l->next, live->launch->work_queue_id);
}

/* ---- who may be claimed ---- */

/* A queue that we don't know may have a limit. */
static struct vacancy_limits limits_of(const struct server_limits *l, const struct live *live)
{
    const struct pool_queue *queue = pool_queue_by_id(l->s.pool, live->launch->work_queue_id);
    return (struct vacancy_limits){.of_pool = l->s.pool->is_limited,
                                   .of_queue = l->s.pool->has_limits && (queue == NULL || queue->is_limited)};
}

bool server_limits_have_room(const struct server_limits *l, const struct live *live)
{
    return vacancy_has_room(&l->now, live->launch->work_queue_id, limits_of(l, live));
}

bool server_limits_bind(const struct server_limits *l, const struct live *live)
{
    struct vacancy_limits limits = limits_of(l, live);
    return limits.of_pool || limits.of_queue;
}

bool server_limits_let_hidden(const struct server_limits *l, const struct live *live)
{
    return are_alone_now(l) && server_limits_have_room(l, live);
}

bool server_limits_read_queue(const struct server_limits *l, const struct pool_queue *queue)
{
    return server_limits_are_alone(l) || (!l->s.pool->is_limited && !queue->is_limited);
}

bool server_limits_read_on(const struct server_limits *l)
{
    bool reads = !l->s.pool->has_limits;
    for (int i = 0; i < l->s.pool->queue_count; i++)
        reads =
            reads || (!l->s.pool->queues[i].is_paused && server_limits_read_queue(l, &l->s.pool->queues[i]));
    return reads;
}

char *server_limits_say(const struct server_limits *l, const struct live *live)
{
    const struct pool_queue *queue = pool_queue_by_id(l->s.pool, live->launch->work_queue_id);
    struct vacancy_limits limits = limits_of(l, live);
    if (!server_limits_bind(l, live) || (server_limits_are_alone(l) && server_limits_have_room(l, live)))
        return NULL;
    if (l->is_full)
        return check_strdup(
            "place among the first 200 due runs, which is what the server shows of a pool with limits");
    if (!limits.of_queue || queue == NULL)
        return check_strdup("limit of the work pool at the server");
    return check_printf("limit of %swork queue %s at the server",
                        limits.of_pool ? "the work pool or of " : "", queue->name);
}
