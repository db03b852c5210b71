/*
 * runner_save.c - what of a turn goes into the state file, and into the log beside it.
 *
 * Rows are marked and written together; history and attempts are added to the same transaction. Nothing is
 * durable before runner_sync() has returned 0, and after the first failure nothing more is written or
 * performed.
 */
#include "runner_internal.h"

#include "base/log.h"
#include "core/wait_reason.h"

#include <string.h>

/* Rows whose action needs no commit of its own wait this long for one that does. */
#define SAVE_DELAY_MS 50

int runner_save_failed(struct runner *r, struct err *err)
{
    if (r->is_failed)
        return -1;
    r->is_failed = true;
    r->s.ports.on_failure(r->s.ports.arg, err);
    return -1;
}

void runner_mark_dirty(struct runner *r, struct live *live)
{
    if (live->is_dirty)
        return;
    live->is_dirty = true;
    list_add_last(&r->dirty, &live->dirty_link);
}

/* A run that was refused may be offered again before the end of its last launch is written, and a row of
 * which the claim is over has to say so before there is another: the file takes one claim of a run at a time.
 */
static int save_earlier_launches(struct runner *r, const struct live *live, struct err *err)
{
    struct list *next;
    for (struct list *link = r->dirty.next; link != &r->dirty; link = next) {
        struct live *earlier = LIST_ITEM(link, struct live, dirty_link);
        next = link->next;
        if (earlier == live || strcmp(earlier->launch->flow_run_id, live->launch->flow_run_id) != 0)
            continue;
        list_remove(link);
        earlier->is_dirty = false;
        earlier->has_row = true;
        if (store_save_launch(r->s.store, earlier->launch, err) != 0)
            return -1;
    }
    return 0;
}

/* History and attempts refer to the launch's row: see to it that there is one. Opens the turn's transaction.
 */
int runner_begin_row(struct runner *r, struct live *live, struct err *err)
{
    if (store_begin(r->s.store, err) != 0)
        return -1;
    if (live == NULL || live->has_row)
        return 0;
    if (save_earlier_launches(r, live, err) != 0)
        return -1;
    live->has_row = true;
    return store_save_launch(r->s.store, live->launch, err);
}

int runner_sync(struct runner *r)
{
    struct err err;
    if (r->is_failed)
        return -1;
    timer_cancel(&r->save_timer);
    if (list_is_empty(&r->dirty) && !store_is_begun(r->s.store))
        return 0;
    if (store_begin(r->s.store, &err) != 0)
        return runner_save_failed(r, &err);
    struct list *link;
    while ((link = list_take_first(&r->dirty)) != NULL) {
        struct live *live = LIST_ITEM(link, struct live, dirty_link);
        live->is_dirty = false;
        live->has_row = true;
        if (store_save_launch(r->s.store, live->launch, &err) != 0)
            return runner_save_failed(r, &err);
    }
    if (r->s.ports.ride != NULL && r->s.ports.ride(r->s.ports.arg, &err) != 0)
        return runner_save_failed(r, &err);
    int64_t began_us = clock_mono_us(r->s.clock);
    if (store_commit(r->s.store, &err) != 0)
        return runner_save_failed(r, &err);
    meters_commit(r->s.meters, clock_mono_us(r->s.clock) - began_us);
    return 0;
}

static void on_save_timer(void *arg)
{
    struct runner *r = arg;
    if (runner_sync(r) != 0)
        return; /* told through on_failure */
}

void runner_save_soon(struct runner *r)
{
    if (!timer_is_running(&r->save_timer))
        timer_start(r->s.timers, &r->save_timer, SAVE_DELAY_MS, on_save_timer, r);
}

/* docs/logs.md, "Replaying": the one line of a change of state. */
static void log_run(const struct launch *l, const char *from, const char *why)
{
    log_info("run", kv_s("run", l->flow_run_id), kv_s("launch", l->launch_id), kv_s("name", l->run_name),
             kv_s("from", from), kv_s("to", run_state_name(l->run.state)), kv_s("why", why),
             kv_s("verdict", l->run.verdict == RUN_VERDICT_NONE ? NULL : run_verdict_name(l->run.verdict)),
             kv_s("class", l->class_name),
             kv_s("container", l->container_id[0] == '\0' ? NULL : l->container_id));
}

static void note_wait(struct live *live, const char *waits_for)
{
    free(live->said_reason);
    live->said_reason = waits_for[0] == '\0' ? NULL : wait_reason(waits_for);
}

void runner_tell_new(const struct live *live)
{
    log_run(live->launch, NULL, "new");
}

int runner_tell_change(struct runner *r, struct live *live, enum run_state from, enum run_event_kind why)
{
    struct err err;
    struct launch *l = live->launch;
    l->updated_at_ms = clock_wall_ms(r->s.clock);
    note_wait(live, ""); /* the save of a new state clears it */
    const char *reason =
        why >= RUN_EVENT_TRANSIENT && why <= RUN_EVENT_UNKNOWN_OUTCOME && l->last_error[0] != '\0'
            ? l->last_error
            : run_event_name(why);
    log_run(l, run_state_name(from), reason);
    if (runner_begin_row(r, live, &err) != 0 ||
        store_add_transition(r->s.store, l->launch_id, run_state_name(from), run_state_name(l->run.state),
                             reason, l->updated_at_ms, &err) != 0)
        return runner_save_failed(r, &err);
    return 0;
}

static void set_note(struct live *live, const char *sentence)
{
    char *copy = check_strdup(sentence);
    if (strlen(copy) > 1000)
        copy[1000] = '\0';
    launch_set_text(&live->launch->last_error, copy);
    free(copy);
}

void runner_tell_left_alone(struct runner *r, struct live *live)
{
    const struct launch *l = live->launch;
    log_warn("a container runs on although its flow run is over; it is left alone (when_run_is_over = leave)",
             kv_s("run", l->flow_run_id), kv_s("name", l->run_name), kv_s("container", l->container_id),
             kv_s("class", l->class_name));
    runner_note(r, live,
                "the flow run is over, and its container runs on: left alone (when_run_is_over = leave)");
}

void runner_tell_too_late(struct runner *r, struct live *live)
{
    const struct launch *l = live->launch;
    log_info("a run that is late is left to other workers", kv_s("run", l->flow_run_id),
             kv_s("name", l->run_name), kv_s("class", l->class_name),
             kv_int("late_ms", clock_wall_ms(r->s.clock) - l->run.due_at_ms));
    runner_note(r, live, "due longer ago than late_after: left to other workers (when_late = leave)");
}

void runner_note(struct runner *r, struct live *live, const char *sentence)
{
    set_note(live, sentence);
    runner_mark_dirty(r, live);
    runner_save_soon(r);
}

/* Scheduled again while it stood in line here, or in place of our claim: whether it is late, and when it goes
 * back to, counts from then. */
void runner_follow_schedule(struct runner *r, struct live *live, int64_t due_ms)
{
    struct run *run = &live->launch->run;
    bool is_claimed = run->has_claim && run->state != RUN_STATE_CLAIMING;
    if (is_claimed || due_ms == 0 || due_ms == run->due_at_ms)
        return;
    run->due_at_ms = due_ms;
    runner_mark_dirty(r, live);
    runner_save_soon(r);
}

void runner_say_wait(struct runner *r, struct live *live, const char *waits_for)
{
    struct err err;
    if (r->is_failed)
        return;
    note_wait(live, waits_for);
    if (runner_begin_row(r, live, &err) != 0 ||
        store_save_wait(r->s.store, live->launch->launch_id, waits_for, &err) != 0) {
        (void)runner_save_failed(r, &err);
        return;
    }
    runner_save_soon(r);
}

const struct config_class *runner_class_of(const struct runner *r, const struct live *live)
{
    return config_class_by_name(r->s.config, live == NULL ? "default" : live->launch->class_name);
}

/* A clock of a call, and where its value came from. */
struct used_clock {
    int64_t ms;
    const char *from; /* NULL: no clock; may be `text` */
    char text[LEARNED_FROM_SIZE];
};

/* As the call had it, which may have been a learned one. clock NONE: nothing. */
static void find_used_clock(const struct runner *r, const struct live *live, enum stage stage,
                            enum clock_kind clock, struct used_clock *used)
{
    const struct config_class *of = runner_class_of(r, live);
    const struct config_time *configured = config_clock(of, stage, clock);
    *used = (struct used_clock){.ms = 0};
    if (configured == NULL)
        return;
    used->ms = configured->ms;
    used->from = configured->from;
    if (live == NULL || live->call.stage != stage || live->call.from[0] == '\0')
        return;
    used->ms = http_clock_ms(&live->call.clocks, clock);
    used->from = clock == CLOCK_KIND_TOTAL ? live->call.from : used->text;
    if (clock != CLOCK_KIND_TOTAL)
        learned_timeouts_from(r->s.timeouts, of, stage, clock, used->text);
}

static enum meters_outcome outcome_of(const struct failure *failure)
{
    if (failure == NULL)
        return METERS_OK;
    if (failure->transport == TRANSPORT_CANCELLED)
        return METERS_CANCELLED;
    return failure->clock != CLOCK_KIND_NONE ? METERS_TIMEOUT : METERS_ERROR;
}

static const char *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* What is known of every call, how long it took and how long it might have taken, with the origin of that.
 * One line a call: a timeout is a warning, since it says that a clock or a dependency is wrong. */
static void log_call(const struct live *live, const struct store_attempt *a, const struct failure *f,
                     const char *rule)
{
    static const struct failure none;
    bool is_timeout = f != NULL && f->clock != CLOCK_KIND_NONE;
    enum log_level level = f == NULL ? LOG_LEVEL_DEBUG : is_timeout ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
    const char *message = f == NULL ? "call" : is_timeout ? "timeout" : "call failed";
    const struct launch *l = live == NULL ? NULL : live->launch;
    const struct failure *fail = f == NULL ? &none : f;
    LOG_AT(level, message, kv_s("run", l == NULL ? NULL : l->flow_run_id), kv_s("launch", a->launch_id),
           kv_s("stage", a->stage), kv_int("attempt", a->attempt), kv_s("class", text_or_null(a->class_name)),
           kv_int("took_ms", a->took_ms), kv_int_if("timeout_ms", a->timeout_ms),
           kv_s("timeout_from", a->timeout_from), kv_s("clock", a->clock), kv_int_if("clock_ms", a->clock_ms),
           kv_s("clock_from", a->clock_from),
           kv_s("dependency", f == NULL ? NULL : dependency_name(f->dependency)),
           kv_int_if("status", fail->status),
           kv_s("transport", f == NULL ? NULL : transport_name(f->transport)),
           kv_s("error_class", a->error_class), kv_s("rule", rule), kv_s("error", a->error));
}

/* For who looks at the status page. */
static void note_trouble(struct runner *r, const struct live *live, const struct store_attempt *attempt,
                         const struct failure *failure, enum error_class error_class)
{
    struct trouble *t = troubles_add(&r->troubles);
    t->at_ms = clock_wall_ms(r->s.clock);
    troubles_text(t->run_id, sizeof(t->run_id), live == NULL ? NULL : live->launch->flow_run_id);
    troubles_text(t->run_name, sizeof(t->run_name), live == NULL ? NULL : live->launch->run_name);
    troubles_text(t->class_name, sizeof(t->class_name), attempt->class_name);
    t->stage = failure->stage;
    t->clock = failure->clock;
    t->took_ms = attempt->took_ms;
    t->timeout_ms = failure->clock == CLOCK_KIND_NONE ? 0 : attempt->clock_ms;
    troubles_text(t->timeout_from, sizeof(t->timeout_from), attempt->clock_from);
    t->attempt = attempt->attempt;
    t->error_class = error_class;
    troubles_text(t->error, sizeof(t->error), failure->message);
}

static void record(struct runner *r, struct live *live, enum stage stage, int64_t took_ms,
                   const struct failure *failure, enum error_class error_class, const char *rule)
{
    struct err err;
    enum clock_kind clock = failure == NULL ? CLOCK_KIND_NONE : failure->clock;
    struct used_clock total;
    struct used_clock over;
    find_used_clock(r, live, stage, CLOCK_KIND_TOTAL, &total);
    find_used_clock(r, live, stage, clock, &over);
    const char *launch_id = live == NULL ? NULL : live->launch->launch_id;
    struct store_attempt attempt = {
        .launch_id = launch_id,
        .class_name = live == NULL ? "" : live->launch->class_name,
        .stage = stage_name(stage),
        .attempt = live == NULL ? 1 : live->launch->run.attempt + 1,
        .started_at_ms = clock_wall_ms(r->s.clock) - took_ms,
        .took_ms = took_ms,
        .timeout_ms = total.ms,
        .timeout_from = total.from,
        .outcome = meters_outcome_name(outcome_of(failure)),
        .clock = clock == CLOCK_KIND_NONE ? NULL : clock_kind_name(clock),
        .clock_ms = over.ms,
        .clock_from = over.from,
        .error_class = failure == NULL ? NULL : error_class_name(error_class),
        .error = failure == NULL ? NULL : failure->message,
    };
    meters_attempt(r->s.meters, &(struct meters_attempt){.stage = stage,
                                                         .outcome = outcome_of(failure),
                                                         .clock = clock,
                                                         .error_class = error_class,
                                                         .class_name = attempt.class_name,
                                                         .took_ms = took_ms,
                                                         .timeout_ms = total.ms});
    /* A name that is taken is all in a day's work: the next one is tried. */
    if (failure != NULL && failure->transport != TRANSPORT_CANCELLED && error_class != ERROR_CLASS_CONFLICT)
        note_trouble(r, live, &attempt, failure, error_class);
    log_call(live, &attempt, failure, rule);
    if (r->is_failed)
        return;
    if (runner_begin_row(r, live, &err) != 0 || store_add_attempt(r->s.store, &attempt, &err) != 0) {
        (void)runner_save_failed(r, &err);
        return;
    }
    if (live != NULL)
        traces_attempted(r->s.traces, live, stage, &attempt, failure);
    runner_save_soon(r);
}

void runner_record(struct runner *r, struct live *live, enum stage stage, int64_t took_ms,
                   const struct failure *failure)
{
    record(r, live, stage, took_ms, failure,
           failure == NULL ? ERROR_CLASS_TRANSIENT : classify(failure).error_class, NULL);
}

void runner_record_timeout(struct runner *r, const struct failure *failure, int64_t took_ms)
{
    if (failure->clock != CLOCK_KIND_NONE)
        runner_record(r, NULL, failure->stage, took_ms, failure);
}

/* Nothing was sent: the dependency's breaker or its retry budget is what the launch waits for. */
static bool is_our_own(const struct failure *failure)
{
    return failure->transport == TRANSPORT_BREAKER_OPEN || failure->transport == TRANSPORT_BUDGET_EMPTY;
}

/* By the operator's rules, then by the built-in table; what we have not sent ourselves is none of a rule's
 * business. */
static struct ruling judge(const struct runner *r, const struct live *live, const struct failure *failure)
{
    const struct config *config = r->s.config;
    const struct run *run = &live->launch->run;
    const struct retry_policy policy = runner_policy_of(r, live);
    int64_t now_ms = clock_wall_ms(r->s.clock);
    const struct rule_place place = {.job_class = live->launch->class_name,
                                     .gives_up = run_state_gives_up(run->state),
                                     .attempt = run->attempt,
                                     .spent_ms =
                                         run->retrying_since_ms == 0 ? 0 : now_ms - run->retrying_since_ms,
                                     .policy = &policy};
    return rules_judge(config->rules, is_our_own(failure) ? 0 : config->rule_count, failure, &place);
}

/* What people see of it. */
static void tell_failure(struct runner *r, struct live *live, const struct failure *failure,
                         const struct verdict_on_failure *v, int64_t took_ms)
{
    if (is_our_own(failure)) {
        runner_say_wait(r, live, failure->message);
        return;
    }
    record(r, live, failure->stage, took_ms, failure, v->error_class, v->rule);
    char *AUTO_FREE sentence = check_printf("%s: %s", stage_name(failure->stage), failure->message);
    /* Why a launch was given up is what will be reported, whatever goes wrong on the way there. */
    if (live->launch->run.verdict != RUN_VERDICT_LAUNCH_FAILED)
        set_note(live, sentence);
}

void runner_fail(struct runner *r, struct live *live, const struct failure *failure, int64_t took_ms)
{
    /* By its own words; shown are those without secrets. */
    const struct ruling ruling = judge(r, live, failure);
    struct verdict_on_failure v = ruling.verdict;
    struct failure shown = *failure;
    if (r->s.ports.hide != NULL)
        r->s.ports.hide(r->s.ports.arg, live, shown.message);
    /* Asked in any case: it is also how the watch over the engine learns that something is wrong. */
    bool is_away = r->s.ports.is_away != NULL && r->s.ports.is_away(r->s.ports.arg, live, &shown);
    if (is_away && (ruling.acts_as == ERROR_CLASS_TRANSIENT || ruling.acts_as == ERROR_CLASS_THROTTLED))
        v.out_of_reach = true;
    tell_failure(r, live, &shown, &v, took_ms);
    runner_feed(
        r, live,
        (struct run_event){.kind = (enum run_event_kind)((int)RUN_EVENT_TRANSIENT + (int)ruling.acts_as),
                           .out_of_reach = v.out_of_reach,
                           .is_held = is_our_own(failure) && failure->retry_after_ms > 0,
                           .was_sent = failure->sent,
                           .retry_after_ms = ruling.retry_after_ms,
                           .retry = ruling.retry,
                           .park = ruling.park});
}
