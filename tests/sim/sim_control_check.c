/*
 * sim_control_check.c - what limits, rates and policies promise: at each save, at each request and after each
 * start. See sim.h and sim_control.c.
 *
 * What runs is counted by the fake engine; who was claimed and who has had a token is what reached the disk.
 */
#include "sim.h"

#include "service.h"

#include <string.h>

/* A bucket counts in whole milliseconds, and a row gets to disk within so much. */
#define ROUNDING_MS 60

/* ---- rates ---- */

/* One more; false: above what burst and rate allow of any span of time. */
static bool take(struct sim_rate *rate, int64_t now_ms)
{
    if (rate->per_second <= 0)
        return true;
    double interval_ms = 1000 / rate->per_second;
    if (rate->ahead_until_ms < (double)now_ms)
        rate->ahead_until_ms = (double)now_ms;
    rate->ahead_until_ms += interval_ms;
    return rate->ahead_until_ms - (double)now_ms <= rate->burst * interval_ms + ROUNDING_MS;
}

void sim_control_on_start(struct sim_worker *w)
{
    const struct sim_control *c = &w->sim->control;
    bool is_paused = service_progress(w->service).paused_at_ms != 0;
    if (is_paused != w->is_paused && !w->is_pause_open)
        sim_fail(w->sim, "%s was %spaused, and starts %spaused", w->name, w->is_paused ? "" : "not ",
                 is_paused ? "" : "not ");
    w->is_paused = is_paused;
    w->is_pause_open = false;
    /* A clock that was set meanwhile may give a new burst: nobody can tell it from idle time. */
    if (w->starts.burst != 0 && w->offset_at_start_ms == w->wall_offset_ms)
        return;
    w->offset_at_start_ms = w->wall_offset_ms;
    w->starts = (struct sim_rate){.per_second = c->starts_per_second, .burst = c->start_burst};
    w->low_starts = (struct sim_rate){.per_second = c->low_starts_per_second, .burst = 1};
    w->pulls = (struct sim_rate){.per_second = c->hub_pulls_per_second, .burst = 1 + c->hub_pulls};
    if (w->starts.burst == 0)
        w->starts.burst = 1;
}

/* Tokens of the shared limit can't be made up, but by the host's own share while it can't be asked. */
static void check_shared(struct sim *sim)
{
    const struct sim_control *c = &sim->control;
    int64_t granted = fake_prefect_taken(sim->prefect, "hosts");
    /* The fake knows one CSRF token: workers take it from each other. */
    bool is_refused = sim->demands_csrf && sim->worker_count > 1;
    bool can_be_asked = sim->weather.net + sim->weather.status + sim->weather.meddle == 0 && !is_refused;
    double seconds = (double)(sim->mono_ms - sim->began_ms) / 1000;
    double own =
        can_be_asked ? 0 : sim->worker_count * (1 + c->shared_fallback * seconds) + sim->result->crashes;
    if ((double)sim->control.shared_starts > (double)granted + own)
        sim_fail(sim, "%lld starts with %lld tokens of the shared limit",
                 (long long)sim->control.shared_starts, (long long)granted);
}

void sim_control_on_token(struct sim_row *row)
{
    struct sim_worker *w = row->worker;
    struct sim *sim = w->sim;
    const struct sim_flow_run *run = sim_find_run(sim, row->launch.flow_run_id);
    if (!take(&w->starts, sim->mono_ms))
        sim_fail(sim, "%s starts more than %.1f a second: launch %s", w->name, w->starts.per_second,
                 row->launch.launch_id);
    if (run != NULL && run->class_ == SIM_CLASS_LOW && !take(&w->low_starts, sim->mono_ms))
        sim_fail(sim, "%s starts more than %.1f a second of class low: launch %s", w->name,
                 w->low_starts.per_second, row->launch.launch_id);
    sim->control.shared_starts++;
    if (sim->control.shared_limit > 0)
        check_shared(sim);
}

void sim_control_on_pull(struct sim_worker *w, const struct sim_request *request)
{
    struct sim *sim = w->sim;
    if (sim->control.hub_pulls == 0 || strstr(request->target, "fromImage=" SIM_REGISTRY) == NULL)
        return;
    size_t out = sim_net_count(sim->net, request->http, "POST", "fromImage=" SIM_REGISTRY);
    if (out > (size_t)sim->control.hub_pulls)
        sim_fail(sim, "%s pulls from " SIM_REGISTRY ", and %zu pulls from there are out", w->name, out);
    if (!take(&w->pulls, sim->mono_ms))
        sim_fail(sim, "%s pulls from " SIM_REGISTRY " more than %.1f times a second", w->name,
                 w->pulls.per_second);
}

/* ---- limits per value ---- */

enum { TEAM_A, TEAM_C = TEAM_A + 2, REGION_1, REGION_2, LOW, SIM_VALUE_COUNT };

static void count_values(const struct sim_flow_run *run, int counts[static SIM_VALUE_COUNT])
{
    if (run == NULL)
        return;
    if (run->team > 0)
        counts[TEAM_A + run->team - 1]++;
    if (run->class_ == SIM_CLASS_HIGH && run->region > 0)
        counts[REGION_1 + run->region - 1]++;
    if (run->class_ == SIM_CLASS_LOW)
        counts[LOW]++;
}

static void check_values(const struct sim_worker *w, const int counts[static SIM_VALUE_COUNT],
                         const char *what)
{
    static const char *const names[] = {"team-a", "team-b", "team-c", "region 1", "region 2", "class low"};
    const struct sim_control *c = &w->sim->control;
    for (int i = 0; i < SIM_VALUE_COUNT; i++) {
        int limit = i <= TEAM_C ? c->team_limit : i <= REGION_2 ? c->region_limit : c->low_limit;
        if (counts[i] > limit)
            sim_fail(w->sim, "%s has %d %s of %s, %d are allowed", w->name, counts[i], what, names[i], limit);
    }
}

bool sim_control_is_high(const struct sim_row *row)
{
    const struct sim_flow_run *run = sim_find_run(row->worker->sim, row->launch.flow_run_id);
    return run != NULL && run->class_ == SIM_CLASS_HIGH;
}

/* With strict priorities nobody goes before a run of class high that has room. */
static void check_order(const struct sim_worker *w, const int counts[static SIM_VALUE_COUNT])
{
    struct sim *sim = w->sim;
    const struct sim_control *c = &sim->control;
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *row = &sim->rows[i];
        const struct sim_flow_run *run = sim_find_run(sim, row->launch.flow_run_id);
        bool stands = row->worker == w && row->is_committed && !row->has_saved &&
                      row->launch.run.state == RUN_STATE_QUEUED && !row->launch.run.has_claim;
        if (!stands || run == NULL || run->class_ != SIM_CLASS_HIGH)
            continue;
        bool has_room = (run->team == 0 || counts[TEAM_A + run->team - 1] < c->team_limit) &&
                        (run->region == 0 || counts[REGION_1 + run->region - 1] < c->region_limit);
        if (has_room)
            sim_fail(sim, "%s claims another run before run %s of class high, which has room", w->name,
                     run->id);
    }
}

void sim_control_on_claims(struct sim_worker *w, bool has_passed)
{
    struct sim *sim = w->sim;
    int counts[SIM_VALUE_COUNT] = {0};
    if (sim->control.team_limit == 0)
        return;
    for (size_t i = 0; i < sim->row_count; i++) {
        const struct sim_row *row = &sim->rows[i];
        if (row->worker == w && row->is_committed && run_holds_running_slot(&row->launch.run))
            count_values(sim_find_run(sim, row->launch.flow_run_id), counts);
    }
    check_values(w, counts, "claimed runs");
    /* A limit of the pool's hides some; one image of several may hold up its own. */
    bool is_strict =
        sim->control.ageing_ms == 0 && sim->control.hub_pulls == 0 && sim->seed % SIM_POOL_LIMITED_EVERY != 0;
    if (has_passed && is_strict)
        check_order(w, counts);
}

void sim_control_check_step(struct sim *sim)
{
    int started = fake_engine_effects(sim->engine, FAKE_ENGINE_START);
    if (sim->control.team_limit == 0 || started == sim->containers_started)
        return;
    sim->containers_started = started;
    int counts[SIM_WORKERS_MAX][SIM_VALUE_COUNT] = {{0}};
    for (size_t i = 0; i < fake_engine_container_count(sim->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(sim->engine, i);
        const struct sim_row *row = strcmp(c->state, "running") == 0 ? sim_row_by(sim, c->launch_id) : NULL;
        if (row != NULL)
            count_values(sim_find_run(sim, c->flow_run_id), counts[row->worker->index]);
    }
    for (int i = 0; i < sim->worker_count; i++)
        check_values(&sim->workers[i], counts[i], "containers");
}

/* ---- policies ---- */

static bool stood_in_line(const struct run *before)
{
    return before == NULL || before->state == RUN_STATE_QUEUED || before->state == RUN_STATE_PARKED;
}

void sim_control_on_save(struct sim_row *row, const struct run *before, const struct run *after)
{
    struct sim *sim = row->worker->sim;
    const struct sim_flow_run *run = sim_find_run(sim, row->launch.flow_run_id);
    bool is_taken = after->state == RUN_STATE_CLAIMING && stood_in_line(before);
    bool is_claimed = after->has_claim && (before == NULL || !before->has_claim);
    bool has_token = after->state == RUN_STATE_CREATING && (before == NULL || before->state < after->state);
    row->was_start_sent = row->was_start_sent || after->start_sent;
    if ((is_taken || is_claimed || has_token) && row->worker->is_paused)
        sim_fail(sim, "%s is paused, and launch %s becomes %s", row->worker->name, row->launch.launch_id,
                 run_state_name(after->state));
    /* Scheduled again in place of the claim: it is due since then. */
    if (row->was_late && after->state == RUN_STATE_CLAIMING && before != NULL &&
        after->due_at_ms > before->due_at_ms)
        row->was_late = after->claimed_at_ms - after->due_at_ms > sim->control.late_after_ms;
    if (!is_claimed || run == NULL)
        return;
    row->was_late = sim_control_is_late(sim, run, clock_wall_ms(&row->worker->clock));
    if (row->was_late && sim->control.late == SIM_LATE_IS_LEFT)
        sim_fail(sim, "run %s is claimed by launch %s, so late that it should be left", run->id,
                 row->launch.launch_id);
}

void sim_control_on_create(struct sim *sim, const struct sim_row *row)
{
    if (row->was_late)
        sim_fail(sim, "launch %s creates a container, although its run was late when it was claimed",
                 row->launch.launch_id);
}

bool sim_control_may_give_up(struct sim *sim, const struct sim_row *row, const char *message)
{
    if (row->was_discarded)
        return true;
    bool is_at_its_end = sim->gives_up || sim_control_rule_ends(sim, message);
    return is_at_its_end && (!sim_control_parks(sim, message) || row->was_start_sent);
}
