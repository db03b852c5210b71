/*
 * sim_broken.c - see sim_broken.h. Calls from the shell into core/ and api/ come by here (linker option
 * --wrap), and are spoiled as the chosen bug says; those into store/ come by sim_commit.c.
 */
#include "sim_broken.h"

#include "admission.h"
#include "base/check.h"
#include "core/bucket.h"
#include "core/order.h"
#include "core/per_value.h"
#include "core/registry.h"
#include "core/run_step.h"
#include "shared_starts.h"
#include "sim.h"

typedef struct run_step (*run_step_fn)(const struct run *run, const struct run_event *event,
                                       const struct retry_policy *policy);

struct run_step __real_run_step(const struct run *run, const struct run_event *event,
                                const struct retry_policy *policy);
struct run_step __wrap_run_step(const struct run *run, const struct run_event *event,
                                const struct retry_policy *policy);
bool __real_run_action_is_durable(enum run_action action);
bool __wrap_run_action_is_durable(enum run_action action);
bool __real_run_is_late(const struct run *run, int64_t at_ms, int64_t late_after_ms);
bool __wrap_run_is_late(const struct run *run, int64_t at_ms, int64_t late_after_ms);
bool __real_per_value_has(const struct per_value *limit, const char *line, size_t line_len);
bool __wrap_per_value_has(const struct per_value *limit, const char *line, size_t line_len);
struct order_place __real_order_place(const struct order_rule *rule, int32_t queue_priority,
                                      int32_t class_priority, int64_t due_at_ms);
struct order_place __wrap_order_place(const struct order_rule *rule, int32_t queue_priority,
                                      int32_t class_priority, int64_t due_at_ms);
void __real_admission_open(struct admission *admission, struct admission_gates gates);
void __wrap_admission_open(struct admission *admission, struct admission_gates gates);
int64_t __real_bucket_wait_ms(const struct bucket *bucket, int64_t now_ms);
int64_t __wrap_bucket_wait_ms(const struct bucket *bucket, int64_t now_ms);
bool __real_shared_starts_take(struct shared_starts *shared, int64_t ready);
bool __wrap_shared_starts_take(struct shared_starts *shared, int64_t ready);
double __real_registry_limit_for(const struct match_list *limits, const char *host);
double __wrap_registry_limit_for(const struct match_list *limits, const char *host);

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

static struct run_step refusal_taken_for_ours(const struct run *run, const struct run_event *event,
                                              const struct retry_policy *policy)
{
    struct run_event done = *event;
    if (run->state == RUN_STATE_CLAIMING && event->kind == RUN_EVENT_REFUSED)
        done.kind = RUN_EVENT_DONE;
    return __real_run_step(run, &done, policy);
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

/* Reported at once, as if nobody had asked for it to be kept. */
static struct run_step nothing_is_parked(const struct run *run, const struct run_event *event,
                                         const struct retry_policy *policy)
{
    struct run_step step = __real_run_step(run, event, policy);
    if (step.next.state != RUN_STATE_PARKED || run->state == RUN_STATE_PARKED)
        return step;
    step.next.state = RUN_STATE_REPORTING;
    return act_instead(step, RUN_ACTION_REPORT);
}

/* What is left out of flow control, and of saving. */
enum missing {
    MISSING_NONE,
    MISSING_LATE,
    MISSING_VALUES,
    MISSING_PRIORITY,
    MISSING_PAUSE,
    MISSING_TOKENS,
    MISSING_SHARED,
    MISSING_REGISTRY,
    MISSING_ORDER_OF_ROWS
};

struct bug {
    const char *what;
    run_step_fn step;          /* NULL: as it is */
    enum run_action too_early; /* performed before its row is on disk; NONE: none */
    enum missing missing;
};

static const struct bug bugs[] = {
    {"a start is repeated without a look", start_without_look, RUN_ACTION_NONE, MISSING_NONE},
    {"a new container while the old one may still start", new_container_too_early, RUN_ACTION_NONE,
     MISSING_NONE},
    {"a create is repeated under a new name without a look", create_under_a_new_name, RUN_ACTION_NONE,
     MISSING_NONE},
    {"a report is made without a look", report_without_look, RUN_ACTION_NONE, MISSING_NONE},
    {"a verdict without clearing", verdict_without_clearing, RUN_ACTION_NONE, MISSING_NONE},
    {"nobody waits until a lost proposal has landed", settled_at_once, RUN_ACTION_NONE, MISSING_NONE},
    {"the claim of a finished run goes unnoticed", overtaking_unnoticed, RUN_ACTION_NONE, MISSING_NONE},
    {"a claim whose answer was lost is forgotten", lost_claim_forgotten, RUN_ACTION_NONE, MISSING_NONE},
    {"a claim that was refused counts as taken", refusal_taken_for_ours, RUN_ACTION_NONE, MISSING_NONE},
    {"a start whose answer was lost counts as not sent", end_unseen_before_the_answer, RUN_ACTION_NONE,
     MISSING_NONE},
    {"a claim is made before it is on disk", NULL, RUN_ACTION_CLAIM, MISSING_NONE},
    {"a create is made before it is on disk", NULL, RUN_ACTION_CREATE, MISSING_NONE},
    {"a start is made before it is on disk", NULL, RUN_ACTION_START, MISSING_NONE},
    {"what a person shall see is reported Crashed", nothing_is_parked, RUN_ACTION_NONE, MISSING_NONE},
    {"no run is ever late", NULL, RUN_ACTION_NONE, MISSING_LATE},
    {"a value's limit is not kept", NULL, RUN_ACTION_NONE, MISSING_VALUES},
    {"priorities of classes don't count", NULL, RUN_ACTION_NONE, MISSING_PRIORITY},
    {"a pause closes nothing", NULL, RUN_ACTION_NONE, MISSING_PAUSE},
    {"starts wait for no token", NULL, RUN_ACTION_NONE, MISSING_TOKENS},
    {"a shared rate holds for nobody", NULL, RUN_ACTION_NONE, MISSING_SHARED},
    {"a registry has no limits", NULL, RUN_ACTION_NONE, MISSING_REGISTRY},
    {"a run's next launch is written before the end of its last", NULL, RUN_ACTION_NONE,
     MISSING_ORDER_OF_ROWS},
};
static const struct bug *present;

bool sim_break(size_t number, const char **what)
{
    if (number >= ARRAY_LEN(bugs))
        return false;
    present = &bugs[number];
    *what = present->what;
    if (present->missing == MISSING_ORDER_OF_ROWS)
        sim_commit_hold_ends();
    return true;
}

struct run_step __wrap_run_step(const struct run *run, const struct run_event *event,
                                const struct retry_policy *policy)
{
    if (present == NULL || present->step == NULL)
        return __real_run_step(run, event, policy);
    return present->step(run, event, policy);
}

static bool is_missing(enum missing what)
{
    return present != NULL && present->missing == what;
}

bool __wrap_run_is_late(const struct run *run, int64_t at_ms, int64_t late_after_ms)
{
    return !is_missing(MISSING_LATE) && __real_run_is_late(run, at_ms, late_after_ms);
}

bool __wrap_per_value_has(const struct per_value *limit, const char *line, size_t line_len)
{
    return !is_missing(MISSING_VALUES) && __real_per_value_has(limit, line, line_len);
}

struct order_place __wrap_order_place(const struct order_rule *rule, int32_t queue_priority,
                                      int32_t class_priority, int64_t due_at_ms)
{
    return __real_order_place(rule, queue_priority, is_missing(MISSING_PRIORITY) ? 0 : class_priority,
                              due_at_ms);
}

void __wrap_admission_open(struct admission *admission, struct admission_gates gates)
{
    gates.claims = gates.claims || (is_missing(MISSING_PAUSE) && gates.going_on);
    gates.starts = gates.starts || (is_missing(MISSING_PAUSE) && gates.going_on);
    __real_admission_open(admission, gates);
}

int64_t __wrap_bucket_wait_ms(const struct bucket *bucket, int64_t now_ms)
{
    return is_missing(MISSING_TOKENS) ? 0 : __real_bucket_wait_ms(bucket, now_ms);
}

bool __wrap_shared_starts_take(struct shared_starts *shared, int64_t ready)
{
    return is_missing(MISSING_SHARED) || __real_shared_starts_take(shared, ready);
}

double __wrap_registry_limit_for(const struct match_list *limits, const char *host)
{
    return is_missing(MISSING_REGISTRY) ? -1 : __real_registry_limit_for(limits, host);
}

bool __wrap_run_action_is_durable(enum run_action action)
{
    if (present != NULL && present->too_early == action)
        return false;
    return __real_run_action_is_durable(action);
}
