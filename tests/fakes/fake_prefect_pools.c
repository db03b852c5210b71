/*
 * fake_prefect_pools.c - the fake's routes of work pools, queues, workers, and the poll with its order and
 * limits.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

enum { POLL_LIMIT_MAX = 200 };

/* --- pools and queues --- */

void fake_handle_get_pool(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    const struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    if (pool == NULL)
        fake_answer_no_pool(answer, call->parts[1]);
    else
        fake_answer_json(answer, 200, fake_pool_to_json(pool));
}

void fake_handle_create_pool(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    const char *name = json_get_text(call->body, "name", NULL);
    const char *type = json_get_text(call->body, "type", NULL);
    if (name == NULL || type == NULL) {
        fake_answer_invalid(answer, name == NULL ? "name" : "type", "Field required");
    } else if (strpbrk(name, "/%&><") != NULL || name[0] == '\0') {
        fake_answer_invalid(answer, "name", "String should match pattern '^[^/%&><]+$'");
    } else if (strncasecmp(name, "prefect", 7) == 0) {
        fake_answer_detail(answer, 403, "Work pools starting with 'Prefect' are reserved for internal use.");
    } else if (fake_find_pool(fake, name) != NULL) {
        fake_answer_detail(answer, 409, "A work pool with this name already exists.");
    } else {
        char *template = fake_source_or(call->body, "base_job_template", "{}");
        (void)fake_prefect_add_pool(fake, name, type, template);
        free(template);
        struct fake_pool *pool = fake_find_pool(fake, name);
        pool->limit = json_get_int(call->body, "concurrency_limit", -1);
        fake_answer_json(answer, 201, fake_pool_to_json(pool));
    }
}

void fake_handle_patch_pool(struct fake_prefect *fake, const struct fake_call *call,
                            struct fake_answer *answer)
{
    struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    if (pool == NULL) {
        fake_answer_no_pool(answer, call->parts[1]);
        return;
    }
    if (json_get(call->body, "base_job_template") != NULL) {
        free(pool->template_json);
        pool->template_json = fake_source_or(call->body, "base_job_template", "{}");
    }
    pool->is_paused = json_get_bool(call->body, "is_paused", pool->is_paused);
    if (json_get(call->body, "concurrency_limit") != NULL)
        pool->limit = json_get_int(call->body, "concurrency_limit", -1);
    answer->status = 204;
}

void fake_handle_delete_pool(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    /* The object stays, nameless, for the runs that point at it. */
    struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    if (pool == NULL) {
        fake_answer_no_pool(answer, call->parts[1]);
        return;
    }
    pool->name[0] = '\0';
    answer->status = 204;
}

static void note_heartbeat(const struct fake_prefect *fake, struct fake_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->workers.count; i++) {
        struct fake_worker *worker = pool->workers.items[i];
        if (strcmp(worker->name, name) == 0) {
            worker->heartbeat_ms = fake_now_ms(fake);
            return;
        }
    }
    struct fake_worker *worker = check_alloc(sizeof(*worker));
    *worker = (struct fake_worker){.name = check_strdup(name), .heartbeat_ms = fake_now_ms(fake)};
    fake_array_add(&pool->workers, worker);
}

void fake_prefect_worker_is_there(struct fake_prefect *fake, const char *pool, const char *name)
{
    struct fake_pool *found = fake_find_pool(fake, pool);
    CHECK(found != NULL);
    note_heartbeat(fake, found, name);
}

void fake_handle_heartbeat(struct fake_prefect *fake, const struct fake_call *call,
                           struct fake_answer *answer)
{
    const struct json *interval = json_get(call->body, "heartbeat_interval_seconds");
    if (json_get_text(call->body, "name", NULL) == NULL)
        fake_answer_invalid(answer, "name", "Field required");
    else if (interval != NULL && json_int(interval, INT64_MIN) == INT64_MIN)
        fake_answer_invalid(answer, "heartbeat_interval_seconds",
                            "Input should be a valid integer, got a number with a fractional part");
    else if (fake_find_pool(fake, call->parts[1]) == NULL)
        fake_answer_no_pool(answer, call->parts[1]);
    else {
        note_heartbeat(fake, fake_find_pool(fake, call->parts[1]), json_get_text(call->body, "name", ""));
        fake->heartbeats++;
        answer->status = 204;
    }
}

/* Last heartbeat first. */
static int compare_workers(const void *left, const void *right)
{
    const struct fake_worker *const *a = left;
    const struct fake_worker *const *b = right;
    return (*a)->heartbeat_ms > (*b)->heartbeat_ms ? -1 : (*a)->heartbeat_ms < (*b)->heartbeat_ms;
}

void fake_handle_list_workers(struct fake_prefect *fake, const struct fake_call *call,
                              struct fake_answer *answer)
{
    struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    const struct json *heartbeat = json_get(json_get(call->body, "workers"), "last_heartbeat_time");
    int64_t after_ms;
    if (pool == NULL) {
        fake_answer_no_pool(answer, call->parts[1]);
        return;
    }
    if (!fake_read_time(heartbeat, "after_", &after_ms)) {
        fake_answer_invalid(answer, "after_", "Input should be a valid datetime");
        return;
    }
    struct json *list = json_new_array();
    qsort(pool->workers.items, pool->workers.count, sizeof(void *), compare_workers);
    for (size_t i = 0; i < pool->workers.count; i++) {
        const struct fake_worker *worker = pool->workers.items[i];
        if (after_ms != FAKE_NO_TIME && worker->heartbeat_ms < after_ms)
            continue;
        struct json *object = json_new_object();
        json_set_text(object, "name", worker->name);
        fake_set_time(object, "last_heartbeat_time", worker->heartbeat_ms);
        json_take_add(list, object);
    }
    fake_answer_json(answer, 200, list);
}

void fake_handle_list_queues(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    const struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    if (pool == NULL) {
        fake_answer_no_pool(answer, call->parts[1]);
        return;
    }
    struct json *list = json_new_array();
    for (size_t i = 0; i < pool->queues.count; i++)
        json_take_add(list, fake_queue_to_json(pool, pool->queues.items[i]));
    fake_answer_json(answer, 200, list);
}

void fake_handle_create_queue(struct fake_prefect *fake, const struct fake_call *call,
                              struct fake_answer *answer)
{
    struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    const char *name = json_get_text(call->body, "name", "");
    if (pool == NULL) {
        fake_answer_no_pool(answer, call->parts[1]);
        return;
    }
    int priority = (int)json_get_int(call->body, "priority", (int64_t)pool->queues.count + 1);
    (void)fake_prefect_add_queue(fake, pool->name, name, priority);
    struct fake_queue *queue = fake_find_queue(pool, name);
    queue->limit = json_get_int(call->body, "concurrency_limit", -1);
    fake_answer_json(answer, 201, fake_queue_to_json(pool, queue));
}

void fake_handle_patch_queue(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    struct fake_queue *queue = pool != NULL ? fake_find_queue(pool, call->parts[3]) : NULL;
    if (queue == NULL) {
        fake_answer_detail(answer, 404, "Work pool queue not found.");
        return;
    }
    queue->is_paused = json_get_bool(call->body, "is_paused", queue->is_paused);
    queue->priority = json_get_int(call->body, "priority", queue->priority);
    if (json_get(call->body, "concurrency_limit") != NULL)
        queue->limit = json_get_int(call->body, "concurrency_limit", -1);
    answer->status = 204;
}

/* --- poll --- */

static int64_t slots_taken(const struct fake_prefect *fake, const struct fake_pool *pool,
                           const struct fake_queue *queue)
{
    int64_t count = 0;
    for (size_t i = 0; i < fake->runs.count; i++) {
        const struct fake_run *run = fake->runs.items[i];
        enum prefect_state_type type = fake_present_state(run)->type;
        bool is_in = queue != NULL ? run->queue == queue : run->pool == pool;
        if (is_in && (type == PREFECT_STATE_PENDING || type == PREFECT_STATE_RUNNING))
            count++;
    }
    return count;
}

static int compare_due(const void *left, const void *right)
{
    const struct fake_run *const *a = left;
    const struct fake_run *const *b = right;
    if ((*a)->queue->priority != (*b)->queue->priority)
        return (*a)->queue->priority < (*b)->queue->priority ? -1 : 1;
    int64_t a_ms = fake_present_state(*a)->scheduled_at_ms;
    int64_t b_ms = fake_present_state(*b)->scheduled_at_ms;
    return a_ms < b_ms ? -1 : a_ms > b_ms;
}

/* Due runs of the pool in the server's order; malloc'ed. */
static const struct fake_run **due_runs(const struct fake_prefect *fake, const struct fake_pool *pool,
                                        const struct json *names, int64_t before_ms, size_t *count)
{
    const struct fake_run **due = check_alloc((fake->runs.count + 1) * sizeof(struct fake_run *));
    *count = 0;
    for (size_t i = 0; i < fake->runs.count; i++) {
        const struct fake_run *run = fake->runs.items[i];
        const struct fake_state *state = fake_present_state(run);
        if (run->pool == pool && !pool->is_paused && !run->queue->is_paused && !run->retries_in_process &&
            state->type == PREFECT_STATE_SCHEDULED && state->scheduled_at_ms <= before_ms &&
            fake_is_named(names, run->queue->name))
            due[(*count)++] = run;
    }
    qsort(due, *count, sizeof(struct fake_run *), compare_due);
    return due;
}

static struct json *wrapped(const struct fake_pool *pool, const struct fake_run *run)
{
    struct json *object = json_new_object();
    struct json *inner = fake_run_to_json(run);
    json_set_text(inner, "state", NULL);
    json_set_text(object, "work_pool_id", pool->id);
    json_set_text(object, "work_queue_id", run->queue->id);
    json_take_set(object, "flow_run", inner);
    return object;
}

/* Cut the due runs to the slots left: each queue's own, then the pool's, then the limit asked for. */
static struct json *take_due(const struct fake_prefect *fake, const struct fake_pool *pool,
                             const struct json *names, int64_t before_ms, int64_t limit)
{
    size_t count;
    const struct fake_run **due = due_runs(fake, pool, names, before_ms, &count);
    struct json *list = json_new_array();
    int64_t left = limit;
    if (pool->limit >= 0 && pool->limit - slots_taken(fake, pool, NULL) < left)
        left = pool->limit - slots_taken(fake, pool, NULL);
    for (size_t i = 0; i < count && left > 0; i++) {
        const struct fake_queue *queue = due[i]->queue;
        int64_t before_it = 0;
        for (size_t k = 0; k < i; k++)
            before_it += due[k]->queue == queue;
        if (queue->limit >= 0 && before_it >= queue->limit - slots_taken(fake, pool, queue))
            continue;
        json_take_add(list, wrapped(pool, due[i]));
        left--;
    }
    free(due);
    return list;
}

static bool are_known(const struct fake_pool *pool, const struct json *names, struct fake_answer *answer)
{
    if (names == NULL || json_kind(names) != JSON_ARRAY)
        return true;
    for (const struct json *item = json_first(names); item != NULL; item = json_next(item)) {
        if (fake_find_queue(pool, json_text(item, "")) == NULL) {
            char *text = check_printf("Work pool queue '%s/%s' not found.", pool->name, json_text(item, ""));
            fake_answer_detail(answer, 404, text);
            free(text);
            return false;
        }
    }
    return true;
}

void fake_handle_poll(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    const struct fake_pool *pool = fake_find_pool(fake, call->parts[1]);
    const struct json *names = json_get(call->body, "work_queue_names");
    int64_t limit = json_get_int(call->body, "limit", POLL_LIMIT_MAX);
    int64_t before_ms;
    if (limit > POLL_LIMIT_MAX)
        fake_answer_detail(answer, 422, "Invalid limit: must be less than or equal to 200.");
    else if (!fake_read_time(call->body, "scheduled_before", &before_ms))
        fake_answer_invalid(answer, "scheduled_before", "Input should be a valid datetime");
    else if (pool == NULL)
        fake_answer_no_pool(answer, call->parts[1]);
    else if (are_known(pool, names, answer))
        fake_answer_json(
            answer, 200,
            take_due(fake, pool, names, before_ms != FAKE_NO_TIME ? before_ms : INT64_MAX, limit));
}
