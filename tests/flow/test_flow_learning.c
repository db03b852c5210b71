/* test_flow_learning.c - launching = auto: the limits leave a bad value, stand in the view, and a restart
 * goes on from them. */
#include "tests/flow/world.h"

#include <sqlite3.h>

/* An engine that starts KNEE containers at once as fast as one. */
#define KNEE 12
#define START_MS 200
#define CREATE_MS 20
#define RUNS 180

static int64_t latency(void *arg, int call, int in_flight)
{
    (void)arg;
    if (call == FAKE_ENGINE_CREATE)
        return CREATE_MS;
    if (call != FAKE_ENGINE_START)
        return 0;
    return in_flight <= KNEE ? START_MS : (int64_t)START_MS * in_flight / KNEE;
}

static void run_many(struct world *w, int count)
{
    int before = fake_engine_starts(w->engine, NULL);
    for (int i = 0; i < count; i++)
        world_add_run(w);
    fake_engine_reset_counts(w->engine);
    UNTIL(w, MINUTES(10), fake_engine_starts(w->engine, NULL) == before + count && world_launches(w) == 0);
}

static double learned(struct world *w, const char *stage)
{
    char sql[160];
    snprintf(sql, sizeof(sql), "SELECT learned_value FROM limits WHERE class = '(pool)' AND kind = '%s'",
             stage);
    return strtod(world_query(w, sql), NULL);
}

static long samples(struct world *w)
{
    return strtol(world_query(w, "SELECT learned_from FROM limits WHERE kind = 'launching:start'"), NULL, 10);
}

static void learn(struct world *w)
{
    w->flow.run_ms = 1000;
    fake_engine_set_latency(w->engine, latency, NULL);
    world_start(w, "[limits]\nlaunching = auto\n");
    UNTIL(w, SECONDS(30), world_logged(w, "worker online") == 1);
    run_many(w, RUNS);
    assert_true(learned(w, "launching:start") >= 6);
    assert_true(learned(w, "launching:start") <= 2 * KNEE);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) >= 8);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) <= 3 * KNEE);
}

/* Runs so few that nothing can be learned of them: how many are in flight at once is what was known. */
#define FEW 16

static void test_auto_leaves_a_bad_value_and_a_restart_goes_on(void **state)
{
    struct world *w = *state;
    learn(w);
    long seen = samples(w);
    world_stop(w); /* writes also what was learned within the last seconds */
    assert_true(samples(w) > seen);
    double before = learned(w, "launching:start");
    world_start(w, NULL);
    run_many(w, FEW);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) >= 6);
    assert_true(learned(w, "launching:start") >= before / 2);
}

static void test_a_kill_loses_little_of_it(void **state)
{
    struct world *w = *state;
    learn(w);
    world_crash(w);
    world_start(w, NULL);
    run_many(w, FEW);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) >= 5);
}

/* At first two creates and two starts go out; nothing more is known of a new engine. */
static void test_it_begins_low(void **state)
{
    struct world *w = *state;
    fake_engine_set_latency(w->engine, latency, NULL);
    world_start(w, NULL);
    run_many(w, FEW);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) <= 4);
}

static void test_garbage_in_the_state_file_is_passed_over(void **state)
{
    struct world *w = *state;
    learn(w);
    world_stop(w);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(w->state_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE learned_rows SET state = '1 99999999 x'", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    world_start(w, NULL);
    run_many(w, FEW);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) <= 4);
}

static void test_a_fixed_limit_forgets_what_was_learned(void **state)
{
    struct world *w = *state;
    learn(w);
    world_reload(w, "[limits]\nlaunching = 2\n");
    run_many(w, FEW);
    assert_true(fake_engine_peak(w->engine, FAKE_ENGINE_START) <= 2);
    assert_int_equal(world_number(w, "SELECT count(*) FROM limits WHERE kind LIKE 'launching:%'"), 0);
    world_reload(w, "[limits]\nlaunching = auto\n");
    run_many(w, FEW);
    world_pass(w, SECONDS(10)); /* it is written every few seconds, with a commit of other things */
    run_many(w, FEW);
    assert_int_equal(world_number(w, "SELECT count(*) FROM limits WHERE kind LIKE 'launching:%'"), 2);
}

/* An engine that starts five containers a second, however many are asked for. */
static int64_t latency_of_a_full_engine(void *arg, int call, int in_flight)
{
    (void)arg;
    if (call == FAKE_ENGINE_CREATE)
        return CREATE_MS;
    return call == FAKE_ENGINE_START ? (int64_t)START_MS * in_flight : 0;
}

/* The server takes its time for the pid, between create and start: containers must be created so far ahead
 * that the engine never waits for it. */
static void test_a_slow_server_leaves_no_gap_between_starts(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = 1000;
    fake_engine_set_latency(w->engine, latency_of_a_full_engine, NULL);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 2000});
    world_start(w, "[limits]\nlaunching = auto\n");
    UNTIL(w, SECONDS(30), world_logged(w, "worker online") == 1);
    run_many(w, RUNS);
    /* Of the second half: by then it is known how far ahead. */
    const char *took =
        world_query(w, "WITH s AS (SELECT julianday(started_at) * 86400.0 AS at_s, "
                       "row_number() OVER (ORDER BY started_at) AS n FROM attempts "
                       "WHERE stage = 'start') "
                       "SELECT (max(n) - min(n)) / (max(at_s) - min(at_s)) FROM s WHERE n > 90");
    double per_s = strtod(took, NULL);
    print_message("%.2f starts a second of 5\n", per_s);
    assert_true(per_s >= 0.95 * 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_slow_server_leaves_no_gap_between_starts),
        FLOW_TEST(test_auto_leaves_a_bad_value_and_a_restart_goes_on),
        FLOW_TEST(test_a_kill_loses_little_of_it),
        FLOW_TEST(test_it_begins_low),
        FLOW_TEST(test_garbage_in_the_state_file_is_passed_over),
        FLOW_TEST(test_a_fixed_limit_forgets_what_was_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
