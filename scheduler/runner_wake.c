/*
 * runner_wake.c - launches that wait for a dependency go on when it is back, however long their own backoff
 * has become.
 *
 * They come one after the other, so that a server that has just come back is not met by a thousand calls at
 * once.
 */
#include "runner_internal.h"

/* Launches woken in each second are 1000 / PACE_MS; the last ones begin after PACE_MAX_MS at the latest. With
 * the time until a probe notices, a thousand are under way within 10 s. */
#define PACE_MS 7
#define PACE_MAX_MS 7000

/* States whose requests go to Prefect; the others' go to the engine. */
static enum dependency dependency_of(enum run_state state)
{
    switch (state) {
    case RUN_STATE_QUEUED:
    case RUN_STATE_CLAIMING:
    case RUN_STATE_SUBMITTING:
    case RUN_STATE_RESOLVING:
    case RUN_STATE_ANNOUNCING:
    case RUN_STATE_REPORTING:
    case RUN_STATE_HANDING_BACK:
    case RUN_STATE_RESTORING:
    case RUN_STATE_PARKED:
    case RUN_STATE_FINISHED:
        return DEPENDENCY_PREFECT;
    case RUN_STATE_PULLING:
    case RUN_STATE_READY:
    case RUN_STATE_CREATING:
    case RUN_STATE_CONNECTING:
    case RUN_STATE_STARTING:
    case RUN_STATE_RUNNING:
    case RUN_STATE_STOPPING:
    case RUN_STATE_CLEARING:
    case RUN_STATE_REMOVING:
        return DEPENDENCY_ENGINE;
    }
    return DEPENDENCY_PREFECT;
}

/* A launch that found its dependency out of reach need not have asked the one its state is named after: a job
 * that is rendered again after a restart is read from Prefect in any state. A backoff that a restart goes on
 * with was not begun because of what this process finds within reach when it starts. */
static bool waits_for(const struct live *live, enum dependency dependency)
{
    const struct run *run = &live->launch->run;
    if (!run_is_backing_off(run) || live->has_old_wait)
        return false;
    if (dependency == DEPENDENCY_REGISTRY)
        return run->state == RUN_STATE_PULLING;
    return run->unreachable_since_ms != 0 || dependency_of(run->state) == dependency;
}

bool runner_go_on(struct live *live)
{
    if (!run_is_backing_off(&live->launch->run) || !timer_is_running(&live->timer))
        return false;
    timer_start(live->runner->s.timers, &live->timer, 0, runner_on_live_timer, live);
    return true;
}

void runner_wake(struct runner *r, enum dependency dependency, bool was_silent)
{
    int64_t now_ms = clock_mono_ms(r->s.clock);
    int64_t delay_ms = 0;
    for (struct list *link = r->all.next; link != &r->all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (!waits_for(live, dependency) || !timer_is_running(&live->timer))
            continue;
        live->is_excused = live->is_excused || was_silent;
        if (now_ms + delay_ms < live->timer.deadline_ms)
            timer_start(r->s.timers, &live->timer, delay_ms, runner_on_live_timer, live);
        delay_ms = delay_ms + PACE_MS < PACE_MAX_MS ? delay_ms + PACE_MS : PACE_MAX_MS;
    }
}
