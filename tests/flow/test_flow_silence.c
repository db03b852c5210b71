/* test_flow_silence.c - inactivity and connect clocks that are learned: a stalled pull is noticed soon, and
 * what has become slow for good is followed. */
#include "tests/flow/world.h"

#define AUTO_PULL "[timeouts]\npull_inactivity = auto\ntimeout_samples = 8\n"
#define LEARNED(column, kind)                                                                                \
    "SELECT " column " FROM limits WHERE class = 'default' AND kind = 'timeout:" kind "'"
#define FIXED_MS 60000

/* One run lives and ends; its image is pulled anew, since it is a "latest". */
static void live(struct world *w)
{
    world_add_run(w);
    UNTIL(w, MINUTES(30), world_launches(w) == 0 && world_count(w, PREFECT_STATE_SCHEDULED) == 0);
}

/* Each pull says something every gap_ms from now on. */
static void set_gap(struct world *w, int64_t gap_ms)
{
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:latest", .took_ms = 4 * gap_ms, .lines = 4});
}

/* Learned from pulls with gaps of 4 s, and saved. */
static void teach(struct world *w)
{
    w->flow_variables = "{\"image\":\"etl:latest\"}";
    set_gap(w, 4000);
    world_start(w, AUTO_PULL);
    for (int i = 0; i < 8; i++)
        live(w);
    world_stop(w);
    assert_in_range(world_number(w, LEARNED("learned_value", "pull_inactivity")), 10000, 10800);
    assert_string_equal(world_query(w, LEARNED("learned_from", "pull_inactivity")), "8 samples");
}

static void test_a_stalled_pull_is_tried_again_after_the_learned_silence(void **state)
{
    struct world *w = *state;
    teach(w);
    long known_ms = world_number(w, LEARNED("learned_value", "pull_inactivity"));
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_PULL, .kind = FAKE_FAULT_STALL_BODY});
    fake_engine_reset_counts(w->engine);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) == 1);
    int64_t sent_ms = w->clock.mono_ms;
    UNTIL(w, MINUTES(2), world_logged(w, "msg=timeout") == 1);
    int64_t noticed_ms = w->clock.mono_ms - sent_ms;
    print_message("a pull that stalls at once: noticed after %lld ms, %.1f times sooner than %d ms\n",
                  (long long)noticed_ms, (double)FIXED_MS / (double)noticed_ms, FIXED_MS);
    assert_int_equal(noticed_ms, known_ms);
    assert_true(noticed_ms * 5 <= FIXED_MS);
    assert_int_equal(world_logged(w, "clock=inactivity"), 1);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 2);
    world_stop(w);
    assert_string_equal(world_query(w, "SELECT setting || ' ' || clock_from FROM timeouts"),
                        "pull_inactivity learned (auto, 8 samples)");
    assert_int_equal(world_number(w, "SELECT clock_ms FROM timeouts"), known_ms);
    /* It went well then, so nothing stays doubled; the stalled one is no sample. */
    assert_int_equal(world_number(w, LEARNED("learned_value", "pull_inactivity")), known_ms);
    assert_string_equal(world_query(w, LEARNED("learned_from", "pull_inactivity")), "9 samples");
}

/* Gaps of 30 s from now on: the first pull is tried again until the value has grown above them. */
static void test_a_registry_that_has_become_slow_is_followed(void **state)
{
    struct world *w = *state;
    teach(w);
    set_gap(w, 30000);
    world_start(w, NULL);
    live(w);
    assert_int_equal(world_logged(w, "msg=timeout"), 2);
    for (int i = 0; i < 3; i++)
        live(w);
    assert_int_equal(world_logged(w, "msg=timeout"), 2);
    assert_int_equal(world_count(w, PREFECT_STATE_COMPLETED), 12);
    world_stop(w);
    assert_int_equal(world_number(w, LEARNED("learned_value", "pull_inactivity")), 9 * FIXED_MS / 10);
}

static int64_t slow_create(void *arg, int call, int in_flight)
{
    (void)in_flight;
    return call == FAKE_ENGINE_CREATE ? *(const int64_t *)arg : 0;
}

/* The silence of a create is known when a look finds its container. */
static void test_a_create_that_was_silent_for_too_long_is_a_sample_when_it_is_found(void **state)
{
    struct world *w = *state;
    int64_t takes_ms = 4000;
    fake_engine_set_latency(w->engine, slow_create, &takes_ms);
    world_start(w, "[timeouts]\ncreate_inactivity = auto\ntimeout_samples = 8\n");
    for (int i = 0; i < 8; i++)
        live(w);
    takes_ms = 40000;
    fake_engine_reset_counts(w->engine);
    for (int i = 0; i < 8; i++)
        live(w);
    int timeouts = world_logged(w, "msg=timeout");
    assert_true(timeouts >= 1 && timeouts <= 3);
    assert_int_equal(world_logged(w, "clock=inactivity"), timeouts);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 8);
    assert_int_equal(world_count(w, PREFECT_STATE_COMPLETED), 16);
    world_stop(w);
    assert_true(world_number(w, LEARNED("learned_value", "create_inactivity")) >= 50000);
    assert_string_equal(world_query(w, LEARNED("learned_from", "create_inactivity")), "16 samples");
}

static int64_t slow_connect(void *arg, int call, int in_flight)
{
    (void)in_flight;
    return call == FAKE_ENGINE_NETWORK_CONNECT ? *(const int64_t *)arg : 0;
}

/* Its repetition is answered at once, which says nothing; what it took is known from when it fell silent. */
static void test_a_silent_connect_is_a_sample_when_it_is_repeated(void **state)
{
    struct world *w = *state;
    int64_t takes_ms = 8000;
    fake_engine_add_network(w->engine, "one");
    fake_engine_add_network(w->engine, "two");
    fake_engine_set_latency(w->engine, slow_connect, &takes_ms);
    w->flow_variables = "{\"networks\":[\"one\",\"two\"]}";
    world_start(w, "[timeouts]\nnetwork_inactivity = auto\ntimeout_samples = 2\n");
    for (int i = 0; i < 3; i++)
        live(w);
    world_stop(w);
    long known_ms = world_number(w, LEARNED("learned_value", "network_inactivity"));
    assert_in_range(known_ms, 20000, 21600);
    takes_ms = 0;
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_NETWORK_CONNECT,
                                                          .kind = FAKE_FAULT_NONE,
                                                          .delay_ms = 30000});
    world_start(w, NULL);
    live(w);
    assert_int_equal(world_logged(w, "msg=timeout"), 1);
    world_stop(w);
    assert_string_equal(world_query(w, LEARNED("learned_from", "network_inactivity")), "4 samples");
    assert_in_range(world_number(w, LEARNED("learned_value", "network_inactivity")), 2 * known_ms, 54000);
}

/* The engine is silent while a container uses its grace time. */
static void test_the_grace_time_is_no_silence(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    w->flow.ignores_sigterm = true;
    world_start(w, "[timeouts]\nstop_inactivity = auto\ntimeout_samples = 2\nmax_run_time = 10s\n");
    for (int i = 0; i < 3; i++)
        live(w);
    assert_int_equal(world_count(w, PREFECT_STATE_CRASHED), 3);
    assert_int_equal(world_logged(w, "msg=timeout"), 0);
    world_stop(w);
    assert_string_equal(world_query(w, LEARNED("learned_from", "stop_inactivity")), "3 samples");
    assert_int_equal(world_number(w, LEARNED("learned_value", "stop_inactivity")), 5000);
}

/* Each clock of each stage, by three words. */
static void test_all_clocks_of_the_engine(void **state)
{
    struct world *w = *state;
    world_start(w, "[engine]\nconnect = auto\ninactivity = auto\ntotal = auto\n[timeouts]\npull_floor = 20s\n"
                   "timeout_samples = 2\n");
    for (int i = 0; i < 3; i++)
        live(w);
    world_stop(w);
    assert_string_equal(
        world_query(w, "SELECT group_concat(kind, ' ') FROM (SELECT replace(kind, 'timeout:', '') AS kind "
                       "FROM limits WHERE kind LIKE 'timeout:%' ORDER BY 1)"),
        "create create_connect image image_connect inspect inspect_connect network network_connect "
        "pull_connect pull_inactivity remove remove_connect start start_connect stop stop_connect");
    assert_int_equal(world_number(w, LEARNED("learned_value", "create_connect")), 5000);
    assert_string_equal(world_query(w, LEARNED("learned_from", "create_connect")), "3 samples");
    assert_string_equal(world_query(w, LEARNED("learned_from", "start")), "3 samples");
    assert_string_equal(world_query(w, LEARNED("learned_from", "pull_connect")), "fixed, 0 of 2 samples");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_stalled_pull_is_tried_again_after_the_learned_silence),
        FLOW_TEST(test_a_registry_that_has_become_slow_is_followed),
        FLOW_TEST(test_a_create_that_was_silent_for_too_long_is_a_sample_when_it_is_found),
        FLOW_TEST(test_a_silent_connect_is_a_sample_when_it_is_repeated),
        FLOW_TEST(test_the_grace_time_is_no_silence),
        FLOW_TEST(test_all_clocks_of_the_engine),
    };
    return cmocka_run_group_tests_name("flow_silence", tests, NULL, NULL);
}
