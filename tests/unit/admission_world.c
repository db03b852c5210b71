/* admission_world.c - see admission_world.h. */
#include "admission_world.h"

#include "base/check.h"

#define TURN_PASSES_MAX 200

static void note(struct live **lives, size_t *count, struct live *live)
{
    CHECK(*count < WORLD_LIVES_MAX);
    lives[(*count)++] = live;
}

static void perform(void *arg, struct live *live, enum run_action action)
{
    struct admission_world *w = arg;
    switch ((int)action) {
    case RUN_ACTION_CLAIM:
        note(w->claimed, &w->claimed_count, live);
        if (!w->holds_claims)
            runner_feed_kind(w->runner, live, RUN_EVENT_DONE);
        return;
    case RUN_ACTION_LOOK_RUN:
        runner_feed_kind(w->runner, live, RUN_EVENT_RUN_PENDING);
        return;
    case RUN_ACTION_SUBMIT:
    case RUN_ACTION_RESOLVE:
    case RUN_ACTION_PULL:
    case RUN_ACTION_CONNECT:
    case RUN_ACTION_ANNOUNCE:
    case RUN_ACTION_CLEAR:
    case RUN_ACTION_REPORT:
    case RUN_ACTION_HAND_BACK:
        runner_feed_kind(w->runner, live, RUN_EVENT_DONE);
        return;
    case RUN_ACTION_CREATE:
        note(w->created, &w->created_count, live);
        return;
    default:
        return;
    }
}

static void abandon(void *arg, struct live *live)
{
    (void)arg;
    (void)live;
}

static void wait_for(void *arg, struct live *live, enum run_action what)
{
    struct admission_world *w = arg;
    if (w->admission != NULL)
        admission_wait(w->admission, live, what);
}

static void on_failure(void *arg, const struct err *err)
{
    (void)arg;
    fail_msg("%s", err->msg);
}

static enum sight sight_of(void *arg, const struct live *live)
{
    struct admission_world *w = arg;
    w->sights++;
    return live->seen_generation == 0 ? w->sight : (enum sight)(live->seen_generation - 1);
}

static int64_t learned_limit(void *arg, enum learning_stage stage)
{
    const struct admission_world *w = arg;
    return w->learned[stage];
}

static void want_sight(void *arg, struct live *const *lives, size_t count)
{
    struct admission_world *w = arg;
    CHECK(count > 0 && lives[0] != NULL);
    w->sight_calls++;
    w->wanted = count;
}

static void open_all(struct admission_world *w)
{
    struct err err = {0};
    if (store_open(w->fixture->path, fake_clock_clock(&w->clock), &w->store, &err) != 0)
        fail_msg("%s", err.msg);
    static struct random_source source;
    source = random_seeded(&w->random);
    w->runner = runner_new(&(struct runner_settings){
        .store = w->store,
        .timers = w->timers,
        .clock = fake_clock_clock(&w->clock),
        .random = &source,
        .config = &w->config,
        .mark = "0123456789abcdef",
        .ports = {.arg = w,
                  .perform = perform,
                  .abandon = abandon,
                  .wait = wait_for,
                  .forget = abandon,
                  .on_failure = on_failure},
    });
    const struct admission_settings settings = {
        .runner = w->runner,
        .store = w->store,
        .timers = w->timers,
        .clock = fake_clock_clock(&w->clock),
        .config = &w->config,
        .sight = sight_of,
        .learned_limit = learned_limit,
        .want_sight = want_sight,
        .arg = w,
    };
    if (admission_new(&settings, &w->admission, &err) != 0)
        fail_msg("%s", err.msg);
    admission_open(w->admission, (struct admission_gates){true, true, true});
}

/* As a kill: nothing more is written. */
static void close_all(struct admission_world *w)
{
    admission_free(w->admission);
    w->admission = NULL;
    runner_free(w->runner);
    store_close(w->store);
}

int admission_world_setup(void **state)
{
    struct admission_world *w = check_alloc(sizeof(*w));
    static const char *const names[WORLD_CLASSES_MAX] = {"a", "b", "default"};
    void *fixture = NULL;
    if (store_fixture_setup(&fixture) != 0)
        return -1;
    w->fixture = fixture;
    for (size_t i = 0; i < WORLD_CLASSES_MAX; i++)
        w->classes[i] = (struct config_class){.name = names[i],
                                              .starts_per_second = CONFIG_NO_LIMIT,
                                              .start_burst = 1,
                                              .running = CONFIG_NO_LIMIT,
                                              .launching = CONFIG_NO_LIMIT,
                                              .retry = retry_policy_default(),
                                              .when_late = "run",
                                              .when_run_is_over = "leave"};
    w->config = (struct config){.classes = w->classes,
                                .class_count = WORLD_CLASSES_MAX,
                                .starts_per_second = CONFIG_NO_LIMIT,
                                .start_burst = 1,
                                .launching = CONFIG_NO_LIMIT,
                                .running = CONFIG_NO_LIMIT,
                                .pulls = CONFIG_NO_LIMIT,
                                .stops = CONFIG_NO_LIMIT};
    w->random = 1;
    w->sight = SIGHT_FRESH;
    fake_clock_init(&w->clock);
    w->timers = timers_new(fake_clock_clock(&w->clock));
    open_all(w);
    *state = w;
    return 0;
}

int admission_world_teardown(void **state)
{
    struct admission_world *w = *state;
    void *fixture = w->fixture;
    close_all(w);
    CHECK(timers_next_ms(w->timers) == -1); /* nobody left a timer behind */
    timers_free(w->timers);
    free(w);
    return store_fixture_teardown(&fixture);
}

/* flow_run_id NULL: one that no launch has had. */
static struct live *add_of(struct admission_world *w, const char *class_name, int32_t queue_priority,
                           int64_t due_at_ms, const char *lines, const char *flow_run_id)
{
    char id[UUID_TEXT_SIZE];
    w->added++;
    snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012x", (unsigned)w->added);
    struct launch *launch = launch_new(flow_run_id == NULL ? id : flow_run_id, due_at_ms);
    launch_set_text(&launch->class_name, class_name);
    launch_set_text(&launch->limit_values, lines);
    launch->queue_priority = queue_priority;
    launch->class_priority = config_class_by_name(&w->config, class_name)->priority;
    struct live *live = runner_add(w->runner, launch);
    runner_feed_kind(w->runner, live, RUN_EVENT_ENTER);
    return live;
}

static struct live *add(struct admission_world *w, const char *class_name, int32_t queue_priority,
                        int64_t due_at_ms, const char *lines)
{
    return add_of(w, class_name, queue_priority, due_at_ms, lines, NULL);
}

struct live *world_add_with(struct admission_world *w, const char *class_name, int32_t queue_priority,
                            int64_t due_at_ms)
{
    return add(w, class_name, queue_priority, due_at_ms, "");
}

static int64_t next_due_ms(struct admission_world *w)
{
    return clock_wall_ms(fake_clock_clock(&w->clock)) + w->added;
}

struct live *world_add_run(struct admission_world *w, const char *class_name, const char *flow_run_id)
{
    return add_of(w, class_name, 0, next_due_ms(w), "", flow_run_id);
}

struct live *world_add(struct admission_world *w, const char *class_name)
{
    return add(w, class_name, 1, next_due_ms(w), "");
}

struct live *world_add_valued(struct admission_world *w, const char *class_name, const char *lines)
{
    return add(w, class_name, 1, next_due_ms(w), lines);
}

void world_add_many(struct admission_world *w, const char *class_name, int count)
{
    for (int i = 0; i < count; i++)
        world_add(w, class_name);
}

void world_turn(struct admission_world *w)
{
    w->sights = 0;
    w->sight_calls = 0;
    w->wanted = 0;
    for (int pass = 0; pass < TURN_PASSES_MAX; pass++)
        if (runner_flush(w->runner) != 0 || admission_run(w->admission) == 0)
            return;
    fail_msg("the turn does not end");
}

static void turn_after_timers(void *arg)
{
    world_turn(arg);
}

void world_advance(struct admission_world *w, int64_t ms)
{
    w->clock.after_timers = turn_after_timers;
    w->clock.after_timers_arg = w;
    fake_clock_advance(&w->clock, w->timers, ms);
    w->clock.after_timers = NULL;
    world_turn(w);
}

void world_answer(struct admission_world *w, struct live *live, enum run_event_kind kind)
{
    runner_feed_kind(w->runner, live, kind);
    world_turn(w);
}

void world_fail_creates(struct admission_world *w)
{
    struct list *all = runner_all(w->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (live->launch->run.pending == RUN_ACTION_CREATE)
            runner_feed_kind(w->runner, live, RUN_EVENT_PERMANENT);
    }
    world_turn(w);
}

void world_restart(struct admission_world *w)
{
    struct err err = {0};
    close_all(w);
    open_all(w);
    if (runner_load(w->runner, &err) != 0)
        fail_msg("%s", err.msg);
    world_turn(w);
}

size_t world_count(struct admission_world *w, enum run_state state)
{
    size_t count = 0;
    struct list *all = runner_all(w->runner);
    for (struct list *link = all->next; link != all; link = link->next)
        count += LIST_ITEM(link, struct live, all_link)->launch->run.state == state ? 1 : 0;
    return count;
}
