#include "why.h"

#include "base/check.h"
#include "core/run.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool begins(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_yes(const char *text)
{
    return strcmp(text, "1") == 0;
}

/* ---- what ends a wait ---- */

/* The words of the view `queue` (migrations/), and what ends each. */
static const struct {
    const char *part;
    const char *ends;
} endings[] = {
    /* First, since it names a queue, which may be called anything. */
    {" at the server", "ends when runs that count there have ended, whoever runs them"},
    {"paused", "ends with sluice resume"},
    {"out of reach", "ends within seconds of its return, which is looked for all the time"},
    {"answer to ", "ends with the answer, or with that call's clock"},
    {"limit: starts_per_second", "ends with the next token"},
    {"limit: running", "ends when one of the runs that count has ended"},
    {"limit: launching", "ends when one of the launches under way is through"},
    {"launch slot", "ends when one of the launches under way is through"},
    {"place among the first", "ends when runs before it have been claimed"},
    {"image of ", "ends when the image is there, or one of those runs is given up"},
    {"claim-ahead window", "ends when one of the runs claimed before it has been started"},
    {"backoff", "ends by itself"},
};

const char *why_ends(const struct why *w)
{
    for (size_t i = 0; w->waits_for[0] != '\0' && i < ARRAY_LEN(endings); i++)
        if (strstr(w->waits_for, endings[i].part) != NULL)
            return endings[i].ends;
    return "";
}

static char *say_wait(const struct why *w)
{
    bool wants_token = strstr(w->waits_for, "starts_per_second") != NULL && w->token_s[0] != '\0';
    char *AUTO_FREE token = wants_token ? check_printf(", in %s s", w->token_s) : check_strdup("");
    char *AUTO_FREE tries = strcmp(w->tries, "0") == 0
                                ? check_strdup("")
                                : check_printf("; failed tries: %s, the last: %s", w->tries, w->last_error);
    const char *ends = why_ends(w);
    return check_printf("waits, %s since %s, at place %s of the queue: %s%s%s%s%s", w->state, w->since,
                        w->position, w->waits_for[0] == '\0' ? "nothing that is known" : w->waits_for,
                        ends[0] == '\0' ? "" : "; this ", ends, token, tries);
}

/* ---- from RUNNING on ---- */

/* What will be, or was, reported. */
static char *say_verdict(const struct why *w)
{
    const char *last = w->last_error[0] == '\0' ? "nothing more is known" : w->last_error;
    switch (run_verdict_from_name(w->verdict)) {
    case RUN_VERDICT_LAUNCH_FAILED:
        return check_printf("its launch failed for good: %s", last);
    case RUN_VERDICT_EXITED:
        return check_printf("its container ended with exit code %s%s", w->exit_code,
                            is_yes(w->oom_killed) ? ", killed for want of memory" : "");
    case RUN_VERDICT_ENDED:
        return check_strdup("its container ended with exit code 0; what the flow said of itself stands");
    case RUN_VERDICT_NEVER_RAN:
        return check_strdup("its container ended with exit code 0, but the flow never began");
    case RUN_VERDICT_LEFT_RUNNING:
        return check_strdup("its container ended with exit code 0, but the flow never told its end");
    case RUN_VERDICT_DISAPPEARED:
        return check_strdup("its container disappeared, with an exit code that nobody knows");
    case RUN_VERDICT_RAN_TOO_LONG:
        return check_strdup("it ran longer than max_run_time allows, and was stopped");
    case RUN_VERDICT_CANCELLED:
        return check_strdup("it was cancelled or deleted at the server");
    case RUN_VERDICT_OVER:
        return check_strdup("it was over at the server before its container");
    case RUN_VERDICT_HAND_BACK:
        return check_printf("it was handed back, so that it is started anew: %s", last);
    default:
        return check_strdup("");
    }
}

static char *say_end(const struct why *w)
{
    char *AUTO_FREE verdict = say_verdict(w);
    if (verdict[0] != '\0')
        return check_printf("ended at %s: %s", w->since, verdict);
    if (strcmp(w->came_from, "QUEUED") == 0)
        return check_printf("left the queue at %s, unclaimed: another worker has it, its queue was paused, "
                            "or it is no longer due (%s)",
                            w->since, w->came_by);
    return check_printf("was let go at %s, from %s: it was no longer ours to launch (%s)", w->since,
                        w->came_from, w->came_by);
}

static char *say_ending(const struct why *w)
{
    char *AUTO_FREE verdict = say_verdict(w);
    /* Of a launch that failed, last_error is why, not what keeps its end from being told. */
    bool is_of_end = run_verdict_from_name(w->verdict) != RUN_VERDICT_LAUNCH_FAILED;
    char *AUTO_FREE again = w->next_try_at[0] == '\0'
                                ? check_strdup("")
                                : check_printf("; tried again at %s%s%s", w->next_try_at,
                                               is_of_end ? ", after: " : "", is_of_end ? w->last_error : "");
    return check_printf("is ending, %s since %s%s%s%s", w->state, w->since, verdict[0] == '\0' ? "" : ": ",
                        verdict, again);
}

static char *say_state(const struct why *w)
{
    int state = run_state_from_name(w->state);
    if (state == RUN_STATE_FINISHED)
        return say_end(w);
    if (state == RUN_STATE_PARKED)
        return check_printf(
            "is parked since %s: %s; sluice retry %s tries it again, sluice discard %s reports it "
            "Crashed; until then it stays Pending at the server",
            w->since, w->last_error[0] == '\0' ? w->came_by : w->last_error, w->run_id, w->run_id);
    if (state == RUN_STATE_RUNNING)
        return check_printf("runs since %s in container %.12s%s%s", w->started_at, w->container_id,
                            begins(w->last_error, "the flow run is over") ? "; " : "",
                            begins(w->last_error, "the flow run is over") ? w->last_error : "");
    return state > RUN_STATE_RUNNING ? say_ending(w) : say_wait(w);
}

char *why_say(const struct why *w)
{
    char *AUTO_FREE what = say_state(w);
    return check_printf("%s (%s) %s", w->run_name[0] == '\0' ? "run" : w->run_name, w->run_id, what);
}
