/*
 * fake_prefect_routes.c - requests into effects and answers, shaped as a 3.8.8 server shapes them.
 *
 * One function per route; the table at the end finds it. Bodies are checked as far as the client under test
 * could get them wrong. No faults, no HTTP: fake_prefect.c brings a parsed call and sends the answer.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

typedef void (*handler_fn)(struct fake_prefect *fake, const struct fake_call *call,
                           struct fake_answer *answer);

/* --- events, logs, the rest --- */

static bool is_event_known(const struct fake_prefect *fake, const char *id)
{
    for (size_t i = 0; i < fake->event_ids.count; i++)
        if (strcmp(fake->event_ids.items[i], id) == 0)
            return true;
    return false;
}

static void take_events(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    if (call->body == NULL || json_kind(call->body) != JSON_ARRAY) {
        fake_answer_invalid(answer, "events", "Input should be a list");
        return;
    }
    for (const struct json *item = json_first(call->body); item != NULL; item = json_next(item)) {
        const char *resource_id = json_get_text(json_get(item, "resource"), "prefect.resource.id", "");
        if (resource_id[0] == '\0' || json_get_text(item, "id", NULL) == NULL ||
            json_get_text(item, "occurred", NULL) == NULL || json_get_text(item, "event", NULL) == NULL) {
            fake_answer_invalid(answer, "0", "Field required");
            return;
        }
    }
    for (const struct json *item = json_first(call->body); item != NULL; item = json_next(item))
        if (!is_event_known(fake, json_get_text(item, "id", ""))) {
            fake_array_add(&fake->events, json_write(item));
            fake_array_add(&fake->event_ids, check_strdup(json_get_text(item, "id", "")));
        }
    answer->status = 204;
}

static void take_logs(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    static const char *const known[] = {"name",      "level",       "message",
                                        "timestamp", "flow_run_id", "task_run_id"};
    if (call->body == NULL || json_kind(call->body) != JSON_ARRAY) {
        fake_answer_invalid(answer, "logs", "Input should be an instance of Sequence");
        return;
    }
    for (const struct json *item = json_first(call->body); item != NULL; item = json_next(item)) {
        for (const struct json *member = json_first(item); member != NULL; member = json_next(member)) {
            bool is_known = false;
            for (size_t i = 0; i < ARRAY_LEN(known); i++)
                is_known = is_known || strcmp(known[i], json_key(member)) == 0;
            if (!is_known) {
                fake_answer_invalid(answer, json_key(member), "Extra inputs are not permitted");
                return;
            }
        }
    }
    for (const struct json *item = json_first(call->body); item != NULL; item = json_next(item))
        fake_array_add(&fake->logs, json_write(item));
    fake_answer_json(answer, 201, json_new_null());
}

static void version(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    (void)fake;
    (void)call;
    fake_answer_json(answer, 200, json_new_text("3.8.8"));
}

static void health(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    (void)fake;
    (void)call;
    fake_answer_json(answer, 200, json_new_bool(true));
}

static void csrf_token(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    static const char key[] = "client=";
    if (!fake->csrf_demanded) {
        fake_answer_detail(answer, 422, "CSRF protection is disabled.");
        return;
    }
    char id[UUID_TEXT_SIZE];
    fake_make_id(fake, id);
    free(fake->csrf_token);
    free(fake->csrf_client);
    fake->csrf_token = check_strdup(id);
    fake->csrf_client = check_strdup(
        call->query != NULL && strncmp(call->query, key, strlen(key)) == 0 ? call->query + strlen(key) : "");
    fake->csrf_expires_ms = fake_now_ms(fake) + fake->csrf_life_ms;
    struct json *body = json_new_object();
    json_set_text(body, "token", fake->csrf_token);
    json_set_text(body, "client", fake->csrf_client);
    fake_set_time(body, "expiration", fake->csrf_expires_ms);
    fake_answer_json(answer, 200, body);
}

static void unknown(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    (void)fake;
    (void)call;
    fake_answer_detail(answer, 404, "Not Found");
}

/* --- the table --- */

struct route {
    enum fake_prefect_route route;
    const char *method;
    const char *pattern; /* "*": one part of any text */
    fake_handler_fn *handler;
};

static const struct route routes[] = {
    {FAKE_PREFECT_GET_POOL, "GET", "work_pools/*", fake_handle_get_pool},
    {FAKE_PREFECT_CREATE_POOL, "POST", "work_pools/", fake_handle_create_pool},
    {FAKE_PREFECT_PATCH_POOL, "PATCH", "work_pools/*", fake_handle_patch_pool},
    {FAKE_PREFECT_DELETE_POOL, "DELETE", "work_pools/*", fake_handle_delete_pool},
    {FAKE_PREFECT_HEARTBEAT, "POST", "work_pools/*/workers/heartbeat", fake_handle_heartbeat},
    {FAKE_PREFECT_LIST_WORKERS, "POST", "work_pools/*/workers/filter", fake_handle_list_workers},
    {FAKE_PREFECT_LIST_QUEUES, "POST", "work_pools/*/queues/filter", fake_handle_list_queues},
    {FAKE_PREFECT_CREATE_QUEUE, "POST", "work_pools/*/queues", fake_handle_create_queue},
    {FAKE_PREFECT_PATCH_QUEUE, "PATCH", "work_pools/*/queues/*", fake_handle_patch_queue},
    {FAKE_PREFECT_POLL, "POST", "work_pools/*/get_scheduled_flow_runs", fake_handle_poll},
    {FAKE_PREFECT_FILTER_RUNS, "POST", "flow_runs/filter", fake_handle_filter_runs},
    {FAKE_PREFECT_GET_RUN, "GET", "flow_runs/*", fake_handle_get_run},
    {FAKE_PREFECT_PATCH_RUN, "PATCH", "flow_runs/*", fake_handle_patch_run},
    {FAKE_PREFECT_PATCH_LABELS, "PATCH", "flow_runs/*/labels", fake_handle_patch_labels},
    {FAKE_PREFECT_SET_STATE, "POST", "flow_runs/*/set_state", fake_handle_set_state},
    {FAKE_PREFECT_DELETE_RUN, "DELETE", "flow_runs/*", fake_handle_delete_run},
    {FAKE_PREFECT_RENEW_LEASE, "POST", "v2/concurrency_limits/leases/*/renew", fake_handle_renew_lease},
    {FAKE_PREFECT_TAKE_RATE, "POST", "v2/concurrency_limits/increment", fake_handle_take_rate},
    {FAKE_PREFECT_HISTORY, "GET", "flow_run_states/", fake_handle_history},
    {FAKE_PREFECT_CREATE_FLOW, "POST", "flows/", fake_handle_create_flow},
    {FAKE_PREFECT_GET_FLOW, "GET", "flows/*", fake_handle_get_flow},
    {FAKE_PREFECT_CREATE_DEPLOYMENT, "POST", "deployments/", fake_handle_create_deployment},
    {FAKE_PREFECT_GET_DEPLOYMENT, "GET", "deployments/*", fake_handle_get_deployment},
    {FAKE_PREFECT_DELETE_DEPLOYMENT, "DELETE", "deployments/*", fake_handle_delete_deployment},
    {FAKE_PREFECT_CREATE_RUN, "POST", "deployments/*/create_flow_run", fake_handle_create_run},
    {FAKE_PREFECT_CREATE_BLOCK_TYPE, "POST", "block_types/", fake_handle_create_block_type},
    {FAKE_PREFECT_CREATE_BLOCK_SCHEMA, "POST", "block_schemas/", fake_handle_create_block_schema},
    {FAKE_PREFECT_CREATE_BLOCK, "POST", "block_documents/", fake_handle_create_block},
    {FAKE_PREFECT_CREATE_VARIABLE, "POST", "variables/", fake_handle_create_variable},
    {FAKE_PREFECT_GET_BLOCK, "GET", "block_documents/*", fake_handle_get_block},
    {FAKE_PREFECT_GET_BLOCK_BY_NAME, "GET", "block_types/slug/*/block_documents/name/*",
     fake_handle_get_block_by_name},
    {FAKE_PREFECT_GET_VARIABLE, "GET", "variables/name/*", fake_handle_get_variable},
    {FAKE_PREFECT_EVENTS, "POST", "events", take_events},
    {FAKE_PREFECT_LOGS, "POST", "logs/", take_logs},
    {FAKE_PREFECT_VERSION, "GET", "admin/version", version},
    {FAKE_PREFECT_HEALTH, "GET", "health", health},
    {FAKE_PREFECT_CSRF, "GET", "csrf-token", csrf_token},
    {FAKE_PREFECT_UNKNOWN, "*", "", unknown},
};

static bool fits(const char *pattern, const struct fake_call *call)
{
    size_t part = 0;
    while (true) {
        size_t len = strcspn(pattern, "/");
        if (part >= call->part_count)
            return false;
        const char *text = call->parts[part++];
        bool is_any = len == 1 && pattern[0] == '*';
        if (is_any ? text[0] == '\0' : strlen(text) != len || strncmp(text, pattern, len) != 0)
            return false;
        if (pattern[len] == '\0')
            return part == call->part_count;
        pattern += len + 1;
    }
}

static const struct route *find_route(const struct fake_call *call)
{
    for (size_t i = 0; i + 1 < ARRAY_LEN(routes); i++)
        if (strcmp(routes[i].method, call->method) == 0 && fits(routes[i].pattern, call))
            return &routes[i];
    return &routes[ARRAY_LEN(routes) - 1];
}

enum fake_prefect_route fake_route(const struct fake_call *call)
{
    return find_route(call)->route;
}

bool fake_route_changes(enum fake_prefect_route route)
{
    static const bool changes[] = {
#define X(name, text, does_change) [FAKE_PREFECT_##name] = does_change,
        FAKE_PREFECT_ROUTES(X)
#undef X
    };
    return changes[route];
}

void fake_serve(struct fake_prefect *fake, enum fake_prefect_route route, const struct fake_call *call,
                struct fake_answer *answer)
{
    *answer = (struct fake_answer){500, NULL};
    find_route(call)->handler(fake, call, answer);
    if (fake_route_changes(route) && answer->status / 100 == 2)
        fake->changes++;
}
