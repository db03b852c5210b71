/*
 * The views of docs/state-file.md as people read them: with the real sqlite3 shell, -readonly, while the
 * service holds the file and when it doesn't. Names and leading columns are a promise; so is that each view
 * is right at every commit, for every state.
 */
#include "store_fixture.h"

#include "core/bucket.h"
#include "core/classify.h"

static void begin(struct store *store)
{
    struct err err = {0};
    if (store_begin(store, &err) != 0)
        fail_msg("%s", err.msg);
}

static void commit(struct store *store)
{
    struct err err = {0};
    if (store_commit(store, &err) != 0)
        fail_msg("%s", err.msg);
}

static void must(int result, const struct err *err)
{
    if (result != 0)
        fail_msg("%s", err->msg);
}

/* The view's columns must begin with these words. */
static void expect_columns(const char *path, const char *view, const char *expected)
{
    char *AUTO_FREE sql = check_printf("select group_concat(name, ' ') from pragma_table_info('%s')", view);
    char *got = store_fixture_shell(path, sql);
    if (strncmp(got, expected, strlen(expected)) != 0)
        fail_msg("%s\n  expected: %s\n  got:      %s", view, expected, got);
    free(got);
}

static void test_names_and_columns(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    store_fixture_expect(
        f->path,
        "select group_concat(name, ' ') from (select name from sqlite_schema "
        "where type = 'view' order by name)",
        "alerts attempts classes history limits losses parked queue running timeouts value_slots");
    expect_columns(f->path, "queue",
                   "position run_id run_name flow deployment class state due_at next_try_at tries "
                   "waits_for last_error");
    expect_columns(f->path, "running", "run_id container_id class state started_at age_s");
    expect_columns(f->path, "attempts",
                   "run_id stage attempt started_at took_ms timeout_ms timeout_from outcome "
                   "error_class error");
    expect_columns(f->path, "timeouts", "run_id stage clock clock_ms clock_from");
    expect_columns(f->path, "history", "run_id from to why at");
    expect_columns(f->path, "limits", "class kind limit in_use tokens learned_value");
    expect_columns(f->path, "classes", "class rule queued claiming submitting");
    expect_columns(f->path, "losses", "what dropped last_at");
    expect_columns(f->path, "alerts",
                   "alert state severity class since reason last_change webhook webhook_at");
    expect_columns(f->path, "parked", "run_id run_name class reason since release");
    expect_columns(f->path, "value_slots", "run_id class per value");
    /* every view can be read when nothing is in it */
    store_fixture_expect(
        f->path,
        "select * from queue; select * from running; select * from attempts; select * from "
        "timeouts; select * from history; select * from limits; select * from classes; select * "
        "from parked; select * from value_slots; select * from losses; "
        "select * from alerts",
        "");
}

static void test_classes_has_each_state_and_stage(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        char *AUTO_FREE sql =
            check_printf("select count(*) from pragma_table_info('classes') where name = lower('%s')",
                         run_state_name((enum run_state)s));
        store_fixture_expect(f->path, sql, "1");
    }
#define X(name, text)                                                                                        \
    store_fixture_expect(f->path,                                                                            \
                         "select count(*) from pragma_table_info('classes') where name in ('" text           \
                         "_p50_ms', '" text "_p95_ms', '" text "_p99_ms')",                                  \
                         "3");
    STAGES(X)
#undef X
}

static void set_limits(struct store *store)
{
    struct err err = {0};
    const struct store_limit limits[] = {
        {.class_name = "", .kind = "running", .limit_value = 200},
        {.class_name = "", .kind = "launching", .limit_value = 3, .learned_from = "auto"},
        {.class_name = "", .kind = "pulls", .limit_value = 3},
        {.class_name = "", .kind = "stops", .limit_value = -1},
        {.class_name = "etl", .kind = "running", .limit_value = 20},
        {.class_name = "other", .kind = "launching", .limit_value = 1},
    };
    must(store_replace_limits(store, limits, ARRAY_LEN(limits), &err), &err);
}

static bool is_in(enum run_state s, enum run_state first, enum run_state last)
{
    return s >= first && s <= last;
}

/* For one launch in each state: in which views it is, and what it is counted as, must agree with core/run.c.
 */
static void test_each_state_is_where_it_belongs(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    launch_set_text(&l->class_name, "etl");
    snprintf(l->container_id, sizeof(l->container_id), "c0ffee");
    set_limits(store);
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        for (int has_container = 0; has_container < 2; has_container++) {
            l->run.state = (enum run_state)s;
            l->run.has_container = has_container != 0;
            store_fixture_save(store, l);
            enum run_state rs = l->run.state;
            int holds = run_holds_running_slot(&l->run) ? 1 : 0;
            char *AUTO_FREE expected =
                check_printf("%d|%d|%d|%d|%d|1", is_in(rs, RUN_STATE_QUEUED, RUN_STATE_STARTING),
                             has_container != 0 && is_in(rs, RUN_STATE_STARTING, RUN_STATE_STOPPING),
                             rs == RUN_STATE_PARKED, holds, holds);
            char *AUTO_FREE sql =
                check_printf("select (select count(*) from queue), (select count(*) from running), (select "
                             "count(*) from parked), "
                             "(select in_use from limits where class = '(pool)' and kind = 'running'), "
                             "(select in_use from limits where class = 'etl' and kind = 'running'), "
                             "(select count(*) from launches where state = '%s')",
                             run_state_name(rs));
            store_fixture_expect(f->path, sql, expected);
            char *AUTO_FREE of_class =
                check_printf("select class, rule, %s from classes", run_state_name(rs));
            store_fixture_expect(f->path, of_class,
                                 rs == RUN_STATE_FINISHED ? "" : "etl|(no longer configured)|1");
        }
    }
    launch_free(l);
    store_close(store);
}

/* For each request that may be out in each state: slots and what the queue says. */
static void test_each_request_is_counted(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    set_limits(store);
    for (int s = RUN_STATE_CLAIMING; s <= RUN_STATE_CLEARING; s++) {
        for (int a = 0; a < RUN_ACTION_COUNT; a++) {
            l->run.state = (enum run_state)s;
            l->run.pending = (enum run_action)a;
            store_fixture_save(store, l);
            char *AUTO_FREE expected =
                check_printf("%d|%d|%d|0", run_holds_launch_slot(&l->run) ? 1 : 0,
                             a == RUN_ACTION_PULL ? 1 : 0, a == RUN_ACTION_STOP ? 1 : 0);
            store_fixture_expect(
                f->path,
                "select (select in_use from limits where class = '(pool)' and kind = 'launching'), "
                "(select in_use from limits where kind = 'pulls'), "
                "(select in_use from limits where kind = 'stops'), "
                "(select in_use from limits where class = 'other')",
                expected);
        }
        /* no run before RUNNING sends these */
        if (s > RUN_STATE_STARTING)
            continue;
        for (int a = 0; a <= RUN_ACTION_RETIRE; a++) {
            l->run.pending = (enum run_action)a;
            store_fixture_save(store, l);
            store_fixture_expect(f->path, "select waits_for glob 'answer to *' from queue",
                                 run_action_is_request(l->run.pending) ? "1" : "0");
        }
    }
    launch_free(l);
    store_close(store);
}

static void test_queue_order_and_values(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    static const struct {
        int queue_priority;
        int class_priority;
        int due_s;
        enum run_state run_state;
    } rows[] = {
        {2, 9, 1, RUN_STATE_QUEUED},   {1, 0, 5, RUN_STATE_READY},    {1, 0, 4, RUN_STATE_QUEUED},
        {1, 5, 9, RUN_STATE_CREATING}, {1, 0, 4, RUN_STATE_CLAIMING}, {1, 9, 0, RUN_STATE_RUNNING},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct launch *l = store_fixture_launch(f, (int)i);
        l->queue_priority = rows[i].queue_priority;
        l->class_priority = rows[i].class_priority;
        l->run.due_at_ms = INT64_C(1763856000113) + rows[i].due_s * 1000;
        l->run.state = rows[i].run_state;
        if (i == 2) {
            l->run.attempt = 3;
            l->run.next_try_at_ms = INT64_C(4102444800000); /* 2100 */
            launch_set_text(&l->deployment_name, "");
            launch_set_text(&l->last_error, "no such image");
        }
        store_fixture_save(store, l);
        launch_free(l);
    }
    store_fixture_expect(f->path, "select position, run_name from queue",
                         "1|run-3\n2|run-2\n3|run-4\n4|run-1\n5|run-0");
    store_fixture_expect(
        f->path,
        "select position, run_id, run_name, flow, deployment, class, state, due_at, next_try_at, "
        "tries, waits_for, last_error from queue where position = 2",
        "2|00000001-0000-4000-8000-000000000002|run-2|flow|(null)|default|QUEUED|"
        "2025-11-23T00:00:04.113Z|2100-01-01T00:00:00.000Z|3|"
        "backoff until 2100-01-01T00:00:00.000Z|no such image");
    store_close(store);
    store_fixture_expect(f->path, "select count(*) from queue", "5"); /* also when nobody holds the file */
}

static void expect_wait(struct store_fixture *f, struct store *store, struct launch *l, const char *expected)
{
    store_fixture_save(store, l);
    store_fixture_expect(f->path, "select waits_for from queue", expected);
}

static void test_waits_for(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    expect_wait(f, store, l, "claim-ahead window");
    begin(store);
    must(store_save_wait(store, l->launch_id, "class etl: running 20 of 20", &err), &err);
    must(store_save_wait(store, "unknown", "nothing", &err), &err);
    commit(store);
    expect_wait(f, store, l, "class etl: running 20 of 20"); /* a save in the same state keeps it */
    l->run.pending = RUN_ACTION_LOOK_RUN;
    expect_wait(f, store, l, "answer to look_run");
    l->run.pending = RUN_ACTION_NONE;
    expect_wait(f, store, l, "class etl: running 20 of 20");
    l->run.state = RUN_STATE_READY;
    expect_wait(f, store, l, "launch slot"); /* what was said of the old state is gone */
    l->run.next_try_at_ms = 1;               /* long over */
    expect_wait(f, store, l, "launch slot");
    l->run.next_try_at_ms = INT64_C(4102444800000);
    expect_wait(f, store, l, "backoff until 2100-01-01T00:00:00.000Z");
    l->run.unreachable_since_ms = INT64_C(1763856000999);
    expect_wait(f, store, l, "dependency out of reach since 2025-11-23T00:00:00.999Z");
    begin(store);
    must(store_save_wait(store, l->launch_id, "the engine's breaker", &err), &err);
    commit(store);
    expect_wait(f, store, l, "the engine's breaker");
    begin(store);
    must(store_save_wait(store, l->launch_id, "", &err), &err);
    commit(store);
    expect_wait(f, store, l, "dependency out of reach since 2025-11-23T00:00:00.999Z");
    launch_free(l);
    store_close(store);
}

/* The limit that holds a run is named, the pool's before the class's. */
static void test_waits_for_names_the_limit(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct launch *other = store_fixture_launch(f, 2);
    struct err err = {0};
    struct store_limit limits[] = {
        {.class_name = "", .kind = "running", .limit_value = 2},
        {.class_name = l->class_name, .kind = "running", .limit_value = 1},
        {.class_name = l->class_name,
         .kind = "starts_per_second",
         .limit_value = 0.5,
         .burst = 1,
         .bucket = "b"},
    };
    must(store_replace_limits(store, limits, ARRAY_LEN(limits), &err), &err);
    other->run.state = RUN_STATE_REPORTING;
    store_fixture_save(store, other);
    expect_wait(f, store, l, "claim-ahead window");
    other->run.state = RUN_STATE_RUNNING;
    store_fixture_save(store, other);
    char *expected = check_printf("class %s limit: running 1", l->class_name);
    expect_wait(f, store, l, expected);
    free(expected);
    limits[0].limit_value = 1;
    must(store_replace_limits(store, limits, ARRAY_LEN(limits), &err), &err);
    expect_wait(f, store, l, "pool limit: running 1");
    l->run.state = RUN_STATE_READY;
    expect_wait(f, store, l, "launch slot");
    begin(store);
    must(store_save_bucket(store, "b", (f->now_ms + INT64_C(100000000000)) * 1000, &err), &err);
    commit(store);
    expected = check_printf("class %s limit: starts_per_second 0.5", l->class_name);
    expect_wait(f, store, l, expected);
    free(expected);
    launch_free(l);
    launch_free(other);
    store_close(store);
}

static void hold(struct store *store, const char *name, bool starts, const char *said, int64_t until_ms)
{
    struct err err = {0};
    struct store_hold hold = {.name = name,
                              .holds_starts = starts,
                              .said = said,
                              .since_ms = INT64_C(1763856000999),
                              .until_ms = until_ms};
    begin(store);
    must(store_save_hold(store, &hold, &err), &err);
    commit(store);
}

#define SINCE " since 2025-11-23T00:00:00.999Z"

/* What holds all of them is said before any limit; what holds claims only, not to who is claimed. */
static void test_losses_add_up(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(store_begin(store, &err), 0);
        assert_int_equal(store_add_loss(store, "events", i, 1000 * i, &err), 0);
        assert_int_equal(store_commit(store, &err), 0);
    }
    store_fixture_expect(f->path, "select * from losses", "events|6|1970-01-01T00:00:03.000Z");
    store_close(store);
}

static void test_waits_for_what_holds_all(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    hold(store, "prefect", false, "Prefect out of reach", 0);
    expect_wait(f, store, l, "Prefect out of reach" SINCE);
    l->run.state = RUN_STATE_READY;
    expect_wait(f, store, l, "launch slot");
    hold(store, "engine", true, "engine out of reach", INT64_C(4102444800000));
    expect_wait(f, store, l, "engine out of reach" SINCE " until 2100-01-01T00:00:00.000Z");
    hold(store, "engine", true, "the engine's breaker", 0); /* replaced */
    expect_wait(f, store, l, "the engine's breaker" SINCE);
    l->run.pending = RUN_ACTION_NONE;
    l->run.state = RUN_STATE_CREATING; /* has had its token */
    expect_wait(f, store, l, "");
    l->run.state = RUN_STATE_QUEUED;
    expect_wait(f, store, l, "Prefect out of reach" SINCE "; the engine's breaker" SINCE);
    int64_t since_ms = -1;
    begin(store);
    must(store_clear_hold(store, "prefect", &err), &err);
    must(store_clear_hold(store, "unknown", &err), &err);
    must(store_keep_hold(store, "engine", &since_ms, &err), &err);
    assert_int_equal(since_ms, INT64_C(1763856000999));
    must(store_keep_hold(store, "paused", &since_ms, &err), &err);
    assert_int_equal(since_ms, 0);
    commit(store);
    expect_wait(f, store, l, "claim-ahead window");
    launch_free(l);
    store_close(store);
}

static void test_running(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    l->run.state = RUN_STATE_STARTING;
    l->run.has_container = true;
    snprintf(l->container_id, sizeof(l->container_id), "c0ffee");
    store_fixture_save(store, l);
    store_fixture_expect(f->path, "select run_id, container_id, class, state, started_at, age_s from running",
                         "00000001-0000-4000-8000-000000000001|c0ffee|default|STARTING|(null)|(null)");
    l->run.start_sent_at_ms = f->now_ms - 3600000;
    store_fixture_save(store, l);
    store_fixture_expect(f->path, "select started_at is null, age_s between 3600 and 7200 from running",
                         "1|1");
    l->run.state = RUN_STATE_RUNNING;
    l->run.started_at_ms = f->now_ms - 7200000;
    store_fixture_save(store, l);
    char started_at[CLOCK_TEXT_SIZE];
    clock_format(l->run.started_at_ms, started_at);
    char *AUTO_FREE expected = check_printf("%s|1", started_at);
    store_fixture_expect(f->path, "select started_at, age_s between 7200 and 10800 from running", expected);
    l->run.started_at_ms = f->now_ms + 86400000; /* the clock was set back */
    store_fixture_save(store, l);
    store_fixture_expect(f->path, "select age_s from running", "0");
    launch_free(l);
    store_close(store);
}

static void test_times_are_exact_to_the_millisecond(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    static const int64_t times_ms[] = {
        1, 999, 1000, INT64_C(1763856000001), INT64_C(1763856059999), 253402300799999};
    for (size_t i = 0; i < ARRAY_LEN(times_ms); i++) {
        char text[CLOCK_TEXT_SIZE];
        l->run.due_at_ms = times_ms[i];
        clock_format(times_ms[i], text);
        store_fixture_save(store, l);
        store_fixture_expect(f->path, "select due_at from queue", text);
    }
    launch_free(l);
    store_close(store);
}

static void test_attempts_and_timeouts(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    store_fixture_save(store, l);
    const struct store_attempt attempts[] = {
        {.launch_id = l->launch_id,
         .class_name = "etl",
         .stage = "create",
         .attempt = 1,
         .started_at_ms = INT64_C(1763856000113),
         .took_ms = 60001,
         .timeout_ms = 60000,
         .timeout_from = "sluice.conf:12",
         .outcome = "timeout",
         .clock = "inactivity",
         .clock_ms = 20000,
         .clock_from = "DOCKER_CLIENT_TIMEOUT",
         .error_class = "unknown_outcome",
         .error = "no byte for 20 s"},
        {.launch_id = l->launch_id, .class_name = "etl", .stage = "create", .attempt = 2, .outcome = "ok"},
        {.stage = "stop",
         .attempt = 1,
         .outcome = "timeout",
         .clock = "total",
         .clock_ms = 5,
         .clock_from = "default"},
    };
    begin(store);
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
        must(store_add_attempt(store, &attempts[i], &err), &err);
    commit(store);
    store_fixture_expect(
        f->path,
        "select run_id, stage, attempt, started_at, took_ms, timeout_ms, timeout_from, outcome, "
        "error_class, error, class from attempts",
        "00000001-0000-4000-8000-000000000001|create|1|2025-11-23T00:00:00.113Z|60001|60000|"
        "sluice.conf:12|timeout|unknown_outcome|no byte for 20 s|etl\n"
        "00000001-0000-4000-8000-000000000001|create|2|(null)|0|0|(null)|ok|(null)|(null)|etl\n"
        "(null)|stop|1|(null)|0|0|(null)|timeout|(null)|(null)|");
    store_fixture_expect(f->path, "select run_id, stage, clock, clock_ms, clock_from, setting from timeouts",
                         "00000001-0000-4000-8000-000000000001|create|inactivity|20000|DOCKER_CLIENT_TIMEOUT|"
                         "create_inactivity\n"
                         "(null)|stop|total|5|default|stop");
    launch_free(l);
    store_close(store);
}

static void test_limits_and_tokens(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    int64_t now_us = f->now_ms * 1000;
    /* Hours, so that the seconds this test takes change nothing that is compared. */
    const struct store_limit limits[] = {
        {"", "starts_per_second", 0.001, 10, "pool", NULL},
        {"etl", "starts_per_second", 0.001, 10, "class:etl", NULL},
        {"full", "starts_per_second", 0.001, 10, "class:full", NULL},
        {"jumped", "starts_per_second", 0.001, 10, "class:jumped", NULL},
        {"", "starts_per_second", -1, 4, "pool", NULL},
        {"", "launching", 3, 0, NULL, "auto"},
        {"", "running", -1, 0, NULL, NULL},
        {"zero", "starts_per_second", 0.001, 0, "class:none", NULL},
    };
    begin(store);
    must(store_save_bucket(store, "pool", now_us + INT64_C(2500) * 1000000, &err), &err);
    must(store_save_bucket(store, "class:etl", now_us + INT64_C(10000) * 1000000, &err), &err);
    must(store_save_bucket(store, "class:full", 5, &err), &err);
    must(store_save_bucket(store, "class:jumped", now_us + INT64_C(900000) * 1000000, &err), &err);
    must(store_replace_limits(store, limits, ARRAY_LEN(limits), &err), &err);
    commit(store);
    store_fixture_expect(f->path,
                         "select class, kind, \"limit\", in_use, round(tokens, 1), learned_value from limits",
                         "(pool)|starts_per_second|0.001|(null)|7.5|(null)\n"
                         "etl|starts_per_second|0.001|(null)|0.0|(null)\n"
                         "full|starts_per_second|0.001|(null)|10.0|(null)\n"
                         "jumped|starts_per_second|0.001|(null)|0.0|(null)\n"
                         "(pool)|starts_per_second|(null)|(null)|(null)|(null)\n"
                         "(pool)|launching|3.0|0|(null)|3.0\n"
                         "(pool)|running|(null)|0|(null)|(null)\n"
                         "zero|starts_per_second|0.001|(null)|1.0|(null)");
    /* the scheduler's own arithmetic says the same */
    struct bucket b = bucket_make(0.001, 10, now_us + INT64_C(2500) * 1000000);
    assert_true(bucket_tokens(&b, f->now_ms) > 7.49 && bucket_tokens(&b, f->now_ms) < 7.51);
    must(store_replace_limits(store, limits, 1, &err), &err);
    assert_false(store_is_begun(store));
    store_fixture_expect(f->path, "select count(*) from limits", "1");
    must(store_replace_limits(store, NULL, 0, &err), &err);
    store_fixture_expect(f->path, "select count(*) from limits", "0");
    store_close(store);
}

static void test_class_counts(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    const struct store_class classes[] = {
        {"etl", "tag: etl, nightly-*", 10}, {"idle", "flow: idle", 0}, {"default", "everything else", 0}};
    must(store_replace_classes(store, classes, ARRAY_LEN(classes), &err), &err);
    static const struct {
        const char *class_name;
        enum run_state run_state;
    } rows[] = {
        {"etl", RUN_STATE_QUEUED},        {"etl", RUN_STATE_QUEUED},   {"etl", RUN_STATE_RUNNING},
        {"default", RUN_STATE_PARKED},    {"etl", RUN_STATE_FINISHED}, {"gone", RUN_STATE_HANDING_BACK},
        {"long ago", RUN_STATE_FINISHED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct launch *l = store_fixture_launch(f, (int)i);
        launch_set_text(&l->class_name, rows[i].class_name);
        l->run.state = rows[i].run_state;
        store_fixture_save(store, l);
        launch_free(l);
    }
    store_fixture_expect(f->path,
                         "select class, rule, queued, running, parked, handing_back, finished, priority "
                         "from classes",
                         "etl|tag: etl, nightly-*|2|1|0|0|1|10\n"
                         "idle|flow: idle|0|0|0|0|0|0\n"
                         "default|everything else|0|0|1|0|0|0\n"
                         "gone|(no longer configured)|0|0|0|1|0|(null)");
    const struct store_class twice[] = {{"a", "", 0}, {"a", "", 0}};
    assert_int_equal(store_replace_classes(store, twice, 2, &err), -1);
    assert_false(store_is_begun(store));
    store_fixture_expect(f->path, "select count(*) from classes", "4"); /* the old ones are still there */
    store_close(store);
}

static void add_samples(struct store *store, const char *class_name, const char *stage, const char *outcome,
                        int from_ms, int to_ms, int step)
{
    struct err err = {0};
    begin(store);
    for (int ms = from_ms; ms != to_ms; ms += step) {
        struct store_attempt a = {
            .class_name = class_name, .stage = stage, .outcome = outcome, .took_ms = ms};
        must(store_add_attempt(store, &a, &err), &err);
    }
    commit(store);
}

static void test_percentiles(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    const struct store_class classes[] = {{"etl", "", 0}, {"default", "", 0}};
    must(store_replace_classes(store, classes, ARRAY_LEN(classes), &err), &err);
    add_samples(store, "etl", "create", "ok", 100000, 100500, 1); /* older than the last 1,000 */
    add_samples(store, "etl", "create", "ok", 1000, 0, -1);
    add_samples(store, "etl", "create", "timeout", 50000, 50100, 1);
    add_samples(store, "etl", "create", "error", 50000, 50100, 1);
    add_samples(store, "etl", "start", "ok", 7, 8, 1);
    add_samples(store, "default", "pull", "ok", 10, 50, 10); /* 10 20 30 40 */
    add_samples(store, "other", "pull", "ok", 1, 2, 1);
    store_fixture_expect(
        f->path,
        "select class, create_p50_ms, create_p95_ms, create_p99_ms, start_p50_ms, start_p99_ms, "
        "pull_p50_ms, pull_p95_ms from classes",
        "etl|500|950|990|7|7|(null)|(null)\n"
        "default|(null)|(null)|(null)|(null)|(null)|20|40");
    store_close(store);
}

static void test_parked(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    struct err err = {0};
    l->run.state = RUN_STATE_PARKED;
    l->updated_at_ms = INT64_C(1763856000113);
    store_fixture_save(store, l);
    store_fixture_expect(f->path, "select reason from parked", "unknown");
    begin(store);
    must(store_add_transition(store, l->launch_id, "REPORTING", "PARKED", "6 tries", 1, &err), &err);
    commit(store);
    store_fixture_expect(f->path, "select reason from parked", "6 tries");
    launch_set_text(&l->last_error, "no space left on device");
    store_fixture_save(store, l);
    store_fixture_expect(
        f->path, "select run_id, run_name, class, reason, since, release from parked",
        "00000001-0000-4000-8000-000000000001|run-1|default|no space left on device|"
        "2025-11-23T00:00:00.113Z|sluice retry 00000001-0000-4000-8000-000000000001 (or: sluice "
        "discard 00000001-0000-4000-8000-000000000001)");
    launch_free(l);
    store_close(store);
}

/* Looking at the present must not read the past: views over living rows use the partial index. */
static void test_views_do_not_read_finished_rows(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    static const char *const views[] = {"queue", "running", "parked", "limits"};
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        char *AUTO_FREE sql = check_printf("explain query plan select * from %s", views[i]);
        char *AUTO_FREE plan = store_fixture_shell(f->path, sql);
        assert_non_null(strstr(plan, "USING INDEX launches_open (state=?)"));
        assert_null(strstr(plan, "SCAN launches"));
        assert_null(strstr(plan, "SCAN l\n"));
    }
    char *AUTO_FREE plan = store_fixture_shell(f->path, "explain query plan select * from classes");
    assert_null(strstr(plan, "SCAN launches\n"));
    assert_null(strstr(plan, "SCAN attempt_rows\n"));
    assert_null(strstr(plan, "SCAN a\n"));
    assert_non_null(strstr(plan, "USING INDEX attempts_ok (class_name=? AND stage=?)"));
    assert_null(strstr(plan, "launches_finished"));
}

#define SOME_ID "3ef87fcc-e45e-4911-a1b1-32ab16e5356a"

/* What people ask of the past: no walk over all of it. The table that is asked by its newest rows is read
 * from its end, without sorting, as far as the LIMIT goes. */
static void test_questions_about_the_past_use_an_index(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    static const char *const views[] = {"attempts", "timeouts", "history"};
    static const char *const by[] = {"run_id = '" SOME_ID "'", "run_name = 'happy-otter'",
                                     "launch_id = '" SOME_ID "'"};
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        for (size_t k = 0; k < ARRAY_LEN(by); k++) {
            char *AUTO_FREE sql =
                check_printf("explain query plan select * from %s where %s", views[i], by[k]);
            char *AUTO_FREE plan = store_fixture_shell(f->path, sql);
            if (strstr(plan, "SCAN") != NULL)
                fail_msg("%s\n%s", sql, plan);
        }
        char *AUTO_FREE sql =
            check_printf("explain query plan select * from %s order by number desc limit 20", views[i]);
        char *AUTO_FREE plan = store_fixture_shell(f->path, sql);
        if (strstr(plan, "TEMP B-TREE") != NULL || strstr(plan, "SCAN l") != NULL)
            fail_msg("%s\n%s", sql, plan);
    }
}

/* Each example query of the page runs as it is written there. */
static void test_examples_of_the_page_run(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    FILE *page = fopen("docs/state-file.md", "r");
    assert_non_null(page);
    char line[512];
    int examples = 0;
    while (fgets(line, sizeof(line), page) != NULL) {
        if (strncmp(line, "    select ", 11) != 0)
            continue;
        free(store_fixture_shell(f->path, line));
        examples++;
    }
    fclose(page);
    assert_true(examples >= 8); /* one a view */
}

#define MANY 100000

/* Copies of one saved launch, made inside SQLite. */
static void multiply(const char *path, int count)
{
    char *AUTO_FREE columns = store_fixture_shell(
        path, "select group_concat(name) from pragma_table_info('launches') where name not in ('launch_key', "
              "'launch_id', 'flow_run_id')");
    char *AUTO_FREE sql =
        check_printf("with recursive n (i) as (values (2) union all select i + 1 from n where i < %d) "
                     "insert into launches (launch_id, flow_run_id, %s) select 'launch-' || i, 'run-' || i, "
                     "%s from launches, n",
                     count, columns, columns);
    free(store_fixture_shell_write(path, sql));
}

static void test_many_rows_are_readable(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    set_limits(store);
    store_fixture_save(store, l);
    launch_free(l);
    store_close(store);
    multiply(f->path, MANY);
    store = store_fixture_open(f);
    int64_t began_ms = clock_mono_ms(&clock_system);
    char *AUTO_FREE expected = check_printf("%d|1|%d", MANY, MANY);
    store_fixture_expect(f->path, "select count(*), min(position), max(position) from queue", expected);
    int64_t counted_ms = clock_mono_ms(&clock_system);
    char *AUTO_FREE all = store_fixture_shell(f->path, "select * from queue");
    int64_t printed_ms = clock_mono_ms(&clock_system);
    assert_true(strlen(all) > (size_t)MANY * 100);
    char *AUTO_FREE others = store_fixture_shell(f->path, "select * from limits; select * from classes");
    int64_t others_ms = clock_mono_ms(&clock_system);
    assert_true(strlen(others) > 100);
    print_message("%d rows: queue counted in %lld ms, printed in %lld ms, limits and classes in "
                  "%lld ms\n",
                  MANY, (long long)(counted_ms - began_ms), (long long)(printed_ms - counted_ms),
                  (long long)(others_ms - printed_ms));
    store_close(store);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_names_and_columns),
        STORE_TEST(test_classes_has_each_state_and_stage),
        STORE_TEST(test_each_state_is_where_it_belongs),
        STORE_TEST(test_each_request_is_counted),
        STORE_TEST(test_queue_order_and_values),
        STORE_TEST(test_waits_for),
        STORE_TEST(test_waits_for_names_the_limit),
        STORE_TEST(test_losses_add_up),
        STORE_TEST(test_waits_for_what_holds_all),
        STORE_TEST(test_running),
        STORE_TEST(test_times_are_exact_to_the_millisecond),
        STORE_TEST(test_attempts_and_timeouts),
        STORE_TEST(test_limits_and_tokens),
        STORE_TEST(test_class_counts),
        STORE_TEST(test_percentiles),
        STORE_TEST(test_parked),
        STORE_TEST(test_views_do_not_read_finished_rows),
        STORE_TEST(test_questions_about_the_past_use_an_index),
        STORE_TEST(test_examples_of_the_page_run),
        STORE_TEST(test_many_rows_are_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
