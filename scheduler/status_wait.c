/*
 * status_wait.c - what a run waits for, as the status page says it.
 *
 * The view `queue` says it of the state file, in SQL; here it is said of what is in memory, in the same order
 * and the same words, without what differs from run to run (core/wait_reason.h) and without the values of
 * limits. A test compares the two (test_flow_waits.c). Only here is told what the file doesn't know: that a
 * run is not due, that sluice stops or drains.
 */
#include "status_parts.h"
#include "values.h"

#include <string.h>

static const char *const answers[] = {
#define X(name, text, is_request, is_durable) [RUN_ACTION_##name] = "answer to " text,
    RUN_ACTIONS(X)
#undef X
};

const struct snapshot_class *status_class_of(const struct snapshot *s, const char *name)
{
    for (size_t i = 0; i + 1 < s->class_count; i++)
        if (strcmp(s->classes[i].name, name) == 0)
            return &s->classes[i];
    return &s->classes[s->class_count - 1];
}

static bool is_full(int64_t in_use, int64_t limit)
{
    return limit > 0 && in_use >= limit;
}

static bool lacks_token(const struct snapshot_class *c)
{
    return c->tokens >= 0 && c->tokens < 1;
}

/* Of its deployment, tag or the like; keys of the pool's limits begin without a class. */
static const char *full_value(const struct live *l)
{
    for (size_t i = 0; i < l->value_count; i++)
        if (!l->values[i]->is_of_pulls && value_is_full(l->values[i]))
            return l->values[i]->key[0] == '\n' ? "pool limit: running_per" : "class limit: running_per";
    return NULL;
}

static const char *claim_waited_for(const struct live *l, const struct snapshot *s)
{
    const struct snapshot_class *c = status_class_of(s, l->launch->class_name);
    const char *of_value = full_value(l);
    return is_full(s->pool.running, s->pool.running_limit) ? "pool limit: running"
           : is_full(c->running, c->running_limit)         ? "class limit: running"
           : of_value != NULL                              ? of_value
                                                           : "claim-ahead window";
}

static const char *start_waited_for(const struct live *l, const struct snapshot *s)
{
    const struct snapshot_class *c = status_class_of(s, l->launch->class_name);
    return lacks_token(&s->pool)                                 ? "pool limit: starts_per_second"
           : is_full(s->pool.launching, s->pool.launching_limit) ? "pool limit: launching"
           : lacks_token(c)                                      ? "class limit: starts_per_second"
           : is_full(c->launching, c->launching_limit)           ? "class limit: launching"
                                                                 : "launch slot";
}

/* NULL: nothing. */
static const char *hold_of_starts(const struct snapshot *s)
{
    return s->paused_at_ms != 0 ? "paused (sluice resume ends it)"
           : s->is_engine_away  ? "engine out of reach"
                                : NULL;
}

static const char *hold_of_claims(const struct snapshot *s)
{
    const char *of_starts = hold_of_starts(s);
    return s->is_stopping       ? "stopping"
           : s->is_draining     ? "draining"
           : of_starts != NULL  ? of_starts
           : s->is_prefect_away ? "Prefect out of reach"
                                : NULL;
}

static const char *line_waited_in(const struct live *l, const struct snapshot *s)
{
    const struct run *run = &l->launch->run;
    const char *hold = run->state == RUN_STATE_QUEUED  ? hold_of_claims(s)
                       : run->state == RUN_STATE_READY ? hold_of_starts(s)
                                                       : NULL;
    if (hold != NULL)
        return hold;
    if (run->state == RUN_STATE_QUEUED)
        return claim_waited_for(l, s);
    if (run->state == RUN_STATE_READY)
        return start_waited_for(l, s);
    return l->waits_for == RUN_ACTION_ASK_SLOT ? "launch slot" : "its turn";
}

const char *status_wait(const struct live *l, const struct snapshot *s)
{
    const struct run *run = &l->launch->run;
    if (run_action_is_request(run->pending))
        return answers[run->pending];
    if (l->said_reason != NULL)
        return l->said_reason;
    if (run->unreachable_since_ms > 0)
        return "dependency out of reach";
    if (run->next_try_at_ms > s->now_ms)
        return "backoff";
    if (run->state == RUN_STATE_QUEUED && !run->has_claim && run->due_at_ms > s->now_ms)
        return "not due yet";
    return line_waited_in(l, s);
}
