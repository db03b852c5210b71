/*
 * runner_save.c - what of a turn goes into the state file, and into the log beside it.
 *
 * Rows are marked and written together; history and attempts are added to the same transaction. Nothing is
 * durable before runner_sync() has returned 0, and after the first failure nothing more is written or
 * performed.
 */
#include "runner_internal.h"

#include "base/log.h"

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

/* History and attempts refer to the launch's row: see to it that there is one. Opens the turn's transaction.
 */
int runner_begin_row(struct runner *r, struct live *live, struct err *err)
{
    if (store_begin(r->s.store, err) != 0)
        return -1;
    if (live == NULL || live->has_row)
        return 0;
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
    if (store_commit(r->s.store, &err) != 0)
        return runner_save_failed(r, &err);
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

int runner_tell_change(struct runner *r, struct live *live, enum run_state from, enum run_event_kind why)
{
    struct err err;
    struct launch *l = live->launch;
    l->updated_at_ms = clock_wall_ms(r->s.clock);
    live->is_wait_said = false; /* the save of a new state clears it */
    const char *reason =
        why >= RUN_EVENT_TRANSIENT && why <= RUN_EVENT_UNKNOWN_OUTCOME && l->last_error[0] != '\0'
            ? l->last_error
            : run_event_name(why);
    log_info(
        "run", kv_s("run", l->flow_run_id), kv_s("name", l->run_name), kv_s("from", run_state_name(from)),
        kv_s("to", run_state_name(l->run.state)), kv_s("why", reason),
        kv_s("verdict", l->run.verdict == RUN_VERDICT_NONE ? NULL : run_verdict_name(l->run.verdict)),
        kv_s("class", l->class_name), kv_s("container", l->container_id[0] == '\0' ? NULL : l->container_id));
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

void runner_say_wait(struct runner *r, struct live *live, const char *waits_for)
{
    struct err err;
    if (r->is_failed)
        return;
    live->is_wait_said = waits_for[0] != '\0';
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

/* The clocks that a call had; its total may have been a learned one. */
static struct config_clocks clocks_of_call(const struct runner *r, const struct live *live, enum stage stage)
{
    struct config_clocks clocks = runner_class_of(r, live)->clocks[stage];
    if (live != NULL && live->call.stage == stage && live->call.from[0] != '\0') {
        clocks.total.ms = live->call.total_ms;
        clocks.total.from = live->call.from;
    }
    return clocks;
}

static const struct config_time *clock_that_ran_out(const struct config_clocks *clocks, enum clock_kind kind)
{
    switch (kind) {
    case CLOCK_KIND_CONNECT:
        return &clocks->connect;
    case CLOCK_KIND_INACTIVITY:
        return &clocks->inactivity;
    case CLOCK_KIND_TOTAL:
        return &clocks->total;
    case CLOCK_KIND_NONE:
        break;
    }
    return NULL;
}

static const char *outcome_of(const struct failure *failure)
{
    if (failure == NULL)
        return "ok";
    if (failure->transport == TRANSPORT_CANCELLED)
        return "cancelled";
    return failure->clock != CLOCK_KIND_NONE ? "timeout" : "error";
}

static void record(struct runner *r, struct live *live, enum stage stage, int64_t took_ms,
                   const struct failure *failure, enum error_class error_class)
{
    struct err err;
    const struct config_clocks clocks = clocks_of_call(r, live, stage);
    const struct config_time *over = failure == NULL ? NULL : clock_that_ran_out(&clocks, failure->clock);
    const char *launch_id = live == NULL ? NULL : live->launch->launch_id;
    struct store_attempt attempt = {
        .launch_id = launch_id,
        .class_name = live == NULL ? "" : live->launch->class_name,
        .stage = stage_name(stage),
        .attempt = live == NULL ? 1 : live->launch->run.attempt + 1,
        .started_at_ms = clock_wall_ms(r->s.clock) - took_ms,
        .took_ms = took_ms,
        .timeout_ms = clocks.total.ms,
        .timeout_from = clocks.total.from,
        .outcome = outcome_of(failure),
        .clock = over == NULL ? NULL : clock_kind_name(failure->clock),
        .clock_ms = over == NULL ? 0 : over->ms,
        .clock_from = over == NULL ? NULL : over->from,
        .error_class = failure == NULL ? NULL : error_class_name(error_class),
        .error = failure == NULL ? NULL : failure->message,
    };
    if (over != NULL)
        log_warn("timeout", kv_s("run", live == NULL ? NULL : live->launch->flow_run_id),
                 kv_s("stage", stage_name(stage)), kv_s("clock", clock_kind_name(failure->clock)),
                 kv_int("value_ms", over->ms), kv_s("from", over->from), kv_int("took_ms", took_ms),
                 kv_s("class", attempt.class_name), kv_int("attempt", attempt.attempt));
    if (r->is_failed)
        return;
    if (runner_begin_row(r, live, &err) != 0 || store_add_attempt(r->s.store, &attempt, &err) != 0) {
        (void)runner_save_failed(r, &err);
        return;
    }
    runner_save_soon(r);
}

void runner_record(struct runner *r, struct live *live, enum stage stage, int64_t took_ms,
                   const struct failure *failure)
{
    record(r, live, stage, took_ms, failure,
           failure == NULL ? ERROR_CLASS_TRANSIENT : classify(failure).error_class);
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
    record(r, live, failure->stage, took_ms, failure, v->error_class);
    char *AUTO_FREE sentence = check_printf("%s: %s", stage_name(failure->stage), failure->message);
    set_note(live, sentence);
    log_info("call failed", kv_s("run", live->launch->flow_run_id), kv_s("stage", stage_name(failure->stage)),
             kv_s("dependency", dependency_name(failure->dependency)), kv_int("status", failure->status),
             kv_s("transport", transport_name(failure->transport)),
             kv_s("class", error_class_name(v->error_class)), kv_s("rule", v->rule),
             kv_s("error", failure->message));
}

void runner_fail(struct runner *r, struct live *live, const struct failure *failure, int64_t took_ms)
{
    const struct ruling ruling = judge(r, live, failure);
    struct verdict_on_failure v = ruling.verdict;
    /* Asked in any case: it is also how the watch over the engine learns that something is wrong. */
    bool is_away = r->s.ports.is_away != NULL && r->s.ports.is_away(r->s.ports.arg, live, failure);
    if (is_away && (ruling.acts_as == ERROR_CLASS_TRANSIENT || ruling.acts_as == ERROR_CLASS_THROTTLED))
        v.out_of_reach = true;
    tell_failure(r, live, failure, &v, took_ms);
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
