/*
 * act_report.c - Prefect after the engine: announce, verdict, hand back, restore.
 *
 * The beginnings of the crash messages are fixed, since people's automations match them (protocol 4.7).
 */
#include "act.h"

#include "crash_text.h"

#include <stdio.h>
#include <string.h>

/* ---- ANNOUNCE ---- */

static void on_announced(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_API, reply->took_ms, NULL);
    act_feed(live, RUN_EVENT_DONE);
}

void act_announce(struct act *act, struct live *live)
{
    struct prefect_ask ask = act_ask(act, live, STAGE_API, on_announced);
    char *pid = check_printf("%s:%s", engine_pid_base(act->engine), live->launch->container_id);
    struct err err;
    int rc = prefect_patch_pid(act->prefect, &ask, live->launch->flow_run_id, pid, &err);
    free(pid);
    if (rc != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_API, &err);
}

/* ---- REPORT ---- */

static void on_reported(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_REPORT, reply->took_ms, NULL);
    bool is_cancelling = reply->states[0].type == PREFECT_STATE_CANCELLING;
    if (reply->outcome == PREFECT_OUTCOME_ACCEPT) {
        tell_reported(act_of(live)->tell, live);
        act_feed(live, RUN_EVENT_DONE);
    } else if (is_cancelling && live->launch->run.verdict != RUN_VERDICT_CANCELLED) {
        act_feed(live, RUN_EVENT_RUN_CANCELLING);
    } else {
        act_feed(live, RUN_EVENT_REFUSED);
    }
}

void act_report(struct act *act, struct live *live)
{
    struct prefect_ask ask = act_ask(act, live, STAGE_REPORT, on_reported);
    ask.can_wait = act_can_wait(live);
    enum run_verdict verdict = live->launch->run.verdict;
    bool is_cancelled = verdict == RUN_VERDICT_CANCELLED || verdict == RUN_VERDICT_SKIPPED;
    char *message = crash_text(live->launch);
    struct prefect_proposal proposal = {.type =
                                            is_cancelled ? PREFECT_STATE_CANCELLED : PREFECT_STATE_CRASHED,
                                        .message = message,
                                        .transition_id = live->launch->report_id};
    struct err err;
    int rc = prefect_set_state(act->prefect, &ask, live->launch->flow_run_id, &proposal, &err);
    free(message);
    if (rc != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_REPORT, &err);
}

/* ---- HAND_BACK ---- */

static void on_handed_back(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_REPORT, reply->took_ms, NULL);
    const struct prefect_state *state = &reply->states[0];
    bool is_ours = strcmp(state->transition_id, live->launch->hand_back_id) == 0;
    if (reply->outcome == PREFECT_OUTCOME_ACCEPT || (state->type == PREFECT_STATE_SCHEDULED && is_ours)) {
        act_feed(live, RUN_EVENT_DONE);
    } else {
        act_feed(live,
                 state->type == PREFECT_STATE_CANCELLING ? RUN_EVENT_RUN_CANCELLING : RUN_EVENT_REFUSED);
    }
}

static void propose_scheduled(struct live *live)
{
    struct act *act = act_of(live);
    struct prefect_ask ask = act_ask(act, live, STAGE_REPORT, on_handed_back);
    struct prefect_proposal proposal = {.type = PREFECT_STATE_SCHEDULED,
                                        .message =
                                            "Handed back by the worker before its container was started.",
                                        .transition_id = live->launch->hand_back_id,
                                        .scheduled_at_ms = live->launch->run.due_at_ms};
    struct err err;
    if (prefect_set_state(act->prefect, &ask, live->launch->flow_run_id, &proposal, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_REPORT, &err);
}

static void on_pid_cleared(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    /* Refused for good: with its pid or without, it must go back. */
    bool is_refused = reply->failure != NULL && classify(reply->failure).error_class == ERROR_CLASS_PERMANENT;
    if (!is_refused && !act_prefect_is_fine(live, reply))
        return;
    live->prefect_call = NULL;
    propose_scheduled(live);
}

/* A run that may be announced, also by a call whose answer was lost, loses its pid while it is still ours:
 * scheduled with a pid, its cancel would wait for an infrastructure that there is not. */
void act_hand_back(struct act *act, struct live *live)
{
    if (!live->launch->run.create_sent) {
        propose_scheduled(live);
        return;
    }
    struct prefect_ask ask = act_ask(act, live, STAGE_REPORT, on_pid_cleared);
    struct err err;
    if (prefect_patch_pid(act->prefect, &ask, live->launch->flow_run_id, NULL, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_REPORT, &err);
}

/* ---- RESTORE ---- */

static void on_restored(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_REPORT, reply->took_ms, NULL);
    act_feed(live, RUN_EVENT_DONE);
}

/* Put back what we have overwritten, if nobody has gone on from there. A cancel of a run that had ended has
 * nothing to end; one of a run that was scheduled again ends it. */
static void on_history(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    struct act *act = act_of(live);
    if (!act_prefect_is_fine(live, reply))
        return;
    const struct history h = act_history(live, reply);
    const struct prefect_state *was = h.overwritten;
    if (was == NULL || !(h.ends_with_ours || h.ends_with_cancel_of_ours)) {
        act_feed(live, RUN_EVENT_DONE);
        return;
    }
    bool is_cancelled = h.ends_with_cancel_of_ours && was->type == PREFECT_STATE_SCHEDULED;
    struct prefect_ask ask = act_ask(act, live, STAGE_REPORT, on_restored);
    struct prefect_proposal proposal = {.type = is_cancelled ? PREFECT_STATE_CANCELLED : was->type,
                                        .name = is_cancelled ? NULL : was->name,
                                        .message = was->message[0] == '\0' ? NULL : was->message,
                                        .scheduled_at_ms = was->scheduled_at_ms,
                                        .data_json = was->data_json,
                                        .force = true};
    struct err err;
    if (prefect_set_state(act->prefect, &ask, live->launch->flow_run_id, &proposal, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_REPORT, &err);
}

void act_restore(struct act *act, struct live *live)
{
    struct prefect_ask ask = act_ask(act, live, STAGE_REPORT, on_history);
    struct err err;
    if (prefect_get_history(act->prefect, &ask, live->launch->flow_run_id, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_REPORT, &err);
}
