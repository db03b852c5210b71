/*
 * sim_meddle.c - what the world does by itself while it is ill: workers die, servers go down or stand still,
 * clocks jump, users cancel. See sim.h.
 */
#include "sim.h"

#include <string.h>

/* Requests that pile up at a halted server are carried out later: within what the service counts on. */
#define SERVER_HALT_MAX_MS 35000

static struct sim_worker *any_worker(struct sim *sim)
{
    return &sim->workers[sim_draw(sim, (uint64_t)sim->worker_count)];
}

static struct sim_flow_run *any_run(struct sim *sim)
{
    return sim->runs_added == 0 ? NULL : &sim->runs[sim_draw(sim, (uint64_t)sim->runs_added)];
}

static int64_t some_time_ms(struct sim *sim, int64_t max_ms)
{
    return sim_chance(sim, 60) ? sim_between(sim, 0, 3000) : sim_between(sim, 0, max_ms);
}

/* ---- workers ---- */

static void crash_one(struct sim *sim)
{
    sim_worker_crash(any_worker(sim), some_time_ms(sim, 120000));
}

static void kill_all(struct sim *sim)
{
    sim_workers_lose_disk(sim, sim_chance(sim, 50));
}

/* In the middle of a write, some day soon. */
static void arm_disk(struct sim *sim)
{
    static const enum disk_fault faults[] = {DISK_FAULT_WRITE, DISK_FAULT_FULL, DISK_FAULT_SHORT_WRITE,
                                             DISK_FAULT_SYNC,  DISK_FAULT_READ, DISK_FAULT_IO};
    uint64_t nth = 1 + sim_draw(sim, 200);
    sim->disk_may_fail = true;
    if (sim_chance(sim, 60))
        disk_stop_at(sim->disk, nth, sim_chance(sim, 50) ? &sim->random : NULL);
    else
        disk_fail(sim->disk, nth, faults[sim_draw(sim, ARRAY_LEN(faults))], false);
    sim_tell(sim, "the disk will fail");
}

static void stop_one(struct sim *sim)
{
    struct sim_worker *w = any_worker(sim);
    if (w->service == NULL || w->has_ended)
        return;
    sim_tell(sim, "%s gets SIGTERM", w->name);
    service_stop(w->service);
}

static void move_clock(struct sim *sim)
{
    struct sim_worker *w = any_worker(sim);
    int64_t max_ms = sim_chance(sim, 50) ? 60000 : MINUTES(180);
    w->wall_offset_ms = sim_chance(sim, 20) ? 0 : sim_between(sim, -max_ms, max_ms);
    sim_tell(sim, "%s's clock is off by %lld ms", w->name, (long long)w->wall_offset_ms);
}

/* ---- servers ---- */

static void on_engine_back(void *arg)
{
    struct sim *sim = arg;
    if (sim->engine_is_down)
        fake_engine_come_up(sim->engine);
    if (sim->engine_is_halted)
        fake_engine_resume(sim->engine);
    sim->engine_is_down = false;
    sim->engine_is_halted = false;
    sim_tell(sim, "the engine is back");
}

static void note_killed(struct sim *sim)
{
    for (size_t i = 0; i < fake_engine_container_count(sim->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(sim->engine, i);
        struct sim_flow_run *run = sim_find_run(sim, c->flow_run_id);
        if (run != NULL && strcmp(c->state, "running") == 0)
            run->was_killed = true;
    }
}

static void engine_down(struct sim *sim)
{
    if (sim->engine_is_down || sim->engine_is_halted)
        return;
    bool dies = sim_chance(sim, 40);
    if (dies)
        note_killed(sim);
    sim_tell(sim, "the engine goes down%s", dies ? " with its containers" : "");
    fake_engine_go_down(sim->engine, sim_chance(sim, 50), dies);
    sim->engine_is_down = true;
    timer_start(sim->timers, &sim->engine_timer, some_time_ms(sim, 120000), on_engine_back, sim);
}

static void engine_halt(struct sim *sim)
{
    if (sim->engine_is_down || sim->engine_is_halted)
        return;
    sim_tell(sim, "the engine stands still");
    fake_engine_halt(sim->engine);
    sim->engine_is_halted = true;
    timer_start(sim->timers, &sim->engine_timer, some_time_ms(sim, 90000), on_engine_back, sim);
}

static void on_prefect_back(void *arg)
{
    struct sim *sim = arg;
    if (sim->prefect_is_down)
        fake_prefect_come_up(sim->prefect);
    if (sim->prefect_is_halted)
        fake_prefect_resume(sim->prefect);
    sim->prefect_is_down = false;
    sim->prefect_is_halted = false;
    sim_tell(sim, "the server is back");
}

static void prefect_down(struct sim *sim)
{
    if (sim->prefect_is_down || sim->prefect_is_halted)
        return;
    sim_tell(sim, "the server goes down");
    fake_prefect_go_down(sim->prefect);
    sim->prefect_is_down = true;
    timer_start(sim->timers, &sim->prefect_timer, some_time_ms(sim, 180000), on_prefect_back, sim);
}

static void prefect_halt(struct sim *sim)
{
    if (sim->prefect_is_down || sim->prefect_is_halted)
        return;
    sim_tell(sim, "the server stands still");
    fake_prefect_halt(sim->prefect);
    sim->prefect_is_halted = true;
    timer_start(sim->timers, &sim->prefect_timer, some_time_ms(sim, SERVER_HALT_MAX_MS), on_prefect_back,
                sim);
}

static void spoil_connection(struct sim *sim)
{
    bool is_silent = sim_chance(sim, 40);
    if (sim_net_spoil_any(sim->net, is_silent))
        sim_tell(sim, "a connection %s", is_silent ? "falls silent" : "breaks");
}

/* Once in a world: a launch pulls a second time, and no more. */
static void lose_image(struct sim *sim)
{
    if (!sim->image_was_lost && fake_engine_remove_image(sim->engine, SIM_IMAGE))
        sim_tell(sim, "the image is gone");
    sim->image_was_lost = true;
}

/* Somebody else's container has the name that a run's would get. */
static void take_name(struct sim *sim)
{
    char name[64];
    snprintf(name, sizeof(name), "run-%d", (int)sim_between(sim, 1, sim->run_count));
    if (fake_engine_create(sim->engine, name, "{\"Image\":\"" SIM_IMAGE "\",\"Cmd\":[\"x\"]}") != NULL)
        sim_tell(sim, "the name %s is taken", name);
}

/* ---- people ---- */

static void user_cancels(struct sim *sim)
{
    struct sim_flow_run *run = any_run(sim);
    if (run == NULL || run->was_deleted || run->was_retried || sim->prefect_is_down)
        return;
    sim_tell(sim, "a user cancels %s", run->id);
    fake_prefect_user_cancels(sim->prefect, run->id);
    run->was_cancelled = true;
}

static void user_deletes(struct sim *sim)
{
    struct sim_flow_run *run = any_run(sim);
    if (run == NULL || run->was_deleted || sim->prefect_is_down || !sim_chance(sim, 20))
        return;
    sim_tell(sim, "a user deletes %s", run->id);
    fake_prefect_delete_run(sim->prefect, run->id);
    run->was_deleted = true;
}

void sim_schedule_again(struct sim *sim, struct sim_flow_run *run)
{
    const struct prefect_proposal again = {.type = PREFECT_STATE_SCHEDULED, .name = "AwaitingRetry"};
    sim_tell(sim, "%s is scheduled again", run->id);
    (void)fake_prefect_propose(sim->prefect, run->id, &again);
    run->was_retried = true;
    run->retried_at_ms = sim->mono_ms;
    run->official = false;
    if (sim_chance(sim, 30))
        return;
    run->kind = SIM_FLOW_COMPLETES;
    run->exit_code = 0;
    run->oom_killed = false;
}

/* A run that did not end well is scheduled once more, mostly with its mistake put right. */
static void user_retries(struct sim *sim)
{
    struct fake_prefect_look look;
    for (int i = 0; i < sim->runs_added; i++) {
        struct sim_flow_run *run = &sim->runs[i];
        bool is_over = fake_prefect_look(sim->prefect, run->id, &look) &&
                       (look.type == PREFECT_STATE_CRASHED || look.type == PREFECT_STATE_FAILED);
        if (!is_over || run->was_retried || sim->prefect_is_down || sim_chance(sim, 50))
            continue;
        sim_schedule_again(sim, run);
        return;
    }
}

static void user_kills(struct sim *sim)
{
    size_t count = fake_engine_container_count(sim->engine);
    if (count == 0 || !sim_chance(sim, 20))
        return;
    const struct fake_container *c = fake_engine_container_at(sim->engine, sim_draw(sim, count));
    struct sim_flow_run *run = sim_find_run(sim, c->flow_run_id);
    if (run == NULL || strcmp(c->state, "running") != 0)
        return;
    sim_tell(sim, "a user kills the container of %s", run->id);
    run->was_killed = true;
    (void)fake_engine_exit(sim->engine, c->id, 137);
}

void sim_meddle(struct sim *sim)
{
    static void (*const acts[])(struct sim *) = {
        crash_one,    crash_one,    kill_all,     arm_disk,     stop_one,         move_clock,
        engine_down,  engine_halt,  prefect_down, prefect_halt, spoil_connection, spoil_connection,
        lose_image,   user_cancels, user_cancels, user_deletes, user_kills,       user_retries,
        user_retries, user_retries, take_name};
    if (disk_is_stopped(sim->disk))
        sim_workers_lose_disk(sim, false);
    if (sim_draw(sim, 10000) < (uint64_t)sim->weather.meddle)
        acts[sim_draw(sim, ARRAY_LEN(acts))](sim);
}

void sim_heal(struct sim *sim)
{
    sim_tell(sim, "all is well again");
    sim->is_healed = true;
    disk_stop_at(sim->disk, 0, NULL);
    disk_fail(sim->disk, 0, DISK_FAULT_NONE, false);
    if (disk_is_stopped(sim->disk))
        sim_workers_lose_disk(sim, false);
    timer_cancel(&sim->engine_timer);
    timer_cancel(&sim->prefect_timer);
    on_engine_back(sim);
    on_prefect_back(sim);
    fake_engine_add_image(sim->engine, SIM_IMAGE);
    for (int i = 0; i < sim->worker_count; i++)
        sim->workers[i].wall_offset_ms = 0;
}
