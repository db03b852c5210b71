/*
 * fake_prefect_json.c - the fake's objects as the server writes them, and the shapes of its answers.
 *
 * No effects and no routes.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

/* --- answers --- */

void fake_answer_json(struct fake_answer *answer, int status, struct json *take_body)
{
    answer->status = status;
    answer->body = json_write(take_body);
    json_free(take_body);
}

void fake_answer_text(struct fake_answer *answer, int status, const char *key, const char *text)
{
    struct json *body = json_new_object();
    json_set_text(body, key, text);
    fake_answer_json(answer, status, body);
}

void fake_answer_detail(struct fake_answer *answer, int status, const char *text)
{
    fake_answer_text(answer, status, "detail", text);
}

void fake_answer_invalid(struct fake_answer *answer, const char *field, const char *message)
{
    struct json *location = json_new_array();
    json_take_add(location, json_new_text("body"));
    json_take_add(location, json_new_text(field));
    struct json *item = json_new_object();
    json_take_set(item, "loc", location);
    json_set_text(item, "msg", message);
    struct json *list = json_new_array();
    json_take_add(list, item);
    struct json *body = json_new_object();
    json_set_text(body, "exception_message", "Invalid request received.");
    json_take_set(body, "exception_detail", list);
    fake_answer_json(answer, 422, body);
}

void fake_answer_no_pool(struct fake_answer *answer, const char *name)
{
    char *text = check_printf("Work pool \"%s\" not found.", name);
    fake_answer_detail(answer, 404, text);
    free(text);
}

void fake_answer_no_run(struct fake_answer *answer, const char *id)
{
    char *text = check_printf("Flow run with id %s not found", id);
    fake_answer_text(answer, 404, "exception_message", text);
    free(text);
}

void fake_set_time(struct json *object, const char *key, int64_t at_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (at_ms != FAKE_NO_TIME)
        clock_format(at_ms, text);
    json_set_text(object, key, at_ms != FAKE_NO_TIME ? text : NULL);
}

void fake_set_limit(struct json *object, const char *key, int64_t limit)
{
    if (limit >= 0)
        json_set_int(object, key, limit);
    else
        json_set_text(object, key, NULL);
}

struct json *fake_parsed(const char *text)
{
    struct json *value = NULL;
    struct err err;
    CHECK(json_parse(text, strlen(text), &value, &err) == 0);
    return value;
}

/* Read a time of the body; false: there is one that can't be read. */
bool fake_read_time(const struct json *object, const char *key, int64_t *at_ms)
{
    const char *text = json_get_text(object, key, NULL);
    struct err err;
    *at_ms = FAKE_NO_TIME;
    return text == NULL || clock_parse(text, at_ms, &err) == 0;
}

char *fake_source_or(const struct json *object, const char *key, const char *fallback)
{
    const struct json *value = json_get(object, key);
    bool is_given = value != NULL && json_kind(value) != JSON_NULL;
    return is_given ? json_write(value) : check_strdup(fallback);
}

bool fake_is_named(const struct json *names, const char *name)
{
    if (names == NULL || json_kind(names) != JSON_ARRAY || json_count(names) == 0)
        return true;
    for (const struct json *item = json_first(names); item != NULL; item = json_next(item))
        if (strcmp(json_text(item, ""), name) == 0)
            return true;
    return false;
}

/* --- objects --- */

/* What a later server may add. */
static void add_unknown(struct json *object)
{
    struct json *inside = json_new_object();
    json_set_text(inside, "id", "unknown");
    json_set_text(inside, "name", NULL);
    json_take_set(object, "field_of_a_later_version", inside);
    json_set_text(object, "null_of_a_later_version", NULL);
}

struct json *fake_pool_to_json(const struct fake_pool *pool)
{
    struct json *object = json_new_object();
    json_set_text(object, "id", pool->id);
    json_set_text(object, "name", pool->name);
    json_set_text(object, "description", NULL);
    json_set_text(object, "type", pool->type);
    json_take_set(object, "base_job_template", fake_parsed(pool->template_json));
    json_set_bool(object, "is_paused", pool->is_paused);
    fake_set_limit(object, "concurrency_limit", pool->limit);
    json_set_text(object, "status", pool->is_paused ? "PAUSED" : "READY");
    json_set_text(object, "default_queue_id", ((struct fake_queue *)pool->queues.items[0])->id);
    json_set_text(object, "active_slots", NULL);
    add_unknown(object);
    return object;
}

struct json *fake_queue_to_json(const struct fake_pool *pool, const struct fake_queue *queue)
{
    struct json *object = json_new_object();
    json_set_text(object, "id", queue->id);
    json_set_text(object, "name", queue->name);
    json_set_bool(object, "is_paused", queue->is_paused);
    fake_set_limit(object, "concurrency_limit", queue->limit);
    json_set_int(object, "priority", queue->priority);
    json_set_text(object, "work_pool_id", pool->id);
    json_set_text(object, "work_pool_name", pool->name);
    add_unknown(object);
    return object;
}

struct json *fake_state_to_json(const struct fake_run *run, const struct fake_state *state)
{
    struct json *details = json_new_object();
    json_set_text(details, "flow_run_id", run->id);
    json_set_text(details, "task_run_id", NULL);
    fake_set_time(details, "scheduled_time", state->scheduled_at_ms);
    json_set_text(details, "transition_id", state->transition_id);
    json_set_text(details, "deployment_concurrency_lease_id", state->lease_id);
    struct json *object = json_new_object();
    json_set_text(object, "id", state->id);
    json_set_text(object, "type", prefect_state_type_name(state->type));
    json_set_text(object, "name", state->name);
    fake_set_time(object, "timestamp", state->timestamp_ms);
    json_set_text(object, "message", state->message);
    json_take_set(object, "data", fake_parsed(state->data));
    json_take_set(object, "state_details", details);
    return object;
}

struct json *fake_run_to_json(const struct fake_run *run)
{
    const struct fake_state *state = fake_present_state(run);
    bool is_scheduled = state->type == PREFECT_STATE_SCHEDULED;
    struct json *object = json_new_object();
    json_set_text(object, "id", run->id);
    json_set_text(object, "name", run->name);
    json_set_text(object, "flow_id", run->flow->id);
    json_set_text(object, "state_id", state->id);
    json_set_text(object, "deployment_id", run->deployment_id[0] != '\0' ? run->deployment_id : NULL);
    json_set_text(object, "work_queue_id", run->queue != NULL ? run->queue->id : NULL);
    json_set_text(object, "work_queue_name", run->queue != NULL ? run->queue->name : NULL);
    json_take_set(object, "parameters", fake_parsed(run->parameters_json));
    json_take_set(object, "job_variables", fake_parsed(run->job_variables_json));
    json_take_set(object, "tags", json_copy(run->tags));
    json_take_set(object, "labels", json_copy(run->labels));
    json_set_text(object, "state_type", prefect_state_type_name(state->type));
    json_set_text(object, "state_name", state->name);
    json_set_int(object, "run_count", run->run_count);
    fake_set_time(object, "expected_start_time", run->expected_start_ms);
    fake_set_time(object, "next_scheduled_start_time", is_scheduled ? state->scheduled_at_ms : FAKE_NO_TIME);
    fake_set_time(object, "start_time", run->start_ms);
    fake_set_time(object, "end_time", run->end_ms);
    json_set_text(object, "infrastructure_pid", run->pid);
    struct json *policy = json_new_object();
    json_set_text(policy, "retry_type", run->retries_in_process ? "in_process" : NULL);
    json_take_set(object, "empirical_policy", policy);
    json_take_set(object, "state", fake_state_to_json(run, state));
    add_unknown(object);
    return object;
}

struct json *fake_deployment_to_json(const struct fake_deployment *deployment)
{
    struct json *object = json_new_object();
    json_set_text(object, "id", deployment->id);
    json_set_text(object, "name", deployment->name);
    json_set_text(object, "flow_id", deployment->flow->id);
    fake_set_time(object, "updated", deployment->updated_ms);
    json_take_set(object, "job_variables", fake_parsed(deployment->job_variables_json));
    json_take_set(object, "tags", json_copy(deployment->tags));
    json_set_text(object, "work_pool_name", deployment->pool != NULL ? deployment->pool->name : NULL);
    json_set_text(object, "work_queue_name", deployment->queue != NULL ? deployment->queue->name : NULL);
    if (deployment->has_limit) {
        struct json *limit = json_new_object();
        json_set_int(limit, "limit", deployment->limit);
        json_set_int(limit, "active_slots", deployment->active_slots);
        json_take_set(object, "global_concurrency_limit", limit);
    }
    add_unknown(object);
    return object;
}

struct json *fake_flow_to_json(const struct fake_flow *flow)
{
    struct json *object = json_new_object();
    json_set_text(object, "id", flow->id);
    json_set_text(object, "name", flow->name);
    add_unknown(object);
    return object;
}
