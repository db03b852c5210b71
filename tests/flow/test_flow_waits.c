/* test_flow_waits.c - why a run waits, as `select waits_for from queue` tells it. */
#include "tests/flow/world.h"

static void expect_wait(struct world *w, const char *run, const char *expected)
{
    char sql[300];
    world_pass(w, 100);
    snprintf(sql, sizeof(sql), "SELECT coalesce(waits_for, '') FROM queue WHERE run_id = '%s'", run);
    assert_string_equal(world_query(w, sql), expected);
}

static void test_for_a_slot_of_the_pool(void **state)
{
    struct world *w = *state;
    const char *first = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, "[limits]\nrunning = 1\n");
    UNTIL(w, SECONDS(10), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, run, RUN_STATE_QUEUED));
    expect_wait(w, run, "pool limit: running 1");
}

static void test_for_a_slot_of_its_class(void **state)
{
    struct world *w = *state;
    const char *first = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, "[class n]\nmatch_deployment = nightly\nrunning = 1\n");
    UNTIL(w, SECONDS(10), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, run, RUN_STATE_QUEUED));
    expect_wait(w, run, "class n limit: running 1");
}

static void test_for_a_token(void **state)
{
    struct world *w = *state;
    w->clock.wall_ms += (int64_t)20 * 365 * 86400 * 1000; /* the view compares with the real present */
    const char *first = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, "[limits]\nstarts_per_second = 0.001\n");
    UNTIL(w, SECONDS(10), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, run, RUN_STATE_READY));
    expect_wait(w, run, "pool limit: starts_per_second 0.001");
}

static void test_for_a_launch_slot(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    world_add_run(w);
    world_start(w, "[limits]\nlaunching = 1\n");
    UNTIL(w, SECONDS(10), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, run, RUN_STATE_READY));
    expect_wait(w, run, "pool limit: launching 1");
}

static void test_for_the_end_of_a_backoff(void **state)
{
    struct world *w = *state;
    w->clock.wall_ms = 4102444800000; /* 2100: the view compares with the real present */
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "database is locked"});
    const char *run = world_add_run(w);
    world_start(w, "[retry]\nbase = 30s\njitter = none\n");
    UNTIL(w, SECONDS(10), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    expect_wait(w, run, "backoff until 2100-01-01T00:00:30.000Z");
    assert_string_equal(world_query(w, "SELECT last_error FROM queue"), "create: database is locked");
    assert_string_equal(world_query(w, "SELECT next_try_at FROM queue"), "2100-01-01T00:00:30.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_for_a_slot_of_the_pool),
        FLOW_TEST(test_for_a_slot_of_its_class),
        FLOW_TEST(test_for_a_token),
        FLOW_TEST(test_for_a_launch_slot),
        FLOW_TEST(test_for_the_end_of_a_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
