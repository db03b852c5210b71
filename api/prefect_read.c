/*
 * prefect_read.c - Prefect's JSON answers into the structs of prefect.h.
 *
 * Does not talk to anyone and does not judge an answer. Each reader takes the parsed root; texts are borrowed
 * from it, arrays and re-written source texts are kept by the arena. Tolerant by default (the server's fields
 * come and go between versions), strict only where going on with a guess could launch or end the wrong run.
 * Messages name fields and never hold values: answers may carry parameters and environment values.
 */
#include "api/prefect_read.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct prefect_arena_block {
    struct prefect_arena_block *next;
    void *memory;
};

void prefect_arena_init(struct prefect_arena *arena)
{
    *arena = (struct prefect_arena){NULL, NULL};
}

void prefect_arena_done(struct prefect_arena *arena)
{
    struct prefect_arena_block *block = arena->first;
    while (block != NULL) {
        struct prefect_arena_block *next = block->next;
        free(block->memory);
        free(block);
        block = next;
    }
    json_free(arena->root);
    prefect_arena_init(arena);
}

/* Keep malloc'ed memory until the arena ends. */
static void *arena_take(struct prefect_arena *arena, void *memory)
{
    struct prefect_arena_block *block = check_alloc(sizeof(*block));
    *block = (struct prefect_arena_block){arena->first, memory};
    arena->first = block;
    return memory;
}

/* Zeroed memory for count items. */
static void *arena_array(struct prefect_arena *arena, size_t count, size_t item_bytes)
{
    return arena_take(arena, check_alloc(count * item_bytes));
}

const char *prefect_source_text(struct prefect_arena *arena, const struct json *value, const char *fallback)
{
    if (value == NULL || json_kind(value) == JSON_NULL)
        return fallback;
    return arena_take(arena, json_write(value));
}

static bool is_uuid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool fits = shape[i] == '-' ? text[i] == '-' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
        if (!fits)
            return false;
    }
    return true;
}

static int demand_object(const struct json *value, const char *what, struct err *err)
{
    if (value != NULL && json_kind(value) == JSON_OBJECT)
        return 0;
    return err_set(err, ERR_PARSE, "%s is not an object", what);
}

static int demand_array(const struct json *value, const char *what, struct err *err)
{
    if (value != NULL && json_kind(value) == JSON_ARRAY)
        return 0;
    return err_set(err, ERR_PARSE, "%s is not a list", what);
}

/* An id that must be there. */
static int demand_id(const struct json *object, const char *key, const char **out, struct err *err)
{
    const char *text = json_get_text(object, key, "");
    if (!is_uuid(text))
        return err_set(err, ERR_PARSE, "field %s is missing or not a UUID", key);
    *out = text;
    return 0;
}

/* An id that may be null. */
static int accept_id(const struct json *object, const char *key, const char **out, struct err *err)
{
    const struct json *value = json_get(object, key);
    if (value == NULL || json_kind(value) == JSON_NULL) {
        *out = "";
        return 0;
    }
    return demand_id(object, key, out, err);
}

/* Milliseconds of an ISO time; the fallback where it is null, missing or not one. */
static int64_t time_or(const struct json *object, const char *key, int64_t fallback)
{
    const char *text = json_get_text(object, key, NULL);
    int64_t at_ms;
    struct err ignored;
    if (text == NULL || clock_parse(text, &at_ms, &ignored) != 0)
        return fallback;
    return at_ms;
}

/* --- states and runs --- */

static const char *const state_type_names[] = {
    [PREFECT_STATE_UNKNOWN] = "UNKNOWN",       [PREFECT_STATE_SCHEDULED] = "SCHEDULED",
    [PREFECT_STATE_PENDING] = "PENDING",       [PREFECT_STATE_RUNNING] = "RUNNING",
    [PREFECT_STATE_COMPLETED] = "COMPLETED",   [PREFECT_STATE_FAILED] = "FAILED",
    [PREFECT_STATE_CRASHED] = "CRASHED",       [PREFECT_STATE_CANCELLED] = "CANCELLED",
    [PREFECT_STATE_CANCELLING] = "CANCELLING", [PREFECT_STATE_PAUSED] = "PAUSED",
};

const char *prefect_state_type_name(enum prefect_state_type type)
{
    CHECK((size_t)type < ARRAY_LEN(state_type_names));
    return state_type_names[type];
}

enum prefect_state_type prefect_state_type_from_name(const char *name)
{
    for (size_t i = PREFECT_STATE_SCHEDULED; i < ARRAY_LEN(state_type_names); i++)
        if (strcmp(name, state_type_names[i]) == 0)
            return (enum prefect_state_type)i;
    return PREFECT_STATE_UNKNOWN;
}

bool prefect_state_type_is_final(enum prefect_state_type type)
{
    return type == PREFECT_STATE_COMPLETED || type == PREFECT_STATE_FAILED || type == PREFECT_STATE_CRASHED ||
           type == PREFECT_STATE_CANCELLED;
}

static void read_state(const struct json *value, struct prefect_arena *arena, struct prefect_state *out)
{
    const struct json *details = json_get(value, "state_details");
    int64_t scheduled_at_ms = time_or(details, "scheduled_time", INT64_MIN);
    *out = (struct prefect_state){
        .type = prefect_state_type_from_name(json_get_text(value, "type", "")),
        .name = json_get_text(value, "name", ""),
        .message = json_get_text(value, "message", ""),
        .transition_id = json_get_text(details, "transition_id", ""),
        .lease_id = json_get_text(details, "deployment_concurrency_lease_id", ""),
        .has_scheduled_time = scheduled_at_ms != INT64_MIN,
        .scheduled_at_ms = scheduled_at_ms != INT64_MIN ? scheduled_at_ms : 0,
        .timestamp_ms = time_or(value, "timestamp", 0),
        .data_json = prefect_source_text(arena, json_get(value, "data"), "null"),
    };
}

/* Tags that are texts; others are left out. */
static void read_tags(const struct json *value, struct prefect_arena *arena, struct prefect_run *run)
{
    size_t count = value != NULL && json_kind(value) == JSON_ARRAY ? json_count(value) : 0;
    const char **tags = arena_array(arena, count, sizeof(*tags));
    size_t used = 0;
    if (count > 0)
        for (const struct json *tag = json_first(value); tag != NULL; tag = json_next(tag))
            if (json_text(tag, NULL) != NULL)
                tags[used++] = json_text(tag, NULL);
    run->tags = tags;
    run->tag_count = used;
}

static void read_run_state(const struct json *value, struct prefect_arena *arena, struct prefect_run *run)
{
    const struct json *state = json_get(value, "state");
    run->state_type = prefect_state_type_from_name(json_get_text(value, "state_type", ""));
    run->state_name = json_get_text(value, "state_name", "");
    if (state == NULL || json_kind(state) != JSON_OBJECT)
        return;
    struct prefect_state *out = arena_array(arena, 1, sizeof(*out));
    read_state(state, arena, out);
    run->state = out;
    if (run->state_type == PREFECT_STATE_UNKNOWN) {
        run->state_type = out->type;
        run->state_name = out->name;
    }
}

/* Where Prefect keeps the trace of a run: prefect/telemetry/run_telemetry.py, LABELS_TRACEPARENT_KEY. */
static void read_trace(const struct json *labels, struct prefect_run *run)
{
    if (!trace_parent_read(json_get_text(labels, PREFECT_TRACE_LABEL, NULL), &run->trace_parent))
        run->trace_parent.span = 0;
}

static int read_run(const struct json *value, struct prefect_arena *arena, struct prefect_run *run,
                    struct err *err)
{
    if (demand_object(value, "a flow run", err) != 0 || demand_id(value, "id", &run->id, err) != 0 ||
        accept_id(value, "flow_id", &run->flow_id, err) != 0 ||
        accept_id(value, "deployment_id", &run->deployment_id, err) != 0 ||
        accept_id(value, "work_queue_id", &run->work_queue_id, err) != 0)
        return -1;
    read_tags(json_get(value, "tags"), arena, run);
    read_run_state(value, arena, run);
    read_trace(json_get(value, "labels"), run);
    run->name = json_get_text(value, "name", "");
    run->infrastructure_pid = json_get_text(value, "infrastructure_pid", "");
    run->job_variables_json = prefect_source_text(arena, json_get(value, "job_variables"), "{}");
    run->parameters_json = prefect_source_text(arena, json_get(value, "parameters"), "{}");
    run->expected_start_ms =
        time_or(value, "next_scheduled_start_time", time_or(value, "expected_start_time", 0));
    const char *retry_type = json_get_text(json_get(value, "empirical_policy"), "retry_type", "");
    run->retries_in_process = strcmp(retry_type, "in_process") == 0;
    return 0;
}

static int read_run_list(const struct json *root, bool is_wrapped, struct prefect_arena *arena,
                         struct prefect_reply *reply, struct err *err)
{
    if (demand_array(root, "the answer", err) != 0)
        return -1;
    struct prefect_run *runs = arena_array(arena, json_count(root), sizeof(*runs));
    size_t count = 0;
    for (const struct json *item = json_first(root); item != NULL; item = json_next(item)) {
        const struct json *run = is_wrapped ? json_get(item, "flow_run") : item;
        if (read_run(run, arena, &runs[count], err) != 0)
            return -1;
        /* The queue of the wrapper is the one that the poll's order went by. */
        if (is_wrapped && runs[count].work_queue_id[0] == '\0' &&
            accept_id(item, "work_queue_id", &runs[count].work_queue_id, err) != 0)
            return -1;
        count++;
    }
    reply->runs = runs;
    reply->count = count;
    return 0;
}

int prefect_read_poll(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err)
{
    return read_run_list(root, true, arena, reply, err);
}

int prefect_read_runs(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err)
{
    return read_run_list(root, false, arena, reply, err);
}

int prefect_read_run(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                     struct err *err)
{
    struct prefect_run *run = arena_array(arena, 1, sizeof(*run));
    if (read_run(root, arena, run, err) != 0)
        return -1;
    /* What follows a look at a run is decided by its state. */
    if (run->state_type == PREFECT_STATE_UNKNOWN && run->state_name[0] != '\0')
        return err_set(err, ERR_PARSE, "field state_type of the flow run is unknown");
    reply->runs = run;
    reply->count = 1;
    return 0;
}

int prefect_read_history(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err)
{
    if (demand_array(root, "the answer", err) != 0)
        return -1;
    struct prefect_state *states = arena_array(arena, json_count(root), sizeof(*states));
    size_t count = 0;
    for (const struct json *item = json_first(root); item != NULL; item = json_next(item)) {
        if (demand_object(item, "a state", err) != 0)
            return -1;
        read_state(item, arena, &states[count]);
        if (states[count].type == PREFECT_STATE_UNKNOWN)
            return err_set(err, ERR_PARSE, "field type of a state is missing or unknown");
        count++;
    }
    reply->states = states;
    reply->count = count;
    return 0;
}

/* --- set_state --- */

static int read_outcome(const struct json *root, enum prefect_outcome *out, struct err *err)
{
    static const char *const words[] = {
        [PREFECT_OUTCOME_ACCEPT] = "ACCEPT",
        [PREFECT_OUTCOME_REJECT] = "REJECT",
        [PREFECT_OUTCOME_ABORT] = "ABORT",
        [PREFECT_OUTCOME_WAIT] = "WAIT",
    };
    const char *status = json_get_text(root, "status", "");
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(status, words[i]) == 0) {
            *out = (enum prefect_outcome)i;
            return 0;
        }
    }
    return err_set(err, ERR_PARSE, "field status of the set_state answer is missing or unknown");
}

int prefect_read_set_state(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                           struct err *err)
{
    enum prefect_outcome outcome = PREFECT_OUTCOME_ABORT;
    if (demand_object(root, "the set_state answer", err) != 0 || read_outcome(root, &outcome, err) != 0)
        return -1;
    struct prefect_state *state = arena_array(arena, 1, sizeof(*state));
    /* A run that never had a state is refused without one; an accepted proposal always comes back. */
    read_state(json_get(root, "state"), arena, state);
    if (outcome == PREFECT_OUTCOME_ACCEPT && state->type == PREFECT_STATE_UNKNOWN)
        return err_set(err, ERR_PARSE, "the accepted state is missing or of unknown type");
    const struct json *details = json_get(root, "details");
    double delay_s = json_double(json_get(details, "delay_seconds"), 0);
    reply->outcome = outcome;
    reply->reason = json_get_text(details, "reason", "");
    reply->wait_ms = delay_s > 0 && delay_s < 1e9 ? (int64_t)(delay_s * 1000) : 0;
    reply->states = state;
    reply->count = 1;
    return 0;
}

/* --- pools, queues and the rest --- */

int prefect_read_pool(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err)
{
    struct prefect_pool *pool = arena_array(arena, 1, sizeof(*pool));
    if (demand_object(root, "the work pool", err) != 0 || demand_id(root, "id", &pool->id, err) != 0)
        return -1;
    const struct json *template = json_get(root, "base_job_template");
    bool is_object = template != NULL && json_kind(template) == JSON_OBJECT;
    pool->name = json_get_text(root, "name", "");
    pool->type = json_get_text(root, "type", "");
    pool->is_paused = json_get_bool(root, "is_paused", false);
    pool->concurrency_limit = json_get_int(root, "concurrency_limit", -1);
    pool->base_job_template_json = prefect_source_text(arena, is_object ? template : NULL, "{}");
    pool->has_template = is_object && json_count(template) > 0;
    if (pool->name[0] == '\0')
        return err_set(err, ERR_PARSE, "field name of the work pool is missing");
    reply->pool = pool;
    return 0;
}

int prefect_read_queues(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                        struct err *err)
{
    if (demand_array(root, "the answer", err) != 0)
        return -1;
    struct prefect_queue *queues = arena_array(arena, json_count(root), sizeof(*queues));
    size_t count = 0;
    for (const struct json *item = json_first(root); item != NULL; item = json_next(item)) {
        struct prefect_queue *queue = &queues[count++];
        if (demand_object(item, "a work queue", err) != 0 || demand_id(item, "id", &queue->id, err) != 0)
            return -1;
        int64_t priority = json_get_int(item, "priority", 1);
        queue->name = json_get_text(item, "name", "");
        queue->priority = priority >= 0 && priority <= INT32_MAX ? (int32_t)priority : INT32_MAX;
        queue->is_paused = json_get_bool(item, "is_paused", false);
        queue->concurrency_limit = json_get_int(item, "concurrency_limit", -1);
    }
    reply->queues = queues;
    reply->count = count;
    return 0;
}

int prefect_read_workers(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err)
{
    if (demand_array(root, "the answer", err) != 0)
        return -1;
    const char **names = arena_array(arena, json_count(root), sizeof(*names));
    size_t count = 0;
    for (const struct json *item = json_first(root); item != NULL; item = json_next(item)) {
        if (demand_object(item, "a worker", err) != 0)
            return -1;
        names[count++] = json_get_text(item, "name", "");
    }
    reply->worker_names = names;
    reply->count = count;
    return 0;
}

int prefect_read_granted(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err)
{
    (void)arena;
    if (demand_array(root, "the answer", err) != 0)
        return -1;
    reply->count = json_count(root);
    return 0;
}

int prefect_read_deployment(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                            struct err *err)
{
    struct prefect_deployment *deployment = arena_array(arena, 1, sizeof(*deployment));
    if (demand_object(root, "the deployment", err) != 0 || demand_id(root, "id", &deployment->id, err) != 0 ||
        demand_id(root, "flow_id", &deployment->flow_id, err) != 0)
        return -1;
    deployment->name = json_get_text(root, "name", "");
    deployment->updated = json_get_text(root, "updated", "");
    deployment->job_variables_json = prefect_source_text(arena, json_get(root, "job_variables"), "{}");
    reply->deployment = deployment;
    return 0;
}

int prefect_read_flow(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                      struct err *err)
{
    (void)arena;
    const char *name = json_get_text(root, "name", "");
    if (name[0] == '\0')
        return err_set(err, ERR_PARSE, "field name of the flow is missing");
    reply->flow_name = name;
    return 0;
}

int prefect_read_version(const struct json *root, struct prefect_arena *arena, struct prefect_reply *reply,
                         struct err *err)
{
    (void)arena;
    const char *version = json_text(root, "");
    if (version[0] == '\0')
        return err_set(err, ERR_PARSE, "the version is not a text");
    reply->json = version;
    return 0;
}

/* --- whole answers --- */

static bool looks_like_html(const char *body, size_t len)
{
    size_t i = 0;
    while (i < len && strchr(" \t\r\n\xef\xbb\xbf", body[i]) != NULL && body[i] != '\0')
        i++;
    return i < len && body[i] == '<';
}

int prefect_read_answer(const char *body, size_t len, prefect_read_fn fn, struct prefect_arena *arena,
                        struct prefect_reply *reply, struct err *err)
{
    if (looks_like_html(body, len))
        return err_set(err, ERR_PARSE,
                       "an HTML page came instead of the API's answer: does the API URL end in /api?");
    if (fn == NULL)
        return 0;
    struct err parse_err;
    if (json_parse(body, len, &arena->root, &parse_err) != 0) {
        /* What is whole JSON and refused all the same must not be taken for an answer that was cut off. */
        if (parse_err.kind != ERR_PARSE)
            return err_set(err, parse_err.kind, "%s", parse_err.msg);
        return err_set(err, ERR_PARSE, "not valid JSON, or cut off (%zu bytes)", len);
    }
    return fn(arena->root, arena, reply, err);
}

/* Append at most max bytes of the piece to a text of `used` bytes; returns how long it is then. */
static size_t put(char *text, size_t size, size_t used, const char *piece, size_t max)
{
    size_t room = size - used - 1;
    size_t len = text_fitting(piece, strlen(piece), max < room ? max : room);
    memcpy(text + used, piece, len);
    text[used + len] = '\0';
    return used + len;
}

/* "body.state.type" of a validation error's location. */
static size_t put_location(const struct json *loc, char *text, size_t size, size_t used)
{
    enum { PART_MAX = 60 };
    for (const struct json *part = loc != NULL && json_kind(loc) == JSON_ARRAY ? json_first(loc) : NULL;
         part != NULL; part = json_next(part)) {
        const char *name = json_text(part, json_number_text(part));
        if (name == NULL)
            continue;
        if (part != json_first(loc))
            used = put(text, size, used, ".", 1);
        used = put(text, size, used, name, PART_MAX);
    }
    return used;
}

static void describe_list(const struct json *list, char *text, size_t size)
{
    enum { SHOWN_MAX = 3, WHAT_MAX = 200 };
    size_t used = 0;
    int shown = 0;
    text[0] = '\0';
    for (const struct json *item = json_first(list); item != NULL && shown < SHOWN_MAX;
         item = json_next(item), shown++) {
        if (shown > 0)
            used = put(text, size, used, "; ", 2);
        used = put_location(json_get(item, "loc"), text, size, used);
        used = put(text, size, used, ": ", 2);
        used = put(text, size, used, json_get_text(item, "msg", json_text(item, "?")), WHAT_MAX);
    }
}

bool prefect_read_error(const char *body, size_t len, char *text, size_t text_size)
{
    struct err ignored;
    struct json *root = NULL;
    if (json_parse(body, len, &root, &ignored) != 0 || json_kind(root) != JSON_OBJECT) {
        json_free(root);
        const char *what = looks_like_html(body, len) ? "an HTML page instead of the API's answer"
                           : len == 0                 ? "an empty answer"
                                                      : "an answer that is not the API's";
        snprintf(text, text_size, "%s", what);
        return false;
    }
    const struct json *detail = json_get(root, "detail");
    const char *plain = json_text(detail, json_get_text(root, "exception_message", ""));
    if (detail != NULL && json_kind(detail) == JSON_ARRAY)
        describe_list(detail, text, text_size);
    else
        (void)put(text, text_size, 0, plain, text_size);
    const struct json *list = json_get(root, "exception_detail");
    if (detail == NULL && list != NULL && json_kind(list) == JSON_ARRAY && json_count(list) > 0) {
        size_t used = strlen(text);
        if (used + 3 < text_size) {
            snprintf(text + used, text_size - used, ": ");
            describe_list(list, text + used + 2, text_size - used - 2);
        }
    }
    json_free(root);
    return true;
}

const struct prefect_run *prefect_reply_run(const struct prefect_reply *reply, const char *flow_run_id)
{
    for (size_t i = 0; i < reply->count; i++)
        if (strcmp(reply->runs[i].id, flow_run_id) == 0)
            return &reply->runs[i];
    return NULL;
}
