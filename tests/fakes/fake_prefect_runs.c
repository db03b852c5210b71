/*
 * fake_prefect_runs.c - the fake's routes of flow runs, flows and deployments.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

enum { FILTER_LIMIT_MAX = 200 };

/* --- flow runs --- */

void fake_handle_filter_runs(struct fake_prefect *fake, const struct fake_call *call,
                             struct fake_answer *answer)
{
    const struct json *filter = json_get(call->body, "flow_runs");
    const struct json *ids = json_get(json_get(filter, "id"), "any_");
    const struct json *types = json_get(json_get(json_get(filter, "state"), "type"), "any_");
    int64_t limit = json_get_int(call->body, "limit", FILTER_LIMIT_MAX);
    int64_t offset = json_get_int(call->body, "offset", 0);
    struct json *list = json_new_array();
    for (size_t i = 0; i < fake->runs.count && limit > 0; i++) {
        const struct fake_run *run = fake->runs.items[i];
        bool is_wanted = ids == NULL || (json_count(ids) > 0 && fake_is_named(ids, run->id));
        is_wanted = is_wanted && fake_is_named(types, prefect_state_type_name(fake_present_state(run)->type));
        if (!is_wanted || offset-- > 0)
            continue;
        json_take_add(list, fake_run_to_json(run));
        limit--;
    }
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
