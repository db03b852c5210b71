/*
 * sim_flow.c - what runs beside the workers of ours: the flows in their containers, and a worker of somebody
 * else's that also takes runs of the pool. See sim.h.
 *
 * A flow talks to the server itself: RUNNING when it begins, its end before its container ends. It repeats
 * what the server can't hear, and gives up with code 0 when the server says no, as Prefect's does. One that
 * was stopped, killed or removed says nothing more.
 */
#include "sim.h"

#include <string.h>

#define ASK_AGAIN_MS 1000

struct play {
    struct list link;
    struct sim *sim;
    struct timer timer;
    struct sim_flow_run *run;
    char container_id[CONTAINER_ID_SIZE];
    bool is_running;
    bool has_reported;
    int exit_code; /* valid once it has reported */
};

static void end_play(struct play *p)
{
    timer_cancel(&p->timer);
    list_remove(&p->link);
    free(p);
}

static bool is_container_running(const struct play *p)
{
    const struct fake_container *c = fake_engine_find(p->sim->engine, p->container_id);
    return c != NULL && strcmp(c->state, "running") == 0;
}

static bool can_be_heard(const struct sim *sim)
{
    return !sim->prefect_is_down && !sim->prefect_is_halted;
}

static void leave(struct play *p, int exit_code)
{
    struct sim *sim = p->sim;
    if (p->run->oom_killed && exit_code == 137)
        (void)fake_engine_oom(sim->engine, p->container_id);
    else
        (void)fake_engine_exit(sim->engine, p->container_id, exit_code);
    end_play(p);
}

static void on_play(void *arg);

static void say_end(struct play *p)
{
    struct sim *sim = p->sim;
    enum sim_flow_kind kind = p->run->kind;
    bool says = kind == SIM_FLOW_COMPLETES || kind == SIM_FLOW_FAILS;
    if (says && !can_be_heard(sim)) {
        timer_start(sim->timers, &p->timer, ASK_AGAIN_MS, on_play, p);
        return;
    }
    if (kind == SIM_FLOW_COMPLETES)
        (void)fake_prefect_container_completes(sim->prefect, p->run->id);
    else if (kind == SIM_FLOW_FAILS)
        (void)fake_prefect_container_fails(sim->prefect, p->run->id);
    p->has_reported = true;
    p->exit_code = p->run->exit_code;
    if (p->run->is_retried_at_once && kind == SIM_FLOW_FAILS && !p->run->was_retried)
        sim_schedule_again(sim, p->run);
    timer_start(sim->timers, &p->timer, sim_between(sim, 0, 1500), on_play, p);
}

static void say_running(struct play *p)
{
    struct sim *sim = p->sim;
    struct fake_prefect_look look;
    if (!can_be_heard(sim)) {
        timer_start(sim->timers, &p->timer, ASK_AGAIN_MS, on_play, p);
    } else if (fake_prefect_container_runs(sim->prefect, p->run->id)) {
        sim_tell(sim, "flow of %s runs", p->run->id);
        p->is_running = true;
        timer_start(sim->timers, &p->timer, p->run->run_ms, on_play, p);
    } else if (fake_prefect_look(sim->prefect, p->run->id, &look) && look.type == PREFECT_STATE_PENDING) {
        timer_start(sim->timers, &p->timer, ASK_AGAIN_MS, on_play, p); /* its time has not come */
    } else {
        sim_tell(sim, "flow of %s may not run", p->run->id);
        leave(p, 0);
    }
}

static void on_play(void *arg)
{
    struct play *p = arg;
    if (!is_container_running(p))
        end_play(p);
    else if (p->has_reported)
        leave(p, p->exit_code);
    else if (p->run->kind >= SIM_FLOW_NEVER_BEGINS)
        leave(p, p->run->exit_code);
    else if (p->is_running)
        say_end(p);
    else
        say_running(p);
}

static struct fake_program on_container_start(void *arg, const struct fake_container *c)
{
    struct sim *sim = arg;
    struct sim_flow_run *run = sim_find_run(sim, c->flow_run_id);
    CHECK(run != NULL);
    struct sim_row *row = sim_row_by(sim, c->launch_id);
    /* While it is CLEARING, what comes late is still found and removed. */
    if (row == NULL || row->launch.run.state > RUN_STATE_CLEARING)
        sim_fail(sim, "container %.12s starts after its launch's verdict", c->id);
    struct play *p = check_alloc(sizeof(*p));
    *p = (struct play){.sim = sim, .run = run};
    list_init(&p->link);
    list_add_last(&sim->plays, &p->link);
    snprintf(p->container_id, sizeof(p->container_id), "%s", c->id);
    timer_start(sim->timers, &p->timer, sim_chance(sim, 30) ? 0 : sim_between(sim, 1, 3000), on_play, p);
    sim_tell(sim, "container %.12s of %s starts (launch %s)", c->id, run->id, c->launch_id);
    return (struct fake_program){
        .run_ms = -1, .ignores_sigterm = run->ignores_sigterm, .sigterm_ms = sim_chance(sim, 50) ? 0 : 1500};
}

/* ---- the other worker ---- */

struct official {
    struct list link;
    struct sim *sim;
    struct timer timer;
    struct sim_flow_run *run;
    bool is_running;
};

static void on_official_run(void *arg)
{
    struct official *o = arg;
    struct sim *sim = o->sim;
    if (!can_be_heard(sim)) {
        timer_start(sim->timers, &o->timer, ASK_AGAIN_MS, on_official_run, o);
        return;
    }
    if (!o->is_running && fake_prefect_container_runs(sim->prefect, o->run->id)) {
        sim_tell(sim, "the other worker runs %s", o->run->id);
        o->is_running = true;
        timer_start(sim->timers, &o->timer, sim_between(sim, 0, 30000), on_official_run, o);
        return;
    }
    struct fake_prefect_look look;
    bool is_cancelling =
        fake_prefect_look(sim->prefect, o->run->id, &look) && look.type == PREFECT_STATE_CANCELLING;
    if (is_cancelling)
        (void)fake_prefect_container_cancelled(sim->prefect, o->run->id);
    else if (o->is_running && o->run->official_fails)
        (void)fake_prefect_container_fails(sim->prefect, o->run->id);
    else if (o->is_running)
        (void)fake_prefect_container_completes(sim->prefect, o->run->id);
    sim_tell(sim, "the other worker is done with %s", o->run->id);
    timer_cancel(&o->timer);
    list_remove(&o->link);
    free(o);
}

/* False: the run is not there to be claimed. */
static bool claim(struct sim *sim, struct sim_flow_run *run)
{
    struct fake_prefect_look look;
    if (!fake_prefect_look(sim->prefect, run->id, &look) || look.type != PREFECT_STATE_SCHEDULED ||
        (look.has_scheduled_time && look.scheduled_at_ms > sim->wall_ms))
        return false;
    if (!fake_prefect_other_worker_claims(sim->prefect, run->id))
        return false;
    sim_tell(sim, "the other worker claims %s", run->id);
    run->official = true;
    struct official *o = check_alloc(sizeof(*o));
    *o = (struct official){.sim = sim, .run = run};
    list_init(&o->link);
    list_add_last(&sim->officials, &o->link);
    timer_start(sim->timers, &o->timer, sim_between(sim, 0, 5000), on_official_run, o);
    return true;
}

static void on_official_poll(void *arg)
{
    struct sim *sim = arg;
    fake_prefect_worker_is_there(sim->prefect, SIM_POOL, "official");
    int first = sim->runs_added > 0 ? (int)sim_draw(sim, (uint64_t)sim->runs_added) : 0;
    for (int i = 0; i < sim->runs_added && can_be_heard(sim); i++)
        if (claim(sim, &sim->runs[(first + i) % sim->runs_added]))
            break;
    if (!sim->is_healed)
        timer_start(sim->timers, &sim->official_timer, sim_between(sim, 1, sim->official_ms),
                    on_official_poll, sim);
}

void sim_flow_begin(struct sim *sim)
{
    list_init(&sim->plays);
    list_init(&sim->officials);
    fake_engine_choose_program(sim->engine, on_container_start, sim);
    sim->official_ms = sim_chance(sim, 40) ? 0 : sim_between(sim, 500, 30000);
    if (sim->official_ms > 0)
        timer_start(sim->timers, &sim->official_timer, sim->official_ms, on_official_poll, sim);
}

void sim_flow_done(struct sim *sim)
{
    struct list *l;
    while (!list_is_empty(&sim->plays))
        end_play(LIST_ITEM(sim->plays.next, struct play, link));
    while ((l = list_take_first(&sim->officials)) != NULL) {
        struct official *o = LIST_ITEM(l, struct official, link);
        timer_cancel(&o->timer);
        free(o);
    }
}
