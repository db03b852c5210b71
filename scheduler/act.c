#include "act.h"

#include "api/jobspec.h"

#include <stdio.h>
#include <string.h>

struct act *act_of(const struct live *live)
{
    return live->act;
}

void act_feed(struct live *live, enum run_event_kind kind)
{
    runner_feed_kind(live->runner, live, kind);
}

struct prefect_ask act_ask(struct act *act, struct live *live, enum stage stage, prefect_done_fn done)
{
    const struct config_clocks *c =
        &config_class_by_name(act->config, live->launch->class_name)->clocks[stage];
    return (struct prefect_ask){.stage = stage,
                                .clocks = {c->connect.ms, c->inactivity.ms, c->total.ms},
                                .done = done,
                                .arg = live,
                                .call = &live->prefect_call};
}

bool act_can_wait(const struct live *live)
{
    const struct run *run = &live->launch->run;
    bool is_first = run->attempt == 0 && run->reach_tries == 0;
    return run->state == RUN_STATE_REPORTING && is_first && run->verdict != RUN_VERDICT_CANCELLED &&
           !run->cancel_wanted;
}

bool act_prefect_is_fine(struct live *live, const struct prefect_reply *reply)
{
    live->prefect_call = NULL;
    if (reply->failure == NULL)
        return true;
    runner_fail(live->runner, live, reply->failure, reply->took_ms);
    return false;
}

bool act_is_our_claim(const struct live *live, const struct prefect_state *state)
{
    return history_is_state_of(state, live->launch->launch_id);
}

bool act_is_our_submitting(const struct live *live, const struct prefect_state *state)
{
    return history_is_state_of(state, live->launch->submit_id);
}

struct history act_history(const struct live *live, const struct prefect_reply *reply)
{
    const struct launch *l = live->launch;
    const struct history_ids ids = {l->launch_id, l->submit_id, l->hand_back_id};
    return history_read(reply->states, reply->count, &ids);
}

void act_refuse(struct act *act, struct live *live, enum dependency dependency, enum stage stage,
                const struct err *err)
{
    struct failure failure = {.dependency = dependency, .stage = stage, .status = 400, .retry_after_ms = -1};
    snprintf(failure.message, sizeof(failure.message), "%s", err->msg);
    runner_fail(act->runner, live, &failure, 0);
}

void act_abandon(void *arg, struct live *live)
{
    struct act *act = arg;
    if (live->engine_call != NULL)
        engine_cancel(live->engine_call);
    learning_leave(act->learning, &live->learning_call);
    if (live->prefect_call != NULL)
        prefect_cancel(live->prefect_call);
    if (live->pull_wait != NULL)
        pulls_leave(live->pull_wait);
    if (live->in_catalog)
        catalog_leave(act->catalog, live);
    reference_set_free(live->references);
    if (live->look != NULL)
        looks_leave(live->look);
    live->engine_call = NULL;
    live->prefect_call = NULL;
    live->pull_wait = NULL;
    live->in_catalog = false;
    live->references = NULL;
    live->look = NULL;
    live->awaits_list = false;
}

void act_hide(const struct live *live, char *message)
{
    jobspec_hide(live->job, message);
}

void act_forget(struct act *act, struct live *live)
{
    (void)act;
    reference_set_free(live->references);
    live->references = NULL;
    if (live->job != NULL) {
        jobspec_done(live->job);
        free(live->job);
        live->job = NULL;
    }
}

/* It was never rendered by this process, or was forgotten when its container ran. */
static bool lacks_job(const struct live *live, enum run_action action)
{
    bool is_needed = action == RUN_ACTION_PULL || action == RUN_ACTION_CREATE || action == RUN_ACTION_CONNECT;
    return is_needed && live->job == NULL;
}

/* What counts as a retry when it is done again. Looks don't, nor what a look has led to and is done once
 * (start, retire, kill); a pull and the reads of a job are shared, and their retries counted where they are
 * made. */
static const struct counted {
    bool is_counted;
    enum dependency dependency;
    enum stage stage;
} counted_actions[RUN_ACTION_COUNT] = {
    [RUN_ACTION_CLAIM] = {true, DEPENDENCY_PREFECT, STAGE_API},
    [RUN_ACTION_ANNOUNCE] = {true, DEPENDENCY_PREFECT, STAGE_API},
    [RUN_ACTION_REPORT] = {true, DEPENDENCY_PREFECT, STAGE_REPORT},
    [RUN_ACTION_HAND_BACK] = {true, DEPENDENCY_PREFECT, STAGE_REPORT},
    [RUN_ACTION_RESTORE] = {true, DEPENDENCY_PREFECT, STAGE_REPORT},
    [RUN_ACTION_CREATE] = {true, DEPENDENCY_ENGINE, STAGE_CREATE},
    [RUN_ACTION_CONNECT] = {true, DEPENDENCY_ENGINE, STAGE_NETWORK},
    [RUN_ACTION_STOP] = {true, DEPENDENCY_ENGINE, STAGE_STOP},
    [RUN_ACTION_CLEAR] = {true, DEPENDENCY_ENGINE, STAGE_REMOVE},
    [RUN_ACTION_REMOVE] = {true, DEPENDENCY_ENGINE, STAGE_REMOVE},
};

/* A retry for which there is no budget is not sent: it was fed as such, and comes again. */
static bool is_held(struct act *act, struct live *live, enum run_action action)
{
    const struct counted *c = &counted_actions[action];
    if (!c->is_counted)
        return false;
    struct guard *guard =
        c->dependency == DEPENDENCY_PREFECT ? guards_prefect(act->guards) : guards_engine(act->guards);
    bool is_retry = live->launch->run.attempt > 0 && !live->is_excused;
    int64_t wait_ms;
    live->is_excused = false;
    if (!is_retry || guard_lets(guard, live, &wait_ms)) {
        guard_leave(live);
        return false;
    }
    struct failure failure = guard_hold(guard, c->stage, wait_ms);
    runner_fail(act->runner, live, &failure, 0);
    return true;
}

void act_perform(void *arg, struct live *live, enum run_action action)
{
    struct act *act = arg;
    live->act = act;
    if (lacks_job(live, action)) {
        /* Never stored, so that a restart resolves again. */
        live->after_resolve = action;
        act_resolve(act, live);
        return;
    }
    live->after_resolve = RUN_ACTION_NONE;
    if (is_held(act, live, action))
        return;
    static void (*const table[RUN_ACTION_COUNT])(struct act *, struct live *) = {
        [RUN_ACTION_CLAIM] = act_claim,
        [RUN_ACTION_LOOK_RUN] = act_look_run,
        [RUN_ACTION_SUBMIT] = act_submit,
        [RUN_ACTION_RESOLVE] = act_resolve,
        [RUN_ACTION_PULL] = act_pull,
        [RUN_ACTION_CREATE] = act_create,
        [RUN_ACTION_LOOK_NAME] = act_look_name,
        [RUN_ACTION_CONNECT] = act_connect,
        [RUN_ACTION_ANNOUNCE] = act_announce,
        [RUN_ACTION_START] = act_start,
        [RUN_ACTION_LOOK_CONTAINER] = act_look_container,
        [RUN_ACTION_RETIRE] = act_retire,
        [RUN_ACTION_WATCH] = act_watch,
        [RUN_ACTION_STOP] = act_stop,
        [RUN_ACTION_KILL] = act_kill,
        [RUN_ACTION_CLEAR] = act_clear,
        [RUN_ACTION_REPORT] = act_report,
        [RUN_ACTION_HAND_BACK] = act_hand_back,
        [RUN_ACTION_RESTORE] = act_restore,
        [RUN_ACTION_REMOVE] = act_remove,
    };
    CHECK(table[action] != NULL);
    table[action](act, live);
}
