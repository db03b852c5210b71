/*
 * pool_sync.c - one round: get pool -> (create | fill template) -> queues -> heartbeat -> wait -> next round.
 * Each step is one call whose answer starts the next; a failure ends the round and the next one begins later.
 */
#include "pool_sync.h"

#include "base/log.h"
#include "base/text.h"
#include "clocks.h"

#include <stdio.h>
#include <string.h>

#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
/* A round is several calls; a server that refuses every second one must not keep us from ever coming online.
 */
#define RETRY_START_MAX_MS 5000

struct pool_sync {
    struct pool_sync_settings s;
    struct pool_record pool;
    struct prefect_call *call;
    struct prefect_call *version_call; /* beside the round */
    char *version;                     /* of the server, as last read; NULL: not yet */
    struct timer timer;
    int64_t retry_ms;
    bool is_ready;   /* a round was completed */
    bool has_warned; /* of the present trouble */
    bool has_warned_type;
};

static void begin_round(void *arg);

struct pool_sync *pool_sync_new(const struct pool_sync_settings *settings)
{
    struct pool_sync *s = check_alloc(sizeof(*s));
    s->s = *settings;
    s->pool.id = check_strdup("");
    s->pool.name = check_strdup(settings->config->pool);
    s->pool.type = check_strdup("");
    s->pool.template_json = check_strdup("{}");
    return s;
}

static void free_queues(struct pool_record *pool)
{
    for (int i = 0; i < pool->queue_count; i++) {
        free(pool->queues[i].id);
        free(pool->queues[i].name);
    }
    free(pool->queues);
    pool->queues = NULL;
    pool->queue_count = 0;
}

void pool_sync_free(struct pool_sync *s)
{
    if (s == NULL)
        return;
    if (s->call != NULL)
        prefect_cancel(s->call);
    if (s->version_call != NULL)
        prefect_cancel(s->version_call);
    timer_cancel(&s->timer);
    free(s->version);
    free(s->pool.id);
    free(s->pool.name);
    free(s->pool.type);
    free(s->pool.template_json);
    free_queues(&s->pool);
    free(s);
}

const struct pool_record *pool_sync_pool(const struct pool_sync *sync)
{
    return &sync->pool;
}

void pool_sync_set_config(struct pool_sync *sync, const struct config *config)
{
    sync->s.config = config;
}

const struct pool_queue *pool_queue_by_id(const struct pool_record *pool, const char *id)
{
    for (int i = 0; i < pool->queue_count; i++)
        if (strcmp(pool->queues[i].id, id) == 0)
            return &pool->queues[i];
    return NULL;
}

bool pool_has_pauses(const struct pool_record *pool)
{
    bool has = pool->is_paused;
    for (int i = 0; i < pool->queue_count; i++)
        has = has || pool->queues[i].is_paused;
    return has;
}

bool pool_is_paused_for(const struct pool_record *pool, const char *queue_id)
{
    const struct pool_queue *queue = pool_queue_by_id(pool, queue_id);
    return pool->is_paused || (queue != NULL && queue->is_paused);
}

static struct prefect_ask ask_for(struct pool_sync *s, prefect_done_fn done)
{
    return (struct prefect_ask){.stage = STAGE_API,
                                .clocks = clocks_for(s->s.config, "default", STAGE_API),
                                .done = done,
                                .arg = s,
                                .call = &s->call};
}

static void again_later(struct pool_sync *s, const char *what, const struct prefect_reply *reply)
{
    const struct failure *failure = reply->failure;
    s->s.on_failure(s->s.arg, failure, reply->took_ms);
    s->retry_ms = s->retry_ms == 0 ? RETRY_FIRST_MS : s->retry_ms * 2;
    int64_t max_ms = s->is_ready ? RETRY_MAX_MS : RETRY_START_MAX_MS;
    if (s->retry_ms > max_ms)
        s->retry_ms = max_ms;
    int64_t delay_ms = failure->retry_after_ms > s->retry_ms ? failure->retry_after_ms : s->retry_ms;
    if (failure->status == 401 || failure->status == 403)
        delay_ms = RETRY_MAX_MS; /* a key doesn't become right by asking often */
    if (!s->has_warned)
        log_warn("Prefect can't be worked with; going on trying", kv_s("while", what),
                 kv_s("url", prefect_api_url(s->s.prefect)), kv_int("status", failure->status),
                 kv_s("transport", transport_name(failure->transport)), kv_s("error", failure->message));
    s->has_warned = true;
    timer_start(s->s.timers, &s->timer, delay_ms, begin_round, s);
}

/* ---- which server it is ---- */

static void replace(char **field, const char *text)
{
    free(*field);
    *field = check_strdup(text);
}

/* Before 3.0.4 the worker had to take the slots of deployments itself. */
static bool is_too_old(const char *version)
{
    int major = 0;
    int minor = 0;
    int patch = 0;
    return sscanf(version, "%d.%d.%d", &major, &minor, &patch) == 3 &&
           (major < 3 || (major == 3 && minor == 0 && patch < 4));
}

static void on_version(void *arg, const struct prefect_reply *reply)
{
    struct pool_sync *s = arg;
    s->version_call = NULL;
    if (reply->failure != NULL || (s->version != NULL && strcmp(s->version, reply->json) == 0))
        return;
    bool is_another = s->version != NULL;
    replace(&s->version, reply->json);
    if (is_another)
        prefect_forget_lacking(s->s.prefect);
    log_info(is_another ? "the Prefect server has another version now" : "Prefect server",
             kv_s("version", s->version));
    if (is_too_old(s->version))
        log_warn("the Prefect server is older than 3.0.4, and would let more runs of a deployment run at "
                 "once than "
                 "its concurrency limit allows",
                 kv_s("version", s->version));
}

/* Once, and again with every round as long as something is left out because the server lacks it: so a newer
 * server in its place is noticed. */
static void read_version(struct pool_sync *s)
{
    char *AUTO_FREE lacking = prefect_lacking(s->s.prefect);
    bool is_wanted = lacking[0] != '\0' || (s->version == NULL && s->s.config->server_version_check);
    if (s->version_call != NULL || !is_wanted || s->s.config->is_cloud)
        return;
    if (lacking[0] != '\0')
        log_debug("left out, since the server doesn't have it", kv_s("what", lacking));
    struct prefect_ask ask = ask_for(s, on_version);
    ask.call = &s->version_call;
    ask.can_wait = true;
    struct err err;
    CHECK(prefect_server_version(s->s.prefect, &ask, &err) == 0);
}

static void on_heartbeat(void *arg, const struct prefect_reply *reply)
{
    struct pool_sync *s = arg;
    s->call = NULL;
    if (reply->failure != NULL) {
        again_later(s, "heartbeat", reply);
        return;
    }
    if (s->has_warned)
        log_info("Prefect answers again");
    s->has_warned = false;
    s->retry_ms = 0;
    timer_start(s->s.timers, &s->timer, s->s.config->heartbeat_interval_ms, begin_round, s);
    read_version(s);
    if (!s->is_ready) {
        s->is_ready = true;
        s->s.on_ready(s->s.arg);
    }
}

static void send_heartbeat(struct pool_sync *s)
{
    struct prefect_ask ask = ask_for(s, on_heartbeat);
    /* The server refuses fractions of a second. */
    int64_t interval_s = (s->s.config->heartbeat_interval_ms + 500) / 1000;
    struct err err;
    CHECK(prefect_heartbeat(s->s.prefect, &ask, s->pool.name, interval_s > 0 ? interval_s : 1, &err) == 0);
}

static void on_queues(void *arg, const struct prefect_reply *reply)
{
    struct pool_sync *s = arg;
    s->call = NULL;
    if (reply->failure != NULL) {
        again_later(s, "read work queues", reply);
        return;
    }
    free_queues(&s->pool);
    s->pool.queues = check_alloc((reply->count + 1) * sizeof(*s->pool.queues));
    s->pool.queue_count = (int)reply->count;
    s->pool.has_limits = s->pool.is_limited;
    for (size_t i = 0; i < reply->count; i++) {
        const struct prefect_queue *q = &reply->queues[i];
        s->pool.queues[i] = (struct pool_queue){.id = check_strdup(q->id),
                                                .name = check_strdup(q->name),
                                                .priority = q->priority,
                                                .is_paused = q->is_paused,
                                                .is_limited = q->concurrency_limit >= 0};
        s->pool.has_limits = s->pool.has_limits || s->pool.queues[i].is_limited;
    }
    send_heartbeat(s);
}

static void read_queues(struct pool_sync *s)
{
    struct prefect_ask ask = ask_for(s, on_queues);
    struct err err;
    CHECK(prefect_list_queues(s->s.prefect, &ask, s->pool.name, &err) == 0);
}

static void on_template_filled(void *arg, const struct prefect_reply *reply)
{
    struct pool_sync *s = arg;
    s->call = NULL;
    if (reply->failure != NULL)
        log_warn("the pool's empty job template could not be filled; its default is used all the same",
                 kv_s("pool", s->pool.name), kv_s("error", reply->failure->message));
    read_queues(s);
}

static void fill_template(struct pool_sync *s)
{
    struct prefect_ask ask = ask_for(s, on_template_filled);
    struct err err;
    CHECK(prefect_patch_pool_template(s->s.prefect, &ask, s->pool.name, s->s.template_json, &err) == 0);
}

/* Returns false if no Docker worker can serve this pool. */
static bool is_servable(struct pool_sync *s, const char *type)
{
    bool is_push = text_ends_with(type, ":push") || text_ends_with(type, ":managed");
    bool is_docker = strcmp(type, "docker") == 0;
    bool was_told = s->s.config->worker_type != NULL;
    if (is_push || (!is_docker && !was_told)) {
        char *sentence =
            check_printf("work pool \"%s\" is of type \"%s\"; sluice serves pools of type \"docker\"%s",
                         s->pool.name, type, is_push ? "" : " (give --type docker to serve it all the same)");
        s->s.on_fatal(s->s.arg, sentence);
        free(sentence);
        return false;
    }
    if (!is_docker && !s->has_warned_type)
        log_warn("the work pool is of another type; serving it as told by --type", kv_s("pool", s->pool.name),
                 kv_s("type", type));
    s->has_warned_type = true;
    return true;
}

static void keep_pool(struct pool_sync *s, const struct prefect_pool *p, int64_t took_ms)
{
    if (!is_servable(s, p->type))
        return;
    if (p->is_paused && !s->pool.is_paused)
        log_warn("the work pool is paused", kv_s("pool", s->pool.name));
    replace(&s->pool.id, p->id);
    replace(&s->pool.type, p->type);
    replace(&s->pool.template_json, p->has_template ? p->base_job_template_json : s->s.template_json);
    s->pool.is_paused = p->is_paused;
    /* Until the queues are read, too, what is known of theirs stays. */
    s->pool.is_limited = p->concurrency_limit >= 0;
    s->pool.has_limits = s->pool.has_limits || s->pool.is_limited;
    s->pool.is_known = true;
    s->pool.read_mono_ms = clock_mono_ms(timers_clock(s->s.timers)) - took_ms;
    if (p->has_template)
        read_queues(s);
    else
        fill_template(s);
}

static void on_created(void *arg, const struct prefect_reply *reply)
{
    struct pool_sync *s = arg;
    s->call = NULL;
    if (reply->failure != NULL && reply->failure->status == 409) {
        begin_round(s); /* somebody was faster */
        return;
    }
    if (reply->failure != NULL) {
        again_later(s, "create the work pool", reply);
        return;
    }
    log_info("work pool created", kv_s("pool", s->pool.name), kv_s("type", "docker"));
    keep_pool(s, reply->pool, reply->took_ms);
}

static void create_pool(struct pool_sync *s)
{
    struct prefect_ask ask = ask_for(s, on_created);
    struct err err;
    CHECK(prefect_create_pool(s->s.prefect, &ask, s->pool.name, "docker", s->s.template_json, &err) == 0);
}

static void on_pool(void *arg, const struct prefect_reply *reply)
{
    struct pool_sync *s = arg;
    s->call = NULL;
    if (reply->failure == NULL) {
        keep_pool(s, reply->pool, reply->took_ms);
        return;
    }
    if (reply->failure->status != 404) {
        again_later(s, "read the work pool", reply);
        return;
    }
    s->pool.is_known = false;
    if (s->s.config->create_pool) {
        create_pool(s);
        return;
    }
    if (!s->has_warned)
        log_warn("the work pool does not exist, and --no-create-pool-if-not-found was given; waiting for it",
                 kv_s("pool", s->pool.name));
    s->has_warned = true;
    timer_start(s->s.timers, &s->timer, s->s.config->heartbeat_interval_ms, begin_round, s);
}

static void begin_round(void *arg)
{
    struct pool_sync *s = arg;
    struct prefect_ask ask = ask_for(s, on_pool);
    struct err err;
    CHECK(prefect_get_pool(s->s.prefect, &ask, s->pool.name, &err) == 0);
}

void pool_sync_start(struct pool_sync *sync)
{
    begin_round(sync);
}

void pool_sync_wake(struct pool_sync *sync)
{
    bool waits = sync->call == NULL && timer_is_running(&sync->timer);
    if (!waits || sync->retry_ms == 0)
        return;
    timer_cancel(&sync->timer);
    begin_round(sync);
}
