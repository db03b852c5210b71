/*
 * test_flow_many.c - hundreds of runs at once: what it costs to watch them, and that none waits for another.
 */
#include "tests/flow/world.h"

/* So many runs, RUNNING until they are told to end. */
static void begin_runs(struct world *w, const char **runs, size_t count, const char *config_text)
{
    for (size_t i = 0; i < count; i++)
        runs[i] = world_add_run(w);
    w->flow = (struct world_flow){.run_ms = -1};
    world_start(w, config_text);
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_RUNNING) == count);
}

static void cancel_runs(struct world *w, const char **runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fake_prefect_user_cancels(w->prefect, runs[i]);
}

/* ---- what the watch costs ---- */

/* Two of them are the looks for cancels that nobody has. */
static int looks_in_a_minute(struct world *w)
{
    int before = fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS);
    world_pass(w, MINUTES(1));
    return fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS) - before;
}

static void test_two_hundred_runs_are_watched_by_one_request(void **state)
{
    struct world *w = *state;
    enum { RUNS = 200 };
    const char *runs[RUNS];
    begin_runs(w, runs, RUNS, "[limits]\nlaunching = 20\n");
    world_pass(w, SECONDS(10));
    assert_in_range(looks_in_a_minute(w), 7, 9); /* one every 10 s, and the minute may cut one in two */
    world_add_run(w);                            /* the 201st */
    UNTIL(w, SECONDS(30), world_count(w, PREFECT_STATE_RUNNING) == RUNS + 1);
    world_pass(w, SECONDS(10));
    assert_in_range(looks_in_a_minute(w), 10, 16);
}

/* The first and the last of six hundred are seen within ten seconds, as any other. */
static void test_six_hundred_runs_are_seen_within_ten_seconds(void **state)
{
    struct world *w = *state;
    enum { RUNS = 600 };
    const char *runs[RUNS];
    begin_runs(w, runs, RUNS, "[limits]\nlaunching = 50\n");
    world_pass(w, SECONDS(20));
    assert_in_range(looks_in_a_minute(w), 20, 22);
    cancel_runs(w, runs, RUNS);
    UNTIL(w, SECONDS(10), world_number(w, "SELECT count(*) FROM launches WHERE cancel_wanted") == RUNS);
}

/* ---- their cancels ---- */

static int64_t stops_take_their_time(void *arg, int call, int in_flight)
{
    (void)arg;
    (void)in_flight;
    return call == FAKE_ENGINE_STOP ? 3000 : 0;
}

/* All at once; each has its grace time, and none waits for another's. */
static void test_four_hundred_cancels_at_once(void **state)
{
    struct world *w = *state;
    enum { RUNS = 400 };
    const char *runs[RUNS];
    begin_runs(w, runs, RUNS, "[limits]\nlaunching = 50\n");
    cancel_runs(w, runs, RUNS);
    fake_engine_set_latency(w->engine, stops_take_their_time, NULL);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_CANCELLED) == RUNS);
    assert_int_equal(fake_engine_peak(w->engine, FAKE_ENGINE_STOP), 200);
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        assert_string_equal(fake_engine_container_at(w->engine, i)->state, "exited");
    UNTIL(w, SECONDS(10), world_launches(w) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_two_hundred_runs_are_watched_by_one_request),
        FLOW_TEST(test_six_hundred_runs_are_seen_within_ten_seconds),
        FLOW_TEST(test_four_hundred_cancels_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
