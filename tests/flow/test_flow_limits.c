/* test_flow_limits.c - how fast and how many: token buckets, launch slots, running slots, classes, reload. */
#include "tests/flow/world.h"

#define RUNS_MAX 64

/* Start times of all containers, sorted as they were created. */
static size_t start_times(struct world *w, int64_t *times)
{
    size_t count = fake_engine_container_count(w->engine);
    assert_true(count <= RUNS_MAX);
    for (size_t i = 0; i < count; i++)
        times[i] = fake_engine_container_at(w->engine, i)->created_at_ms;
    return count;
}

/* No window of any length holds more starts than burst + rate * length. */
static void expect_rate(struct world *w, double per_second, int64_t burst)
{
    int64_t times[RUNS_MAX];
    size_t count = start_times(w, times);
    for (size_t i = 0; i < count; i++)
        for (size_t j = i; j < count; j++) {
            double allowed = (double)burst + per_second * (double)(times[j] - times[i]) / 1000.0;
            if ((double)(j - i + 1) > allowed + 0.001)
                fail_msg("%zu starts in %d ms", j - i + 1, (int)(times[j] - times[i]));
        }
}

static void add_runs(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        world_add_run(w);
}

static void until_completed(struct world *w, size_t count)
{
    UNTIL(w, MINUTES(20), world_count(w, PREFECT_STATE_COMPLETED) == count && world_launches(w) == 0);
}

static void test_starts_per_second(void **state)
{
    struct world *w = *state;
    add_runs(w, 30);
    world_start(w, "[limits]\nstarts_per_second = 2\nstart_burst = 4\nlaunching = 20\n");
    until_completed(w, 30);
    expect_rate(w, 2, 4);
    /* And not slower than that: 4 at once, then one every 500 ms. */
    int64_t times[RUNS_MAX];
    start_times(w, times);
    assert_int_equal(times[3] - times[0], 0);
    assert_true(times[29] - times[0] <= 26 * 500 + 50);
}

static void test_a_restart_grants_no_new_burst(void **state)
{
    struct world *w = *state;
    add_runs(w, 12);
    world_start(w, "[limits]\nstarts_per_second = 1\nstart_burst = 3\nlaunching = 20\n");
    UNTIL(w, MINUTES(1), fake_engine_starts(w->engine, NULL) == 3);
    world_crash(w);
    world_start(w, NULL);
    until_completed(w, 12);
    expect_rate(w, 1, 3);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 12);
}

static void test_runs_that_waited_for_one_pull_start_at_the_buckets_rate(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 30000, .lines = 30});
    add_runs(w, 20);
    world_start(w, "[limits]\nstarts_per_second = 4\nstart_burst = 2\nlaunching = 30\n");
    until_completed(w, 20);
    expect_rate(w, 4, 2);
}

static const char *const etl_tags[] = {"etl", NULL};

static const char *add_tagged(struct world *w)
{
    return fake_prefect_add_run(w->prefect,
                                &(struct fake_prefect_run){.deployment_id = w->deployment, .tags = etl_tags});
}

static int running_of(struct world *w, const char *class_name)
{
    int count = 0;
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(w->engine, i);
        count += strcmp(c->state, "running") == 0 && strstr(c->create_body, class_name) != NULL;
    }
    return count;
}

#define ETL "\"io.sluice.class\":\"etl\""

static void test_a_class_at_its_limit_holds_up_nobody(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++)
        add_tagged(w);
    add_runs(w, 10);
    w->flow.run_ms = -1;
    world_start(w, "[limits]\nlaunching = 20\n[class etl]\nmatch_tag = etl\nrunning = 3\n");
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 13);
    assert_int_equal(running_of(w, ETL), 3);
    assert_int_equal(world_number(w, "SELECT in_use FROM limits WHERE class = 'etl' AND kind = 'running'"),
                     3);
    assert_int_equal(world_number(w, "SELECT count(*) FROM queue WHERE class = 'etl'"), 7);
}

static void add_with_tag(struct world *w, const char *const *tags, int count)
{
    for (int i = 0; i < count; i++)
        fake_prefect_add_run(w->prefect,
                             &(struct fake_prefect_run){.deployment_id = w->deployment, .tags = tags});
}

/* By the run's tags, as the poll told them; and after a kill, by the rows. */
static void test_a_value_at_its_limit_holds_up_nobody(void **state)
{
    struct world *w = *state;
    static const char *const team_a[] = {"x", "team-a", NULL};
    static const char *const team_b[] = {"team-b", NULL};
    add_with_tag(w, team_a, 10);
    add_with_tag(w, team_b, 1);
    add_runs(w, 2);
    w->flow.run_ms = -1;
    world_start(w, "[limits]\nlaunching = 20\nrunning_per = tag:team-* 3\n");
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 6);
    assert_string_equal(world_query(w,
                                    "SELECT group_concat(n) FROM (SELECT value || ' ' || count(*) AS n FROM "
                                    "value_slots GROUP BY value ORDER BY value)"),
                        "team-a 3,team-b 1");
    assert_string_equal(world_query(w, "SELECT DISTINCT waits_for FROM queue"),
                        "pool limit: running_per tag:team-* 3 (team-a)");
    world_crash(w);
    world_start(w, NULL);
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 6);
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static void test_a_deployment_runs_one_at_a_time(void **state)
{
    struct world *w = *state;
    add_runs(w, 5);
    world_start(w, "[limits]\nlaunching = 20\nrunning_per = deployment 1\n");
    int most = 0;
    UNTIL_DOING(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 5,
                most = larger(most, running_of(w, "")));
    assert_int_equal(most, 1);
}

static void test_a_class_has_its_own_rate(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 8; i++)
        add_tagged(w);
    world_start(
        w,
        "[limits]\nlaunching = 20\n[class etl]\nmatch_tag = etl\nstarts_per_second = 1\nstart_burst = 2\n");
    until_completed(w, 8);
    expect_rate(w, 1, 2);
}

static int64_t half_a_second(void *arg, int call, int in_flight)
{
    (void)arg;
    (void)in_flight;
    return call == FAKE_ENGINE_CREATE || call == FAKE_ENGINE_START ? 500 : 0;
}

static int launching_now(const struct world *w)
{
    return fake_engine_in_flight(w->engine, FAKE_ENGINE_CREATE) +
           fake_engine_in_flight(w->engine, FAKE_ENGINE_START);
}

static void test_launching_counts_engine_calls_in_flight(void **state)
{
    struct world *w = *state;
    fake_engine_set_latency(w->engine, half_a_second, NULL);
    add_runs(w, 20);
    world_start(w, "[limits]\nlaunching = 4\n");
    int most = 0;
    UNTIL_DOING(w, MINUTES(5), fake_engine_starts(w->engine, NULL) == 20,
                most = larger(most, launching_now(w)));
    assert_int_equal(most, 4);
    /* The engine never waits for Prefect: 40 calls of 500 ms, four at a time. */
    assert_true(w->clock.wall_ms - fake_engine_container_at(w->engine, 0)->created_at_ms <= 5000 + 600);
}

static void test_a_class_may_launch_less_at_once(void **state)
{
    struct world *w = *state;
    fake_engine_set_latency(w->engine, half_a_second, NULL);
    for (int i = 0; i < 6; i++)
        add_tagged(w);
    world_start(w, "[limits]\nlaunching = 10\n[class etl]\nmatch_tag = etl\nlaunching = 2\n");
    int most = 0;
    UNTIL_DOING(w, MINUTES(5), fake_engine_starts(w->engine, NULL) == 6,
                most = larger(most, launching_now(w)));
    assert_int_equal(most, 2);
}

static void test_running_limit(void **state)
{
    struct world *w = *state;
    add_runs(w, 12);
    world_start(w, "[limits]\nrunning = 3\nlaunching = 10\n");
    int most = 0;
    UNTIL_DOING(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 12,
                most = larger(most, running_of(w, "")));
    assert_int_equal(most, 3);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 12);
}

static void test_the_option_limit_is_a_running_limit(void **state)
{
    struct world *w = *state;
    const char *const flags[] = {"command.limit", "2", NULL};
    w->flags = flags;
    w->flow.run_ms = -1;
    add_runs(w, 5);
    world_start(w, "[limits]\nrunning = 4\n");
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 2);
    /* What can't start is not claimed: it stays free for other workers. */
    assert_int_equal(world_count(w, PREFECT_STATE_SCHEDULED), 3);
}

static void test_a_freed_slot_is_used_at_once(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = 5000;
    add_runs(w, 2);
    world_start(w, "[prefect]\npoll_interval = 60s\n[limits]\nrunning = 1\n");
    until_completed(w, 2);
    const struct fake_container *first = fake_engine_container_at(w->engine, 0);
    assert_true(fake_engine_container_at(w->engine, 1)->created_at_ms - first->finished_at_ms <= 1000);
}

static void test_a_backoff_holds_no_launch_slot(void **state)
{
    struct world *w = *state;
    const char *run = world_add_named_run(w, "bad");
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "no space left on device"});
    world_start(w, "[limits]\nlaunching = 1\n[retry]\nbase = 30s\njitter = none\n");
    UNTIL(w, SECONDS(5), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    const char *good = world_add_named_run(w, "good");
    UNTIL(w, SECONDS(30), world_state(w, good) == PREFECT_STATE_RUNNING);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    until_completed(w, 2);
}

static void test_reload_changes_limits(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    add_runs(w, 8);
    world_start(w, "[limits]\nrunning = 2\n");
    world_pass(w, SECONDS(20));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 2);
    world_reload(w, "[limits]\nrunning = 5\n");
    world_pass(w, SECONDS(20));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 5);
    assert_string_equal(world_query(w, "SELECT in_use || '/' || \"limit\" FROM limits "
                                       "WHERE class = '(pool)' AND kind = 'running'"),
                        "5/5.0");
    /* Fewer: nothing is stopped for it. */
    world_reload(w, "[limits]\nrunning = 1\n");
    world_pass(w, SECONDS(20));
    assert_int_equal(running_of(w, ""), 5);
}

static void test_reload_while_launches_wait_in_line(void **state)
{
    struct world *w = *state;
    add_runs(w, 10);
    for (int i = 0; i < 5; i++)
        add_tagged(w);
    world_start(w, "[limits]\nstarts_per_second = 1\n[class etl]\nmatch_tag = etl\nrunning = 1\n");
    UNTIL(w, SECONDS(30), fake_engine_starts(w->engine, NULL) == 3);
    world_reload(w, "[limits]\nstarts_per_second = 20\n");
    until_completed(w, 15);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 15);
}

#define SHARED "[limits]\nshared_limit = all-hosts\nshared_limit_fallback = 0.5\nlaunching = 20\n"

static void test_starts_take_tokens_of_a_shared_limit(void **state)
{
    struct world *w = *state;
    fake_prefect_add_limit(w->prefect, "all-hosts", 3, 2);
    add_runs(w, 30);
    world_start(w, SHARED);
    until_completed(w, 30);
    /* A token may be used a little later than it was taken. */
    expect_rate(w, 2, 3 + 1);
    int64_t times[RUNS_MAX];
    start_times(w, times);
    assert_true(times[29] - times[0] <= SECONDS(30));
    /* Tokens are asked for a few at a time, never in a tight loop. */
    assert_true(fake_prefect_calls(w->prefect, FAKE_PREFECT_TAKE_RATE) <= 60);
}

static void test_without_its_shared_limit_a_host_has_a_share_of_its_own(void **state)
{
    struct world *w = *state;
    add_runs(w, 12);
    /* Prefect grants whatever is asked of a limit that it doesn't know. */
    world_start(w, SHARED);
    UNTIL(w, MINUTES(1), fake_engine_starts(w->engine, NULL) == 4);
    expect_rate(w, 0.5, 1);
    assert_int_equal(world_logged(w, "there is no active global concurrency limit of this name"), 1);
    fake_prefect_add_limit(w->prefect, "all-hosts", 8, 8);
    UNTIL(w, SECONDS(15), fake_engine_starts(w->engine, NULL) == 12);
    until_completed(w, 12);
}

static void test_a_shared_limit_that_can_not_be_asked(void **state)
{
    struct world *w = *state;
    fake_prefect_add_limit(w->prefect, "all-hosts", 100, 100);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_TAKE_RATE,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 500});
    add_runs(w, 6);
    world_start(w, SHARED);
    UNTIL(w, MINUTES(1), fake_engine_starts(w->engine, NULL) == 4);
    expect_rate(w, 0.5, 1);
    fake_prefect_clear_faults(w->prefect);
    until_completed(w, 6);
    /* Named no more, it is asked no more. */
    int calls = fake_prefect_calls(w->prefect, FAKE_PREFECT_TAKE_RATE);
    add_runs(w, 5);
    world_reload(w, "[limits]\nlaunching = 20\n");
    until_completed(w, 11);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_TAKE_RATE), calls);
}

static void test_stops_are_limited(void **state)
{
    struct world *w = *state;
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1, .ignores_sigterm = true};
    add_runs(w, 6);
    world_start(w, "[limits]\nstops = 2\n[timeouts]\nmax_run_time = 20s\n");
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_CRASHED) == 6 && world_launches(w) == 0);
    assert_int_equal(fake_engine_peak(w->engine, FAKE_ENGINE_STOP), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_starts_per_second),
        FLOW_TEST(test_a_restart_grants_no_new_burst),
        FLOW_TEST(test_runs_that_waited_for_one_pull_start_at_the_buckets_rate),
        FLOW_TEST(test_a_class_at_its_limit_holds_up_nobody),
        FLOW_TEST(test_a_value_at_its_limit_holds_up_nobody),
        FLOW_TEST(test_a_deployment_runs_one_at_a_time),
        FLOW_TEST(test_a_class_has_its_own_rate),
        FLOW_TEST(test_launching_counts_engine_calls_in_flight),
        FLOW_TEST(test_a_class_may_launch_less_at_once),
        FLOW_TEST(test_running_limit),
        FLOW_TEST(test_the_option_limit_is_a_running_limit),
        FLOW_TEST(test_a_freed_slot_is_used_at_once),
        FLOW_TEST(test_a_backoff_holds_no_launch_slot),
        FLOW_TEST(test_reload_changes_limits),
        FLOW_TEST(test_reload_while_launches_wait_in_line),
        FLOW_TEST(test_starts_take_tokens_of_a_shared_limit),
        FLOW_TEST(test_without_its_shared_limit_a_host_has_a_share_of_its_own),
        FLOW_TEST(test_a_shared_limit_that_can_not_be_asked),
        FLOW_TEST(test_stops_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
