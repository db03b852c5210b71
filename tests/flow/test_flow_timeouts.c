/* test_flow_timeouts.c - timeouts that are learned: soon enough, kept over a restart, told, and never a trap;
 * and the clocks of a whole run, to their ends. */
#include "tests/flow/world.h"

#define AUTO_CREATE "[limits]\nlaunching = 4\n[timeouts]\ncreate = auto\ntimeout_samples = 8\n"
#define LEARNED(column) "SELECT " column " FROM limits WHERE kind = 'timeout:create' AND class = 'default'"

struct slow {
    int call;
    int64_t takes_ms;
};

static int64_t takes(void *arg, int call, int in_flight)
{
    const struct slow *slow = arg;
    (void)in_flight;
    return call == slow->call ? slow->takes_ms : 0;
}

/* So many runs live and end. */
static void live(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(30), world_launches(w) == 0 && world_count(w, PREFECT_STATE_SCHEDULED) == 0);
}

/* What a restart would know. */
static long learned_ms(struct world *w)
{
    return world_number(w, LEARNED("learned_value"));
}

/* Learned from creates of 4 s, and saved. */
static void teach(struct world *w, struct slow *slow)
{
    *slow = (struct slow){FAKE_ENGINE_CREATE, 4000};
    fake_engine_set_latency(w->engine, takes, slow);
    world_start(w, AUTO_CREATE);
    world_pass(w, SECONDS(1));
    assert_int_equal(learned_ms(w), 60000);
    assert_string_equal(world_query(w, LEARNED("learned_from")), "fixed, 0 of 8 samples");
    live(w, 12);
    world_stop(w);
    assert_in_range(learned_ms(w), 10000, 10800);
    assert_string_equal(world_query(w, LEARNED("learned_from")), "12 samples");
}

static void expect_create_had(struct world *w, const char *from, long timeout_ms)
{
    char text[300];
    snprintf(
        text, sizeof(text),
        "SELECT count(*) FROM attempts WHERE stage = 'create' AND timeout_from = '%s' AND timeout_ms = %ld",
        from, timeout_ms);
    if (world_number(w, text) == 0)
        fail_msg("no create had %ld ms, %s", timeout_ms, from);
}

static void test_a_hung_create_is_noticed_at_the_learned_time_also_after_a_restart(void **state)
{
    struct world *w = *state;
    struct slow slow;
    teach(w, &slow);
    expect_create_had(w, "fixed (auto, 0 of 8 samples)", 60000);
    long known_ms = learned_ms(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    fake_engine_reset_counts(w->engine);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    int64_t sent_ms = w->clock.mono_ms;
    UNTIL(w, MINUTES(1), world_logged(w, "msg=timeout") == 1);
    assert_int_equal(w->clock.mono_ms - sent_ms, known_ms);
    assert_int_equal(world_logged(w, " clock_from=\"learned (auto, 12 samples)\""), 1);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    world_pass(w, 100);
    expect_create_had(w, "learned (auto, 12 samples)", known_ms);
    assert_int_equal(world_number(w,
                                  "SELECT count(*) FROM timeouts WHERE stage = 'create' AND clock = 'total' "
                                  "AND clock_from = 'learned (auto, 12 samples)'"),
                     1);
}

static void test_a_timeout_doubles_the_value_until_a_create_goes_well(void **state)
{
    struct world *w = *state;
    struct slow slow;
    teach(w, &slow);
    long known_ms = learned_ms(w);
    /* Three hang; the fourth doesn't. */
    for (int nth = 1; nth <= 3; nth++)
        fake_engine_add_fault(
            w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD, .nth = nth});
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), world_logged(w, "msg=timeout") == 2);
    UNTIL(w, SECONDS(30), learned_ms(w) == 4 * known_ms);
    UNTIL(w, MINUTES(5), world_logged(w, "msg=timeout") == 3 && world_launches(w) == 0);
    expect_create_had(w, "learned (auto, 12 samples)", known_ms);
    expect_create_had(w, "learned (auto, 12 samples)", 2 * known_ms);
    expect_create_had(w, "learned (auto, 12 samples)", 4 * known_ms);
    world_stop(w);
    assert_int_equal(learned_ms(w), known_ms);
    assert_string_equal(world_query(w, LEARNED("learned_from")), "13 samples");
}

/* Every create takes ten times as long from now on: none ends in its time at first. */
static void test_a_lasting_slow_down_is_learned_from_late_ends(void **state)
{
    struct world *w = *state;
    struct slow slow;
    teach(w, &slow);
    slow.takes_ms = 40000;
    fake_engine_reset_counts(w->engine);
    world_start(w, NULL);
    live(w, 12);
    assert_int_equal(world_count(w, PREFECT_STATE_COMPLETED), 24);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 12);
    int timeouts = world_logged(w, "msg=timeout");
    assert_true(timeouts >= 1);
    live(w, 12);
    assert_int_equal(world_logged(w, "msg=timeout"), timeouts);
    world_stop(w);
    assert_true(learned_ms(w) >= 50000);
    assert_string_equal(world_query(w, LEARNED("learned_from")), "36 samples");
}

/* It is looked for until then, and not retired. */
static void test_a_start_that_ends_late_is_a_sample(void **state)
{
    struct world *w = *state;
    struct slow slow = {FAKE_ENGINE_START, 1000};
    fake_engine_set_latency(w->engine, takes, &slow);
    world_start(w, "[limits]\nlaunching = 4\n[timeouts]\nstart = auto\ntimeout_samples = 8\n");
    live(w, 12);
    slow.takes_ms = 8000; /* the floor is 5 s */
    fake_engine_reset_counts(w->engine);
    live(w, 1);
    assert_int_equal(world_logged(w, "msg=timeout"), 1);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 1);
    world_stop(w);
    /* It was looked for again when the doubled value was over, after 10 s. */
    assert_in_range(world_number(w, "SELECT learned_value FROM limits WHERE kind = 'timeout:start'"), 25000,
                    27000);
    assert_string_equal(world_query(w, "SELECT learned_from FROM limits WHERE kind = 'timeout:start'"),
                        "13 samples");
}

/* The first start never lands, and its container is retired; the second lands late. What is learned is the
 * second's time, and not all that has passed since the first. */
static void test_the_start_of_another_container_is_timed_from_its_own_sending(void **state)
{
    struct world *w = *state;
    struct slow slow = {FAKE_ENGINE_START, 1000};
    static const char *const environment[] = {"DOCKER_CLIENT_TIMEOUT=200", NULL};
    w->environment = environment;
    fake_engine_set_latency(w->engine, takes, &slow);
    world_start(w, "[limits]\nlaunching = 4\n[timeouts]\nstart = auto\ntimeout_samples = 8\n");
    live(w, 12);
    slow.takes_ms = 18000;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_HOLD});
    live(w, 1);
    assert_int_equal(world_logged(w, "msg=timeout"), 2);
    world_stop(w);
    assert_in_range(world_number(w, "SELECT learned_value FROM limits WHERE kind = 'timeout:start'"), 50000,
                    54000);
}

static void test_a_stop_saves_what_was_learned_last(void **state)
{
    struct world *w = *state;
    struct slow slow;
    teach(w, &slow);
    slow.takes_ms = 0;
    const char *run = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, NULL);
    UNTIL(w, SECONDS(4), world_is_in(w, run, RUN_STATE_RUNNING));
    world_stop(w);
    assert_string_equal(world_query(w, LEARNED("learned_from")), "13 samples");
}

static void test_what_was_learned_outlives_a_kill(void **state)
{
    struct world *w = *state;
    struct slow slow;
    teach(w, &slow);
    world_start(w, NULL);
    live(w, 12);
    world_pass(w, SECONDS(10));
    world_add_run(w);
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_PENDING) == 1);
    world_crash(w);
    /* Its own commits have taken along what came before the last few seconds. */
    assert_true(world_number(w, "SELECT CAST(learned_from AS INTEGER) FROM limits WHERE kind = "
                                "'timeout:create'") >= 20);
    assert_in_range(learned_ms(w), 10000, 10800);
}

/* A stop waits out its grace time first, which says nothing of the engine. */
static void test_the_grace_time_is_no_part_of_what_a_stop_takes(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    w->flow.ignores_sigterm = true;
    world_start(w, "[timeouts]\nstop = auto\ntimeout_samples = 2\nmax_run_time = 10s\n");
    for (int i = 0; i < 3; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_CRASHED) == 3 && world_launches(w) == 0);
    world_stop(w);
    assert_string_equal(world_query(w, "SELECT learned_from FROM limits WHERE kind = 'timeout:stop'"),
                        "3 samples");
    assert_int_equal(world_number(w, "SELECT learned_value FROM limits WHERE kind = 'timeout:stop'"), 5000);
}

static void test_a_pull_that_many_wait_for_is_one_sample(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 40000, .lines = 40});
    world_start(w, "[timeouts]\npull = auto\nimage = auto\ntimeout_samples = 1\n");
    live(w, 6);
    world_stop(w);
    assert_string_equal(world_query(w, "SELECT learned_from FROM limits WHERE kind = 'timeout:pull'"),
                        "1 samples");
    assert_in_range(world_number(w, "SELECT learned_value FROM limits WHERE kind = 'timeout:pull'"), 100000,
                    108000);
}

/* A connect that timed out is repeated, and its repetition is answered at once: done already. */
static void test_a_connect_that_ends_late_is_a_sample_of_its_own_time(void **state)
{
    struct world *w = *state;
    struct slow slow = {FAKE_ENGINE_NETWORK_CONNECT, 8000};
    fake_engine_add_network(w->engine, "one");
    fake_engine_add_network(w->engine, "two");
    w->flow_variables = "{\"networks\":[\"one\",\"two\"]}";
    fake_engine_set_latency(w->engine, takes, &slow);
    world_start(w, "[timeouts]\nnetwork = auto\ntimeout_samples = 2\n");
    live(w, 3);
    world_stop(w);
    long known_ms = world_number(w, "SELECT learned_value FROM limits WHERE kind = 'timeout:network'");
    assert_in_range(known_ms, 20000, 21600);
    slow.takes_ms = 0;
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_NETWORK_CONNECT,
                                                          .kind = FAKE_FAULT_NONE,
                                                          .delay_ms = 30000});
    world_start(w, NULL);
    live(w, 1);
    assert_int_equal(world_logged(w, "msg=timeout"), 1);
    world_stop(w);
    assert_in_range(world_number(w, "SELECT learned_value FROM limits WHERE kind = 'timeout:network'"),
                    2 * known_ms, 54000);
}

static void test_a_reload_brings_and_takes_auto(void **state)
{
    struct world *w = *state;
    world_start(w, "[timeouts]\ncreate = 20s\n");
    world_pass(w, SECONDS(1));
    assert_int_equal(world_number(w, "SELECT count(*) FROM limits WHERE kind LIKE 'timeout:%'"), 0);
    world_reload(w, "[timeouts]\ncreate = auto\n[class etl]\nmatch_tag = etl\npull = auto\n");
    world_pass(w, SECONDS(1));
    assert_string_equal(
        world_query(w, "SELECT group_concat(kind || ' ' || class || ' ' || learned_value, ', ') "
                       "FROM limits WHERE kind LIKE 'timeout:%'"),
        "timeout:create default 60000.0, timeout:create etl 60000.0, timeout:pull etl 1800000.0");
    live(w, 1);
    world_reload(w, "[timeouts]\ncreate = 20s\n");
    world_pass(w, SECONDS(1));
    assert_int_equal(world_number(w, "SELECT count(*) FROM limits WHERE kind LIKE 'timeout:%'"), 0);
    live(w, 1);
}

/* ---- the clocks of a run ---- */

/* A container that doesn't listen is killed when its grace time is over, and the run is told so. */
static void test_max_run_time_and_the_grace_time(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    w->flow.ignores_sigterm = true;
    const char *run = world_add_run(w);
    world_start(w, "[timeouts]\nmax_run_time = 3m\n");
    UNTIL(w, MINUTES(6), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    const struct fake_container *c = fake_engine_container_at(w->engine, 0);
    int64_t lived_ms = c->finished_at_ms - c->started_at_ms;
    assert_in_range(lived_ms, MINUTES(3) + SECONDS(30), MINUTES(3) + SECONDS(32));
    assert_int_equal(c->exit_code, 137);
}

/* The deadline finds a container that was created and never started: it goes, and so does the run. */
static void test_launch_deadline_clears_what_it_finds(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STATUS, .nth = -1, .status = 500});
    const char *run = world_add_run(w);
    world_start(w, "[timeouts]\nlaunch_deadline = 20s\n[retry]\nmax_attempts = 1000\n");
    UNTIL(w, SECONDS(19), fake_engine_container_count(w->engine) == 1);
    UNTIL(w, SECONDS(22), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_hung_create_is_noticed_at_the_learned_time_also_after_a_restart),
        FLOW_TEST(test_a_timeout_doubles_the_value_until_a_create_goes_well),
        FLOW_TEST(test_a_lasting_slow_down_is_learned_from_late_ends),
        FLOW_TEST(test_a_start_that_ends_late_is_a_sample),
        FLOW_TEST(test_the_start_of_another_container_is_timed_from_its_own_sending),
        FLOW_TEST(test_a_stop_saves_what_was_learned_last),
        FLOW_TEST(test_what_was_learned_outlives_a_kill),
        FLOW_TEST(test_the_grace_time_is_no_part_of_what_a_stop_takes),
        FLOW_TEST(test_a_pull_that_many_wait_for_is_one_sample),
        FLOW_TEST(test_a_connect_that_ends_late_is_a_sample_of_its_own_time),
        FLOW_TEST(test_a_reload_brings_and_takes_auto),
        FLOW_TEST(test_max_run_time_and_the_grace_time),
        FLOW_TEST(test_launch_deadline_clears_what_it_finds),
    };
    return cmocka_run_group_tests_name("flow_timeouts", tests, NULL, NULL);
}
