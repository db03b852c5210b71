/* test_flow_keep.c - ended containers are kept as long as their class says, and what isn't over is never
 * touched. */
#include "tests/flow/world.h"

#define KEEPS "[engine]\nkeep_containers = 1h\n"

static size_t containers(const struct world *w)
{
    return fake_engine_container_count(w->engine);
}

static void run_some(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(10),
          world_count(w, PREFECT_STATE_COMPLETED) == fake_prefect_run_count(w->prefect) &&
              world_launches(w) == 0);
}

static void test_by_default_they_are_kept_for_ever(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    run_some(w, 2);
    world_pass(w, MINUTES(300));
    assert_int_equal(containers(w), 2);
}

static void test_older_ones_are_removed(void **state)
{
    struct world *w = *state;
    world_start(w, KEEPS);
    run_some(w, 2);
    world_pass(w, MINUTES(55));
    run_some(w, 1);
    assert_int_equal(containers(w), 3);
    world_pass(w, MINUTES(8));
    assert_int_equal(containers(w), 1); /* the one that ended later */
    world_pass(w, MINUTES(60));
    assert_int_equal(containers(w), 0);
    assert_int_equal(world_logged(w, "removing an ended container"), 3);
}

/* Counted from the end: what runs for longer than that is neither removed nor cut short afterwards. */
static void test_the_age_counts_from_the_end(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(150);
    const char *run = world_add_run(w);
    world_start(w, KEEPS);
    UNTIL(w, MINUTES(151), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    world_pass(w, MINUTES(55));
    assert_int_equal(containers(w), 1);
    world_pass(w, MINUTES(8));
    assert_int_equal(containers(w), 0);
}

static void test_a_class_has_its_own_time(void **state)
{
    static const char *const tags[] = {"etl", NULL};
    struct world *w = *state;
    fake_prefect_add_run(w->prefect,
                         &(struct fake_prefect_run){.deployment_id = w->deployment, .tags = tags});
    world_start(w, KEEPS "[class etl]\nmatch_tag = etl\nkeep_containers = 10m\n");
    run_some(w, 1);
    world_pass(w, MINUTES(15));
    assert_int_equal(containers(w), 1);
    world_reload(w, KEEPS "[class etl]\nmatch_tag = etl\nkeep_containers = 0\n");
    run_some(w, 1);
    world_pass(w, MINUTES(120));
    assert_int_equal(containers(w), 0);
}

/* Many are removed a few at a time, and none is forgotten. */
static void test_a_few_at_a_time(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = 1000;
    world_start(w, KEEPS "[limits]\nlaunching = 20\n");
    run_some(w, 50);
    world_stop(w);
    world_pass(w, MINUTES(120));
    fake_engine_reset_counts(w->engine);
    world_start(w, NULL);
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_REMOVE), 20);
    world_pass(w, MINUTES(3));
    assert_int_equal(containers(w), 0);
}

/* The launch has been forgotten (keep_history), or the file was lost: the engine tells when it ended. */
static void test_those_that_no_row_knows(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(90);
    const char *run = world_add_run(w);
    world_start(w, KEEPS);
    UNTIL(w, MINUTES(91), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    world_crash(w);
    assert_int_equal(remove(w->state_path), 0);
    world_start(w, NULL);
    world_pass(w, MINUTES(50));
    assert_int_equal(containers(w), 1); /* made long ago, and ended not so long ago */
    world_pass(w, MINUTES(15));
    assert_int_equal(containers(w), 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_INSPECT) <= 3, 1); /* asked once for all */
}

/* A container that ended while its launch is unfinished is evidence: it stays until the verdict is told. */
static void test_never_one_whose_launch_is_unfinished(void **state)
{
    struct world *w = *state;
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = 1000, .exit_code = 3};
    const char *run = world_add_run(w);
    world_start(w, "[engine]\nkeep_containers = 2m\n");
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503,
                                                                .times = -1});
    world_pass(w, MINUTES(30));
    assert_true(world_is_in(w, run, RUN_STATE_REPORTING));
    assert_int_equal(containers(w), 1);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CRASHED);
    world_pass(w, MINUTES(5));
    assert_int_equal(containers(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_by_default_they_are_kept_for_ever),
        FLOW_TEST(test_older_ones_are_removed),
        FLOW_TEST(test_the_age_counts_from_the_end),
        FLOW_TEST(test_a_class_has_its_own_time),
        FLOW_TEST(test_a_few_at_a_time),
        FLOW_TEST(test_those_that_no_row_knows),
        FLOW_TEST(test_never_one_whose_launch_is_unfinished),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
