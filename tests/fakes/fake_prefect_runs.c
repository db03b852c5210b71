/*
 * fake_prefect_runs.c - the fake's routes of flow runs, flows and deployments.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

enum { FILTER_LIMIT_MAX = 200 };

/* --- flow runs --- */

/* What a filter of flow runs asks for; a part that is NULL lets all through. */
struct run_filter {
    const struct json *ids;
    const struct json *types;
    const struct json *pools;
    const struct json *queues;
    int64_t before_ms; /* FAKE_NO_TIME: any */
    int64_t after_ms;
};

static const struct json *names_of(const struct json *body, const char *key)
{
    return json_get(json_get(json_get(body, key), "name"), "any_");
}

/* False: a time can't be read. */
static bool read_filter(const struct json *body, struct run_filter *filter)
{
    const struct json *runs = json_get(body, "flow_runs");
    const struct json *due = json_get(runs, "next_scheduled_start_time");
    *filter = (struct run_filter){.ids = json_get(json_get(runs, "id"), "any_"),
                                  .types = json_get(json_get(json_get(runs, "state"), "type"), "any_"),
                                  .pools = names_of(body, "work_pools"),
                                  .queues = names_of(body, "work_pool_queues")};
    return fake_read_time(due, "before_", &filter->before_ms) &&
           fake_read_time(due, "after_", &filter->after_ms);
}

/* The list is absent, or holds the name: unlike those of a poll, an empty one lets nobody through. */
static bool is_among(const struct json *names, const char *name)
{
    return names == NULL || (json_count(names) > 0 && fake_is_named(names, name));
}

/* In SCHEDULED; FAKE_NO_TIME otherwise. */
static int64_t due_ms(const struct fake_run *run)
{
    const struct fake_state *state = fake_present_state(run);
    return state->type == PREFECT_STATE_SCHEDULED ? state->scheduled_at_ms : FAKE_NO_TIME;
}

static bool is_wanted(const struct fake_run *run, const struct run_filter *f)
{
    bool is_timed = f->before_ms != FAKE_NO_TIME || f->after_ms != FAKE_NO_TIME;
    int64_t due = due_ms(run);
    if (is_timed && (due == FAKE_NO_TIME || (f->before_ms != FAKE_NO_TIME && due > f->before_ms) ||
                     (f->after_ms != FAKE_NO_TIME && due < f->after_ms)))
        return false;
    return is_among(f->types, prefect_state_type_name(fake_present_state(run)->type)) &&
           is_among(f->pools, run->pool != NULL ? run->pool->name : "") &&
           is_among(f->queues, run->queue != NULL ? run->queue->name : "") && is_among(f->ids, run->id);
}

static int compare_id(const void *left, const void *right)
{
    const struct fake_run *const *a = left;
    const struct fake_run *const *b = right;
    return strcmp((*b)->id, (*a)->id);
}

static int compare_next_start(const void *left, const void *right)
{
    const struct fake_run *const *a = left;
    const struct fake_run *const *b = right;
    return due_ms(*a) != due_ms(*b) ? (due_ms(*a) < due_ms(*b) ? -1 : 1) : compare_id(left, right);
}

void fake_handle_filter_runs(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    struct run_filter filter;
    int64_t limit = json_get_int(call->body, "limit", FILTER_LIMIT_MAX);
    int64_t offset = json_get_int(call->body, "offset", 0);
    const char *sort = json_get_text(call->body, "sort", "ID_DESC");
    bool is_by_due = strcmp(sort, "NEXT_SCHEDULED_START_TIME_ASC") == 0;
    if (limit > FILTER_LIMIT_MAX) {
        fake_answer_detail(answer, 422, "Invalid limit: must be less than or equal to 200.");
        return;
    }
    if (!read_filter(call->body, &filter) || (!is_by_due && strcmp(sort, "ID_DESC") != 0)) {
        fake_answer_invalid(answer, "flow_runs", "Input should be valid");
        return;
    }
    const struct fake_run **found = check_alloc((fake->runs.count + 1) * sizeof(struct fake_run *));
    int64_t count = 0;
    for (size_t i = 0; i < fake->runs.count; i++)
        if (is_wanted(fake->runs.items[i], &filter))
            found[count++] = fake->runs.items[i];
    qsort(found, (size_t)count, sizeof(struct fake_run *), is_by_due ? compare_next_start : compare_id);
    struct json *list = json_new_array();
    for (int64_t i = offset; i < count && i < offset + limit; i++)
        json_take_add(list, fake_run_to_json(found[i]));
    free(found);
    fake_answer_json(answer, 200, list);
}

void fake_handle_get_run(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    const struct fake_run *run = fake_find_run(fake, call->parts[1]);
    if (strlen(call->parts[1]) != UUID_TEXT_SIZE - 1)
        fake_answer_detail(answer, 404, "Not Found");
    else if (run == NULL)
        fake_answer_detail(answer, 404, "Flow run not found");
    else
        fake_answer_json(answer, 200, fake_run_to_json(run));
}

void fake_handle_patch_run(struct fake_prefect *fake, const struct fake_call *call,
                           struct fake_answer *answer)
{
    struct fake_run *run = fake_find_run(fake, call->parts[1]);
    if (run == NULL) {
        fake_answer_detail(answer, 404, "Flow run not found");
        return;
    }
    if (json_get(call->body, "infrastructure_pid") != NULL) {
        free(run->pid);
        run->pid = check_strdup_or_null(json_get_text(call->body, "infrastructure_pid", NULL));
    }
    answer->status = 204;
}

void fake_handle_patch_labels(struct fake_prefect *fake, const struct fake_call *call,
                              struct fake_answer *answer)
{
    struct fake_run *run = fake_find_run(fake, call->parts[1]);
    if (run == NULL) {
        fake_answer_no_run(answer, call->parts[1]);
        return;
    }
    if (call->body != NULL && json_kind(call->body) == JSON_OBJECT)
        for (const struct json *item = json_first(call->body); item != NULL; item = json_next(item))
            json_take_set(run->labels, json_key(item), json_copy(item));
    answer->status = 204;
}

void fake_handle_delete_run(struct fake_prefect *fake, const struct fake_call *call,
                            struct fake_answer *answer)
{
    if (fake_find_run(fake, call->parts[1]) == NULL) {
        fake_answer_detail(answer, 404, "Flow run not found");
        return;
    }
    fake_prefect_delete_run(fake, call->parts[1]);
    answer->status = 204;
}

/* GET /flow_run_states/?flow_run_id=ID */
void fake_handle_history(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    static const char key[] = "flow_run_id=";
    const char *query = call->query != NULL ? call->query : "";
    const struct fake_run *run =
        strncmp(query, key, strlen(key)) == 0 ? fake_find_run(fake, query + strlen(key)) : NULL;
    struct json *list = json_new_array();
    for (size_t i = 0; run != NULL && i < run->states.count; i++)
        json_take_add(list, fake_state_to_json(run, run->states.items[i]));
    fake_answer_json(answer, 200, list);
}

/* The proposed state of a body; NULL: the answer is set. */
static struct fake_state *proposed_state(const struct fake_call *call, struct fake_answer *answer)
{
    const struct json *given = json_get(call->body, "state");
    const struct json *details = json_get(given, "state_details");
    enum prefect_state_type type = prefect_state_type_from_name(json_get_text(given, "type", ""));
    int64_t scheduled_at_ms;
    if (type == PREFECT_STATE_UNKNOWN) {
        fake_answer_invalid(answer, "state", "Input should be a state");
        return NULL;
    }
    if (!fake_read_time(details, "scheduled_time", &scheduled_at_ms)) {
        fake_answer_invalid(answer, "scheduled_time", "Input should be a valid datetime");
        return NULL;
    }
    struct fake_state *state = check_alloc(sizeof(*state));
    *state = (struct fake_state){
        .type = type,
        .name = check_strdup(json_get_text(given, "name", fake_default_state_name(type))),
        .message = check_strdup_or_null(json_get_text(given, "message", NULL)),
        .data = fake_source_or(given, "data", "null"),
        .transition_id = check_strdup_or_null(json_get_text(details, "transition_id", NULL)),
        .lease_id = check_strdup_or_null(json_get_text(details, "deployment_concurrency_lease_id", NULL)),
        .scheduled_at_ms = scheduled_at_ms};
    return state;
}

static struct json *decision_to_json(const struct fake_decision *decision)
{
    static const char *const types[] = {[PREFECT_OUTCOME_ACCEPT] = "accept_details",
                                        [PREFECT_OUTCOME_REJECT] = "reject_details",
                                        [PREFECT_OUTCOME_ABORT] = "abort_details",
                                        [PREFECT_OUTCOME_WAIT] = "wait_details"};
    struct json *details = json_new_object();
    json_set_text(details, "type", types[decision->outcome]);
    if (decision->outcome == PREFECT_OUTCOME_WAIT)
        json_set_int(details, "delay_seconds", decision->delay_s);
    if (decision->outcome != PREFECT_OUTCOME_ACCEPT)
        json_set_text(details, "reason", decision->reason);
    return details;
}

void fake_handle_set_state(struct fake_prefect *fake, const struct fake_call *call,
                           struct fake_answer *answer)
{
    static const char *const words[] = {[PREFECT_OUTCOME_ACCEPT] = "ACCEPT",
                                        [PREFECT_OUTCOME_REJECT] = "REJECT",
                                        [PREFECT_OUTCOME_ABORT] = "ABORT",
                                        [PREFECT_OUTCOME_WAIT] = "WAIT"};
    struct fake_run *run = fake_find_run(fake, call->parts[1]);
    struct fake_state *state = proposed_state(call, answer);
    if (state == NULL)
        return;
    if (run == NULL) {
        fake_free_state(state);
        fake_answer_no_run(answer, call->parts[1]);
        return;
    }
    struct fake_decision decision;
    fake_take_proposal(fake, run, state, json_get_bool(call->body, "force", false), &decision);
    struct json *body = json_new_object();
    json_take_set(body, "state", fake_state_to_json(run, fake_present_state(run)));
    json_set_text(body, "status", words[decision.outcome]);
    json_take_set(body, "details", decision_to_json(&decision));
    fake_answer_json(answer, decision.is_new ? 201 : 200, body);
}

/* --- flows, deployments --- */

void fake_handle_create_flow(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    const char *id = fake_prefect_add_flow(fake, json_get_text(call->body, "name", "flow"));
    fake_answer_json(answer, 201, fake_flow_to_json(fake_find_flow(fake, id)));
}

void fake_handle_get_flow(struct fake_prefect *fake, const struct fake_call *call, struct fake_answer *answer)
{
    const struct fake_flow *flow = fake_find_flow(fake, call->parts[1]);
    if (flow == NULL)
        fake_answer_detail(answer, 404, "Flow not found");
    else
        fake_answer_json(answer, 200, fake_flow_to_json(flow));
}

void fake_handle_create_deployment(struct fake_prefect *fake, const struct fake_call *call,
                                   struct fake_answer *answer)
{
    const char *flow_id = json_get_text(call->body, "flow_id", "");
    const char *pool = json_get_text(call->body, "work_pool_name", NULL);
    const struct json *options = json_get(call->body, "concurrency_options");
    const struct json *limit = json_get(call->body, "concurrency_limit");
    if (fake_find_flow(fake, flow_id) == NULL || (pool != NULL && fake_find_pool(fake, pool) == NULL)) {
        fake_answer_detail(answer, 404, "no such flow or pool");
        return;
    }
    char *job_variables = fake_source_or(call->body, "job_variables", "{}");
    struct fake_prefect_deployment setup = {
        .name = json_get_text(call->body, "name", "deployment"),
        .flow_id = flow_id,
        .pool = pool,
        .queue = json_get_text(call->body, "work_queue_name", NULL),
        .job_variables_json = job_variables,
        .has_limit = limit != NULL && json_kind(limit) == JSON_NUMBER,
        .limit = json_int(limit, 0),
        .grace_s = json_get_int(options, "grace_period_seconds", 0),
        .cancel_new = strcmp(json_get_text(options, "collision_strategy", ""), "CANCEL_NEW") == 0};
    const char *id = fake_prefect_add_deployment(fake, &setup);
    free(job_variables);
    fake_answer_json(answer, 201, fake_deployment_to_json(fake_find_deployment(fake, id)));
}

void fake_handle_get_deployment(struct fake_prefect *fake, const struct fake_call *call,
                                struct fake_answer *answer)
{
    fake_expire_leases(fake);
    const struct fake_deployment *deployment = fake_find_deployment(fake, call->parts[1]);
    if (deployment == NULL)
        fake_answer_detail(answer, 404, "Deployment not found");
    else
        fake_answer_json(answer, 200, fake_deployment_to_json(deployment));
}

void fake_handle_delete_deployment(struct fake_prefect *fake, const struct fake_call *call,
                                   struct fake_answer *answer)
{
    if (fake_find_deployment(fake, call->parts[1]) == NULL) {
        fake_answer_detail(answer, 404, "Deployment not found");
        return;
    }
    fake_prefect_delete_deployment(fake, call->parts[1]);
    answer->status = 204;
}

void fake_handle_create_run(struct fake_prefect *fake, const struct fake_call *call,
                            struct fake_answer *answer)
{
    if (fake_find_deployment(fake, call->parts[1]) == NULL) {
        fake_answer_detail(answer, 404, "Deployment not found");
        return;
    }
    const struct json *state = json_get(call->body, "state");
    int64_t scheduled_at_ms;
    if (!fake_read_time(json_get(state, "state_details"), "scheduled_time", &scheduled_at_ms)) {
        fake_answer_invalid(answer, "state", "Input should be a valid datetime");
        return;
    }
    char *parameters = fake_source_or(call->body, "parameters", "{}");
    struct fake_prefect_run setup = {.deployment_id = call->parts[1],
                                     .name = json_get_text(call->body, "name", NULL),
                                     .parameters_json = parameters,
                                     .scheduled_at_ms =
                                         scheduled_at_ms != FAKE_NO_TIME ? scheduled_at_ms : 0};
    const char *id = fake_prefect_add_run(fake, &setup);
    free(parameters);
    fake_answer_json(answer, 201, fake_run_to_json(fake_find_run(fake, id)));
}
