/*
 * act_engine_end.c - the engine at the end of a container: stop, kill, remove, retire, clear.
 *
 * RETIRE and CLEAR are short chains of calls with one answer at the end.
 */
#include "act.h"

#include "base/log.h"
#include "watcher.h"

#include <stdio.h>
#include <string.h>

/* Asking the engine's events about a start asks for all that it has kept: its clock need not be ours. */
#define REPLAY_SINCE_MS 1

/* ---- STOP, KILL, REMOVE ---- */

static void on_stopped(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_STOP, reply->took_ms, NULL);
    act_feed(live, RUN_EVENT_DONE);
}

void act_stop(struct act *act, struct live *live)
{
    struct http_clocks clocks = act_clocks(live, STAGE_STOP);
    live->call.grace_ms = (live->launch->grace_ms + 999) / 1000 * 1000; /* the engine counts in seconds */
    struct err err;
    if (engine_stop(act->engine, live->launch->container_id, live->launch->grace_ms, &clocks, on_stopped,
                    live, &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_STOP, &err);
}

void act_kill(struct act *act, struct live *live)
{
    struct http_clocks clocks = act_clocks(live, STAGE_STOP);
    struct err err;
    if (engine_kill(act->engine, live->launch->container_id, "SIGKILL", &clocks, on_stopped, live,
                    &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_STOP, &err);
}

static void on_removed(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_REMOVE, reply->took_ms, NULL);
    act_feed(live, RUN_EVENT_DONE);
}

void act_remove(struct act *act, struct live *live)
{
    struct http_clocks clocks = act_clocks(live, STAGE_REMOVE);
    struct err err;
    if (engine_remove(act->engine, live->launch->container_id, true, &clocks, on_removed, live,
                      &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_REMOVE, &err);
}

/* ---- RETIRE: remove what never started, and make sure that it never did ----
 *
 * Between the look that showed it created and its removal it may have started and ended: then it must not be
 * taken for one that never ran. Two witnesses can exclude that. The events stream, if it has been open since
 * that look: its end would have been heard. Or the events that the engine still keeps,
 * the last 256, if they reach back to the container's create and tell of no start. Without either of them it
 * counts as one that may have run.
 */

static bool on_replayed_event(void *arg, const struct engine_event *event)
{
    struct live *live = arg;
    if (strcmp(event->id, live->launch->container_id) != 0)
        return true;
    if (strcmp(event->action, "create") == 0)
        live->was_seen_created = true;
    if (strcmp(event->action, "start") == 0 || strcmp(event->action, "die") == 0)
        live->was_started = true;
    return true;
}

static bool has_been_heard(const struct live *live)
{
    int64_t since_ms = watcher_listening_since_ms(act_of(live)->watcher);
    return live->looked_mono_ms != 0 && since_ms >= 0 && since_ms <= live->looked_mono_ms;
}

static void on_replayed(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply))
        return;
    live->was_started = live->was_started || live->was_heard_to_die;
    bool never_started = !live->was_started && (live->was_seen_created || has_been_heard(live));
    if (!never_started && !live->was_started)
        log_warn("nobody can tell whether a container that is gone had ever started; its run is given up, so "
                 "that it "
                 "can't run twice",
                 kv_s("run", live->launch->flow_run_id), kv_s("container", live->launch->container_id));
    act_feed(live, never_started ? RUN_EVENT_DONE : RUN_EVENT_GONE);
}

static void replay_events(struct live *live)
{
    struct act *act = act_of(live);
    struct http_clocks clocks = act_fixed_clocks(live, STAGE_INSPECT);
    int64_t until_ms = engine_now_ms(act->engine) + 1; /* what happens within `until` itself is left out */
    struct err err;
    live->was_started = false;
    live->was_seen_created = false;
    if (engine_events(act->engine, live->launch->container_id, REPLAY_SINCE_MS, until_ms, NULL,
                      on_replayed_event, &clocks, on_replayed, live, &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_INSPECT, &err);
}

static void on_retired(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    bool is_absent = reply->failure != NULL && reply->failure->status == 404;
    if (!is_absent && !act_engine_is_fine(live, reply))
        return;
    live->engine_call = NULL;
    runner_record(live->runner, live, STAGE_REMOVE, reply->took_ms, NULL);
    replay_events(live);
}

void act_retire(struct act *act, struct live *live)
{
    if (watcher_listening_since_ms(act->watcher) < 0) { /* soon it is open again */
        act_ask_later(live);
        return;
    }
    struct http_clocks clocks = act_clocks(live, STAGE_REMOVE);
    struct err err;
    /* Without force: a container that has started meanwhile is refused, not killed. */
    if (engine_remove(act->engine, live->launch->container_id, false, &clocks, on_retired, live,
                      &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_REMOVE, &err);
}

/* ---- CLEAR: list by launch id, remove each, list again until none is left ---- */

static void list_launch(struct live *live);

static void remove_next(struct live *live);

static void on_cleared_one(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    bool is_absent = reply->failure != NULL && reply->failure->status == 404;
    if (!is_absent && !act_engine_is_fine(live, reply))
        return;
    live->engine_call = NULL;
    runner_record(live->runner, live, STAGE_REMOVE, reply->took_ms, NULL);
    remove_next(live);
}

static void remove_next(struct live *live)
{
    struct act *act = act_of(live);
    if (live->clear_count == 0) {
        list_launch(live); /* absence is confirmed, not assumed */
        return;
    }
    live->clear_count--;
    struct http_clocks clocks = act_clocks(live, STAGE_REMOVE);
    struct err err;
    if (engine_remove(act->engine, live->clear_ids[live->clear_count], true, &clocks, on_cleared_one, live,
                      &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_REMOVE, &err);
}

static void on_listed(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply))
        return;
    live->clear_count = 0;
    if (live->clear_ids == NULL && reply->count > 0)
        live->clear_ids = check_alloc(LIVE_CLEAR_MAX * sizeof(*live->clear_ids));
    for (size_t i = 0; i < reply->count && live->clear_count < LIVE_CLEAR_MAX; i++)
        snprintf(live->clear_ids[live->clear_count++], CONTAINER_ID_SIZE, "%s", reply->containers[i].id);
    if (live->clear_count == 0)
        act_feed(live, RUN_EVENT_DONE);
    else
        remove_next(live);
}

static void list_launch(struct live *live)
{
    struct act *act = act_of(live);
    char *label = check_printf("%s=%s", ENGINE_LABEL_LAUNCH, live->launch->launch_id);
    struct http_clocks clocks = act_fixed_clocks(live, STAGE_INSPECT);
    struct err err;
    int rc = engine_list(act->engine, label, &clocks, on_listed, live, &live->engine_call, &err);
    free(label);
    if (rc != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_INSPECT, &err);
}

void act_clear(struct act *act, struct live *live)
{
    (void)act;
    list_launch(live);
}
