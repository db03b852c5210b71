/*
 * prefect_telemetry.c - the official worker's events and log lines, word for word, and the flush at the end.
 *
 * Does not send (prefect_telemetry_queue.c) and does not decide when something happened. People build
 * automations on names, resource ids, roles and their order, so they are exactly the official worker's.
 */
#include "api/prefect_telemetry_internal.h"

#include "api/jobspec.h"
#include "api/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* The Prefect version we claim, as in the User-Agent. */

/* An event follows another one only if that is not older than this. */
enum { FOLLOWS_MAX_MS = 5 * 60 * 1000, LOG_MESSAGE_MAX_BYTES = 100 * 1000 };
/* The server refuses an event with more than 100 related resources; five are no tags. */
enum { TAGS_MAX = 95 };

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* As python-slugify makes it with its defaults: lower case, letters, digits and dashes. malloc'ed. */
static char *slug_of(const char *name)
{
    char *plain = jobspec_slug(name);
    size_t len = 0;
    for (const char *c = plain; *c != '\0'; c++) {
        if (isalnum((unsigned char)*c))
            plain[len++] = (char)tolower((unsigned char)*c);
        else if (len > 0 && plain[len - 1] != '-')
            plain[len++] = '-';
    }
    while (len > 0 && plain[len - 1] == '-')
        len--;
    plain[len] = '\0';
    return plain;
}

void prefect_telemetry_new(struct prefect *prefect, struct timers *timers,
                           const struct prefect_telemetry_settings *settings, struct prefect_telemetry **out)
{
    struct prefect_telemetry *t = check_alloc(sizeof(*t));
    *t = (struct prefect_telemetry){.prefect = prefect,
                                    .timers = timers,
                                    .random = settings->random,
                                    .clocks = settings->clocks,
                                    .worker_name = check_strdup(settings->worker_name)};
    char *slug =
        settings->worker_slug != NULL ? check_strdup(settings->worker_slug) : slug_of(settings->worker_name);
    t->worker_resource = check_printf("prefect.worker.docker.%s", slug);
    free(slug);
    telemetry_queue_init(&t->events, t, settings->events, settings);
    telemetry_queue_init(&t->logs, t, settings->logs, settings);
    t->events.post = prefect_post_events;
    t->events.kind = PREFECT_OPTIONAL_EVENTS;
    t->logs.post = prefect_post_logs;
    t->logs.kind = PREFECT_OPTIONAL_LOGS;
    t->log_max_bytes = LOG_MESSAGE_MAX_BYTES;
    if (settings->log_max_bytes > 0 && settings->log_max_bytes < t->log_max_bytes)
        t->log_max_bytes = settings->log_max_bytes;
    if (settings->log_interval_ms > 0)
        t->logs.collect_ms = settings->log_interval_ms;
    if (settings->log_batch_max_bytes > 0 &&
        settings->log_batch_max_bytes < t->logs.items.limits.batch_max_bytes)
        t->logs.items.limits.batch_max_bytes = settings->log_batch_max_bytes;
    *out = t;
}

void prefect_telemetry_free(struct prefect_telemetry *t)
{
    if (t == NULL)
        return;
    timer_cancel(&t->flush_timer);
    telemetry_queue_done(&t->events);
    telemetry_queue_done(&t->logs);
    free(t->worker_name);
    free(t->worker_resource);
    free(t->pool_id);
    free(t->pool_name);
    free(t);
}

void prefect_telemetry_set_pool(struct prefect_telemetry *t, const char *pool_id, const char *pool_name)
{
    free(t->pool_id);
    free(t->pool_name);
    t->pool_id = check_strdup(pool_id);
    t->pool_name = check_strdup(pool_name);
}

/* --- resources --- */

/* {"prefect.resource.id": prefix + id, role and name unless NULL} */
static struct json *resource(const char *prefix, const char *id, const char *role, const char *name)
{
    char *full_id = check_printf("%s%s", prefix, id);
    struct json *object = json_new_object();
    json_set_text(object, "prefect.resource.id", full_id);
    if (role != NULL)
        json_set_text(object, "prefect.resource.role", role);
    if (name != NULL)
        json_set_text(object, "prefect.resource.name", name);
    free(full_id);
    return object;
}

static struct json *worker_resource(const struct prefect_telemetry *t, const char *role)
{
    struct json *object = resource("", t->worker_resource, NULL, t->worker_name);
    json_set_text(object, "prefect.version", PREFECT_CLAIMED_VERSION);
    json_set_text(object, "prefect.worker-type", "docker");
    if (role != NULL)
        json_set_text(object, "prefect.resource.role", role);
    return object;
}

static int compare_texts(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

static void add_tags(struct json *related, const char *const *tags, size_t count)
{
    if (count == 0)
        return;
    const char **sorted = check_alloc(count * sizeof(*sorted));
    memcpy(sorted, tags, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare_texts);
    size_t added = 0;
    for (size_t i = 0; i < count && added < TAGS_MAX; i++)
        if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0) {
            added++;
            json_take_add(related, resource("prefect.tag.", sorted[i], "tag", NULL));
        }
    free(sorted);
}

static void add_pool(const struct prefect_telemetry *t, struct json *related)
{
    if (t->pool_id != NULL)
        json_take_add(related, resource("prefect.work-pool.", t->pool_id, "work-pool", t->pool_name));
}

/* In the official order: deployment, flow, flow run, tags, pool. */
static struct json *related_to_run(const struct prefect_telemetry *t, const struct prefect_event_run *run,
                                   const char *identifier, const char *exit_code)
{
    struct json *related = json_new_array();
    if (or_empty(run->deployment_id)[0] != '\0')
        json_take_add(related, resource("prefect.deployment.", run->deployment_id, "deployment",
                                        or_empty(run->deployment_name)));
    if (or_empty(run->flow_id)[0] != '\0')
        json_take_add(related, resource("prefect.flow.", run->flow_id, "flow", or_empty(run->flow_name)));
    struct json *flow_run =
        resource("prefect.flow-run.", or_empty(run->flow_run_id), "flow-run", or_empty(run->flow_run_name));
    if (identifier != NULL) {
        json_set_text(flow_run, "prefect.infrastructure.identifier", identifier);
        json_set_text(flow_run, "prefect.infrastructure.status-code", exit_code);
    }
    json_take_add(related, flow_run);
    add_tags(related, run->tags, run->tag_count);
    add_pool(t, related);
    return related;
}

/* --- events --- */

/* Queue one event; takes resource and related. follows may be NULL; *ref may be the same as *follows. */
static void emit(struct prefect_telemetry *t, const char *name, struct json *take_resource,
                 struct json *take_related, const struct prefect_event_ref *follows,
                 struct prefect_event_ref *ref)
{
    int64_t now_ms = clock_wall_ms(timers_clock(t->timers));
    char occurred[CLOCK_TEXT_SIZE];
    struct prefect_event_ref made = {.occurred_ms = now_ms};
    clock_format(now_ms, occurred);
    random_uuid7(t->random, now_ms, made.id);
    struct json *event = json_new_object();
    json_set_text(event, "occurred", occurred);
    json_set_text(event, "event", name);
    json_take_set(event, "resource", take_resource);
    json_take_set(event, "related", take_related);
    json_take_set(event, "payload", json_new_object());
    json_set_text(event, "id", made.id);
    bool is_near =
        follows != NULL && follows->id[0] != '\0' && now_ms - follows->occurred_ms < FOLLOWS_MAX_MS;
    if (is_near)
        json_set_text(event, "follows", follows->id);
    char *text = json_write(event);
    json_free(event);
    telemetry_queue_add(&t->events, PREFECT_LOG_ERROR, text);
    free(text);
    if (ref != NULL)
        *ref = made;
}

static struct json *related_to_worker(const struct prefect_telemetry *t)
{
    struct json *related = json_new_array();
    add_pool(t, related);
    return related;
}

void prefect_telemetry_worker_started(struct prefect_telemetry *t)
{
    emit(t, "prefect.worker.started", worker_resource(t, NULL), related_to_worker(t), NULL, &t->started);
}

void prefect_telemetry_worker_stopped(struct prefect_telemetry *t)
{
    emit(t, "prefect.worker.stopped", worker_resource(t, NULL), related_to_worker(t), &t->started, NULL);
}

void prefect_telemetry_submitted(struct prefect_telemetry *t, const struct prefect_event_run *run,
                                 struct prefect_event_ref *ref)
{
    emit(t, "prefect.worker.submitted-flow-run", worker_resource(t, NULL), related_to_run(t, run, NULL, NULL),
         NULL, ref);
}

void prefect_telemetry_executed(struct prefect_telemetry *t, const struct prefect_event_run *run,
                                const struct prefect_event_ref *submitted, const char *identifier,
                                int exit_code)
{
    char code[16];
    snprintf(code, sizeof(code), "%d", exit_code);
    emit(t, "prefect.worker.executed-flow-run", worker_resource(t, NULL),
         related_to_run(t, run, or_empty(identifier), code), submitted, NULL);
}

void prefect_telemetry_container(struct prefect_telemetry *t, enum prefect_container_event what,
                                 const struct prefect_event_run *run, const char *container_id,
                                 const char *container_name, struct prefect_event_ref *last)
{
    static const char *const names[] = {
        [PREFECT_CONTAINER_CREATED] = "prefect.docker.container.created",
        [PREFECT_CONTAINER_RUNNING] = "prefect.docker.container.running",
        [PREFECT_CONTAINER_EXITED] = "prefect.docker.container.exited",
    };
    const char *name = or_empty(container_name);
    struct json *related = related_to_run(t, run, NULL, NULL);
    json_take_add(related, worker_resource(t, "worker"));
    emit(t, names[what],
         resource("prefect.docker.container.", container_id, NULL, name[0] == '/' ? name + 1 : name), related,
         last, last);
}

void prefect_telemetry_creation_failed(struct prefect_telemetry *t, const struct prefect_event_run *run)
{
    emit(t, "prefect.docker.container.creation-failed", worker_resource(t, NULL),
         related_to_run(t, run, NULL, NULL), NULL, NULL);
}

/* --- log lines --- */

void prefect_telemetry_log(struct prefect_telemetry *t, const char *flow_run_id, enum prefect_log_level level,
                           const char *message)
{
    char at[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(timers_clock(t->timers)), at);
    char *cut = strlen(message) > t->log_max_bytes
                    ? check_printf("%.*s... [truncated]", (int)t->log_max_bytes, message)
                    : NULL;
    struct json *line = json_new_object();
    json_set_text(line, "name", "prefect.flow_runs.worker");
    json_set_int(line, "level", level);
    json_set_text(line, "message", cut != NULL ? cut : message);
    json_set_text(line, "timestamp", at);
    json_set_text(line, "flow_run_id", flow_run_id);
    json_set_text(line, "task_run_id", NULL);
    if (prefect_worker_id(t->prefect)[0] != '\0')
        json_set_text(line, "worker_id", prefect_worker_id(t->prefect));
    char *text = json_write(line);
    json_free(line);
    free(cut);
    telemetry_queue_add(&t->logs, (int)level, text);
    free(text);
}

/* --- flush and counts --- */

static bool is_idle(const struct telemetry_queue *q)
{
    return !q->is_out && batch_queue_count(&q->items) == 0;
}

static void on_flush_over(void *arg)
{
    struct prefect_telemetry *t = arg;
    t->is_flushing = false;
    t->flush_done(t->flush_arg);
}

void telemetry_on_progress(struct prefect_telemetry *t)
{
    /* From a timer, so that done is never called inside a reply's callback or before flush has returned. */
    if (t->is_flushing && is_idle(&t->events) && is_idle(&t->logs))
        timer_start(t->timers, &t->flush_timer, 0, on_flush_over, t);
}

void prefect_telemetry_flush(struct prefect_telemetry *t, int64_t limit_ms, void (*done)(void *arg),
                             void *arg)
{
    CHECK(!t->is_flushing);
    t->is_flushing = true;
    t->flush_done = done;
    t->flush_arg = arg;
    timer_start(t->timers, &t->flush_timer, limit_ms, on_flush_over, t);
    telemetry_queue_send(&t->events);
    telemetry_queue_send(&t->logs);
    telemetry_on_progress(t);
}

static struct prefect_telemetry_counts counts_of(const struct telemetry_queue *q)
{
    return (struct prefect_telemetry_counts){.sent = q->sent,
                                             .dropped = q->items.dropped,
                                             .queued = batch_queue_count(&q->items),
                                             .is_off = prefect_lacks(q->owner->prefect, q->kind)};
}

struct prefect_telemetry_counts prefect_telemetry_events(const struct prefect_telemetry *t)
{
    return counts_of(&t->events);
}

struct prefect_telemetry_counts prefect_telemetry_logs(const struct prefect_telemetry *t)
{
    return counts_of(&t->logs);
}
