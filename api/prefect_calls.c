/*
 * prefect_calls.c - the routes: one function per call of prefect.h.
 *
 * Only builds a path and a body and names the reader of the answer; sending is prefect.c's. Names and ids are
 * percent-encoded. Keys that a route doesn't need are not sent, since older servers refuse unknown ones with
 * 422.
 */
#include "api/prefect_internal.h"

#include <stdio.h>
#include <string.h>

/* Lists of runs carry their parameters, which people make large. */
#define RUN_LIST_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define RUN_LIST_MAX_COUNT PREFECT_LIST_MAX
/* The prefect-docker whose worker we equal. */
#define CLAIMED_DOCKER_VERSION "0.7.4"

/* A path with one name in it; NULL where the name would change the path's meaning. */
static char *make_path(const char *before, const char *name, const char *after, struct err *err)
{
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        err_set(err, ERR_INVALID, "\"%s\" can't be part of the path %sNAME%s", name, before, after);
        return NULL;
    }
    char *escaped = http_escape(name);
    char *path = check_printf("%s%s%s", before, escaped, after);
    free(escaped);
    return path;
}

/* Start a request on before/NAME/after; takes the body, which may be NULL. */
static int start_named(struct prefect *p, const struct prefect_ask *ask, struct prefect_request request,
                       const char *before, const char *name, const char *after, struct json *take_body,
                       struct err *err)
{
    char *path = make_path(before, name, after, err);
    char *body = take_body != NULL ? json_write(take_body) : NULL;
    int result = -1;
    json_free(take_body);
    if (path != NULL) {
        request.path = path;
        request.body = body;
        result = prefect_call_start(p, ask, &request, err);
    }
    free(path);
    free(body);
    return result;
}

static int start_get(struct prefect *p, const struct prefect_ask *ask, const char *before, const char *name,
                     prefect_read_fn read, struct err *err)
{
    struct prefect_request request = {.method = "GET", .read = read};
    return start_named(p, ask, request, before, name, "", NULL, err);
}

/* Put finished JSON text into an object. */
static int set_source(struct json *object, const char *key, const char *text, struct err *err)
{
    struct json *value = NULL;
    if (json_parse(text, strlen(text), &value, err) != 0) {
        err->kind = ERR_INVALID;
        return err_wrap(err, "%s", key);
    }
    json_take_set(object, key, value);
    return 0;
}

static struct json *texts_to_json(const char *const *texts, size_t count)
{
    struct json *list = json_new_array();
    for (size_t i = 0; i < count; i++)
        json_take_add(list, json_new_text(texts[i]));
    return list;
}

/* --- pools --- */

int prefect_get_pool(struct prefect *p, const struct prefect_ask *ask, const char *pool, struct err *err)
{
    return start_get(p, ask, "/work_pools/", pool, prefect_read_pool, err);
}

int prefect_create_pool(struct prefect *p, const struct prefect_ask *ask, const char *pool, const char *type,
                        const char *template_json, struct err *err)
{
    struct json *body = json_new_object();
    json_set_text(body, "name", pool);
    json_set_text(body, "type", type);
    if (set_source(body, "base_job_template", template_json, err) != 0) {
        json_free(body);
        return -1;
    }
    char *text = json_write(body);
    json_free(body);
    struct prefect_request request = {
        .method = "POST", .path = "/work_pools/", .body = text, .read = prefect_read_pool};
    int result = prefect_call_start(p, ask, &request, err);
    free(text);
    return result;
}

int prefect_patch_pool_template(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                                const char *template_json, struct err *err)
{
    struct json *body = json_new_object();
    if (set_source(body, "base_job_template", template_json, err) != 0) {
        json_free(body);
        return -1;
    }
    struct prefect_request request = {.method = "PATCH"};
    return start_named(p, ask, request, "/work_pools/", pool, "", body, err);
}

/* With what the official worker tells of itself. */
static void ask_for_worker_id(struct json *body)
{
    struct json *integration = json_new_object();
    json_set_text(integration, "name", "prefect-docker");
    json_set_text(integration, "version", CLAIMED_DOCKER_VERSION);
    struct json *integrations = json_new_array();
    json_take_add(integrations, integration);
    struct json *metadata = json_new_object();
    json_take_set(metadata, "integrations", integrations);
    json_take_set(body, "metadata", metadata);
    json_set_bool(body, "return_id", true);
}

int prefect_heartbeat(struct prefect *p, const struct prefect_ask *ask, const char *pool, int64_t interval_s,
                      struct err *err)
{
    struct json *body = json_new_object();
    json_set_text(body, "name", p->worker_name);
    json_set_int(body, "heartbeat_interval_seconds", interval_s);
    bool asks_id = p->is_cloud && p->worker_id[0] == '\0' && !p->gives_no_worker_ids;
    if (asks_id)
        ask_for_worker_id(body);
    struct prefect_request request = {.method = "POST", .asks_worker_id = asks_id};
    return start_named(p, ask, request, "/work_pools/", pool, "/workers/heartbeat", body, err);
}

int prefect_list_queues(struct prefect *p, const struct prefect_ask *ask, const char *pool, struct err *err)
{
    struct json *body = json_new_object();
    json_set_text(body, "work_queues", NULL);
    json_set_text(body, "limit", NULL);
    json_set_text(body, "offset", NULL);
    struct prefect_request request = {.method = "POST", .read = prefect_read_queues};
    return start_named(p, ask, request, "/work_pools/", pool, "/queues/filter", body, err);
}

int prefect_list_workers(struct prefect *p, const struct prefect_ask *ask, const char *pool, int64_t since_ms,
                         struct err *err)
{
    char since[CLOCK_TEXT_SIZE];
    clock_format(since_ms, since);
    struct json *heartbeat = json_new_object();
    json_set_text(heartbeat, "after_", since);
    struct json *workers = json_new_object();
    json_take_set(workers, "last_heartbeat_time", heartbeat);
    struct json *body = json_new_object();
    json_take_set(body, "workers", workers);
    json_set_int(body, "limit", RUN_LIST_MAX_COUNT);
    struct prefect_request request = {
        .method = "POST", .read = prefect_read_workers, .optional = PREFECT_OPTIONAL_WORKERS};
    return start_named(p, ask, request, "/work_pools/", pool, "/workers/filter", body, err);
}

int prefect_poll(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                 const char *const *queue_names, size_t queue_count, int64_t scheduled_before_ms,
                 int64_t limit, struct err *err)
{
    CHECK(limit >= -1 && limit <= RUN_LIST_MAX_COUNT);
    char before[CLOCK_TEXT_SIZE];
    clock_format(scheduled_before_ms, before);
    struct json *body = json_new_object();
    if (queue_count > 0)
        json_take_set(body, "work_queue_names", texts_to_json(queue_names, queue_count));
    json_set_text(body, "scheduled_before", before);
    if (limit >= 0)
        json_set_int(body, "limit", limit);
    struct prefect_request request = {
        .method = "POST", .read = prefect_read_poll, .max_body_bytes = RUN_LIST_MAX_BYTES};
    return start_named(p, ask, request, "/work_pools/", pool, "/get_scheduled_flow_runs", body, err);
}

/* --- flow runs --- */

/* body is taken over. */
static int filter_runs(struct prefect *p, const struct prefect_ask *ask, struct json *body, struct err *err)
{
    json_set_int(body, "limit", RUN_LIST_MAX_COUNT);
    char *text = json_write(body);
    json_free(body);
    struct prefect_request request = {.method = "POST",
                                      .path = "/flow_runs/filter",
                                      .body = text,
                                      .read = prefect_read_runs,
                                      .max_body_bytes = RUN_LIST_MAX_BYTES};
    int result = prefect_call_start(p, ask, &request, err);
    free(text);
    return result;
}

/* {"any_": [...]} */
static struct json *any_of(const char *const *texts, size_t count)
{
    struct json *any = json_new_object();
    json_take_set(any, "any_", texts_to_json(texts, count));
    return any;
}

int prefect_filter_runs(struct prefect *p, const struct prefect_ask *ask, const char *const *ids,
                        size_t count, struct err *err)
{
    CHECK(count <= RUN_LIST_MAX_COUNT);
    struct json *runs = json_new_object();
    json_take_set(runs, "id", any_of(ids, count));
    struct json *body = json_new_object();
    json_take_set(body, "flow_runs", runs);
    return filter_runs(p, ask, body, err);
}

/* The filter "flow_runs" for one type of state. */
static struct json *runs_of_type(enum prefect_state_type type)
{
    const char *name = prefect_state_type_name(type);
    struct json *state = json_new_object();
    json_take_set(state, "type", any_of(&name, 1));
    struct json *runs = json_new_object();
    json_take_set(runs, "state", state);
    return runs;
}

static struct json *named(const char *const *names, size_t count)
{
    struct json *filter = json_new_object();
    json_take_set(filter, "name", any_of(names, count));
    return filter;
}

/* A page of a pool's runs, the filter "flow_runs" being taken over. */
static struct json *pool_page(const char *pool, struct json *runs, const char *sort, int64_t offset)
{
    struct json *body = json_new_object();
    json_take_set(body, "flow_runs", runs);
    json_take_set(body, "work_pools", named(&pool, 1));
    json_set_text(body, "sort", sort);
    json_set_int(body, "offset", offset);
    return body;
}

int prefect_list_in_state(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                          enum prefect_state_type type, int64_t offset, struct err *err)
{
    return filter_runs(p, ask, pool_page(pool, runs_of_type(type), "ID_DESC", offset), err);
}

int prefect_list_due(struct prefect *p, const struct prefect_ask *ask, const struct prefect_due_page *page,
                     struct err *err)
{
    char text[CLOCK_TEXT_SIZE];
    struct json *due = json_new_object();
    clock_format(page->before_ms, text);
    json_set_text(due, "before_", text);
    if (page->has_after) {
        clock_format(page->after_ms, text);
        json_set_text(due, "after_", text);
    }
    struct json *runs = runs_of_type(PREFECT_STATE_SCHEDULED);
    json_take_set(runs, "next_scheduled_start_time", due);
    const char *sort = page->is_by_id ? "ID_DESC" : "NEXT_SCHEDULED_START_TIME_ASC";
    struct json *body = pool_page(page->pool, runs, sort, page->offset);
    if (page->queue_count > 0)
        json_take_set(body, "work_pool_queues", named(page->queue_names, page->queue_count));
    return filter_runs(p, ask, body, err);
}

int prefect_get_run(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                    struct err *err)
{
    return start_get(p, ask, "/flow_runs/", flow_run_id, prefect_read_run, err);
}

int prefect_get_history(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                        struct err *err)
{
    return start_get(p, ask, "/flow_run_states/?flow_run_id=", flow_run_id, prefect_read_history, err);
}

static void set_text_if_any(struct json *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        json_set_text(object, key, text);
}

static struct json *proposal_to_json(const char *flow_run_id, const struct prefect_proposal *proposal,
                                     struct err *err)
{
    struct json *details = json_new_object();
    json_set_text(details, "flow_run_id", flow_run_id);
    set_text_if_any(details, "transition_id", proposal->transition_id);
    set_text_if_any(details, "deployment_concurrency_lease_id", proposal->lease_id);
    if (proposal->type == PREFECT_STATE_SCHEDULED && proposal->scheduled_at_ms != 0) {
        char at[CLOCK_TEXT_SIZE];
        clock_format(proposal->scheduled_at_ms, at);
        json_set_text(details, "scheduled_time", at);
    }
    struct json *state = json_new_object();
    json_set_text(state, "type", prefect_state_type_name(proposal->type));
    set_text_if_any(state, "name", proposal->name);
    json_set_text(state, "message", proposal->message);
    json_take_set(state, "state_details", details);
    struct json *body = json_new_object();
    json_take_set(body, "state", state);
    json_set_bool(body, "force", proposal->force);
    if (set_source(state, "data", proposal->data_json != NULL ? proposal->data_json : "null", err) == 0)
        return body;
    json_free(body);
    return NULL;
}

int prefect_set_state(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                      const struct prefect_proposal *proposal, struct err *err)
{
    CHECK(proposal->type != PREFECT_STATE_UNKNOWN);
    struct json *body = proposal_to_json(flow_run_id, proposal, err);
    if (body == NULL)
        return -1;
    struct prefect_request request = {.method = "POST", .read = prefect_read_set_state, .changes = true};
    return start_named(p, ask, request, "/flow_runs/", flow_run_id, "/set_state", body, err);
}

int prefect_patch_pid(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                      const char *pid, struct err *err)
{
    struct json *body = json_new_object();
    json_set_text(body, "infrastructure_pid", pid);
    struct prefect_request request = {.method = "PATCH"};
    return start_named(p, ask, request, "/flow_runs/", flow_run_id, "", body, err);
}

int prefect_patch_labels(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                         const char *const *labels, struct err *err)
{
    struct json *body = json_new_object();
    for (size_t i = 0; labels[i] != NULL; i += 2)
        json_set_text(body, labels[i], labels[i + 1]);
    struct prefect_request request = {.method = "PATCH", .optional = PREFECT_OPTIONAL_LABELS};
    return start_named(p, ask, request, "/flow_runs/", flow_run_id, "/labels", body, err);
}

/* --- the rest --- */

int prefect_renew_lease(struct prefect *p, const struct prefect_ask *ask, const char *lease_id,
                        int64_t duration_s, struct err *err)
{
    struct json *body = json_new_object();
    json_set_int(body, "lease_duration", duration_s);
    struct prefect_request request = {.method = "POST", .optional = PREFECT_OPTIONAL_LEASES};
    return start_named(p, ask, request, "/v2/concurrency_limits/leases/", lease_id, "/renew", body, err);
}

int prefect_take_rate(struct prefect *p, const struct prefect_ask *ask, const char *limit_name,
                      int64_t tokens, struct err *err)
{
    struct json *body = json_new_object();
    json_take_set(body, "names", texts_to_json(&limit_name, 1));
    json_set_int(body, "slots", tokens);
    json_set_text(body, "mode", "rate_limit");
    char *text = json_write(body);
    json_free(body);
    struct prefect_request request = {.method = "POST",
                                      .path = "/v2/concurrency_limits/increment",
                                      .body = text,
                                      .read = prefect_read_granted};
    int result = prefect_call_start(p, ask, &request, err);
    free(text);
    return result;
}

int prefect_get_deployment(struct prefect *p, const struct prefect_ask *ask, const char *deployment_id,
                           struct err *err)
{
    return start_get(p, ask, "/deployments/", deployment_id, prefect_read_deployment, err);
}

int prefect_get_flow(struct prefect *p, const struct prefect_ask *ask, const char *flow_id, struct err *err)
{
    return start_get(p, ask, "/flows/", flow_id, prefect_read_flow, err);
}

int prefect_server_version(struct prefect *p, const struct prefect_ask *ask, struct err *err)
{
    struct prefect_request request = {
        .method = "GET", .path = "/admin/version", .read = prefect_read_version};
    return prefect_call_start(p, ask, &request, err);
}

int prefect_post_events(struct prefect *p, const struct prefect_ask *ask, const char *body, struct err *err)
{
    struct prefect_request request = {
        .method = "POST", .path = "/events", .body = body, .optional = PREFECT_OPTIONAL_EVENTS};
    return prefect_call_start(p, ask, &request, err);
}

int prefect_post_logs(struct prefect *p, const struct prefect_ask *ask, const char *body, struct err *err)
{
    struct prefect_request request = {
        .method = "POST", .path = "/logs/", .body = body, .optional = PREFECT_OPTIONAL_LOGS};
    return prefect_call_start(p, ask, &request, err);
}
