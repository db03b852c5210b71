/*
 * sim_broken.c - see sim_broken.h. Calls from the shell into core/ and api/ come by here (linker option
 * --wrap), and are spoiled as the chosen bug says.
 */
#include "sim_broken.h"

#include "base/check.h"
#include "core/run_step.h"

typedef struct run_step (*run_step_fn)(const struct run *run, const struct run_event *event,
                                       const struct retry_policy *policy);

struct run_step __real_run_step(const struct run *run, const struct run_event *event,
                                const struct retry_policy *policy);
struct run_step __wrap_run_step(const struct run *run, const struct run_event *event,
                                const struct retry_policy *policy);
bool __real_run_action_is_durable(enum run_action action);
bool __wrap_run_action_is_durable(enum run_action action);

static struct run_step act_instead(struct run_step step, enum run_action action)
{
    step.action = action;
    step.next.pending = action;
    return step;
}

static struct run_step start_without_look(const struct run *run, const struct run_event *event,
                                          const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    bool is_again = run->state == RUN_STATE_STARTING && event->kind == RUN_EVENT_ADMITTED && run->start_sent;
    return is_again ? act_instead(step, RUN_ACTION_START) : step;
}

static struct run_step new_container_too_early(const struct run *run, const struct run_event *event,
                                               const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    if (run->state != RUN_STATE_STARTING || event->kind != RUN_EVENT_FOUND_CREATED)
        return step;
    step.next.state = RUN_STATE_CREATING;
    step.next.start_sent = false;
    step.next.name_index = run->name_index + 1;
    return act_instead(step, RUN_ACTION_CREATE);
}

static struct run_step create_under_a_new_name(const struct run *run, const struct run_event *event,
                                               const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    if (step.action != RUN_ACTION_LOOK_NAME)
        return step;
    step.next.name_index++;
    return act_instead(step, RUN_ACTION_CREATE);
}

static struct run_step report_without_look(const struct run *run, const struct run_event *event,
                                           const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    if (step.next.state != RUN_STATE_REPORTING || step.action != RUN_ACTION_LOOK_RUN)
        return step;
    if (step.next.verdict == RUN_VERDICT_ENDED)
        step.next.verdict = RUN_VERDICT_NEVER_RAN;
    return act_instead(step, RUN_ACTION_REPORT);
}

static struct run_step verdict_without_clearing(const struct run *run, const struct run_event *event,
                                                const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    if (step.next.state != RUN_STATE_CLEARING || run->state == RUN_STATE_CLEARING)
        return step;
    bool goes_back = step.next.verdict == RUN_VERDICT_HAND_BACK;
    step.next.state = goes_back ? RUN_STATE_HANDING_BACK : RUN_STATE_REPORTING;
    return act_instead(step, goes_back ? RUN_ACTION_HAND_BACK : RUN_ACTION_REPORT);
}

static struct run_step settled_at_once(const struct run *run, const struct run_event *event,
                                       const struct retry_policy *policy)
{
    struct retry_policy hasty = *policy;
    hasty.settle_ms = 0;
    return __real_run_step(run, event, &hasty);
}

static struct run_step overtaking_unnoticed(const struct run *run, const struct run_event *event,
                                            const struct retry_policy *policy)
{
    struct run_event done = *event;
    if (run->state == RUN_STATE_CLAIMING && event->kind == RUN_EVENT_OVERTOOK)
        done.kind = RUN_EVENT_DONE;
    return __real_run_step(run, &done, policy);
}

static struct run_step lost_claim_forgotten(const struct run *run, const struct run_event *event,
                                            const struct retry_policy *policy)
{
    struct run_event refused = *event;
    if (run->state == RUN_STATE_CLAIMING && event->kind == RUN_EVENT_UNKNOWN_OUTCOME)
        refused.kind = RUN_EVENT_REFUSED;
    return __real_run_step(run, &refused, policy);
}

static struct run_step end_unseen_before_the_answer(const struct run *run, const struct run_event *event,
                                                    const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    step.next.died_early = false;
    if (run->state == RUN_STATE_STARTING && event->kind == RUN_EVENT_UNKNOWN_OUTCOME)
        step.next.start_sent = false;
    return step;
}

struct bug {
    const char *what;
    run_step_fn step;          /* NULL: as it is */
    enum run_action too_early; /* performed before its row is on disk; NONE: none */
};

static const struct bug bugs[] = {
    {"a start is repeated without a look", start_without_look, RUN_ACTION_NONE},
    {"a new container while the old one may still start", new_container_too_early, RUN_ACTION_NONE},
    {"a create is repeated under a new name without a look", create_under_a_new_name, RUN_ACTION_NONE},
    {"a report is made without a look", report_without_look, RUN_ACTION_NONE},
    {"a verdict without clearing", verdict_without_clearing, RUN_ACTION_NONE},
    {"nobody waits until a lost proposal has landed", settled_at_once, RUN_ACTION_NONE},
    {"the claim of a finished run goes unnoticed", overtaking_unnoticed, RUN_ACTION_NONE},
    {"a claim whose answer was lost is forgotten", lost_claim_forgotten, RUN_ACTION_NONE},
    {"a start whose answer was lost counts as not sent", end_unseen_before_the_answer, RUN_ACTION_NONE},
    {"a claim is made before it is on disk", NULL, RUN_ACTION_CLAIM},
    {"a create is made before it is on disk", NULL, RUN_ACTION_CREATE},
    {"a start is made before it is on disk", NULL, RUN_ACTION_START},
};
static const struct bug *present;

bool sim_break(size_t number, const char **what)
{
    if (number >= ARRAY_LEN(bugs))
        return false;
    present = &bugs[number];
    *what = present->what;
    return true;
}

struct run_step __wrap_run_step(const struct run *run, const struct run_event *event,
                                const struct retry_policy *policy)
{
    if (present == NULL || present->step == NULL)
        return __real_run_step(run, event, policy);
    return present->step(run, event, policy);
}

bool __wrap_run_action_is_durable(enum run_action action)
{
    if (present != NULL && present->too_early == action)
        return false;
    return __real_run_action_is_durable(action);
}
