/*
 * fake_prefect_data.c - the fake's objects: making, finding, looking at and freeing them.
 *
 * No rules and no HTTP. Objects live until the fake ends, or until a test or a request deletes them.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

void fake_array_add(struct fake_array *array, void *item)
{
    void **grown = realloc(array->items, (array->count + 1) * sizeof(*grown));
    CHECK(grown != NULL);
    array->items = grown;
    array->items[array->count++] = item;
}

void fake_array_remove(struct fake_array *array, size_t index)
{
    CHECK(index < array->count);
    memmove(&array->items[index], &array->items[index + 1], (array->count - index - 1) * sizeof(void *));
    array->count--;
}

int64_t fake_now_ms(const struct fake_prefect *fake)
{
    return clock_wall_ms(timers_clock(fake->timers));
}

void fake_make_id(struct fake_prefect *fake, char id[static UUID_TEXT_SIZE])
{
    struct random_source random = random_seeded(&fake->random_state);
    random_uuid(&random, id);
}

static char *copy_or(const char *text, const char *fallback)
{
    return check_strdup(text != NULL ? text : fallback);
}

static struct json *tags_to_json(const char *const *tags)
{
    struct json *list = json_new_array();
    for (size_t i = 0; tags != NULL && tags[i] != NULL; i++)
        json_take_add(list, json_new_text(tags[i]));
    return list;
}

/* --- finding --- */

struct fake_pool *fake_find_pool(const struct fake_prefect *fake, const char *name)
{
    for (size_t i = 0; i < fake->pools.count; i++) {
        struct fake_pool *pool = fake->pools.items[i];
        if (strcmp(pool->name, name) == 0)
            return pool;
    }
    return NULL;
}

struct fake_queue *fake_find_queue(const struct fake_pool *pool, const char *name)
{
    for (size_t i = 0; i < pool->queues.count; i++) {
        struct fake_queue *queue = pool->queues.items[i];
        if (strcmp(queue->name, name) == 0)
            return queue;
    }
    return NULL;
}

struct fake_flow *fake_find_flow(const struct fake_prefect *fake, const char *id)
{
    for (size_t i = 0; i < fake->flows.count; i++) {
        struct fake_flow *flow = fake->flows.items[i];
        if (strcmp(flow->id, id) == 0)
            return flow;
    }
    return NULL;
}

struct fake_deployment *fake_find_deployment(const struct fake_prefect *fake, const char *id)
{
    for (size_t i = 0; i < fake->deployments.count; i++) {
        struct fake_deployment *deployment = fake->deployments.items[i];
        if (strcmp(deployment->id, id) == 0)
            return deployment;
    }
    return NULL;
}

struct fake_run *fake_find_run(const struct fake_prefect *fake, const char *id)
{
    for (size_t i = 0; i < fake->runs.count; i++) {
        struct fake_run *run = fake->runs.items[i];
        if (strcmp(run->id, id) == 0)
            return run;
    }
    return NULL;
}

struct fake_state *fake_present_state(const struct fake_run *run)
{
    CHECK(run->states.count > 0);
    return run->states.items[run->states.count - 1];
}

static struct fake_pool *demand_pool(const struct fake_prefect *fake, const char *name)
{
    struct fake_pool *pool = fake_find_pool(fake, name);
    CHECK(pool != NULL);
    return pool;
}

static struct fake_queue *demand_queue(const struct fake_prefect *fake, const char *pool, const char *name)
{
    struct fake_queue *queue = fake_find_queue(demand_pool(fake, pool), name != NULL ? name : "default");
    CHECK(queue != NULL);
    return queue;
}

/* --- making --- */

const char *fake_prefect_add_queue(struct fake_prefect *fake, const char *pool, const char *name,
                                   int priority)
{
    struct fake_queue *queue = check_alloc(sizeof(*queue));
    *queue = (struct fake_queue){.name = check_strdup(name), .priority = priority, .limit = -1};
    fake_make_id(fake, queue->id);
    fake_array_add(&demand_pool(fake, pool)->queues, queue);
    return queue->id;
}

const char *fake_prefect_add_pool(struct fake_prefect *fake, const char *name, const char *type,
                                  const char *template_json)
{
    struct fake_pool *pool = check_alloc(sizeof(*pool));
    *pool = (struct fake_pool){.name = check_strdup(name),
                               .type = check_strdup(type),
                               .template_json = copy_or(template_json, "{}"),
                               .limit = -1};
    fake_make_id(fake, pool->id);
    fake_array_add(&fake->pools, pool);
    (void)fake_prefect_add_queue(fake, name, "default", 1);
    return pool->id;
}

void fake_prefect_pause_pool(struct fake_prefect *fake, const char *pool, bool is_paused)
{
    demand_pool(fake, pool)->is_paused = is_paused;
}

void fake_prefect_pause_queue(struct fake_prefect *fake, const char *pool, const char *queue, bool is_paused)
{
    demand_queue(fake, pool, queue)->is_paused = is_paused;
}

void fake_prefect_limit_pool(struct fake_prefect *fake, const char *pool, int64_t limit)
{
    demand_pool(fake, pool)->limit = limit;
}

void fake_prefect_limit_queue(struct fake_prefect *fake, const char *pool, const char *queue, int64_t limit)
{
    demand_queue(fake, pool, queue)->limit = limit;
}

const char *fake_prefect_add_flow(struct fake_prefect *fake, const char *name)
{
    struct fake_flow *flow = check_alloc(sizeof(*flow));
    *flow = (struct fake_flow){.name = check_strdup(name)};
    fake_make_id(fake, flow->id);
    fake_array_add(&fake->flows, flow);
    return flow->id;
}

const char *fake_prefect_add_deployment(struct fake_prefect *fake,
                                        const struct fake_prefect_deployment *setup)
{
    const char *flow_id = setup->flow_id != NULL ? setup->flow_id : fake_prefect_add_flow(fake, "flow");
    struct fake_deployment *deployment = check_alloc(sizeof(*deployment));
    *deployment =
        (struct fake_deployment){.name = copy_or(setup->name, "deployment"),
                                 .flow = fake_find_flow(fake, flow_id),
                                 .pool = setup->pool != NULL ? demand_pool(fake, setup->pool) : NULL,
                                 .job_variables_json = copy_or(setup->job_variables_json, "{}"),
                                 .tags = tags_to_json(setup->tags),
                                 .has_limit = setup->has_limit,
                                 .limit = setup->limit,
                                 .cancel_new = setup->cancel_new,
                                 .grace_s = setup->grace_s,
                                 .updated_ms = fake_now_ms(fake)};
    CHECK(deployment->flow != NULL);
    if (setup->pool != NULL)
        deployment->queue = demand_queue(fake, setup->pool, setup->queue);
    fake_make_id(fake, deployment->id);
    fake_array_add(&fake->deployments, deployment);
    return deployment->id;
}

static void start_history(struct fake_prefect *fake, struct fake_run *run, int64_t scheduled_at_ms)
{
    struct fake_state *state = check_alloc(sizeof(*state));
    *state = (struct fake_state){.type = PREFECT_STATE_SCHEDULED,
                                 .name = check_strdup("Scheduled"),
                                 .data = check_strdup("null"),
                                 .scheduled_at_ms = scheduled_at_ms,
                                 .timestamp_ms = fake_now_ms(fake)};
    fake_make_id(fake, state->id);
    fake_array_add(&run->states, state);
    run->expected_start_ms = scheduled_at_ms;
}

static void put_on_queue(struct fake_prefect *fake, struct fake_run *run,
                         const struct fake_prefect_run *setup)
{
    const struct fake_deployment *deployment =
        setup->deployment_id != NULL ? fake_find_deployment(fake, setup->deployment_id) : NULL;
    CHECK(setup->deployment_id == NULL || deployment != NULL);
    if (deployment != NULL) {
        snprintf(run->deployment_id, sizeof(run->deployment_id), "%s", deployment->id);
        run->flow = deployment->flow;
        run->pool = deployment->pool;
        run->queue = deployment->queue;
        json_free(run->tags);
        run->tags = json_copy(deployment->tags);
        for (size_t i = 0; setup->tags != NULL && setup->tags[i] != NULL; i++)
            json_take_add(run->tags, json_new_text(setup->tags[i]));
        json_set_text(run->labels, "prefect.deployment.id", deployment->id);
    } else {
        run->flow = fake_find_flow(fake, fake_prefect_add_flow(fake, "flow"));
        run->pool = demand_pool(fake, setup->pool);
        run->queue = demand_queue(fake, setup->pool, setup->queue);
    }
    if (setup->queue != NULL && run->pool != NULL)
        run->queue = demand_queue(fake, run->pool->name, setup->queue);
    json_set_text(run->labels, "prefect.flow.id", run->flow->id);
}

const char *fake_prefect_add_run(struct fake_prefect *fake, const struct fake_prefect_run *setup)
{
    struct fake_run *run = check_alloc(sizeof(*run));
    fake->names_made++;
    *run = (struct fake_run){.name = setup->name != NULL ? check_strdup(setup->name)
                                                         : check_printf("run-%d", fake->names_made),
                             .tags = tags_to_json(setup->tags),
                             .labels = json_new_object(),
                             .parameters_json = copy_or(setup->parameters_json, "{}"),
                             .job_variables_json = copy_or(setup->job_variables_json, "{}"),
                             .start_ms = FAKE_NO_TIME,
                             .end_ms = FAKE_NO_TIME};
    put_on_queue(fake, run, setup);
    fake_make_id(fake, run->id);
    start_history(fake, run, setup->scheduled_at_ms != 0 ? setup->scheduled_at_ms : fake_now_ms(fake));
    fake_array_add(&fake->runs, run);
    return run->id;
}

/* --- freeing --- */

void fake_free_state(struct fake_state *state)
{
    free(state->name);
    free(state->message);
    free(state->data);
    free(state->transition_id);
    free(state->lease_id);
    free(state);
}

static void free_run(struct fake_run *run)
{
    for (size_t i = 0; i < run->states.count; i++)
        fake_free_state(run->states.items[i]);
    free(run->states.items);
    json_free(run->tags);
    json_free(run->labels);
    free(run->name);
    free(run->parameters_json);
    free(run->job_variables_json);
    free(run->pid);
    free(run);
}

static void free_deployment(struct fake_deployment *deployment)
{
    free(deployment->name);
    free(deployment->job_variables_json);
    json_free(deployment->tags);
    free(deployment);
}

static void free_pool(struct fake_pool *pool)
{
    for (size_t i = 0; i < pool->queues.count; i++) {
        struct fake_queue *queue = pool->queues.items[i];
        free(queue->name);
        free(queue);
    }
    for (size_t i = 0; i < pool->workers.count; i++) {
        struct fake_worker *worker = pool->workers.items[i];
        free(worker->name);
        free(worker);
    }
    free(pool->workers.items);
    free(pool->queues.items);
    free(pool->name);
    free(pool->type);
    free(pool->template_json);
    free(pool);
}

void fake_prefect_delete_run(struct fake_prefect *fake, const char *run_id)
{
    for (size_t i = 0; i < fake->runs.count; i++) {
        struct fake_run *run = fake->runs.items[i];
        if (strcmp(run->id, run_id) == 0) {
            fake_array_remove(&fake->runs, i);
            if (fake_occupies(fake_present_state(run)->type))
                fake_release_slot(fake, run->deployment_id, NULL);
            free_run(run);
            return;
        }
    }
}

void fake_prefect_delete_deployment(struct fake_prefect *fake, const char *deployment_id)
{
    for (size_t i = 0; i < fake->deployments.count; i++) {
        struct fake_deployment *deployment = fake->deployments.items[i];
        if (strcmp(deployment->id, deployment_id) == 0) {
            fake_array_remove(&fake->deployments, i);
            free_deployment(deployment);
            return;
        }
    }
}

static void free_texts(struct fake_array *array)
{
    for (size_t i = 0; i < array->count; i++)
        free(array->items[i]);
    free(array->items);
}

void fake_free_data(struct fake_prefect *fake)
{
    for (size_t i = 0; i < fake->runs.count; i++)
        free_run(fake->runs.items[i]);
    for (size_t i = 0; i < fake->deployments.count; i++)
        free_deployment(fake->deployments.items[i]);
    for (size_t i = 0; i < fake->pools.count; i++)
        free_pool(fake->pools.items[i]);
    for (size_t i = 0; i < fake->flows.count; i++) {
        struct fake_flow *flow = fake->flows.items[i];
        free(flow->name);
        free(flow);
    }
    fake_prefect_lose_leases(fake);
    free(fake->leases.items);
    fake_free_limits(fake);
    fake_free_references(fake);
    free(fake->runs.items);
    free(fake->deployments.items);
    free(fake->pools.items);
    free(fake->flows.items);
    free_texts(&fake->events);
    free_texts(&fake->event_ids);
    free_texts(&fake->logs);
}

/* --- looks --- */

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

bool fake_prefect_look(const struct fake_prefect *fake, const char *run_id, struct fake_prefect_look *look)
{
    const struct fake_run *run = fake_find_run(fake, run_id);
    if (run == NULL)
        return false;
    const struct fake_state *state = fake_present_state(run);
    bool has_scheduled_time = state->scheduled_at_ms != FAKE_NO_TIME;
    *look = (struct fake_prefect_look){.type = state->type,
                                       .name = state->name,
                                       .message = text_or_empty(state->message),
                                       .transition_id = text_or_empty(state->transition_id),
                                       .lease_id = text_or_empty(state->lease_id),
                                       .pid = text_or_empty(run->pid),
                                       .has_scheduled_time = has_scheduled_time,
                                       .scheduled_at_ms = has_scheduled_time ? state->scheduled_at_ms : 0,
                                       .timestamp_ms = state->timestamp_ms,
                                       .state_count = (int)run->states.count,
                                       .run_count = run->run_count};
    return true;
}

const char *fake_prefect_history(struct fake_prefect *fake, const char *run_id)
{
    const struct fake_run *run = fake_find_run(fake, run_id);
    char *text = check_strdup("");
    for (size_t i = 0; run != NULL && i < run->states.count; i++) {
        const struct fake_state *state = run->states.items[i];
        char *longer = check_printf("%s%s%s %s", text, i > 0 ? ", " : "",
                                    prefect_state_type_name(state->type), state->name);
        free(text);
        text = longer;
    }
    free(fake->history_text);
    fake->history_text = text;
    return text;
}

int fake_prefect_had_state(const struct fake_prefect *fake, const char *run_id, enum prefect_state_type type,
                           const char *name)
{
    const struct fake_run *run = fake_find_run(fake, run_id);
    int count = 0;
    for (size_t i = 0; run != NULL && i < run->states.count; i++) {
        const struct fake_state *state = run->states.items[i];
        if (state->type == type && (name == NULL || strcmp(state->name, name) == 0))
            count++;
    }
    return count;
}

const char *fake_prefect_label(const struct fake_prefect *fake, const char *run_id, const char *key)
{
    const struct fake_run *run = fake_find_run(fake, run_id);
    return run != NULL ? json_get_text(run->labels, key, NULL) : NULL;
}

void fake_prefect_set_label(struct fake_prefect *fake, const char *run_id, const char *key, const char *text)
{
    struct fake_run *run = fake_find_run(fake, run_id);
    CHECK(run != NULL);
    json_set_text(run->labels, key, text);
}

size_t fake_prefect_run_count(const struct fake_prefect *fake)
{
    return fake->runs.count;
}

const char *fake_prefect_run_id(const struct fake_prefect *fake, size_t index)
{
    CHECK(index < fake->runs.count);
    return ((const struct fake_run *)fake->runs.items[index])->id;
}

size_t fake_prefect_runs_in(const struct fake_prefect *fake, enum prefect_state_type type)
{
    size_t count = 0;
    for (size_t i = 0; i < fake->runs.count; i++)
        if (fake_present_state(fake->runs.items[i])->type == type)
            count++;
    return count;
}

bool fake_prefect_has_pool(const struct fake_prefect *fake, const char *name)
{
    return fake_find_pool(fake, name) != NULL;
}

const char *fake_prefect_pool_template(const struct fake_prefect *fake, const char *name)
{
    return demand_pool(fake, name)->template_json;
}
