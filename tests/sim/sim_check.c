/*
 * sim_check.c - what must hold: at each request, after each start and each step. See sim.h; at the end:
 * sim_check_end.c.
 *
 * Starts are counted by the fake engine, states by the fake server, rows by what store_commit() has
 * confirmed; nothing is believed because the service says so.
 */
#include "sim.h"

#include "runner.h"
#include "store/store.h"
#include "tests/fakes/fake_prefect_internal.h"

#include <string.h>

struct sim_worker *sim_worker_of(struct sim *sim, const struct http *http)
{
    for (int i = 0; i < sim->worker_count; i++) {
        struct sim_worker *w = &sim->workers[i];
        if (w->service != NULL &&
            (service_http(w->service, 0) == http || service_http(w->service, 1) == http))
            return w;
    }
    return NULL;
}

/* ---- at each request: nothing is done that is not on disk ---- */

/* The text behind `key` up to a quote or the end of a part; "" if it is not there. */
static void read_after(const char *text, const char *key, const char *ends, char *out, size_t size)
{
    const char *at = strstr(text, key);
    out[0] = '\0';
    if (at != NULL)
        snprintf(out, size, "%.*s", (int)strcspn(at + strlen(key), ends), at + strlen(key));
}

static bool has_id(const char *id, const char *wanted)
{
    return strcmp(id, wanted) == 0;
}

/* A create that lands so long after its launch came to CLEARING is not waited for
 * (core/run_step_internal.h). The container is never started (sim_check_step), and removed before the end. */
#define CREATE_SETTLE_MS 3000

static bool has_come_too_late(struct sim *sim, const struct fake_container *c)
{
    const struct sim_row *row = sim_row_by(sim, c->launch_id);
    return row != NULL && row->clearing_ms != 0 && strcmp(c->state, "created") == 0 &&
           c->created_at_ms > row->clearing_ms + CREATE_SETTLE_MS;
}

/* A verdict, or the run given back: nothing of the launch may be there that could still run. */
static void check_nothing_lives(struct sim *sim, const char *launch_id)
{
    for (size_t i = 0; i < fake_engine_container_count(sim->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(sim->engine, i);
        if (strcmp(c->launch_id, launch_id) == 0 && strcmp(c->state, "exited") != 0 &&
            !has_come_too_late(sim, c))
            sim_fail(sim, "the end of launch %s is told, and its container %.12s is %s", launch_id, c->id,
                     c->state);
    }
}

/* A look is as old as the clock of a call lets it be. */
#define LOOK_MAX_MS SECONDS(60)

/* A verdict is told of the time only that its launch has claimed the run for. What comes between its look and
 * its arrival can't be helped. */
static void check_is_its_own(struct sim *sim, const struct launch *l)
{
    const struct sim_flow_run *run = sim_find_run(sim, l->flow_run_id);
    const struct fake_run *r = fake_find_run(sim->prefect, l->flow_run_id);
    if (run == NULL || r == NULL || !run->was_retried)
        return;
    bool has_looked = sim->mono_ms - run->looked_at_ms <= LOOK_MAX_MS && run->looked_at_ms != 0;
    if (has_looked && run->looked_at_ms <= run->retried_at_ms)
        return;
    for (size_t i = r->states.count; i-- > 0;) {
        const struct fake_state *state = r->states.items[i];
        if (state->transition_id != NULL && has_id(l->launch_id, state->transition_id))
            return;
        if (strcmp(state->name, "AwaitingRetry") == 0)
            sim_fail(sim, "launch %s tells the end of run %s, which is scheduled again: %s", l->launch_id,
                     run->id, fake_prefect_history(sim->prefect, run->id));
    }
}

static void check_proposal(struct sim *sim, const struct sim_request *request)
{
    char id[UUID_TEXT_SIZE];
    read_after(request->body, "\"transition_id\":\"", "\"", id, sizeof(id));
    if (id[0] == '\0')
        return; /* an end that is put back carries none */
    for (size_t i = sim->row_count; i-- > 0;) {
        const struct sim_row *row = &sim->rows[i];
        const struct launch *l = &row->launch;
        const struct run *run = &l->run;
        bool is_fine;
        if (has_id(l->launch_id, id))
            is_fine = run->has_claim && run->state == RUN_STATE_CLAIMING;
        else if (has_id(l->submit_id, id))
            is_fine = run->has_claim;
        else if (has_id(l->report_id, id))
            is_fine = run->state == RUN_STATE_REPORTING && run->verdict != RUN_VERDICT_NONE;
        else if (has_id(l->hand_back_id, id))
            is_fine = run->state == RUN_STATE_HANDING_BACK;
        else
            continue;
        if (!row->is_committed || !is_fine)
            sim_fail(sim, "proposed, but on disk is only %s of launch %s: %s", run_state_name(run->state),
                     l->launch_id, request->body);
        if (has_id(l->report_id, id) || has_id(l->hand_back_id, id))
            check_nothing_lives(sim, l->launch_id);
        if (has_id(l->report_id, id))
            check_is_its_own(sim, l);
        return;
    }
    sim_fail(sim, "proposed for a launch that is in no state file: %s", request->body);
}

/* The server has given the run to this launch, whatever became of the answer. */
static void check_is_given(struct sim *sim, const struct launch *l)
{
    const struct fake_run *r = fake_find_run(sim->prefect, l->flow_run_id);
    if (r == NULL)
        return; /* deleted */
    for (size_t i = r->states.count; i-- > 0;) {
        const struct fake_state *state = r->states.items[i];
        if (state->transition_id != NULL && has_id(l->launch_id, state->transition_id))
            return;
    }
    sim_fail(sim, "launch %s creates a container for run %s, which the server has not given it: %s",
             l->launch_id, r->id, fake_prefect_history(sim->prefect, r->id));
}

static void check_create(struct sim *sim, const struct sim_request *request)
{
    char id[UUID_TEXT_SIZE];
    char name[300];
    char expected[320];
    read_after(request->body, "\"io.sluice.launch\":\"", "\"", id, sizeof(id));
    read_after(request->target, "name=", "&", name, sizeof(name));
    const struct sim_row *row = sim_row_by(sim, id);
    if (row == NULL || !row->is_committed) {
        sim_fail(sim, "create of a launch that is in no state file: %s", request->target);
        return;
    }
    const struct run *run = &row->launch.run;
    if (run->name_index == 0)
        snprintf(expected, sizeof(expected), "%s", row->name);
    else if (run->name_index <= 20)
        snprintf(expected, sizeof(expected), "%s-%d", row->name, (int)run->name_index);
    else
        snprintf(expected, sizeof(expected), "%s-%.8s", row->name, row->launch.launch_id);
    sim_control_on_create(sim, row);
    check_is_given(sim, &row->launch);
    if (run->state != RUN_STATE_CREATING || !run->create_sent || strcmp(name, expected) != 0)
        sim_fail(sim, "create of launch %s as %s, but on disk it is %s as %s", id, name,
                 run_state_name(run->state), expected);
}

static void container_of(const struct sim_request *request, char id[static CONTAINER_ID_SIZE])
{
    read_after(request->target, "/containers/", "/?", id, CONTAINER_ID_SIZE);
}

static void check_start(struct sim *sim, const struct sim_request *request)
{
    char id[CONTAINER_ID_SIZE];
    container_of(request, id);
    const struct sim_row *row = sim_row_by_container(sim, id);
    if (row == NULL || row->launch.run.state != RUN_STATE_STARTING || !row->launch.run.start_sent)
        sim_fail(sim, "start of %.12s, but on disk its launch is %s%s", id,
                 row == NULL ? "unknown" : run_state_name(row->launch.run.state),
                 row != NULL && !row->launch.run.start_sent ? ", start not sent" : "");
}

static void check_forced_removal(struct sim *sim, const struct sim_request *request)
{
    char id[CONTAINER_ID_SIZE];
    container_of(request, id);
    const struct fake_container *c = fake_engine_find(sim->engine, id);
    const struct sim_row *row = c == NULL ? NULL : sim_row_by(sim, c->launch_id);
    /* What has ended may go at any time: only its exit code goes with it, and that was told before. */
    if (c == NULL || strcmp(c->state, "exited") == 0)
        return;
    bool may = row != NULL && row->is_committed &&
               (row->launch.run.state == RUN_STATE_CLEARING || row->launch.run.state == RUN_STATE_REMOVING);
    if (!may)
        sim_fail(sim, "container %.12s is removed by force, but on disk its launch is %s", id,
                 row == NULL ? "unknown" : run_state_name(row->launch.run.state));
}

static bool ends_with(const char *target, const char *end)
{
    size_t len = strcspn(target, "?");
    size_t end_len = strlen(end);
    return len >= end_len && strncmp(target + len - end_len, end, end_len) == 0;
}

void sim_check_sending(struct sim *sim, struct sim_worker *worker, const struct sim_request *request)
{
    bool is_post = strcmp(request->method, "POST") == 0;
    if (worker != NULL && strncmp(request->target, "/api/flow_runs/", 15) == 0 &&
        strcmp(request->method, "GET") == 0) {
        struct sim_flow_run *run = sim_find_run(sim, request->target + 15);
        if (run != NULL)
            run->looked_at_ms = sim->mono_ms;
    }
    if (is_post && ends_with(request->target, "/set_state"))
        check_proposal(sim, request);
    else if (is_post && ends_with(request->target, "/containers/create"))
        check_create(sim, request);
    else if (is_post && worker != NULL && ends_with(request->target, "/images/create"))
        sim_control_on_pull(worker, request);
    else if (is_post && ends_with(request->target, "/start"))
        check_start(sim, request);
    else if (strcmp(request->method, "DELETE") == 0 && strstr(request->target, "force=1") != NULL)
        check_forced_removal(sim, request);
}

void sim_check_arrival(void *arg, const struct sim_request *request)
{
    struct sim *sim = arg;
    char id[CONTAINER_ID_SIZE];
    sim_mix(sim, "arrives");
    if (sim->story != NULL)
        sim_tell(sim, "  arrives: %s %.120s", request->method, request->target);
    sim_refuse_on_arrival(sim, request);
    if (strcmp(request->method, "POST") != 0 || !ends_with(request->target, "/start"))
        return;
    container_of(request, id);
    struct sim_row *row = sim_row_by_container(sim, id);
    if (row == NULL)
        return; /* it has another container since */
    if (strcmp(row->start_container_id, id) != 0)
        row->start_requests = 0;
    snprintf(row->start_container_id, sizeof(row->start_container_id), "%s", id);
    if (++row->start_requests > 1)
        sim_fail(sim, "container %.12s was sent a second start", id);
}

/* ---- after a start: what was loaded is what was committed ---- */

static bool is_same(const struct run *a, const struct run *b)
{
    return a->state == b->state && a->verdict == b->verdict && a->attempt == b->attempt &&
           a->name_index == b->name_index && a->launch_tries == b->launch_tries &&
           a->has_claim == b->has_claim && a->create_sent == b->create_sent &&
           a->has_container == b->has_container && a->start_sent == b->start_sent &&
           a->is_retiring == b->is_retiring && a->cancel_wanted == b->cancel_wanted &&
           a->start_sent_at_ms == b->start_sent_at_ms && a->started_at_ms == b->started_at_ms &&
           a->unsettled_until_ms == b->unsettled_until_ms;
}

static void check_loaded_row(struct sim_worker *w, struct sim_row *row)
{
    const struct live *live = runner_find_launch(service_runner(w->service), row->launch.launch_id);
    const struct run *run = live == NULL ? NULL : &live->launch->run;
    bool is_old = row->is_committed && run != NULL && is_same(run, &row->launch.run);
    bool is_saved = row->is_in_doubt && run != NULL && is_same(run, &row->saved);
    bool may_be_gone = !row->is_committed || row->launch.run.state == RUN_STATE_FINISHED ||
                       (row->is_in_doubt && row->saved.state == RUN_STATE_FINISHED);
    if (run == NULL ? !may_be_gone : !is_old && !is_saved)
        sim_fail(w->sim, "launch %s was committed as %s and is loaded as %s", row->launch.launch_id,
                 row->is_committed ? run_state_name(row->launch.run.state) : "nothing",
                 run == NULL ? "nothing" : run_state_name(run->state));
    if (is_saved && !is_old) {
        row->is_committed = true;
        row->launch.run = row->saved;
        snprintf(row->launch.container_id, sizeof(row->launch.container_id), "%s", row->saved_container_id);
        snprintf(row->name, sizeof(row->name), "%s", row->saved_name);
    }
    if (run == NULL && row->is_committed)
        row->launch.run.state = RUN_STATE_FINISHED;
    row->is_in_doubt = false;
}

void sim_check_loaded(struct sim_worker *w)
{
    struct sim *sim = w->sim;
    size_t known = 0;
    for (size_t i = 0; i < sim->row_count; i++) {
        if (sim->rows[i].worker != w)
            continue;
        check_loaded_row(w, &sim->rows[i]);
        known += runner_find_launch(service_runner(w->service), sim->rows[i].launch.launch_id) != NULL;
    }
    if (known != runner_count(service_runner(w->service)))
        sim_fail(sim, "%s has loaded %zu launches, %zu were saved", w->name,
                 runner_count(service_runner(w->service)), known);
}

/* ---- after each step ---- */

static void check_slots(struct sim_worker *w)
{
    struct runner *runner = service_runner(w->service);
    struct slots counted = runner_slots(runner, NULL);
    struct slots recount = {0};
    struct list *all = runner_all(runner);
    for (struct list *l = all->next; l != all; l = l->next)
        slots_change(&recount, NULL, &LIST_ITEM(l, struct live, all_link)->launch->run);
    if (!slots_equal(&counted, &recount))
        sim_fail(w->sim, "%s counts %d slots, its rows hold %d", w->name, (int)counted.running,
                 (int)recount.running);
    if (recount.running > w->sim->running_limit)
        sim_fail(w->sim, "%s holds %d running slots of %d", w->name, (int)recount.running,
                 w->sim->running_limit);
}

static void check_limits(struct sim_worker *w)
{
    struct sim *sim = w->sim;
    const struct http *http = service_http(w->service, 0);
    size_t out = sim_net_count(sim->net, http, "POST", "/containers/create") +
                 sim_net_count(sim->net, http, "POST", "/start") +
                 sim_net_count(sim->net, http, "POST", "/connect");
    if (out > (size_t)sim->launching_limit)
        sim_fail(sim, "%s has %zu engine calls of launches out, %d are allowed", w->name, out,
                 sim->launching_limit);
}

/* Where we are the one worker, whatever fails. */
static void check_pool_limit(struct sim *sim)
{
    if (sim->pool_limit == 0 || sim->worker_count > 1 || sim->official_ms > 0)
        return;
    size_t occupied = fake_prefect_runs_in(sim->prefect, PREFECT_STATE_PENDING) +
                      fake_prefect_runs_in(sim->prefect, PREFECT_STATE_RUNNING);
    if (occupied > (size_t)sim->pool_limit)
        sim_fail(sim, "%zu runs occupy the %d places of the pool", occupied, sim->pool_limit);
}

/* A launch has one container at a time. */
static void check_containers(struct sim *sim)
{
    size_t count = fake_engine_container_count(sim->engine);
    for (size_t i = 0; i < count; i++) {
        const struct fake_container *a = fake_engine_container_at(sim->engine, i);
        for (size_t j = i + 1; a->launch_id[0] != '\0' && j < count; j++)
            if (strcmp(a->launch_id, fake_engine_container_at(sim->engine, j)->launch_id) == 0)
                sim_fail(sim, "launch %s has two containers", a->launch_id);
    }
}

void sim_check_step(struct sim *sim)
{
    int created = fake_engine_effects(sim->engine, FAKE_ENGINE_CREATE);
    if (created != sim->containers_created)
        check_containers(sim);
    sim->containers_created = created;
    if (fake_engine_max_starts(sim->engine) > 1)
        sim_fail(sim, "a launch was started twice");
    sim_control_check_step(sim);
    check_pool_limit(sim);
    for (int i = 0; i < sim->worker_count; i++) {
        struct sim_worker *w = &sim->workers[i];
        if (w->service == NULL || w->has_ended)
            continue;
        check_slots(w);
        if (sim->result->steps % 8 == 0)
            check_limits(w);
    }
}
