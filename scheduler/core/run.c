#include "core/run.h"

#include <string.h>

const char *run_state_name(enum run_state s)
{
    switch (s) {
#define X(name, text)                                                                                        \
    case RUN_STATE_##name:                                                                                   \
        return text;
        RUN_STATES(X)
#undef X
    }
    return "?";
}

const char *run_action_name(enum run_action a)
{
    switch (a) {
#define X(name, text, is_request, is_durable)                                                                \
    case RUN_ACTION_##name:                                                                                  \
        return text;
        RUN_ACTIONS(X)
#undef X
    }
    return "?";
}

const char *run_event_name(enum run_event_kind e)
{
    switch (e) {
#define X(name, text)                                                                                        \
    case RUN_EVENT_##name:                                                                                   \
        return text;
        RUN_EVENTS(X)
#undef X
    }
    return "?";
}

const char *run_verdict_name(enum run_verdict v)
{
    switch (v) {
#define X(name, text)                                                                                        \
    case RUN_VERDICT_##name:                                                                                 \
        return text;
        RUN_VERDICTS(X)
#undef X
    }
    return "?";
}

int run_state_from_name(const char *text)
{
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        if (strcmp(run_state_name((enum run_state)s), text) == 0)
            return s;
    return -1;
}

int run_verdict_from_name(const char *text)
{
    for (int v = 0; v <= (int)RUN_VERDICT_HAND_BACK; v++)
        if (strcmp(run_verdict_name((enum run_verdict)v), text) == 0)
            return v;
    return -1;
}

bool run_action_is_request(enum run_action a)
{
    switch (a) {
#define X(name, text, is_request, is_durable)                                                                \
    case RUN_ACTION_##name:                                                                                  \
        return is_request;
        RUN_ACTIONS(X)
#undef X
    }
    return false;
}

bool run_action_is_durable(enum run_action a)
{
    switch (a) {
#define X(name, text, is_request, is_durable)                                                                \
    case RUN_ACTION_##name:                                                                                  \
        return is_durable;
        RUN_ACTIONS(X)
#undef X
    }
    return false;
}

bool run_is_backing_off(const struct run *run)
{
    /* There `attempt` counts looks that went well. */
    bool counts_looks = run->state == RUN_STATE_REPORTING && run->verdict == RUN_VERDICT_ENDED;
    bool waits_for_dependency = run->reach_tries > 0 || (run->attempt > 0 && !counts_looks);
    return run->next_try_at_ms != 0 && waits_for_dependency && !run->waits_for_create;
}

bool run_is_late(const struct run *run, int64_t at_ms, int64_t late_after_ms)
{
    return late_after_ms > 0 && at_ms - run->due_at_ms > late_after_ms;
}

bool run_state_gives_up(enum run_state s)
{
    return s >= RUN_STATE_RESOLVING && s <= RUN_STATE_STARTING;
}

enum stage run_state_stage(enum run_state s)
{
    switch ((int)s) {
    case RUN_STATE_RESOLVING:
        return STAGE_RESOLVE;
    case RUN_STATE_PULLING:
        return STAGE_PULL;
    case RUN_STATE_CREATING:
        return STAGE_CREATE;
    case RUN_STATE_CONNECTING:
        return STAGE_NETWORK;
    case RUN_STATE_STARTING:
        return STAGE_START;
    default:
        return STAGE_API;
    }
}

bool run_holds_running_slot(const struct run *run)
{
    return run->state >= RUN_STATE_CLAIMING && run->state <= RUN_STATE_CLEARING;
}

bool run_holds_launch_slot(const struct run *run)
{
    switch (run->pending) {
    case RUN_ACTION_CREATE:
    case RUN_ACTION_LOOK_NAME:
    case RUN_ACTION_CONNECT:
    case RUN_ACTION_START:
    case RUN_ACTION_RETIRE:
        return true;
    case RUN_ACTION_LOOK_CONTAINER:
        return run->state == RUN_STATE_STARTING;
    default:
        return false;
    }
}

bool run_holds_start_slot(const struct run *run)
{
    return run->state == RUN_STATE_STARTING && run_holds_launch_slot(run);
}

bool run_holds_stop_slot(const struct run *run)
{
    return run->pending == RUN_ACTION_STOP;
}

bool run_is_claim_ahead(const struct run *run)
{
    return run->state >= RUN_STATE_CLAIMING && run->state <= RUN_STATE_READY &&
           run->state != RUN_STATE_PULLING;
}
