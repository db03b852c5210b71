/* test_flow_pulls.c - many images at once: what is shared, and that none holds up another. */
#include "tests/flow/world.h"

#include "core/ahead.h"

#define HUGE_RUNS (2 * AHEAD_PULLING_MAX)

/* ---- 100 runs of 20 images ---- */

#define IMAGES 20
#define RUNS_EACH 5
/* Seven rounds of three pulls, and the runs' 5 s: what 19 of 20 take when all is well. */
#define OTHERS_MS (7 * 20000 + 5000)

/* Each image takes 20 s; all runs are due at once. */
static void begin_many_images(struct world *w)
{
    static char images[IMAGES][20];
    static char variables[IMAGES][64];
    for (int i = 0; i < IMAGES; i++) {
        snprintf(images[i], sizeof(images[i]), "etl-%d:1", i);
        snprintf(variables[i], sizeof(variables[i]), "{\"image\":\"etl-%d:1\"}", i);
        fake_engine_add_registry_image(
            w->engine, &(struct fake_registry_image){.image = images[i], .took_ms = 20000, .lines = 40});
    }
    for (int i = 0; i < IMAGES * RUNS_EACH; i++) {
        w->flow_variables = variables[i % IMAGES];
        world_add_run(w);
    }
    world_start(w, "[limits]\nlaunching = 200\n[timeouts]\npull_inactivity = 3m\n");
}

/* From now until that many have completed. */
static int64_t time_to_complete(struct world *w, size_t count)
{
    int64_t began_ms = w->clock.wall_ms;
    UNTIL(w, MINUTES(20), world_count(w, PREFECT_STATE_COMPLETED) >= count);
    return w->clock.wall_ms - began_ms;
}

static void test_twenty_images_are_pulled_once_each(void **state)
{
    struct world *w = *state;
    begin_many_images(w);
    int64_t took_ms = time_to_complete(w, (IMAGES - 1) * RUNS_EACH);
    print_message("20 images, all well: 19 of them in %lld ms\n", (long long)took_ms);
    assert_in_range(took_ms, 0, OTHERS_MS);
    time_to_complete(w, IMAGES * RUNS_EACH);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), IMAGES);
    assert_int_equal(fake_engine_peak(w->engine, FAKE_ENGINE_PULL), 3);
}

/* The other 19 are delayed by less than 5 %; the stalled one is tried again, and comes. */
static void test_one_stalled_image_delays_no_other(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_PULL, .kind = FAKE_FAULT_HOLD});
    begin_many_images(w);
    int64_t took_ms = time_to_complete(w, (IMAGES - 1) * RUNS_EACH);
    print_message("20 images, one stalled: the other 19 in %lld ms\n", (long long)took_ms);
    assert_in_range(took_ms, 0, OTHERS_MS + OTHERS_MS / 20);
    time_to_complete(w, IMAGES * RUNS_EACH);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), IMAGES + 1);
    /* Told in each of its runs. */
    assert_int_equal(world_number(w, "SELECT count(*) FROM timeouts WHERE stage = 'pull'"), RUNS_EACH);
}

/* By the defaults; those that wait for their image are due first, more of them than may wait in all. A
 * restart changes nothing. */
static void test_an_image_that_is_long_in_coming_holds_up_no_claim(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "huge:1", .took_ms = 600000, .lines = 600});
    w->flow_variables = "{\"image\":\"huge:1\"}";
    for (int i = 0; i < HUGE_RUNS; i++)
        world_add_run(w);
    w->flow_variables = NULL;
    for (int i = 0; i < 10; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_COMPLETED) == 10);
    assert_in_range(world_number(w, "SELECT count(*) FROM launches WHERE state = 'PULLING'"), 5,
                    AHEAD_PULLING_ALIKE_MAX + AHEAD_MAX);
    world_crash(w);
    world_start(w, NULL);
    for (int i = 0; i < 10; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_COMPLETED) == 20);
    UNTIL(w, MINUTES(25), world_count(w, PREFECT_STATE_COMPLETED) == HUGE_RUNS + 20);
}

/* One pull in 30 s, counted on over kills. */
static void test_restarts_grant_no_pull(void **state)
{
    struct world *w = *state;
    static const char *const variables[] = {"{\"image\":\"hub.io/a\"}", "{\"image\":\"hub.io/b\"}",
                                            "{\"image\":\"hub.io/c\"}"};
    static const char *const images[] = {"hub.io/a", "hub.io/b", "hub.io/c"};
    for (int i = 0; i < 3; i++) {
        fake_engine_add_registry_image(
            w->engine, &(struct fake_registry_image){.image = images[i], .took_ms = 1000, .lines = 2});
        w->flow_variables = variables[i];
        world_add_run(w);
    }
    world_start(w, "[limits]\nregistry_pulls_per_second = hub.io 0.0333\n");
    UNTIL(w, SECONDS(20), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) == 1);
    int64_t began_ms = w->clock.wall_ms;
    world_pass(w, SECONDS(2));
    for (int i = 0; i < 5; i++) {
        world_crash(w);
        world_start(w, NULL);
        world_pass(w, SECONDS(2));
        assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
    }
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == 3);
    assert_true(w->clock.wall_ms - began_ms >= 60000);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_twenty_images_are_pulled_once_each),
        FLOW_TEST(test_one_stalled_image_delays_no_other),
        FLOW_TEST(test_an_image_that_is_long_in_coming_holds_up_no_claim),
        FLOW_TEST(test_restarts_grant_no_pull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
