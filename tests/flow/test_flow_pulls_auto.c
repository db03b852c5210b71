/* test_flow_pulls_auto.c - pulls = auto: more at once where that pays, fewer where it hurts; what was learned
 * stands in the view, and a restart goes on from it. */
#include "tests/flow/world.h"

#define AUTO "[limits]\npulls = auto\nlaunching = 50\n"
#define IMAGES 40
#define MB ((int64_t)1000 * 1000)
/* Bytes a millisecond. */
#define EACH 12500.0

/* A line on which twelve are as fast as one. */
static double wide(void *arg, int in_flight)
{
    (void)arg;
    return EACH * (in_flight < 12 ? in_flight : 12);
}

/* A disk for which each further pull is a further place to write at: two do less than one. */
static double busy(void *arg, int in_flight)
{
    (void)arg;
    return 2 * EACH / (1 + 0.4 * in_flight);
}

/* One run of each image; from 20 MB to 400 MB unless they are all tiny. */
static void add_runs(struct world *w, const char *repository, int count, int64_t bytes)
{
    for (int i = 0; i < count; i++) {
        char image[32];
        char variables[64];
        snprintf(image, sizeof(image), "%s:%d", repository, i);
        snprintf(variables, sizeof(variables), "{\"image\":\"%s\"}", image);
        int64_t size = bytes > 0 ? bytes : 6 * MB + (int64_t)(i * 7 % 20) * 4 * MB;
        fake_engine_add_registry_image(
            w->engine, &(struct fake_registry_image){.image = image, .lines = 40, .bytes = size});
        w->flow_variables = variables;
        world_add_run(w);
    }
    w->flow_variables = NULL;
}

static void pull(struct world *w, const char *repository, int count, int64_t bytes)
{
    size_t before = world_count(w, PREFECT_STATE_COMPLETED);
    add_runs(w, repository, count, bytes);
    fake_engine_reset_counts(w->engine);
    UNTIL(w, MINUTES(120), world_count(w, PREFECT_STATE_COMPLETED) == before + (size_t)count);
}

static double learned(struct world *w)
{
    return strtod(world_query(w, "SELECT coalesce((SELECT learned_value FROM limits WHERE class = '(pool)' "
                                 "AND kind = 'pulls:pull'), -1)"),
                  NULL);
}

static int peak(const struct world *w)
{
    return fake_engine_peak(w->engine, FAKE_ENGINE_PULL);
}

static void begin(struct world *w, fake_pull_rate_fn rate)
{
    fake_engine_set_pull_rate(w->engine, rate, NULL);
    world_start(w, AUTO);
}

static void test_more_go_at_once_where_that_pays(void **state)
{
    struct world *w = *state;
    begin(w, wide);
    pull(w, "a", 8, 0);
    assert_in_range(peak(w), 2, 4); /* nothing more is known of a new host */
    pull(w, "b", IMAGES, 0);
    world_stop(w); /* writes also what was learned within the last seconds */
    print_message("a line for twelve: %d at once, %.1f learned\n", peak(w), learned(w));
    assert_in_range(peak(w), 8, 16);
    assert_true(learned(w) >= 7);
    world_start(w, NULL);
    pull(w, "c", 16, 0);
    assert_in_range(peak(w), 7, 16);
    assert_string_equal(world_query(w, "SELECT learned_from FROM limits WHERE kind = 'pulls'"), "auto");
}

static void test_fewer_go_at_once_where_they_hurt(void **state)
{
    struct world *w = *state;
    begin(w, busy);
    pull(w, "a", IMAGES, 0);
    world_stop(w);
    print_message("a busy disk: %.1f learned\n", learned(w));
    assert_true(learned(w) >= 1 && learned(w) <= 2);
    world_start(w, NULL);
    pull(w, "b", 8, 0);
    assert_in_range(peak(w), 1, 2);
}

static void test_a_number_and_auto_take_turns(void **state)
{
    struct world *w = *state;
    begin(w, wide);
    pull(w, "a", IMAGES, 0);
    assert_true(learned(w) >= 6);
    world_reload(w, "[limits]\npulls = 2\nlaunching = 50\n");
    pull(w, "b", 8, 0);
    assert_int_equal(peak(w), 2);
    world_pass(w, SECONDS(10)); /* it is written every few seconds, with a commit of other things */
    pull(w, "c", 1, 0);
    assert_true(learned(w) == -1);
    assert_int_equal(world_number(w, "SELECT \"limit\" FROM limits WHERE kind = 'pulls'"), 2);
    world_reload(w, AUTO);
    pull(w, "d", IMAGES, 0);
    assert_true(peak(w) >= 6);
    assert_true(learned(w) >= 6);
}

/* Their time is that of the registry's answers. */
static void test_small_pulls_teach_nothing(void **state)
{
    struct world *w = *state;
    begin(w, busy);
    pull(w, "a", IMAGES, MB);
    world_stop(w);
    assert_true(learned(w) == -1 || learned(w) == 3);
    assert_int_equal(peak(w), 2); /* the first block never ends */
}

static void test_a_registry_that_asks_to_slow_down_is_heard(void **state)
{
    struct world *w = *state;
    begin(w, wide);
    fake_engine_add_registry_image(
        w->engine,
        &(struct fake_registry_image){.image = "hub.io/a:1", .status = 429, .message = "toomanyrequests"});
    w->flow_variables = "{\"image\":\"hub.io/a:1\"}";
    world_add_run(w);
    UNTIL(w, MINUTES(1), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) >= 1);
    world_stop(w);
    assert_true(learned(w) > 0 && learned(w) < 3);
}

/* It would be tried for hours, and each try would slow down the pulls from all others. */
static void test_a_dead_registry_slows_down_no_other(void **state)
{
    struct world *w = *state;
    begin(w, wide);
    pull(w, "a", IMAGES, 0);
    double before = learned(w);
    for (int i = 0; i < 6; i++)
        fake_engine_add_fault(w->engine,
                              &(struct fake_fault){.call = FAKE_ENGINE_PULL, .kind = FAKE_FAULT_HOLD});
    fake_engine_reset_counts(w->engine);
    add_runs(w, "dead.io/x", 1, 0);
    UNTIL(w, MINUTES(60), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) >= 4);
    world_stop(w);
    assert_true(learned(w) >= before * 0.95);
}

/* Were they counted on, single pulls would look as if many went at once. */
static void test_pulls_that_are_given_up_no_longer_count(void **state)
{
    struct world *w = *state;
    begin(w, wide);
    const char *runs[2];
    for (int i = 0; i < 2; i++) {
        char variables[64];
        char image[32];
        snprintf(image, sizeof(image), "long:%d", i);
        snprintf(variables, sizeof(variables), "{\"image\":\"%s\"}", image);
        fake_engine_add_registry_image(
            w->engine, &(struct fake_registry_image){.image = image, .lines = 20000, .bytes = 20000 * MB});
        w->flow_variables = variables;
        runs[i] = world_add_run(w);
    }
    UNTIL(w, MINUTES(1), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) == 2);
    for (int i = 0; i < 2; i++)
        fake_prefect_user_cancels(w->prefect, runs[i]);
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    for (int i = 0; i < 8; i++) {
        char repository[16];
        snprintf(repository, sizeof(repository), "single%d", i);
        pull(w, repository, 1, 20 * MB);
    }
    assert_int_equal(peak(w), 1);
    world_stop(w);
    assert_true(learned(w) == -1 || learned(w) == 3);
    assert_int_equal(
        world_number(w, "SELECT coalesce(sum(learned_from), 0) FROM limits WHERE kind = 'pulls:pull'"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_more_go_at_once_where_that_pays),
        FLOW_TEST(test_fewer_go_at_once_where_they_hurt),
        FLOW_TEST(test_a_number_and_auto_take_turns),
        FLOW_TEST(test_small_pulls_teach_nothing),
        FLOW_TEST(test_pulls_that_are_given_up_no_longer_count),
        FLOW_TEST(test_a_registry_that_asks_to_slow_down_is_heard),
        FLOW_TEST(test_a_dead_registry_slows_down_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
