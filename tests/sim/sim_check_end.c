/*
 * sim_check_end.c - when everything is over, and what must hold then: each run has come to its one right end,
 * and nothing is left. See sim.h.
 */
#include "sim.h"

#include "service.h"
#include "store/store.h"
#include "tests/fakes/fake_prefect_internal.h"

#include <string.h>

static bool is_left_over(const struct fake_container *c)
{
    return c->launch_id[0] != '\0' && strcmp(c->state, "exited") != 0;
}

bool sim_is_over(struct sim *sim)
{
    if (sim->runs_added < sim->run_count || !list_is_empty(&sim->plays) || !list_is_empty(&sim->officials))
        return false;
    for (int i = 0; i < sim->worker_count; i++)
        if (!sim_worker_is_idle(&sim->workers[i]))
            return false;
    for (int i = 0; i < sim->runs_added; i++) {
        struct fake_prefect_look look;
        if (fake_prefect_look(sim->prefect, sim->runs[i].id, &look) &&
            !prefect_state_type_is_final(look.type) && !sim_control_is_left(sim, &sim->runs[i]))
            return false;
    }
    for (size_t i = 0; i < fake_engine_container_count(sim->engine); i++)
        if (is_left_over(fake_engine_container_at(sim->engine, i)))
            return false;
    return true;
}

/* Why it is not over, for people. */
void sim_say_left(struct sim *sim, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (int i = 0; i < sim->runs_added && len + 1 < size; i++) {
        struct fake_prefect_look look;
        const char *id = sim->runs[i].id;
        if (fake_prefect_look(sim->prefect, id, &look) && !prefect_state_type_is_final(look.type) &&
            !sim_control_is_left(sim, &sim->runs[i]))
            len += (size_t)snprintf(text + len, size - len, "; run %s is %s", id,
                                    fake_prefect_history(sim->prefect, id));
    }
    for (size_t i = 0; i < fake_engine_container_count(sim->engine) && len + 1 < size; i++) {
        const struct fake_container *c = fake_engine_container_at(sim->engine, i);
        if (is_left_over(c))
            len += (size_t)snprintf(text + len, size - len, "; container %.12s of run %s is %s", c->id,
                                    c->flow_run_id, c->state);
    }
    for (size_t i = 0; i < sim->row_count && len + 1 < size; i++)
        if (sim->rows[i].launch.run.state != RUN_STATE_FINISHED && sim->rows[i].is_committed)
            len += (size_t)snprintf(text + len, size - len, "; launch %s of run %s is %s with %s",
                                    sim->rows[i].launch.launch_id, sim->rows[i].launch.flow_run_id,
                                    run_state_name(sim->rows[i].launch.run.state), sim->rows[i].worker->name);
}

/* Whose launch has proposed this state as its verdict; NULL: somebody else has. */
static const struct sim_row *reported_by(struct sim *sim, const struct fake_state *state)
{
    for (size_t i = 0; state->transition_id != NULL && i < sim->row_count; i++)
        if (strcmp(sim->rows[i].launch.report_id, state->transition_id) == 0)
            return &sim->rows[i];
    return NULL;
}

static bool is_given_back(struct sim *sim, const struct fake_state *state)
{
    for (size_t i = 0; state->transition_id != NULL && i < sim->row_count; i++)
        if (strcmp(sim->rows[i].launch.hand_back_id, state->transition_id) == 0)
            return true;
    return false;
}

/* Each time a run is scheduled by others than us it may run once. */
static void check_history(struct sim *sim, const struct fake_run *run)
{
    int times = 0;
    for (size_t i = 0; i < run->states.count; i++) {
        const struct fake_state *state = run->states.items[i];
        if (state->type == PREFECT_STATE_SCHEDULED && !is_given_back(sim, state))
            times = 0;
        times += state->type == PREFECT_STATE_RUNNING;
        if (times > 1)
            sim_fail(sim, "run %s ran twice: %s", run->id, fake_prefect_history(sim->prefect, run->id));
    }
}

/* The end that somebody else has given the run last, and that nobody has revoked; UNKNOWN: none. */
static enum prefect_state_type end_by_others(struct sim *sim, const struct fake_run *run)
{
    enum prefect_state_type end = PREFECT_STATE_UNKNOWN;
    for (size_t i = 0; i < run->states.count; i++) {
        const struct fake_state *state = run->states.items[i];
        if (prefect_state_type_is_final(state->type) && reported_by(sim, state) == NULL)
            end = state->type;
        else if (state->type == PREFECT_STATE_SCHEDULED || state->type == PREFECT_STATE_CANCELLING)
            end = PREFECT_STATE_UNKNOWN;
    }
    return end;
}

static bool is_right_end(const struct sim_flow_run *run, enum prefect_state_type type)
{
    enum prefect_state_type own = run->kind == SIM_FLOW_COMPLETES ? PREFECT_STATE_COMPLETED
                                  : run->kind == SIM_FLOW_FAILS   ? PREFECT_STATE_FAILED
                                                                  : PREFECT_STATE_CRASHED;
    if (type == own)
        return true;
    if (run->was_cancelled && type == PREFECT_STATE_CANCELLED)
        return true;
    if (run->official && type == (run->official_fails ? PREFECT_STATE_FAILED : PREFECT_STATE_COMPLETED))
        return true;
    /* A verdict that was on its way when the run was scheduled again may meet it. */
    return (run->was_killed || run->was_retried) && type == PREFECT_STATE_CRASHED;
}

/* The server itself ends a run whose lease nobody could renew in time. Its container's end may be told as a
 * cancellation afterwards. */
static bool is_ended_for_its_slot(const struct fake_run *r)
{
    bool is_lost = false;
    for (size_t i = 0; i < r->states.count; i++) {
        const struct fake_state *state = r->states.items[i];
        if (state->type != PREFECT_STATE_CANCELLED)
            is_lost = false;
        else if (state->message != NULL && strstr(state->message, "concurrency slot lost") != NULL)
            is_lost = true;
    }
    return is_lost;
}

/* Whose launch has told this end first; it may have been overwritten and put back since. */
static const struct sim_row *who_told(struct sim *sim, const struct fake_run *r)
{
    const struct fake_state *present = fake_present_state(r);
    const struct sim_row *row = reported_by(sim, present);
    for (size_t i = r->states.count; row == NULL && i-- > 0;) {
        const struct fake_state *state = r->states.items[i];
        if (state->type == present->type && state->message != NULL && present->message != NULL &&
            strcmp(state->message, present->message) == 0)
            row = reported_by(sim, state);
    }
    return row;
}

/* An engine that forgets its events while nobody listens can't say whether a container ran; then the run is
 * given up (docs/decisions.md). So is a launch whose tries are used up, or that a rule or a person ends. What
 * was late is skipped. */
static bool is_given_up(struct sim *sim, const struct fake_run *r)
{
    const struct fake_state *state = fake_present_state(r);
    const struct sim_row *row = who_told(sim, r);
    if (row == NULL || row->launch.run.started_at_ms != 0)
        return false;
    enum run_verdict verdict = row->launch.run.verdict;
    return verdict == RUN_VERDICT_DISAPPEARED ||
           (verdict == RUN_VERDICT_SKIPPED && row->was_late && sim->control.late == SIM_LATE_IS_SKIPPED) ||
           (verdict == RUN_VERDICT_LAUNCH_FAILED &&
            sim_control_may_give_up(sim, row, state->message != NULL ? state->message : ""));
}

static void check_run(struct sim *sim, const struct sim_flow_run *run)
{
    const struct fake_run *r = fake_find_run(sim->prefect, run->id);
    if (r == NULL) {
        if (!run->was_deleted)
            sim_fail(sim, "run %s is gone", run->id);
        return;
    }
    enum prefect_state_type type = fake_present_state(r)->type;
    enum prefect_state_type by_others = end_by_others(sim, r);
    const char *history = fake_prefect_history(sim->prefect, run->id);
    sim_mix(sim, history);
    check_history(sim, r);
    if (sim_control_is_left(sim, run))
        return;
    if (by_others != PREFECT_STATE_UNKNOWN && by_others != type)
        sim_fail(sim, "run %s had come to its end, and that was overwritten: %s", run->id, history);
    else if (!prefect_state_type_is_final(type) ||
             (!is_right_end(run, type) && !is_given_up(sim, r) && !is_ended_for_its_slot(r)))
        sim_fail(sim, "run %s (kind %d) is %s: %s; %s", run->id, (int)run->kind,
                 prefect_state_type_name(type), history,
                 fake_present_state(r)->message != NULL ? fake_present_state(r)->message : "");
}

static void on_value(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    char *text = arg;
    (void)names;
    if (columns > 0 && text[0] == '\0')
        snprintf(text, 200, "%s", values[0]);
}

static void expect_value(struct sim_worker *w, const char *sql, const char *expected)
{
    char text[200] = "";
    struct err err;
    if (store_query_file(w->state_path, sql, on_value, text, &err) != 0)
        sim_fail(w->sim, "%s: %s", sql, err.msg);
    else if (strcmp(text, expected) != 0)
        sim_fail(w->sim, "%s: %s says %s", w->name, sql, text);
}

void sim_check_end(struct sim *sim)
{
    for (int i = 0; i < sim->runs_added; i++)
        check_run(sim, &sim->runs[i]);
    for (size_t i = 0; i < fake_engine_container_count(sim->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(sim->engine, i);
        if (is_left_over(c))
            sim_fail(sim, "container %.12s of run %s is left %s", c->id, c->flow_run_id, c->state);
    }
    for (int i = 0; i < sim->worker_count; i++) {
        struct sim_worker *w = &sim->workers[i];
        if (sim->result->has_failed)
            return;
        expect_value(
            w,
            "SELECT (SELECT count(*) FROM launches WHERE state <> 'FINISHED') || ' ' || integrity_check "
            "FROM pragma_integrity_check",
            "0 ok");
    }
}
