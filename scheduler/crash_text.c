#include "crash_text.h"

#include "base/check.h"

#include <ctype.h>
#include <string.h>

/* Longer than any stage's name: what stands before a colon later than this is part of the sentence. */
#define STAGE_NAME_MAX 20

struct exit_text {
    int32_t code;
    const char *explanation;
    const char *hint;
};

static const struct exit_text exit_texts[] = {
    {1, "The process ended with a general error.",
     "Look for an exception or a failed assertion in the run's logs."},
    {125, "The container could not be run.",
     "Check the image, its entrypoint and the health of the container engine."},
    {126, "The command was found but can't be executed.",
     "Check the file mode of the entrypoint: the executable bit must be set."},
    {127, "The command was not found.", "Check that the command is installed in the image, and its PATH."},
    {137, "The process was killed by SIGKILL, probably for lack of memory.",
     "Raise the memory limit of the job."},
    {143, "The process was ended by SIGTERM.",
     "If this was a cancellation or a shutdown of the engine, nothing need be done."},
    {247, "The process was ended because it used too much memory.", "Raise the memory limit of the job."},
};

static const struct exit_text oom_text = {
    137, "The container exceeded its memory limit and was killed by the kernel.",
    "Raise the memory limit of the job (mem_limit)."};
static const struct exit_text other_text = {0, "This code has no common meaning.",
                                            "Look at the run's logs and the container's output."};

static const struct exit_text *find_exit_text(const struct run *run)
{
    if (run->oom_killed)
        return &oom_text;
    for (size_t i = 0; i < ARRAY_LEN(exit_texts); i++)
        if (exit_texts[i].code == run->exit_code)
            return &exit_texts[i];
    return &other_text;
}

/* last_error is "stage: sentence"; the official form is "Kind: sentence", and our kinds are "CreateError" and
 * the like. */
static char *launch_failed_text(const char *last_error)
{
    const char *colon = strstr(last_error, ": ");
    if (colon == NULL || colon == last_error || colon - last_error > STAGE_NAME_MAX)
        return check_printf("Failed to submit flow run to infrastructure: LaunchError: %s",
                            last_error[0] == '\0' ? "no further reason is known" : last_error);
    return check_printf("Failed to submit flow run to infrastructure: %c%.*sError: %s",
                        toupper((unsigned char)last_error[0]), (int)(colon - last_error) - 1, last_error + 1,
                        colon + 2);
}

char *crash_text(const struct launch *launch)
{
    const struct run *run = &launch->run;
    switch (run->verdict) {
    case RUN_VERDICT_LAUNCH_FAILED:
        return launch_failed_text(launch->last_error);
    case RUN_VERDICT_EXITED:
        return check_printf("Flow run infrastructure exited with non-zero status code %d. %s",
                            (int)run->exit_code, find_exit_text(run)->explanation);
    case RUN_VERDICT_NEVER_RAN:
        return check_strdup(
            "Flow run infrastructure exited with status code 0 without starting the flow run. "
            "Check the job's command and the image's entrypoint.");
    case RUN_VERDICT_LEFT_RUNNING:
        return check_strdup(
            "Flow run infrastructure exited with status code 0 while the flow run was still running.");
    case RUN_VERDICT_DISAPPEARED:
        return check_strdup(
            "Flow run infrastructure disappeared: the container is gone and its exit code is unknown.");
    case RUN_VERDICT_RAN_TOO_LONG:
        return check_strdup("Flow run infrastructure was stopped after max_run_time.");
    case RUN_VERDICT_CANCELLED:
        return check_strdup("Flow run cancelled by worker.");
    case RUN_VERDICT_SKIPPED:
        return check_printf(
            "Flow run skipped by worker: it was due %lld s before it could be claimed, which is "
            "longer than late_after allows (when_late = skip).",
            (long long)((run->claimed_at_ms - run->due_at_ms) / 1000));
    case RUN_VERDICT_OVER:
        return check_strdup("Flow run was given up: it was seen to have ended while it was being launched.");
    case RUN_VERDICT_NONE:
    case RUN_VERDICT_ENDED:
    case RUN_VERDICT_HAND_BACK:
        break;
    }
    return check_strdup("");
}

const char *crash_hint(const struct launch *launch)
{
    return launch->run.verdict == RUN_VERDICT_EXITED ? find_exit_text(&launch->run)->hint : NULL;
}
