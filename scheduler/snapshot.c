#include "snapshot.h"

#include "service_internal.h"

#include <string.h>

#define OTHER "other"

static int64_t limit_or_none(int64_t limit)
{
    return limit == CONFIG_NO_LIMIT ? 0 : limit;
}

static void make_classes(struct snapshot *out, struct service *s)
{
    const struct config *c = s->s.config;
    out->class_count = c->class_count + 1;
    out->classes = check_alloc(out->class_count * sizeof(*out->classes));
    for (size_t i = 0; i < c->class_count; i++) {
        const struct config_class *from = &c->classes[i];
        const struct slots held = runner_slots(s->runner, from->name);
        out->classes[i] = (struct snapshot_class){
            .name = from->name,
            .running = held.running,
            .running_limit = limit_or_none(from->running),
            .launching = held.launching,
            .launching_limit = limit_or_none(from->launching),
            .starts_per_second = from->starts_per_second > 0 ? from->starts_per_second : 0,
            .tokens = admission_tokens(s->admission, from->name)};
    }
    out->classes[c->class_count] = (struct snapshot_class){.name = OTHER, .tokens = -1};
    const struct slots held = runner_slots(s->runner, NULL);
    out->pool =
        (struct snapshot_class){.name = "",
                                .running = held.running,
                                .running_limit = limit_or_none(c->running),
                                .launching = held.launching,
                                .launching_limit = limit_or_none(c->launching),
                                .starts_per_second = c->starts_per_second > 0 ? c->starts_per_second : 0,
                                .tokens = admission_tokens(s->admission, NULL)};
}

static struct snapshot_class *find_class(struct snapshot *out, const char *name)
{
    for (size_t i = 0; i < out->class_count; i++)
        if (strcmp(out->classes[i].name, name) == 0)
            return &out->classes[i];
    return &out->classes[out->class_count - 1];
}

static void count(struct snapshot_class *c, const struct run *run, int64_t now_ms)
{
    bool is_due = run->due_at_ms <= now_ms;
    c->states[run->state]++;
    if (run->state == RUN_STATE_QUEUED && !run->has_claim) {
        c->queued++;
        c->due += is_due ? 1 : 0;
    }
    if (run->state < RUN_STATE_RUNNING && is_due &&
        (c->oldest_due_ms == 0 || run->due_at_ms < c->oldest_due_ms))
        c->oldest_due_ms = run->due_at_ms;
}

static void count_launches(struct snapshot *out, struct service *s)
{
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct launch *l = LIST_ITEM(link, struct live, all_link)->launch;
        count(&out->pool, &l->run, out->now_ms);
        count(find_class(out, l->class_name), &l->run, out->now_ms);
    }
}

static void take_guards(struct snapshot *out, const struct service *s)
{
    const struct guard *g = guards_next(s->guards, NULL);
    for (; g != NULL && out->guard_count < SNAPSHOT_GUARDS_MAX; g = guards_next(s->guards, g))
        out->guards[out->guard_count++] = (struct snapshot_guard){.name = guard_name(g),
                                                                  .dependency = guard_dependency(g),
                                                                  .is_open = guard_is_open(g),
                                                                  .retries_left = guard_retries_left(g)};
}

static void take_slots(struct snapshot *out, const struct service *s)
{
    const struct config *c = s->s.config;
    const struct slots held = runner_slots(s->runner, NULL);
    bool is_auto = c->launching_is_auto;
    int64_t launching = limit_or_none(c->launching);
    out->slots[0] =
        (struct snapshot_slots){"create", held.launching - held.starting,
                                is_auto ? learning_limit(s->learning, LEARNING_CREATE) : launching, is_auto};
    out->slots[1] = (struct snapshot_slots){
        "start", held.starting, is_auto ? learning_limit(s->learning, LEARNING_START) : launching, is_auto};
    out->slots[2] = (struct snapshot_slots){"pull", (int64_t)pulls_in_flight(s->pulls),
                                            c->pulls_is_auto ? learning_limit(s->learning, LEARNING_PULL)
                                                             : limit_or_none(c->pulls),
                                            c->pulls_is_auto};
    out->slots[3] = (struct snapshot_slots){"stop", held.stopping, limit_or_none(c->stops), false};
}

void snapshot_take(struct service *s, struct snapshot *out)
{
    bool is_reachable = watcher_is_reachable(s->watcher);
    *out = (struct snapshot){.now_ms = clock_wall_ms(s->s.clock),
                             .now_mono_ms = clock_mono_ms(s->s.clock),
                             .began_mono_ms = s->began_ms,
                             .paused_at_ms = s->paused_at_ms,
                             .is_draining = s->is_draining,
                             .is_stopping = s->is_stopping,
                             .is_online = s->is_online,
                             .is_engine_away = !is_reachable,
                             .is_prefect_away = reach_is_away(s->reach),
                             .last_poll_mono_ms = poller_last_ms(s->poller),
                             .poll_interval_ms = s->s.config->poll_interval_ms};
    if (!is_reachable)
        out->engine_away_ms = out->now_mono_ms - s->unreachable_since_ms;
    out->spans_sent = traces_counts(s->traces).sent;
    out->spans_dropped = traces_counts(s->traces).dropped;
    make_classes(out, s);
    count_launches(out, s);
    take_guards(out, s);
    take_slots(out, s);
}

void snapshot_done(struct snapshot *snapshot)
{
    free(snapshot->classes);
    snapshot->classes = NULL;
}
