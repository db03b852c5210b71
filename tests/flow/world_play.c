/*
 * world_play.c - what runs in the fake engine's containers: flows that talk to the fake server.
 *
 * A flow says RUNNING when its container starts, and its end just before the container's. One that was
 * stopped, killed or removed before its time says nothing more.
 */
#include "tests/flow/world.h"

#include <stdlib.h>

/* How often a flow that may not run yet asks again (the server answers WAIT before the scheduled time). */
#define ASK_AGAIN_MS 1000

struct play {
    struct list link;
    struct world *world;
    struct timer timer;
    char container_id[65];
    char run_id[UUID_TEXT_SIZE];
    struct world_flow flow;
    bool began_late; /* then the container waits for us, else the engine ends it */
};

static void end_play(struct play *p)
{
    timer_cancel(&p->timer);
    list_remove(&p->link);
    free(p);
}

static void say_end(struct world *w, const char *run_id, enum world_flow_end end)
{
    switch (end) {
    case FLOW_COMPLETES:
        (void)fake_prefect_container_completes(w->prefect, run_id);
        return;
    case FLOW_FAILS:
        (void)fake_prefect_container_fails(w->prefect, run_id);
        return;
    case FLOW_STAYS_RUNNING:
    case FLOW_NEVER_BEGINS:
        return;
    }
}

static bool is_running(const struct play *p)
{
    const struct fake_container *c = fake_engine_find(p->world->engine, p->container_id);
    return c != NULL && strcmp(c->state, "running") == 0;
}

static void on_flow_end(void *arg)
{
    struct play *p = arg;
    if (is_running(p)) {
        say_end(p->world, p->run_id, p->flow.end);
        if (p->began_late)
            (void)fake_engine_exit(p->world->engine, p->container_id, p->flow.exit_code);
    }
    end_play(p);
}

static void on_ask_again(void *arg)
{
    struct play *p = arg;
    struct world *w = p->world;
    if (!is_running(p) || world_state(w, p->run_id) != PREFECT_STATE_PENDING)
        end_play(p);
    else if (fake_prefect_container_runs(w->prefect, p->run_id))
        timer_start(w->timers, &p->timer, p->flow.run_ms, on_flow_end, p);
    else
        timer_start(w->timers, &p->timer, ASK_AGAIN_MS, on_ask_again, p);
}

static struct play *begin_play(struct world *w, const struct fake_container *c)
{
    struct play *p = check_alloc(sizeof(*p));
    p->world = w;
    p->flow = w->flow;
    snprintf(p->container_id, sizeof(p->container_id), "%s", c->id);
    snprintf(p->run_id, sizeof(p->run_id), "%s", c->flow_run_id);
    list_add_last(&w->plays, &p->link);
    return p;
}

static struct fake_program on_container_start(void *arg, const struct fake_container *c)
{
    struct world *w = arg;
    const struct world_flow *f = &w->flow;
    struct fake_program program = {.run_ms = f->run_ms,
                                   .exit_code = f->exit_code,
                                   .ignores_sigterm = f->ignores_sigterm,
                                   .oom_killed = f->oom_killed,
                                   .output = "hello\n"};
    if (f->end == FLOW_NEVER_BEGINS)
        return program;
    if (!fake_prefect_container_runs(w->prefect, c->flow_run_id)) {
        struct play *p = begin_play(w, c);
        p->began_late = true;
        timer_start(w->timers, &p->timer, ASK_AGAIN_MS, on_ask_again, p);
        program.run_ms = -1;
    } else if (f->run_ms == 0) {
        say_end(w, c->flow_run_id, f->end);
    } else if (f->run_ms > 0) {
        struct play *p = begin_play(w, c);
        timer_start(w->timers, &p->timer, f->run_ms, on_flow_end, p);
    }
    return program;
}

void world_play_begin(struct world *w)
{
    list_init(&w->plays);
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = 5000};
    fake_engine_choose_program(w->engine, on_container_start, w);
}

void world_play_done(struct world *w)
{
    while (!list_is_empty(&w->plays))
        end_play(LIST_ITEM(w->plays.next, struct play, link));
}
