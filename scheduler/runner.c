/*
 * runner.c - event -> step -> save -> act.
 *
 * Order within a turn: events are taken in the order they were fed; a launch whose action is decided but not
 * yet performed takes no further event before it is (acting on a state that was overtaken would send the
 * wrong request). So one flush is a few passes of step all, save all, commit, act all. What acts may feed at
 * once (a state with nothing to do); that is the next pass.
 */
#include "runner_internal.h"

#include <string.h>

/* A turn ends after so many passes; what is left comes in the next turn. */
#define PASSES_MAX 64
/* A wall clock that differs by more from what it was has been set; slewing changes less between two events.
 */
#define CLOCK_STEP_MS 1000
/* A deadline that found a request out asks again. */
#define DEADLINE_AGAIN_MS 1000
/* Wall deadlines are cut to this, so that a jumping clock freezes nothing for ever. */
#define DEADLINE_MAX_MS ((int64_t)400 * 24 * 3600 * 1000)

struct runner *runner_new(const struct runner_settings *settings)
{
    struct runner *r = check_alloc(sizeof(*r));
    r->s = *settings;
    r->wall_minus_mono_ms = clock_wall_ms(settings->clock) - clock_mono_ms(settings->clock);
    r->values = values_new();
    list_init(&r->all);
    list_init(&r->events);
    list_init(&r->dirty);
    list_init(&r->acting);
    list_init(&r->dead);
    return r;
}

static void free_live(struct runner *r, struct live *live)
{
    values_detach(r->values, live);
    timer_cancel(&live->timer);
    timer_cancel(&live->deadline);
    list_remove(&live->all_link);
    list_remove(&live->dirty_link);
    list_remove(&live->acting_link);
    launch_free(live->launch);
    free(live->job_variables_json);
    free(live->said_wait);
    free(live->said_reason);
    free(live->clear_ids);
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
        free_live(r, LIST_ITEM(link, struct live, all_link));
    while ((link = list_take_first(&r->all)) != NULL) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        forget(r, live);
        runner_count_change(r, live, &live->launch->run, NULL);
        free_live(r, live);
    }
    values_free(r->values);
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
    r->classes = check_realloc(r->classes, (r->class_count + 1) * sizeof(*r->classes));
    r->classes[r->class_count] = (struct class_slots){.name = check_strdup(name)};
    return &r->classes[r->class_count++].slots;
}

void runner_count_change(struct runner *r, const struct live *live, const struct run *before,
                         const struct run *after)
{
    slots_change(&r->slots, before, after);
    slots_change(class_slots(r, live->launch->class_name), before, after);
    values_count(r->values, live, before, after);
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

struct values *runner_values(struct runner *r)
{
    return r->values;
}

void runner_refresh_values(struct runner *r, struct live *live)
{
    struct launch *l = live->launch;
    const struct match_subject known = {.tags = (const char *const *)live->tags,
                                        .tag_count = live->tag_count,
                                        .deployment = l->deployment_name,
                                        .flow = l->flow_name,
                                        .work_queue = l->work_queue_name};
    char *AUTO_FREE lines = values_lines(r->s.config, runner_class_of(r, live), &known, l->limit_values);
    if (strcmp(lines, l->limit_values) != 0) {
        launch_set_text(&l->limit_values, lines);
        runner_mark_dirty(r, live);
        runner_save_soon(r);
    }
    values_attach(r->values, r->s.config, live);
}

void runner_recount_values(struct runner *r)
{
    for (struct list *link = r->all.next; link != &r->all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        values_count(r->values, live, &live->launch->run, NULL);
        values_detach(r->values, live);
        runner_refresh_values(r, live);
        values_count(r->values, live, NULL, &live->launch->run);
    }
}

/* ---- feeding ---- */

static void move(int64_t *wall_ms, int64_t by_ms)
{
    if (*wall_ms != 0)
        *wall_ms += by_ms;
}

/* Someone has set the wall clock: what rows keep of spans that run goes along with it. Else a lost proposal
 * would count as settled, or a start as long over, before its time. */
static void follow_wall_clock(struct runner *r)
{
    int64_t offset_ms = clock_wall_ms(r->s.clock) - clock_mono_ms(r->s.clock);
    int64_t by_ms = offset_ms - r->wall_minus_mono_ms;
    if (by_ms > -CLOCK_STEP_MS && by_ms < CLOCK_STEP_MS)
        return;
    r->wall_minus_mono_ms = offset_ms;
    for (struct list *link = r->all.next; link != &r->all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        struct run *run = &live->launch->run;
        move(&run->unsettled_until_ms, by_ms);
        move(&run->start_sent_at_ms, by_ms);
        move(&run->cancel_at_ms, by_ms);
        move(&run->unreachable_since_ms, by_ms);
        move(&run->next_try_at_ms, by_ms);
        move(&run->retrying_since_ms, by_ms);
        runner_mark_dirty(r, live);
    }
    if (!list_is_empty(&r->dirty))
        runner_save_soon(r);
}

void runner_feed(struct runner *r, struct live *live, struct run_event event)
{
    CHECK(live->magic == LIVE_MAGIC);
    if (live->is_forgotten)
        return;
    follow_wall_clock(r);
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

/* ---- stepping ---- */

struct retry_policy runner_policy_of(const struct runner *r, const struct live *live)
{
    const struct config_class *c = runner_class_of(r, live);
    struct retry_policy policy = c->retry;
    retry_policy_override(&policy, &c->stage_retry[run_state_stage(live->launch->run.state)]);
    policy.remove_ended_container = live->launch->auto_remove;
    policy.late_after_ms = c->late_after.ms;
    policy.leave_late = strcmp(c->when_late, "leave") == 0;
    policy.skip_late = strcmp(c->when_late, "skip") == 0;
    policy.stop_when_over = strcmp(c->when_run_is_over, "stop") == 0;
    int64_t start_ms = learned_timeouts_total_ms(r->s.timeouts, c, STAGE_START);
    if (start_ms > 0)
        policy.start_clock_ms = start_ms;
    /* How long we wait for an answer says little about how long a server takes to carry out the request. */
    if (c->clocks[STAGE_API].total.ms > policy.settle_ms)
        policy.settle_ms = c->clocks[STAGE_API].total.ms;
    return policy;
}

static void on_deadline(void *arg);

void runner_start_deadline(struct runner *r, struct live *live)
{
    const struct run *run = &live->launch->run;
    const struct config_class *c = runner_class_of(r, live);
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

static int step(struct runner *r, struct live *live, const struct queued_event *q)
{
    struct run before = live->launch->run;
    struct retry_policy policy = runner_policy_of(r, live);
    struct run_step s = run_step(&before, &q->event, &policy);
    live->launch->run = s.next;
    runner_count_change(r, live, &before, &s.next);
    meters_step(r->s.meters, live->launch->class_name, &before, &s.next, &q->event);
    runner_mark_dirty(r, live);
    traces_stepped(r->s.traces, live, &before);
    if (s.next.is_left_alone && !before.is_left_alone)
        runner_tell_left_alone(r, live);
    if (before.state == RUN_STATE_QUEUED && s.next.state == RUN_STATE_FINISHED &&
        q->event.kind == RUN_EVENT_ADMITTED)
        runner_tell_too_late(r, live);
    if (s.next.state != before.state) {
        if (runner_tell_change(r, live, before.state, q->event.kind) != 0)
            return -1;
        runner_start_deadline(r, live);
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

void runner_on_live_timer(void *arg)
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
    runner_count_change(r, live, &live->launch->run, NULL);
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
    if (live->said_reason != NULL && action != RUN_ACTION_WAIT && action != RUN_ACTION_FORGET)
        runner_say_wait(r, live, "");
    live->has_old_wait = live->has_old_wait && action == RUN_ACTION_WAIT;
    switch (action) {
    case RUN_ACTION_NONE:
        break;
    case RUN_ACTION_WAIT:
        timer_start(r->s.timers, &live->timer, live->action_delay_ms, runner_on_live_timer, live);
        break;
    case RUN_ACTION_ADMIT:
    case RUN_ACTION_ASK_START:
    case RUN_ACTION_ASK_SLOT:
    case RUN_ACTION_ASK_STOP:
        r->s.ports.wait(r->s.ports.arg, live, action);
        break;
    case RUN_ACTION_WATCH:
        if (live->action_delay_ms > 0)
            timer_start(r->s.timers, &live->timer, live->action_delay_ms, runner_on_live_timer, live);
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
    case RUN_ACTION_KILL:
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
            runner_save_soon(r);
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
            free_live(r, live);
    }
    while ((link = list_take_first(&kept)) != NULL)
        list_add_last(&r->dead, link);
    return r->is_failed ? -1 : 0;
}
