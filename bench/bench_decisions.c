/*
 * bench_decisions.c - how many starts admission decides in a second, with how many launches in line.
 *
 * Admission, runner and state file are the service's own; engine and server are played by answers that come
 * at once. Only the time in admission_run() is counted: a start costs two decisions, the claim and the start
 * with its token. The target is 10,000 starts a second with 100,000 queued (design.md, section 6).
 */
#include "admission.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STARTS 5000
#define CLASSES_MAX 20
#define TURN_MAX 100

struct bench {
    struct store *store;
    struct timers *timers;
    struct runner *runner;
    struct admission *admission;
    struct config config;
    struct config_class classes[CLASSES_MAX];
    char names[CLASSES_MAX][16];
    struct live *created[TURN_MAX]; /* in this turn */
    size_t created_count;
    size_t starts;
};

static void give_up(const char *what)
{
    fprintf(stderr, "bench_decisions: %s\n", what);
    exit(1);
}

static void perform(void *arg, struct live *live, enum run_action action)
{
    struct bench *b = arg;
    if (action != RUN_ACTION_CREATE) {
        runner_feed_kind(b->runner, live, RUN_EVENT_DONE);
        return;
    }
    CHECK(b->created_count < TURN_MAX);
    b->created[b->created_count++] = live;
    b->starts++;
}

static void abandon(void *arg, struct live *live)
{
    (void)arg;
    (void)live;
}

static void wait_for(void *arg, struct live *live, enum run_action what)
{
    struct bench *b = arg;
    if (b->admission != NULL)
        admission_wait(b->admission, live, what);
}

static void on_failure(void *arg, const struct err *err)
{
    (void)arg;
    give_up(err->msg);
}

static enum sight sight_of(void *arg, const struct live *live)
{
    (void)arg;
    (void)live;
    return SIGHT_FRESH;
}

static void want_sight(void *arg, struct live *const *lives, size_t count)
{
    (void)arg;
    (void)lives;
    (void)count;
}

static void configure(struct bench *b, size_t class_count)
{
    for (size_t i = 0; i < class_count; i++) {
        snprintf(b->names[i], sizeof(b->names[i]), i + 1 == class_count ? "default" : "class %zu", i);
        b->classes[i] = (struct config_class){.name = b->names[i],
                                              .starts_per_second = CONFIG_NO_LIMIT,
                                              .start_burst = 1,
                                              .running = CONFIG_NO_LIMIT,
                                              .launching = CONFIG_NO_LIMIT,
                                              .retry = retry_policy_default(),
                                              .when_late = "run",
                                              .when_run_is_over = "leave"};
    }
    b->config = (struct config){.classes = b->classes,
                                .class_count = class_count,
                                .starts_per_second = CONFIG_NO_LIMIT,
                                .start_burst = 1,
                                .launching = 3,
                                .running = CONFIG_NO_LIMIT,
                                .pulls = CONFIG_NO_LIMIT,
                                .stops = CONFIG_NO_LIMIT};
}

static void make(struct bench *b, const char *path, const struct random_source *random)
{
    struct err err = {0};
    b->timers = timers_new(&clock_system);
    if (store_open(path, &clock_system, &b->store, &err) != 0)
        give_up(err.msg);
    b->runner = runner_new(&(struct runner_settings){.store = b->store,
                                                     .timers = b->timers,
                                                     .clock = &clock_system,
                                                     .random = random,
                                                     .config = &b->config,
                                                     .mark = "0123456789abcdef",
                                                     .ports = {.arg = b,
                                                               .perform = perform,
                                                               .abandon = abandon,
                                                               .wait = wait_for,
                                                               .forget = abandon,
                                                               .on_failure = on_failure}});
    if (admission_new(&(struct admission_settings){.runner = b->runner,
                                                   .store = b->store,
                                                   .timers = b->timers,
                                                   .clock = &clock_system,
                                                   .config = &b->config,
                                                   .sight = sight_of,
                                                   .want_sight = want_sight,
                                                   .arg = b},
                      &b->admission, &err) != 0)
        give_up(err.msg);
    admission_open(b->admission, (struct admission_gates){true, true, true});
}

static void fill(struct bench *b, size_t count, const struct random_source *random)
{
    for (size_t i = 0; i < count; i++) {
        char id[UUID_TEXT_SIZE];
        uint64_t luck = random->next(random->arg);
        snprintf(id, sizeof(id), "00000000-0000-4000-8000-%012x", (unsigned)i);
        struct launch *launch = launch_new(id, (int64_t)(luck % 1000000));
        launch_set_text(&launch->class_name, b->classes[(luck >> 32) % b->config.class_count].name);
        launch->queue_priority = 1 + (int32_t)(luck >> 40) % 3;
        runner_feed_kind(b->runner, runner_add(b->runner, launch), RUN_EVENT_ENTER);
    }
    if (runner_flush(b->runner) != 0)
        give_up("the state file can't be written");
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Returns the time spent in decisions. */
static double run_out(struct bench *b)
{
    double spent_s = 0;
    while (b->starts < STARTS) {
        double before_s = now_s();
        size_t let = admission_run(b->admission);
        spent_s += now_s() - before_s;
        /* The engine has done with them. */
        for (size_t i = 0; let == 0 && i < b->created_count; i++)
            runner_feed_kind(b->runner, b->created[i], RUN_EVENT_PERMANENT);
        b->created_count = let == 0 ? 0 : b->created_count;
        if (runner_flush(b->runner) != 0)
            give_up("the state file can't be written");
    }
    return spent_s;
}

static void remove_files(const char *folder)
{
    static const char *const names[] = {"state.db", "state.db-wal", "state.db-shm", "state.db.lock"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = check_printf("%s/%s", folder, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(folder);
}

static void measure(size_t queued, size_t class_count)
{
    char folder[] = "/tmp/sluice-bench-XXXXXX";
    char path[64];
    uint64_t seed = 1;
    struct random_source random = random_seeded(&seed);
    struct bench *b = check_alloc(sizeof(*b));
    if (mkdtemp(folder) == NULL)
        give_up("no folder in /tmp");
    snprintf(path, sizeof(path), "%s/state.db", folder);
    configure(b, class_count);
    make(b, path, &random);
    fill(b, queued + STARTS, &random);
    double spent_s = run_out(b);
    printf("%7zu queued, %2zu classes: %8.0f starts decided a second\n", queued, class_count,
           (double)b->starts / spent_s);
    admission_free(b->admission);
    b->admission = NULL;
    runner_free(b->runner);
    store_close(b->store);
    timers_free(b->timers);
    free(b);
    remove_files(folder);
}

int main(void)
{
    static const size_t queued[] = {1000, 10000, 100000};
    static const size_t classes[] = {1, CLASSES_MAX};
    for (size_t c = 0; c < ARRAY_LEN(classes); c++)
        for (size_t i = 0; i < ARRAY_LEN(queued); i++)
            measure(queued[i], classes[c]);
    return 0;
}
