/*
 * world_play.c - what runs in the fake engine's containers: flows that talk to the fake server.
 *
 * A flow says RUNNING when its container starts, and its end just before the container's. One that was
 * stopped, killed or removed before its time says nothing more.
 */
#include "tests/flow/world.h"

#include <stdlib.h>

struct play {
    struct list link;
    struct world *world;
    struct timer timer;
    char container_id[65];
    char run_id[UUID_TEXT_SIZE];
    enum world_flow_end end;
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

static void on_flow_end(void *arg)
{
    struct play *p = arg;
    const struct fake_container *c = fake_engine_find(p->world->engine, p->container_id);
    if (c != NULL && strcmp(c->state, "running") == 0)
        say_end(p->world, p->run_id, p->end);
    end_play(p);
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
    if (f->end == FLOW_NEVER_BEGINS || !fake_prefect_container_runs(w->prefect, c->flow_run_id))
        return program;
    if (f->run_ms == 0) {
        say_end(w, c->flow_run_id, f->end);
    } else if (f->run_ms > 0) {
        struct play *p = check_alloc(sizeof(*p));
        p->world = w;
        p->end = f->end;
        snprintf(p->container_id, sizeof(p->container_id), "%s", c->id);
        snprintf(p->run_id, sizeof(p->run_id), "%s", c->flow_run_id);
        list_add_last(&w->plays, &p->link);
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
