/*
 * runner.c - event -> step -> save -> act.
 *
 * Order within a turn: events are taken in the order they were fed; a launch whose action is decided but not
 * yet performed takes no further event before it is (acting on a state that was overtaken would send the
 * wrong request). So one flush is a few passes of step all, save all, commit, act all. What acts may feed at
 * once (a state with nothing to do); that is the next pass.
 */
#include "runner.h"

#include "base/log.h"
#include "index.h"

#include <string.h>

/* Rows whose action needs no commit of its own wait this long for one that does. */
#define SAVE_DELAY_MS 50
/* A turn ends after so many passes; what is left comes in the next turn. */
#define PASSES_MAX 64
/* A deadline that found a request out asks again. */
#define DEADLINE_AGAIN_MS 1000
/* Wall deadlines are cut to this, so that a jumping clock freezes nothing for ever. */
#define DEADLINE_MAX_MS ((int64_t)400 * 24 * 3600 * 1000)

struct queued_event {
    struct list link;
    struct live *live;
    uint32_t epoch;
    bool is_answer;
    struct run_event event;
};

struct class_slots {
    char *name;
    struct slots slots;
};

struct runner {
    struct runner_settings s;
    struct index by_flow_run;
    struct index by_launch;
    struct list all;    /* live.all_link */
    struct list events; /* queued_event.link */
    struct list dirty;  /* live.dirty_link */
    struct list acting; /* live.acting_link */
    struct list dead;   /* live.all_link: forgotten in this turn */
    size_t count;
    struct slots slots;
    struct class_slots *classes;
    size_t class_count;
    struct timer save_timer;
    bool is_failed;
};

struct runner *runner_new(const struct runner_settings *settings)
{
    struct runner *r = check_alloc(sizeof(*r));
    r->s = *settings;
    list_init(&r->all);
    list_init(&r->events);
    list_init(&r->dirty);
    list_init(&r->acting);
    list_init(&r->dead);
    return r;
}

static void free_live(struct live *live)
{
    timer_cancel(&live->timer);
    timer_cancel(&live->deadline);
    list_remove(&live->all_link);
    list_remove(&live->dirty_link);
    list_remove(&live->acting_link);
    launch_free(live->launch);
    free(live->job_variables_json);
    for (size_t i = 0; i < live->tag_count; i++)
        free(live->tags[i]);
    free(live->tags);
    live->magic = 0;
    free(live);
}

static void forget(struct runner *r, struct live *live)
{
    r->s.ports.abandon(r->s.ports.arg, live);
    r->s.ports.wait(r->s.ports.arg, live, RUN_ACTION_NONE);
    r->s.ports.forget(r->s.ports.arg, live);
}

void runner_free(struct runner *r)
{
    if (r == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&r->events)) != NULL)
        free(LIST_ITEM(link, struct queued_event, link));
    while ((link = list_take_first(&r->dead)) != NULL)
        free_live(LIST_ITEM(link, struct live, all_link));
    while ((link = list_take_first(&r->all)) != NULL) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        forget(r, live);
        free_live(live);
    }
    timer_cancel(&r->save_timer);
    index_done(&r->by_flow_run);
    index_done(&r->by_launch);
    for (size_t i = 0; i < r->class_count; i++)
        free(r->classes[i].name);
    free(r->classes);
    free(r);
}

void runner_set_config(struct runner *r, const struct config *config)
{
    r->s.config = config;
}

/* ---- slots ---- */

static struct slots *class_slots(struct runner *r, const char *name)
{
    for (size_t i = 0; i < r->class_count; i++)
        if (strcmp(r->classes[i].name, name) == 0)
            return &r->classes[i].slots;
    r->classes = realloc(r->classes, (r->class_count + 1) * sizeof(*r->classes));
    CHECK(r->classes != NULL);
    r->classes[r->class_count] = (struct class_slots){.name = check_strdup(name)};
    return &r->classes[r->class_count++].slots;
}

static void count_change(struct runner *r, const struct live *live, const struct run *before,
                         const struct run *after)
{
    slots_change(&r->slots, before, after);
    slots_change(class_slots(r, live->launch->class_name), before, after);
}

struct slots runner_slots(const struct runner *r, const char *class_name)
{
    if (class_name == NULL)
        return r->slots;
    for (size_t i = 0; i < r->class_count; i++)
        if (strcmp(r->classes[i].name, class_name) == 0)
            return r->classes[i].slots;
    return (struct slots){0};
}

/* ---- saving ---- */

static int fail(struct runner *r, struct err *err)
{
    if (r->is_failed)
        return -1;
    r->is_failed = true;
    r->s.ports.on_failure(r->s.ports.arg, err);
    return -1;
}

static void mark_dirty(struct runner *r, struct live *live)
{
    if (live->is_dirty)
        return;
    live->is_dirty = true;
    list_add_last(&r->dirty, &live->dirty_link);
}

/* History and attempts refer to the launch's row: see to it that there is one. Opens the turn's transaction.
 */
static int begin_row(struct runner *r, struct live *live, struct err *err)
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
        return fail(r, &err);
    struct list *link;
    while ((link = list_take_first(&r->dirty)) != NULL) {
        struct live *live = LIST_ITEM(link, struct live, dirty_link);
        live->is_dirty = false;
        live->has_row = true;
        if (store_save_launch(r->s.store, live->launch, &err) != 0)
            return fail(r, &err);
    }
    if (store_commit(r->s.store, &err) != 0)
        return fail(r, &err);
    return 0;
}

static void on_save_timer(void *arg)
{
    struct runner *r = arg;
    if (runner_sync(r) != 0)
        return; /* told through on_failure */
}

static void save_soon(struct runner *r)
{
    if (!timer_is_running(&r->save_timer))
        timer_start(r->s.timers, &r->save_timer, SAVE_DELAY_MS, on_save_timer, r);
}

/* ---- feeding ---- */

void runner_feed(struct runner *r, struct live *live, struct run_event event)
{
    CHECK(live->magic == LIVE_MAGIC);
    if (live->is_forgotten)
        return;
    struct queued_event *q = check_alloc(sizeof(*q));
    q->live = live;
    q->epoch = live->launch->run.epoch;
    q->is_answer = event.kind >= RUN_EVENT_DONE && event.kind <= RUN_EVENT_FOUND_EXITED;
    q->event = event;
    q->event.now_ms = clock_wall_ms(r->s.clock);
    q->event.random = r->s.random->next(r->s.random->arg);
    list_add_last(&r->events, &q->link);
}

void runner_feed_kind(struct runner *r, struct live *live, enum run_event_kind kind)
{
    runner_feed(r, live, (struct run_event){.kind = kind, .retry_after_ms = -1, .was_sent = true});
}

static void set_note(struct live *live, const char *sentence)
{
    char *copy = check_strdup(sentence);
    if (strlen(copy) > 1000)
        copy[1000] = '\0';
    launch_set_text(&live->launch->last_error, copy);
    free(copy);
}

void runner_note(struct runner *r, struct live *live, const char *sentence)
{
    set_note(live, sentence);
    mark_dirty(r, live);
    save_soon(r);
}

static const struct config_class *class_of(const struct runner *r, const struct live *live)
{
    return config_class_by_name(r->s.config, live == NULL ? "default" : live->launch->class_name);
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

void runner_record(struct runner *r, struct live *live, enum stage stage, int64_t took_ms,
                   const struct failure *failure)
{
    struct err err;
    const struct config_clocks *clocks = &class_of(r, live)->clocks[stage];
    const struct config_time *over = failure == NULL ? NULL : clock_that_ran_out(clocks, failure->clock);
    enum error_class error_class = failure == NULL ? ERROR_CLASS_TRANSIENT : classify(failure).error_class;
    const char *launch_id = live == NULL ? NULL : live->launch->launch_id;
    struct store_attempt attempt = {
        .launch_id = launch_id,
        .class_name = live == NULL ? "" : live->launch->class_name,
        .stage = stage_name(stage),
        .attempt = live == NULL ? 1 : live->launch->run.attempt + 1,
        .started_at_ms = clock_wall_ms(r->s.clock) - took_ms,
        .took_ms = took_ms,
        .timeout_ms = clocks->total.ms,
        .timeout_from = clocks->total.from,
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
    if (begin_row(r, live, &err) != 0 || store_add_attempt(r->s.store, &attempt, &err) != 0) {
        (void)fail(r, &err);
        return;
    }
    save_soon(r);
}

void runner_fail(struct runner *r, struct live *live, const struct failure *failure, int64_t took_ms)
{
    struct verdict_on_failure v = classify(failure);
    runner_record(r, live, failure->stage, took_ms, failure);
    char *sentence = check_printf("%s: %s", stage_name(failure->stage), failure->message);
    set_note(live, sentence);
    log_info("call failed", kv_s("run", live->launch->flow_run_id), kv_s("stage", stage_name(failure->stage)),
             kv_s("dependency", dependency_name(failure->dependency)), kv_int("status", failure->status),
             kv_s("transport", transport_name(failure->transport)),
             kv_s("class", error_class_name(v.error_class)), kv_s("rule", v.rule),
             kv_s("error", failure->message));
    free(sentence);
    runner_feed(
        r, live,
        (struct run_event){.kind = (enum run_event_kind)((int)RUN_EVENT_TRANSIENT + (int)v.error_class),
                           .out_of_reach = v.out_of_reach,
                           .was_sent = failure->sent,
                           .retry_after_ms = failure->retry_after_ms});
}

/* ---- stepping ---- */

static struct retry_policy policy_of(const struct runner *r, const struct live *live)
{
    const struct config_class *c = class_of(r, live);
    struct retry_policy policy = c->retry;
    policy.remove_ended_container = live->launch->auto_remove;
    if (c->clocks[STAGE_START].total.ms > 0)
        policy.start_clock_ms = c->clocks[STAGE_START].total.ms;
    if (c->clocks[STAGE_API].total.ms > 0)
        policy.settle_ms = c->clocks[STAGE_API].total.ms;
    return policy;
}

static void on_deadline(void *arg);

static void start_deadline(struct runner *r, struct live *live)
{
    const struct run *run = &live->launch->run;
    const struct config_class *c = class_of(r, live);
    int64_t at_ms = 0;
    if (run->state >= RUN_STATE_CLAIMING && run->state < RUN_STATE_RUNNING && c->launch_deadline.ms > 0)
        at_ms = run->claimed_at_ms + c->launch_deadline.ms;
    else if (run->state == RUN_STATE_RUNNING && c->max_run_time.ms > 0)
        at_ms = run->started_at_ms + c->max_run_time.ms;
    if (at_ms > 0)
        timer_start_wall(r->s.timers, &live->deadline, at_ms, DEADLINE_MAX_MS, on_deadline, live);
    else
        timer_cancel(&live->deadline);
}

/* A state change is told once, here: history and log. */
static int tell_change(struct runner *r, struct live *live, enum run_state from, enum run_event_kind why)
{
    struct err err;
    struct launch *l = live->launch;
    l->updated_at_ms = clock_wall_ms(r->s.clock);
    const char *reason =
        why >= RUN_EVENT_TRANSIENT && why <= RUN_EVENT_UNKNOWN_OUTCOME && l->last_error[0] != '\0'
            ? l->last_error
            : run_event_name(why);
    log_info(
        "run", kv_s("run", l->flow_run_id), kv_s("name", l->run_name), kv_s("from", run_state_name(from)),
        kv_s("to", run_state_name(l->run.state)), kv_s("why", reason),
        kv_s("verdict", l->run.verdict == RUN_VERDICT_NONE ? NULL : run_verdict_name(l->run.verdict)),
        kv_s("class", l->class_name), kv_s("container", l->container_id[0] == '\0' ? NULL : l->container_id));
    if (begin_row(r, live, &err) != 0 ||
        store_add_transition(r->s.store, l->launch_id, run_state_name(from), run_state_name(l->run.state),
                             reason, l->updated_at_ms, &err) != 0)
        return fail(r, &err);
    return 0;
}

static int step(struct runner *r, struct live *live, const struct queued_event *q)
{
    struct run before = live->launch->run;
    struct retry_policy policy = policy_of(r, live);
    struct run_step s = run_step(&before, &q->event, &policy);
    live->launch->run = s.next;
    count_change(r, live, &before, &s.next);
    mark_dirty(r, live);
    if (s.next.state != before.state) {
        if (tell_change(r, live, before.state, q->event.kind) != 0)
            return -1;
        start_deadline(r, live);
    }
    if (s.action == RUN_ACTION_NONE)
        return 0;
    live->action = s.action;
    live->action_delay_ms = s.delay_ms;
    list_add_last(&r->acting, &live->acting_link);
    return 0;
}

/* Take every event whose launch has no undone action through run_step. Returns how many, or -1. */
static int step_events(struct runner *r)
{
    int steps = 0;
    struct list later;
    list_init(&later);
    struct list *link;
    int rc = 0;
    while ((link = list_take_first(&r->events)) != NULL) {
        struct queued_event *q = LIST_ITEM(link, struct queued_event, link);
        if (q->live->action != RUN_ACTION_NONE && !q->live->is_forgotten) {
            list_add_last(&later, link);
            continue;
        }
        bool is_late = q->live->is_forgotten || (q->is_answer && q->epoch != q->live->launch->run.epoch);
        if (!is_late && rc == 0) {
            rc = step(r, q->live, q);
            steps++;
        }
        free(q);
    }
    while ((link = list_take_first(&later)) != NULL)
        list_add_last(&r->events, link);
    return rc == 0 ? steps : -1;
}

/* ---- acting ---- */

static void on_live_timer(void *arg)
{
    struct live *live = MAGIC_CAST(struct live, arg, LIVE_MAGIC);
    runner_feed_kind(live->runner, live, RUN_EVENT_ENTER);
}

static void on_deadline(void *arg)
{
    struct live *live = MAGIC_CAST(struct live, arg, LIVE_MAGIC);
    struct runner *r = live->runner;
    bool runs = live->launch->run.state == RUN_STATE_RUNNING;
    runner_feed_kind(r, live, runs ? RUN_EVENT_MAX_RUN_TIME : RUN_EVENT_LAUNCH_DEADLINE);
    if (!runs)
        timer_start(r->s.timers, &live->deadline, DEADLINE_AGAIN_MS, on_deadline, live);
}

static void drop(struct runner *r, struct live *live)
{
    forget(r, live);
    count_change(r, live, &live->launch->run, NULL);
    index_remove(&r->by_launch, live->launch->launch_id);
    if (index_find(&r->by_flow_run, live->launch->flow_run_id) == live)
        index_remove(&r->by_flow_run, live->launch->flow_run_id);
    timer_cancel(&live->timer);
    timer_cancel(&live->deadline);
    live->is_forgotten = true;
    list_remove(&live->all_link);
    list_add_last(&r->dead, &live->all_link);
    r->count--;
}

static void act(struct runner *r, struct live *live)
{
    enum run_action action = live->action;
    live->action = RUN_ACTION_NONE;
    timer_cancel(&live->timer);
    r->s.ports.abandon(r->s.ports.arg, live);
    r->s.ports.wait(r->s.ports.arg, live, RUN_ACTION_NONE);
    switch (action) {
    case RUN_ACTION_NONE:
        break;
    case RUN_ACTION_WAIT:
        timer_start(r->s.timers, &live->timer, live->action_delay_ms, on_live_timer, live);
        break;
    case RUN_ACTION_ADMIT:
    case RUN_ACTION_ASK_START:
    case RUN_ACTION_ASK_SLOT:
    case RUN_ACTION_ASK_STOP:
        r->s.ports.wait(r->s.ports.arg, live, action);
        break;
    case RUN_ACTION_WATCH:
        if (live->action_delay_ms > 0)
            timer_start(r->s.timers, &live->timer, live->action_delay_ms, on_live_timer, live);
        r->s.ports.perform(r->s.ports.arg, live, action);
        break;
    case RUN_ACTION_FORGET:
        drop(r, live);
        break;
    case RUN_ACTION_CLAIM:
    case RUN_ACTION_LOOK_RUN:
    case RUN_ACTION_SUBMIT:
    case RUN_ACTION_RESOLVE:
    case RUN_ACTION_PULL:
    case RUN_ACTION_CREATE:
    case RUN_ACTION_LOOK_NAME:
    case RUN_ACTION_CONNECT:
    case RUN_ACTION_ANNOUNCE:
    case RUN_ACTION_START:
    case RUN_ACTION_LOOK_CONTAINER:
    case RUN_ACTION_RETIRE:
    case RUN_ACTION_STOP:
    case RUN_ACTION_CLEAR:
    case RUN_ACTION_REPORT:
    case RUN_ACTION_HAND_BACK:
    case RUN_ACTION_RESTORE:
    case RUN_ACTION_REMOVE:
        r->s.ports.perform(r->s.ports.arg, live, action);
        break;
    }
}

static bool any_action_is_durable(const struct runner *r)
{
    for (const struct list *link = r->acting.next; link != &r->acting; link = link->next) {
        const struct live *live =
            (const struct live *)((const char *)link - offsetof(struct live, acting_link));
        if (run_action_is_durable(live->action))
            return true;
    }
    return false;
}

int runner_flush(struct runner *r)
{
    for (int pass = 0; pass < PASSES_MAX && !r->is_failed; pass++) {
        int steps = step_events(r);
        if (steps <= 0)
            break;
        if (any_action_is_durable(r)) {
            if (runner_sync(r) != 0)
                break;
        } else {
            save_soon(r);
        }
        struct list now;
        list_init(&now);
        struct list *link;
        while ((link = list_take_first(&r->acting)) != NULL)
            list_add_last(&now, link);
        while ((link = list_take_first(&now)) != NULL)
            act(r, LIST_ITEM(link, struct live, acting_link));
    }
    struct list *link;
    struct list kept;
    list_init(&kept);
    while ((link = list_take_first(&r->dead)) != NULL) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        /* Its last row is not on disk yet, or an event still points at it. */
        if (live->is_dirty || !list_is_empty(&r->events))
            list_add_last(&kept, link);
        else
            free_live(live);
    }
    while ((link = list_take_first(&kept)) != NULL)
        list_add_last(&r->dead, link);
    return r->is_failed ? -1 : 0;
}

/* ---- the house's guests ---- */

static struct live *adopt(struct runner *r, struct launch *launch)
{
    struct live *live = check_alloc(sizeof(*live));
    live->magic = LIVE_MAGIC;
    live->runner = r;
    live->launch = launch;
    list_init(&live->dirty_link);
    list_init(&live->acting_link);
    list_init(&live->all_link);
    list_add_last(&r->all, &live->all_link);
    index_put(&r->by_launch, launch->launch_id, live);
    index_put(&r->by_flow_run, launch->flow_run_id, live);
    count_change(r, live, NULL, &launch->run);
    r->count++;
    return live;
}

struct live *runner_add(struct runner *r, struct launch *launch)
{
    const struct random_source *random = r->s.random;
    if (launch->launch_id[0] == '\0')
        random_uuid(random, launch->launch_id);
    random_uuid(random, launch->submit_id);
    random_uuid(random, launch->report_id);
    random_uuid(random, launch->hand_back_id);
    launch->created_at_ms = clock_wall_ms(r->s.clock);
    launch->updated_at_ms = launch->created_at_ms;
    struct live *live = adopt(r, launch);
    mark_dirty(r, live);
    save_soon(r);
    return live;
}

static bool on_loaded(void *arg, struct launch *launch)
{
    struct runner *r = arg;
    struct live *live = adopt(r, launch);
    live->has_row = true;
    runner_feed(r, live,
                (struct run_event){.kind = RUN_EVENT_ENTER, .after_restart = true, .retry_after_ms = -1});
    return true;
}

int runner_load(struct runner *r, struct err *err)
{
    if (store_load_launches(r->s.store, on_loaded, r, err) != 0)
        return -1;
    for (struct list *link = r->all.next; link != &r->all; link = link->next)
        start_deadline(r, LIST_ITEM(link, struct live, all_link));
    return 0;
}

struct live *runner_find_flow_run(const struct runner *r, const char *flow_run_id)
{
    return index_find(&r->by_flow_run, flow_run_id);
}

struct live *runner_find_launch(const struct runner *r, const char *launch_id)
{
    return index_find(&r->by_launch, launch_id);
}

struct list *runner_all(struct runner *r)
{
    return &r->all;
}

size_t runner_count(const struct runner *r)
{
    return r->count;
}

size_t runner_calls_out(const struct runner *r)
{
    size_t out = 0;
    for (const struct list *link = r->all.next; link != &r->all; link = link->next) {
        const struct live *live = (const struct live *)((const char *)link - offsetof(struct live, all_link));
        if (live->launch->run.pending != RUN_ACTION_NONE || live->action != RUN_ACTION_NONE)
            out++;
    }
    return out;
}
