/*
 * admission.c - see admission.h.
 *
 * How a turn goes: starts first (they finish what was begun), then claims. Whoever is let through is fed
 * ADMITTED; its row takes the slot when the runner steps it, later in the same turn, so what was let through
 * in this call is counted on top of the rows.
 */
#include "admission.h"

#include "core/ahead.h"
#include "core/bucket.h"
#include "core/order.h"
#include "lanes.h"

#include <stdio.h>
#include <string.h>

/* Who is let through this soon after it got ready has found the engine idle: a turn takes so long. */
#define SAME_TURN_MS 5
/* Runs asked for in one fresh sight. */
#define SIGHT_MAX 32
/* Launches passed over in one call because the server does not offer them now. */
#define ASIDE_MAX 256

struct gate {
    const struct config_class *class_;
    char *bucket_name;
    struct bucket bucket;
    struct lanes admit;
    struct line start;
    struct line slot[LEARNING_LAUNCHING_COUNT];
    int64_t let_in; /* claims let through in this call */
    int64_t let_launch[LEARNING_LAUNCHING_COUNT];
};

struct admission {
    struct admission_settings s;
    struct gate *gates; /* one per class, in the configuration's order */
    size_t gate_count;
    struct bucket pool_bucket;
    struct line stop; /* ASK_STOP of all classes */
    struct timer token_timer;
    int64_t wall_base_ms; /* the wall clock, read once: see bucket_now_ms() */
    int64_t mono_base_ms;
    struct order_rule order;
    int32_t *priorities; /* of the classes; what `order` refers to */
    int64_t ahead_extra; /* core/ahead.h */
    struct admission_gates open;
};

static int load_bucket(struct admission *a, const char *name, double rate, int64_t burst, struct bucket *out,
                       struct err *err)
{
    int64_t tat_us;
    if (store_load_bucket(a->s.store, name, &tat_us, err) != 0)
        return -1;
    *out = bucket_make(rate, burst, tat_us);
    return 0;
}

static void free_gates(struct admission *a)
{
    for (size_t i = 0; i < a->gate_count; i++) {
        lanes_done(&a->gates[i].admit);
        line_done(&a->gates[i].start);
        for (int stage = 0; stage < LEARNING_LAUNCHING_COUNT; stage++)
            line_done(&a->gates[i].slot[stage]);
        free(a->gates[i].bucket_name);
    }
    free(a->gates);
    free(a->priorities);
    a->priorities = NULL;
    a->gates = NULL;
    a->gate_count = 0;
}

static struct gate *gate_of(struct admission *a, const struct live *live)
{
    for (size_t i = 0; i + 1 < a->gate_count; i++)
        if (strcmp(a->gates[i].class_->name, live->launch->class_name) == 0)
            return &a->gates[i];
    return &a->gates[a->gate_count - 1];
}

static struct line *line_of(struct admission *a, struct live *live)
{
    switch ((int)live->waits_for) {
    case RUN_ACTION_ASK_START:
        return &gate_of(a, live)->start;
    case RUN_ACTION_ASK_SLOT:
        return &gate_of(a, live)->slot[live->slot_stage];
    case RUN_ACTION_ASK_STOP:
        return &a->stop;
    default:
        return NULL;
    }
}

/* Stand in line, at the place that is its own by today's configuration. */
static void stand(struct admission *a, struct live *live)
{
    const struct launch *l = live->launch;
    live->place = order_place(&a->order, l->queue_priority, l->class_priority, l->run.due_at_ms);
    if (live->waits_for == RUN_ACTION_ADMIT)
        lanes_add(&gate_of(a, live)->admit, live);
    else
        line_add(line_of(a, live), live);
}

static void leave(struct admission *a, struct live *live)
{
    if (live->waits_for == RUN_ACTION_ADMIT)
        lanes_remove(&gate_of(a, live)->admit, live);
    else if (live->waits_for != RUN_ACTION_NONE)
        line_remove(line_of(a, live), live);
}

static void set_order(struct admission *a, const struct config *config)
{
    a->priorities = check_alloc(config->class_count * sizeof(*a->priorities));
    for (size_t i = 0; i < config->class_count; i++)
        a->priorities[i] = config->classes[i].priority;
    a->order =
        (struct order_rule){.ageing_ms = config->ageing_ms,
                            .class_priorities = a->priorities,
                            .class_priority_count = order_distinct(a->priorities, config->class_count)};
}

int admission_set_config(struct admission *a, const struct config *config, struct err *err)
{
    /* Take everybody out of line, build the gates anew, and let them stand in line again. */
    size_t count = 0;
    struct live **waiting = check_alloc((runner_count(a->s.runner) + 1) * sizeof(struct live *));
    struct list *all = runner_all(a->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (live->waits_for != RUN_ACTION_NONE)
            waiting[count++] = live;
    }
    line_done(&a->stop);
    free_gates(a);
    a->s.config = config;
    set_order(a, config);
    runner_recount_values(a->s.runner);
    a->gates = check_alloc(config->class_count * sizeof(*a->gates));
    a->gate_count = config->class_count;
    int rc = load_bucket(a, "pool", config->starts_per_second, config->start_burst, &a->pool_bucket, err);
    for (size_t i = 0; i < config->class_count; i++) {
        struct gate *g = &a->gates[i];
        g->class_ = &config->classes[i];
        g->bucket_name = check_printf("class:%s", g->class_->name);
        if (rc == 0)
            rc = load_bucket(a, g->bucket_name, g->class_->starts_per_second, g->class_->start_burst,
                             &g->bucket, err);
    }
    for (size_t i = 0; i < count; i++)
        stand(a, waiting[i]);
    free(waiting);
    return rc;
}

int admission_new(const struct admission_settings *settings, struct admission **out, struct err *err)
{
    struct admission *a = check_alloc(sizeof(*a));
    a->s = *settings;
    a->open = (struct admission_gates){.starts = true, .going_on = true};
    a->wall_base_ms = clock_wall_ms(settings->clock);
    a->mono_base_ms = clock_mono_ms(settings->clock);
    if (admission_set_config(a, settings->config, err) != 0) {
        admission_free(a);
        return -1;
    }
    *out = a;
    return 0;
}

void admission_free(struct admission *a)
{
    if (a == NULL)
        return;
    timer_cancel(&a->token_timer);
    line_done(&a->stop);
    free_gates(a);
    free(a);
}

void admission_wait(struct admission *a, struct live *live, enum run_action what)
{
    leave(a, live);
    live->waits_for = what;
    live->slot_stage = live->launch->run.state == RUN_STATE_STARTING ? LEARNING_START : LEARNING_CREATE;
    live->waits_since_ms = clock_mono_ms(a->s.clock);
    if (what != RUN_ACTION_NONE)
        stand(a, live);
}

void admission_open(struct admission *a, struct admission_gates gates)
{
    a->open = gates;
}

size_t admission_queued(const struct admission *a)
{
    size_t count = 0;
    for (size_t i = 0; i < a->gate_count; i++)
        count += a->gates[i].admit.count;
    return count;
}

static bool is_below(int64_t in_use, int64_t limit)
{
    return limit == CONFIG_NO_LIMIT || in_use < limit;
}

static void let_through(struct admission *a, struct live *live)
{
    admission_wait(a, live, RUN_ACTION_NONE);
    runner_feed_kind(a->s.runner, live, RUN_EVENT_ADMITTED);
}

/* ---- starts ---- */

/* Slots that are held, and those let through in this call. */
static int64_t launching_of(const struct admission *a, const struct gate *g, enum learning_stage stage)
{
    struct slots slots = runner_slots(a->s.runner, g->class_->name);
    int64_t held = stage == LEARNING_START ? slots.starting : slots.launching - slots.starting;
    return held + g->let_launch[stage];
}

static bool class_may_launch(const struct admission *a, const struct gate *g)
{
    int64_t in_use = launching_of(a, g, LEARNING_CREATE) + launching_of(a, g, LEARNING_START);
    return is_below(in_use, g->class_->launching);
}

static bool pool_may_launch(const struct admission *a, enum learning_stage stage)
{
    int64_t in_use[LEARNING_LAUNCHING_COUNT] = {0};
    for (size_t i = 0; i < a->gate_count; i++)
        for (int each = 0; each < LEARNING_LAUNCHING_COUNT; each++)
            in_use[each] += launching_of(a, &a->gates[i], (enum learning_stage)each);
    if (a->s.config->launching_is_auto)
        return in_use[stage] < a->s.learned_limit(a->s.arg, stage);
    return is_below(in_use[LEARNING_CREATE] + in_use[LEARNING_START], a->s.config->launching);
}

static struct gate *best_slot(struct admission *a, enum learning_stage stage)
{
    struct gate *best = NULL;
    for (size_t i = 0; i < a->gate_count; i++) {
        struct gate *g = &a->gates[i];
        struct live *first = line_first(&g->slot[stage]);
        if (first == NULL || !class_may_launch(a, g))
            continue;
        if (best == NULL || line_is_before(first, line_first(&best->slot[stage])))
            best = g;
    }
    return best;
}

/* A slot alone, for launches that have had their token: before new starts, since it finishes what was begun.
 */
static size_t run_slots(struct admission *a, enum learning_stage stage)
{
    size_t let = 0;
    struct gate *g;
    while (pool_may_launch(a, stage) && (g = best_slot(a, stage)) != NULL) {
        g->let_launch[stage]++;
        let_through(a, line_first(&g->slot[stage]));
        let++;
    }
    return let;
}

/* The starts can't keep up: a container that is created now would only wait, and its create make them slower.
 */
static bool has_enough_created(const struct admission *a)
{
    if (!a->s.config->launching_is_auto)
        return false;
    int64_t waiting = 0;
    int64_t on_the_way = runner_slots(a->s.runner, NULL).announcing;
    for (size_t i = 0; i < a->gate_count; i++) {
        waiting += (int64_t)a->gates[i].slot[LEARNING_START].count;
        on_the_way += launching_of(a, &a->gates[i], LEARNING_CREATE);
    }
    return waiting > 0 &&
           waiting + on_the_way >= a->s.learned_limit(a->s.arg, LEARNING_START) + AHEAD_CREATED;
}

static size_t run_stops(struct admission *a)
{
    size_t let = 0;
    int64_t in_use = runner_slots(a->s.runner, NULL).stopping;
    struct live *live;
    while ((live = line_first(&a->stop)) != NULL && is_below(in_use, a->s.config->stops)) {
        in_use++;
        let_through(a, live);
        let++;
    }
    return let;
}

static void on_token_timer(void *arg)
{
    (void)arg; /* the turn that follows runs admission */
}

/* The first of all lines whose class has a slot and a token; *wait_ms: when the next token comes, if one is
 * missing. */
static struct gate *best_start(struct admission *a, int64_t now_ms, int64_t *wait_ms)
{
    struct gate *best = NULL;
    for (size_t i = 0; i < a->gate_count; i++) {
        struct gate *g = &a->gates[i];
        struct live *first = line_first(&g->start);
        if (first == NULL || !class_may_launch(a, g))
            continue;
        int64_t class_wait_ms = bucket_wait_ms(&g->bucket, now_ms);
        if (class_wait_ms > 0) {
            *wait_ms = *wait_ms == 0 || class_wait_ms < *wait_ms ? class_wait_ms : *wait_ms;
            continue;
        }
        if (best == NULL || line_is_before(first, line_first(&best->start)))
            best = g;
    }
    return best;
}

static int save_tokens(struct admission *a, const struct gate *g, struct err *err)
{
    if (a->pool_bucket.interval_us == 0 && g->bucket.interval_us == 0)
        return 0;
    if (store_begin(a->s.store, err) != 0)
        return -1;
    if (a->pool_bucket.interval_us > 0 &&
        store_save_bucket(a->s.store, "pool", a->pool_bucket.tat_us, err) != 0)
        return -1;
    if (g->bucket.interval_us > 0 &&
        store_save_bucket(a->s.store, g->bucket_name, g->bucket.tat_us, err) != 0)
        return -1;
    return 0;
}

/* Buckets outlive the process, so they count in wall time; but a clock that jumps while we run must neither
 * grant a burst nor take one. */
static int64_t bucket_now_ms(const struct admission *a)
{
    return a->wall_base_ms + clock_mono_ms(a->s.clock) - a->mono_base_ms;
}

/* For windows: as many starts in flight as are looked at together, where there is no limit. */
static int64_t launching_or_so(const struct admission *a)
{
    if (a->s.config->launching_is_auto)
        return a->s.learned_limit(a->s.arg, LEARNING_CREATE) + a->s.learned_limit(a->s.arg, LEARNING_START);
    return a->s.config->launching == CONFIG_NO_LIMIT ? SIGHT_MAX : a->s.config->launching;
}

/* Launches that wait for a start. */
static int64_t ready_count(const struct admission *a)
{
    size_t ready = 0;
    for (size_t i = 0; i < a->gate_count; i++)
        ready += a->gates[i].start.count;
    return (int64_t)ready;
}

static void adapt_window(struct admission *a, bool has_waited)
{
    a->ahead_extra = ahead_after_start(a->ahead_extra, launching_or_so(a), has_waited, ready_count(a),
                                       (int64_t)admission_queued(a));
}

static size_t run_starts(struct admission *a)
{
    size_t let = 0;
    int64_t now_ms = bucket_now_ms(a);
    int64_t wait_ms = 0;
    while (pool_may_launch(a, LEARNING_CREATE) && !has_enough_created(a)) {
        struct gate *g = best_start(a, now_ms, &wait_ms);
        if (g == NULL)
            break;
        int64_t pool_wait_ms = bucket_wait_ms(&a->pool_bucket, now_ms);
        if (pool_wait_ms > 0) {
            wait_ms = pool_wait_ms;
            break;
        }
        /* Last, since what it gives is not given back. */
        if (a->s.take_shared != NULL && !a->s.take_shared(a->s.arg, ready_count(a)))
            break;
        a->pool_bucket = bucket_take(a->pool_bucket, now_ms);
        g->bucket = bucket_take(g->bucket, now_ms);
        struct err err;
        if (save_tokens(a, g, &err) != 0)
            break; /* the runner's own save will fail too, and stop the process */
        g->let_launch[LEARNING_CREATE]++;
        struct live *live = line_first(&g->start);
        bool has_waited = clock_mono_ms(a->s.clock) - live->waits_since_ms > SAME_TURN_MS;
        let_through(a, live);
        adapt_window(a, has_waited);
        let++;
    }
    if (wait_ms > 0)
        timer_start(a->s.timers, &a->token_timer, wait_ms, on_token_timer, a);
    return let;
}

/* ---- claims ---- */

static bool class_may_claim(const struct admission *a, const struct gate *g)
{
    int64_t in_use = runner_slots(a->s.runner, g->class_->name).running + g->let_in;
    return is_below(in_use, g->class_->running);
}

static struct gate *best_claim(struct admission *a)
{
    struct gate *best = NULL;
    for (size_t i = 0; i < a->gate_count; i++) {
        struct gate *g = &a->gates[i];
        struct live *first = lanes_first(&g->admit);
        if (first == NULL || !class_may_claim(a, g))
            continue;
        if (best == NULL || line_is_before(first, lanes_first(&best->admit)))
            best = g;
    }
    return best;
}

/* Room for so many claims, by the pool's running limit and the window. */
static int64_t claim_room(const struct admission *a)
{
    struct slots slots = runner_slots(a->s.runner, NULL);
    const struct config *c = a->s.config;
    int64_t window = ahead_window(launching_or_so(a), a->ahead_extra);
    int64_t room = ahead_room(window, slots.claim_ahead, slots.pulling);
    if (c->running != CONFIG_NO_LIMIT && c->running - slots.running < room)
        room = c->running - slots.running;
    return room;
}

static size_t run_claims(struct admission *a)
{
    size_t let = 0;
    int64_t room = claim_room(a);
    struct live *stale[SIGHT_MAX];
    size_t stale_count = 0;
    struct live *aside[ASIDE_MAX];
    size_t aside_count = 0;
    bool may_let = true;
    while (room > 0 && stale_count < SIGHT_MAX && aside_count < ASIDE_MAX) {
        struct gate *g = best_claim(a);
        if (g == NULL)
            break;
        struct live *live = lanes_first(&g->admit);
        enum sight sight = live->launch->run.has_claim ? SIGHT_FRESH : a->s.sight(a->s.arg, live);
        if (may_let && room > 0 && sight == SIGHT_FRESH) {
            g->let_in++;
            values_let_in(runner_values(a->s.runner), live);
            if (a->s.on_claim != NULL && !live->launch->run.has_claim)
                a->s.on_claim(a->s.arg, live);
            let_through(a, live);
            room--;
            let++;
            continue;
        }
        /* Behind one that must be seen again nobody is let through, or the order would be lost; but they are
         * looked at together. */
        may_let = may_let && sight != SIGHT_STALE;
        if (sight == SIGHT_STALE)
            stale[stale_count++] = live;
        aside[aside_count++] = live;
        lanes_remove(&g->admit, live);
    }
    for (size_t i = 0; i < aside_count; i++)
        lanes_add(&gate_of(a, aside[i])->admit, aside[i]);
    if (stale_count > 0)
        a->s.want_sight(a->s.arg, stale, stale_count);
    return let;
}

size_t admission_run(struct admission *a)
{
    size_t let = 0;
    struct value *value;
    while ((value = values_take_changed(runner_values(a->s.runner))) != NULL)
        lanes_reopen(value);
    for (size_t i = 0; i < a->gate_count; i++) {
        a->gates[i].let_in = 0;
        for (int stage = 0; stage < LEARNING_LAUNCHING_COUNT; stage++)
            a->gates[i].let_launch[stage] = 0;
    }
    if (a->open.going_on) {
        let += run_stops(a);
        let += run_slots(a, LEARNING_START);
        let += run_slots(a, LEARNING_CREATE);
    }
    if (a->open.starts)
        let += run_starts(a);
    if (a->open.claims)
        let += run_claims(a);
    return let;
}

double admission_tokens(const struct admission *a, const char *class_name)
{
    if (class_name == NULL)
        return bucket_tokens(&a->pool_bucket, bucket_now_ms(a));
    for (size_t i = 0; i < a->gate_count; i++)
        if (strcmp(a->gates[i].class_->name, class_name) == 0)
            return bucket_tokens(&a->gates[i].bucket, bucket_now_ms(a));
    return -1;
}
