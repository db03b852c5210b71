/*
 * fake_prefect_rules.c - what a 3.8.8 server makes of a proposed state, and who else may propose one.
 *
 * The rules stand in the server's order (its CoreFlowPolicy; forced: MinimalFlowPolicy); each either decides
 * or leaves the proposal to the next. The contract program runs every cell of the table against this file and
 * a real server. Left out: in-process retries, pauses. Slots and their leases are in fake_prefect_leases.c.
 */
#include "fake_prefect_internal.h"

#include <stdio.h>
#include <string.h>

struct transition {
    struct fake_prefect *fake;
    struct fake_run *run;
    const struct fake_state *from;
    struct fake_state *to;
    struct fake_state *instead; /* written in place of `to`; NULL: nothing */
    struct fake_decision *out;
};

const char *fake_default_state_name(enum prefect_state_type type)
{
    switch (type) {
    case PREFECT_STATE_UNKNOWN:
        return "Unknown";
    case PREFECT_STATE_SCHEDULED:
        return "Scheduled";
    case PREFECT_STATE_PENDING:
        return "Pending";
    case PREFECT_STATE_RUNNING:
        return "Running";
    case PREFECT_STATE_COMPLETED:
        return "Completed";
    case PREFECT_STATE_FAILED:
        return "Failed";
    case PREFECT_STATE_CRASHED:
        return "Crashed";
    case PREFECT_STATE_CANCELLED:
        return "Cancelled";
    case PREFECT_STATE_CANCELLING:
        return "Cancelling";
    case PREFECT_STATE_PAUSED:
        return "Paused";
    }
    UNREACHABLE();
}

bool fake_occupies(enum prefect_state_type type)
{
    return type == PREFECT_STATE_PENDING || type == PREFECT_STATE_RUNNING || type == PREFECT_STATE_CANCELLING;
}

static bool decide(struct transition *t, enum prefect_outcome outcome, const char *reason)
{
    t->out->outcome = outcome;
    t->out->reason = reason;
    return true;
}

static struct fake_state *make_state(enum prefect_state_type type, const char *name, const char *message,
                                     int64_t scheduled_at_ms)
{
    struct fake_state *state = check_alloc(sizeof(*state));
    *state = (struct fake_state){.type = type,
                                 .name = check_strdup(name),
                                 .message = check_strdup_or_null(message),
                                 .data = check_strdup("null"),
                                 .scheduled_at_ms = scheduled_at_ms};
    return state;
}

/* --- the rules; true: decided --- */

static bool preserve_lease(struct transition *t)
{
    if (t->from->lease_id != NULL && t->to->lease_id == NULL)
        t->to->lease_id = check_strdup(t->from->lease_id);
    return false;
}

static bool prevent_duplicate(struct transition *t)
{
    if (t->from->transition_id == NULL || t->to->transition_id == NULL ||
        strcmp(t->from->transition_id, t->to->transition_id) != 0)
        return false;
    return decide(t, PREFECT_OUTCOME_REJECT, "This run has already made this state transition.");
}

/* Result metadata: any object that was kept. */
static bool has_persisted_result(const struct fake_state *state)
{
    return state->data[0] == '{' && strcmp(state->data, "{}") != 0;
}

/* The server keeps null in place of an unpersisted result. */
static void drop_unpersisted(struct fake_state *state)
{
    struct json *data = fake_parsed(state->data);
    if (strcmp(json_get_text(data, "type", ""), "unpersisted") == 0) {
        free(state->data);
        state->data = check_strdup("null");
    }
    json_free(data);
}

static bool guard_result(struct transition *t)
{
    if (t->from->type != PREFECT_STATE_COMPLETED || t->to->type != PREFECT_STATE_COMPLETED ||
        !has_persisted_result(t->from) || has_persisted_result(t->to))
        return false;
    return decide(
        t, PREFECT_OUTCOME_REJECT,
        "Cannot overwrite a COMPLETED state that carries persisted result data with one that does not.");
}

static bool leave_terminal(struct transition *t)
{
    if (!prefect_state_type_is_final(t->from->type))
        return false;
    if (t->to->type == PREFECT_STATE_CANCELLING || t->to->type == PREFECT_STATE_PAUSED ||
        t->to->type == PREFECT_STATE_CRASHED) {
        snprintf(t->out->reason_text, sizeof(t->out->reason_text), "Run is already in terminal state %s.",
                 prefect_state_type_name(t->from->type));
        return decide(t, PREFECT_OUTCOME_ABORT, t->out->reason_text);
    }
    if (t->from->type == PREFECT_STATE_COMPLETED && has_persisted_result(t->from) &&
        !prefect_state_type_is_final(t->to->type))
        return decide(t, PREFECT_OUTCOME_REJECT, "Run is already COMPLETED.");
    if (guard_result(t))
        return true;
    if (t->to->type == PREFECT_STATE_SCHEDULED && t->run->deployment_id[0] == '\0')
        return decide(t, PREFECT_OUTCOME_ABORT, "Cannot reschedule a run without an associated deployment.");
    return false;
}

static bool only_cancelling_to_cancelled(struct transition *t)
{
    if (t->from->type != PREFECT_STATE_CANCELLING || t->to->type == PREFECT_STATE_CANCELLED)
        return false;
    return decide(t, PREFECT_OUTCOME_REJECT,
                  "Cannot transition flows that are cancelling to a state other than Cancelled.");
}

static bool bypass_cancelling(struct transition *t)
{
    if (t->from->type != PREFECT_STATE_SCHEDULED || t->to->type != PREFECT_STATE_CANCELLING)
        return false;
    bool has_pid = t->run->pid != NULL && t->run->pid[0] != '\0';
    if (has_pid && strcmp(t->from->name, "Resuming") != 0)
        return false;
    t->instead = make_state(PREFECT_STATE_CANCELLED, "Cancelled", NULL, FAKE_NO_TIME);
    return decide(t, PREFECT_OUTCOME_REJECT, "Scheduled flow run has no infrastructure to terminate.");
}

static bool prevent_pending(struct transition *t)
{
    enum prefect_state_type from = t->from->type;
    if (t->to->type != PREFECT_STATE_PENDING ||
        (from != PREFECT_STATE_PENDING && from != PREFECT_STATE_CANCELLING && from != PREFECT_STATE_RUNNING &&
         from != PREFECT_STATE_CANCELLED))
        return false;
    if (from == PREFECT_STATE_PENDING && strcmp(t->from->name, t->to->name) != 0 &&
        strcmp(t->to->name, "Pending") != 0) {
        t->to->scheduled_at_ms = t->from->scheduled_at_ms;
        return false;
    }
    snprintf(t->out->reason_text, sizeof(t->out->reason_text),
             "This run is in a %s state and cannot transition to a PENDING state.",
             prefect_state_type_name(from));
    return decide(t, PREFECT_OUTCOME_ABORT, t->out->reason_text);
}

/* A scripted one, in the place of the rules that refuse a claim and leave the run as it is: still offered. */
static bool refuse_claim(struct transition *t)
{
    if (t->from->type != PREFECT_STATE_SCHEDULED || t->to->type != PREFECT_STATE_PENDING ||
        fake_now_ms(t->fake) >= t->run->refused_until_ms)
        return false;
    return decide(t, t->run->refusal,
                  t->run->refusal == PREFECT_OUTCOME_ABORT
                      ? "The deployment concurrency limit is 0. The flow will deadlock if submitted again."
                      : "A rule of the server holds this run.");
}

static bool secure_slot(struct transition *t)
{
    if (t->to->type != PREFECT_STATE_PENDING || fake_occupies(t->from->type) ||
        t->run->deployment_id[0] == '\0')
        return false;
    struct fake_deployment *deployment = fake_find_deployment(t->fake, t->run->deployment_id);
    if (deployment == NULL)
        return decide(t, PREFECT_OUTCOME_ABORT, "Deployment not found.");
    if (!deployment->has_limit)
        return false;
    if (deployment->limit == 0)
        return decide(t, PREFECT_OUTCOME_ABORT,
                      "The deployment concurrency limit is 0. The flow will deadlock if submitted again.");
    char lease[UUID_TEXT_SIZE];
    if (fake_take_slot(t->fake, deployment, t->run->id, lease)) {
        free(t->to->lease_id);
        t->to->lease_id = check_strdup(lease);
        return false;
    }
    const char *reason = "Deployment concurrency limit reached.";
    t->instead = deployment->cancel_new
                     ? make_state(PREFECT_STATE_CANCELLED, "Cancelled", reason, FAKE_NO_TIME)
                     : make_state(PREFECT_STATE_SCHEDULED, "AwaitingConcurrencySlot", NULL,
                                  fake_now_ms(t->fake) + t->fake->slot_wait_ms);
    return decide(t, PREFECT_OUTCOME_REJECT, reason);
}

/* The lease is renewed as the run begins; one that is gone is taken anew, and if no slot is free the run
 * ends. */
static bool validate_slot(struct transition *t)
{
    if (t->from->type != PREFECT_STATE_PENDING || t->to->type != PREFECT_STATE_RUNNING ||
        t->from->lease_id == NULL)
        return false;
    struct fake_deployment *deployment = fake_find_deployment(t->fake, t->run->deployment_id);
    if (deployment == NULL || !deployment->has_limit ||
        fake_renew_at_running(t->fake, deployment, t->from->lease_id))
        return false;
    char lease[UUID_TEXT_SIZE];
    if (fake_take_slot(t->fake, deployment, t->run->id, lease)) {
        free(t->to->lease_id);
        t->to->lease_id = check_strdup(lease);
        return false;
    }
    t->instead = make_state(PREFECT_STATE_CANCELLED, "Cancelled",
                            "Deployment concurrency slot lost during provisioning - no slots available to "
                            "continue execution",
                            FAKE_NO_TIME);
    return decide(t, PREFECT_OUTCOME_REJECT, "Deployment concurrency limit reached after lease expiry.");
}

static bool copy_scheduled_time(struct transition *t)
{
    if (t->from->type == PREFECT_STATE_SCHEDULED && t->to->type == PREFECT_STATE_PENDING &&
        t->to->scheduled_at_ms == FAKE_NO_TIME)
        t->to->scheduled_at_ms = t->from->scheduled_at_ms;
    return false;
}

static bool wait_for_scheduled_time(struct transition *t)
{
    bool is_early = t->to->type == PREFECT_STATE_RUNNING &&
                    (t->from->type == PREFECT_STATE_SCHEDULED || t->from->type == PREFECT_STATE_PENDING) &&
                    t->from->scheduled_at_ms != FAKE_NO_TIME;
    int64_t delay_s = is_early ? (t->from->scheduled_at_ms - fake_now_ms(t->fake) + 500) / 1000 : 0;
    if (delay_s <= 0)
        return false;
    t->out->delay_s = delay_s;
    return decide(t, PREFECT_OUTCOME_WAIT, "Scheduled time is in the future");
}

typedef bool (*rule_fn)(struct transition *t);

static const rule_fn all_rules[] = {
    preserve_lease,    prevent_duplicate,   leave_terminal,         only_cancelling_to_cancelled,
    bypass_cancelling, prevent_pending,     validate_slot,          refuse_claim,
    secure_slot,       copy_scheduled_time, wait_for_scheduled_time};
static const rule_fn forced_rules[] = {guard_result, bypass_cancelling};

/* --- writing --- */

static void write_state(struct fake_prefect *fake, struct fake_run *run, struct fake_state *take_state)
{
    int64_t now_ms = fake_now_ms(fake);
    /* The server sets the time of each state, and no two of a run are equal. */
    int64_t last_ms = fake_present_state(run)->timestamp_ms;
    take_state->timestamp_ms = now_ms > last_ms ? now_ms : last_ms + 1;
    fake_make_id(fake, take_state->id);
    fake_array_add(&run->states, take_state);
    if (take_state->type == PREFECT_STATE_RUNNING) {
        run->run_count++;
        if (run->start_ms == FAKE_NO_TIME)
            run->start_ms = now_ms;
    }
    bool is_final = prefect_state_type_is_final(take_state->type);
    run->end_ms = is_final ? now_ms : FAKE_NO_TIME;
    if (is_final && run->start_ms == FAKE_NO_TIME)
        run->start_ms = now_ms;
}

static void release(struct fake_prefect *fake, const struct fake_run *run, const struct fake_state *from)
{
    const struct fake_deployment *deployment = fake_find_deployment(fake, run->deployment_id);
    if (deployment != NULL && deployment->has_limit)
        fake_release_slot(fake, run->deployment_id, from->lease_id);
}

void fake_take_proposal(struct fake_prefect *fake, struct fake_run *run, struct fake_state *take_state,
                        bool is_forced, struct fake_decision *out)
{
    *out = (struct fake_decision){.outcome = PREFECT_OUTCOME_ACCEPT, .reason = ""};
    struct transition t = {
        .fake = fake, .run = run, .from = fake_present_state(run), .to = take_state, .out = out};
    const rule_fn *rules = is_forced ? forced_rules : all_rules;
    size_t count = is_forced ? ARRAY_LEN(forced_rules) : ARRAY_LEN(all_rules);
    bool is_decided = false;
    if (take_state->type == PREFECT_STATE_SCHEDULED && take_state->scheduled_at_ms == FAKE_NO_TIME)
        take_state->scheduled_at_ms = fake_now_ms(fake);
    for (size_t i = 0; i < count && !is_decided; i++)
        is_decided = rules[i](&t);
    struct fake_state *written = is_decided ? t.instead : take_state;
    drop_unpersisted(take_state);
    if (written != NULL && fake_occupies(t.from->type) && !fake_occupies(written->type))
        release(fake, run, t.from);
    if (written != NULL)
        write_state(fake, run, written);
    if (written != take_state)
        fake_free_state(take_state);
    out->is_new = written != NULL;
}

/* --- everybody else --- */

struct fake_verdict fake_prefect_propose(struct fake_prefect *fake, const char *run_id,
                                         const struct prefect_proposal *proposal)
{
    struct fake_run *run = fake_find_run(fake, run_id);
    if (run == NULL)
        return (struct fake_verdict){404, PREFECT_OUTCOME_ABORT};
    struct fake_state *state = make_state(
        proposal->type, proposal->name != NULL ? proposal->name : fake_default_state_name(proposal->type),
        proposal->message, proposal->scheduled_at_ms != 0 ? proposal->scheduled_at_ms : FAKE_NO_TIME);
    state->transition_id = check_strdup_or_null(proposal->transition_id);
    state->lease_id = check_strdup_or_null(proposal->lease_id);
    if (proposal->data_json != NULL) {
        free(state->data);
        state->data = check_strdup(proposal->data_json);
    }
    struct fake_decision decision;
    fake_take_proposal(fake, run, state, proposal->force, &decision);
    return (struct fake_verdict){decision.is_new ? 201 : 200, decision.outcome};
}

static bool propose_as(struct fake_prefect *fake, const char *run_id, enum prefect_state_type type)
{
    char transition_id[UUID_TEXT_SIZE];
    fake_make_id(fake, transition_id);
    struct prefect_proposal proposal = {.type = type, .transition_id = transition_id};
    struct fake_verdict verdict = fake_prefect_propose(fake, run_id, &proposal);
    return verdict.status != 404 && verdict.outcome == PREFECT_OUTCOME_ACCEPT;
}

bool fake_prefect_other_worker_claims(struct fake_prefect *fake, const char *run_id)
{
    return propose_as(fake, run_id, PREFECT_STATE_PENDING);
}

bool fake_prefect_container_runs(struct fake_prefect *fake, const char *run_id)
{
    return propose_as(fake, run_id, PREFECT_STATE_RUNNING);
}

bool fake_prefect_container_completes(struct fake_prefect *fake, const char *run_id)
{
    return propose_as(fake, run_id, PREFECT_STATE_COMPLETED);
}

bool fake_prefect_container_fails(struct fake_prefect *fake, const char *run_id)
{
    return propose_as(fake, run_id, PREFECT_STATE_FAILED);
}

bool fake_prefect_container_cancelled(struct fake_prefect *fake, const char *run_id)
{
    return propose_as(fake, run_id, PREFECT_STATE_CANCELLED);
}

void fake_prefect_retries_in_process(struct fake_prefect *fake, const char *run_id)
{
    fake_find_run(fake, run_id)->retries_in_process = true;
    (void)fake_prefect_propose(
        fake, run_id,
        &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .name = "AwaitingRetry", .force = true});
}

void fake_prefect_refuse_claims(struct fake_prefect *fake, const char *run_id, enum prefect_outcome outcome,
                                int64_t span_ms)
{
    struct fake_run *run = fake_find_run(fake, run_id);
    CHECK(outcome == PREFECT_OUTCOME_REJECT || outcome == PREFECT_OUTCOME_ABORT);
    if (run == NULL)
        return;
    run->refusal = outcome;
    run->refused_until_ms = fake_now_ms(fake) + span_ms;
}

void fake_prefect_user_cancels(struct fake_prefect *fake, const char *run_id)
{
    (void)propose_as(fake, run_id, PREFECT_STATE_CANCELLING);
}
