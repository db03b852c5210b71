/* What made-up sweeps of an engine say: the knee, the values that follow, and what a reader must be told. */
#include "core/tune.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const int32_t levels_of_sweep[] = {1, 2, 3, 4, 6, 8, 16};
#define COUNT ARRAY_LEN(levels_of_sweep)

/* Starts a second with so many in flight; pass 0 or 1. */
typedef double (*rate_fn)(int32_t in_flight, int pass);

static struct tune_level sweep[TUNE_LEVELS_MAX];

/* `starts` a pass; every latency of a level is in_flight / rate, as it is where lives wait for one another.
 */
static void make_sweep(rate_fn rate, int32_t starts)
{
    memset(sweep, 0, sizeof(sweep));
    for (size_t i = 0; i < COUNT; i++) {
        struct tune_level *level = &sweep[i];
        level->in_flight = levels_of_sweep[i];
        for (int pass = 0; pass < TUNE_PASSES; pass++) {
            double r = rate(level->in_flight, pass);
            level->passes[pass] =
                (struct tune_pass){.starts = starts, .took_ms = (int64_t)(1000.0 * starts / r)};
            for (int32_t k = 0; k < starts; k++) {
                tune_add(level, TUNE_CREATE, (int64_t)(400.0 * level->in_flight / r));
                tune_add(level, TUNE_START, (int64_t)(600.0 * level->in_flight / r));
                tune_add(level, TUNE_REMOVE, 40);
            }
        }
    }
}

static struct tune_picture look(rate_fn rate, int32_t starts)
{
    struct tune_picture picture;
    make_sweep(rate, starts);
    tune_look(sweep, COUNT, &picture);
    return picture;
}

static int32_t knee_of(const struct tune_picture *p)
{
    return p->knee < 0 ? -1 : p->rows[p->knee].in_flight;
}

static bool is_noted(const struct tune_picture *p, const char *words)
{
    struct tune_note notes[TUNE_NOTES_MAX];
    size_t count = tune_notes(p, notes);
    bool is_there = false;
    for (size_t i = 0; i < count; i++)
        is_there = is_there || strstr(notes[i].text, words) != NULL;
    return is_there;
}

static const struct tune_value *find(const struct tune_value *values, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(values[i].key, key) == 0)
            return &values[i];
    fail_msg("there is no value %s", key);
    return NULL;
}

static void expect_advice(const struct tune_value *values, size_t count, const char *key, const char *value,
                          const char *evidence)
{
    const struct tune_value *found = find(values, count, key);
    assert_string_equal(found->value, value);
    if (strstr(found->evidence, evidence) == NULL)
        fail_msg("%s: \"%s\" says nothing of \"%s\"", key, found->evidence, evidence);
}

/* ---- the knee ---- */

static double flat(int32_t in_flight, int pass)
{
    (void)in_flight;
    (void)pass;
    return 10;
}

static void test_a_flat_engine_wants_one_in_flight(void **state)
{
    (void)state;
    struct tune_picture p = look(flat, 20);
    assert_int_equal(knee_of(&p), 1);
    struct tune_note notes[TUNE_NOTES_MAX];
    assert_int_equal(tune_notes(&p, notes), 0);
}

static double knee_at_3(int32_t in_flight, int pass)
{
    (void)pass;
    return in_flight < 3 ? 4.0 * in_flight : 11.5 + 0.02 * in_flight;
}

static void test_the_least_level_near_the_best_is_the_knee(void **state)
{
    (void)state;
    struct tune_picture p = look(knee_at_3, 30);
    assert_int_equal(knee_of(&p), 3);
    assert_int_equal(p.rows[p.best].in_flight, 16);
    assert_int_equal(p.rows[2].p50_ms[TUNE_CREATE], 103); /* 400 x 3 / 11.56 */
    assert_int_equal(p.rows[2].p95_ms[TUNE_REMOVE], 40);
}

static double just_below(int32_t in_flight, int pass)
{
    (void)pass;
    return in_flight == 1 ? 9.4 : in_flight == 2 ? 9.6 : 10;
}

static void test_95_percent_is_the_border(void **state)
{
    (void)state;
    struct tune_picture p = look(just_below, 50);
    assert_int_equal(knee_of(&p), 2);
}

/* Rates that are a few percent off, and never the same way. */
static uint64_t noise_state;
static double noisy(int32_t in_flight, int pass)
{
    double noise = (double)(random_splitmix64(&noise_state) % 1000) / 1000 - 0.5; /* +-0.5 */
    return knee_at_3(in_flight, pass) * (1 + 0.06 * noise);
}

static void test_noise_of_3_percent_rarely_moves_the_knee(void **state)
{
    (void)state;
    int exact = 0;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        noise_state = seed;
        struct tune_picture p = look(noisy, 30);
        assert_true(knee_of(&p) >= 3);
        exact += knee_of(&p) == 3;
    }
    print_message("noise of 3 %%: %d of 1000 sweeps find the knee itself, the others a higher level\n",
                  exact);
    assert_true(exact >= 900);
}

static double wild(int32_t in_flight, int pass)
{
    return knee_at_3(in_flight, pass) * (pass == in_flight % 2 ? 1.2 : 0.85);
}

static void test_wild_rates_are_said(void **state)
{
    (void)state;
    struct tune_picture p = look(wild, 30);
    assert_true(p.scatter > 0.3);
    assert_true(is_noted(&p, "the knee may lie a level off"));
    p = look(knee_at_3, 30);
    assert_false(is_noted(&p, "a level off"));
}

static double rising(int32_t in_flight, int pass)
{
    (void)pass;
    return in_flight;
}

static void test_an_engine_that_only_gets_better_is_said(void **state)
{
    (void)state;
    struct tune_picture p = look(rising, 30);
    assert_int_equal(knee_of(&p), 16);
    assert_true(is_noted(&p, "The highest level is the best"));
}

/* Half as fast at the end as at the beginning, evenly: upwards 1, 2, 3, ..., then downwards ..., 3, 2, 1. */
static double slowing(int32_t in_flight, int pass)
{
    size_t place = 0;
    while (levels_of_sweep[place] != in_flight)
        place++;
    size_t turns = 2 * COUNT - 1;
    size_t turn = pass == 0 ? place : turns - place;
    return knee_at_3(in_flight, pass) * (1 - 0.5 * (double)turn / (double)turns);
}

static void test_an_engine_that_gets_slower_shows_the_same_knee_and_is_said(void **state)
{
    (void)state;
    struct tune_picture p = look(slowing, 30);
    assert_int_equal(knee_of(&p), 3);
    assert_true(p.drift < 0.8);
    assert_true(is_noted(&p, "got slower while it was measured"));
    p = look(knee_at_3, 30);
    assert_true(p.drift > 0.99 && p.drift < 1.01);
    assert_false(is_noted(&p, "slower"));
}

static void test_the_plan_leaves_out_levels_that_so_few_containers_say_nothing_about(void **state)
{
    (void)state;
    int32_t out[TUNE_LEVELS_MAX];
    assert_int_equal(tune_plan(64, out), COUNT);
    assert_memory_equal(out, levels_of_sweep, sizeof(levels_of_sweep));
    assert_int_equal(tune_plan(1000, out), COUNT);
    assert_int_equal(tune_plan(63, out), COUNT - 1);
    assert_int_equal(tune_plan(12, out), 3);
    assert_int_equal(out[2], 3);
    assert_int_equal(tune_plan(1, out), 1);
}

static double halved(int32_t in_flight, int pass)
{
    return knee_at_3(in_flight, pass) * (pass == 0 ? 1 : 0.5);
}

static void test_what_all_levels_lose_is_drift_and_no_scatter(void **state)
{
    (void)state;
    struct tune_picture p = look(halved, 30);
    assert_true(p.drift > 0.49 && p.drift < 0.51);
    assert_true(p.scatter < 0.01);
    assert_int_equal(knee_of(&p), 3);
}

/* ---- little or bad data ---- */

static void test_one_level_is_used_and_said(void **state)
{
    (void)state;
    struct tune_picture p;
    make_sweep(flat, 20);
    tune_look(sweep, 1, &p);
    assert_int_equal(knee_of(&p), 1);
    assert_true(is_noted(&p, "Only one level"));
}

static void test_nothing_measured_recommends_nothing(void **state)
{
    (void)state;
    struct tune_picture p;
    struct tune_value values[TUNE_VALUES_MAX];
    make_sweep(flat, 2); /* 4 starts a level */
    tune_look(sweep, COUNT, &p);
    assert_int_equal(p.knee, -1);
    assert_string_equal(p.rows[0].why_not, "too few starts");
    assert_true(is_noted(&p, "No level"));
    assert_int_equal(tune_advise(sweep, &p, &(struct tune_pulls){0}, values), 0);
    memset(sweep, 0, sizeof(sweep));
    tune_look(sweep, COUNT, &p);
    assert_int_equal(p.knee, -1);
    assert_true(p.rows[0].starts_per_second == 0);
    assert_int_equal(p.rows[0].p50_ms[TUNE_START], -1);
    tune_look(sweep, 0, &p);
    assert_int_equal(p.knee, -1);
}

/* 16 lanes that were never all busy say nothing about 16. */
static void test_fewer_starts_than_in_flight_are_too_few(void **state)
{
    (void)state;
    struct tune_picture p = look(rising, 7); /* 14 a level */
    assert_string_equal(p.rows[COUNT - 1].why_not, "too few starts");
    assert_int_equal(knee_of(&p), 8);
}

static void test_a_level_whose_lives_fail_is_shown_and_not_chosen(void **state)
{
    (void)state;
    struct tune_picture p;
    make_sweep(rising, 30); /* 16 is by far the best */
    sweep[COUNT - 1].failures = 7;
    tune_look(sweep, COUNT, &p);
    assert_string_equal(p.rows[COUNT - 1].why_not, "too many failed");
    assert_int_equal(p.rows[COUNT - 1].failures, 7);
    assert_int_equal(knee_of(&p), 8);
    assert_true(is_noted(&p, "7 of the containers failed"));
    sweep[COUNT - 1].failures = 6; /* 6 of 66 */
    tune_look(sweep, COUNT, &p);
    assert_int_equal(knee_of(&p), 16);
}

static void test_a_knee_of_few_starts_is_said(void **state)
{
    (void)state;
    struct tune_picture p = look(knee_at_3, 10);
    assert_false(is_noted(&p, "Little fitted"));
    p = look(knee_at_3, 9);
    assert_int_equal(p.missing, 0);
    assert_true(is_noted(&p, "0 of 14 passes are missing, and the knee rests on 18 starts"));
}

/* One pass only, as when the time ran out: used, and neither drift nor scatter is made of it. */
static void test_a_missing_pass_is_no_drift(void **state)
{
    (void)state;
    struct tune_picture p;
    make_sweep(knee_at_3, 30);
    for (size_t i = 0; i < COUNT; i++)
        sweep[i].passes[1] = (struct tune_pass){0};
    tune_look(sweep, COUNT, &p);
    assert_int_equal(knee_of(&p), 3);
    assert_int_equal(p.missing, COUNT);
    assert_true(is_noted(&p, "7 of 14 passes are missing, and the knee rests on 30 starts"));
    assert_true(p.drift == 1);
    assert_true(p.scatter == 0);
}

/* ---- quantiles ---- */

static void test_quantiles_by_nearest_rank(void **state)
{
    (void)state;
    int32_t sorted[1000];
    for (int32_t i = 0; i < 1000; i++)
        sorted[i] = i + 1;
    assert_int_equal(tune_quantile_ms(sorted, 1000, 0.5), 500);
    assert_int_equal(tune_quantile_ms(sorted, 1000, 0.999), 999);
    assert_int_equal(tune_quantile_ms(sorted, 1000, 1), 1000);
    assert_int_equal(tune_quantile_ms(sorted, 1000, 0), 1);
    assert_int_equal(tune_quantile_ms(sorted, 100, 0.999), 100);
    assert_int_equal(tune_quantile_ms(sorted, 1, 0.5), 1);
    assert_int_equal(tune_quantile_ms(sorted, 0, 0.5), -1);
}

static void test_samples_are_sorted_and_too_many_are_dropped(void **state)
{
    (void)state;
    struct tune_picture p;
    memset(sweep, 0, sizeof(sweep));
    for (int64_t i = 0; i < TUNE_SAMPLES_MAX + 5; i++)
        tune_add(&sweep[0], TUNE_CREATE, TUNE_SAMPLES_MAX - i);
    tune_add(&sweep[0], TUNE_START, INT64_MAX);
    assert_int_equal(sweep[0].counts[TUNE_CREATE], TUNE_SAMPLES_MAX);
    tune_look(sweep, 1, &p);
    assert_int_equal(sweep[0].ms[TUNE_CREATE][0], 1);
    assert_int_equal(p.rows[0].p50_ms[TUNE_CREATE], TUNE_SAMPLES_MAX / 2);
    assert_int_equal(p.rows[0].p50_ms[TUNE_START], INT32_MAX);
}

/* ---- values ---- */

static size_t advise(rate_fn rate, int32_t starts, struct tune_value *values)
{
    struct tune_picture p = look(rate, starts);
    return tune_advise(sweep, &p, &(struct tune_pulls){0}, values);
}

static void test_values_of_a_knee_at_3(void **state)
{
    (void)state;
    struct tune_value v[TUNE_VALUES_MAX];
    size_t n = advise(knee_at_3, 30, v);
    assert_int_equal(n, 6);
    expect_advice(v, n, "launching", "3", "11.6 starts/s with 3 in flight, 98 % of the best, 11.8 with 16");
    expect_advice(v, n, "launching", "3", "60 and 60 starts measured");
    expect_advice(v, n, "starts_per_second", "10.4", "90 % of 11.6/s");
    expect_advice(v, n, "start_burst", "3", "one round");
    /* create at the knee 103 ms, at lower levels 100: the longest of 3 x 60 */
    expect_advice(v, n, "create", "5s", "5 x the longest of 180, 103 ms, but no less than 5 s");
    expect_advice(v, n, "start", "5s", "a p99.9 takes 1000 samples");
}

static double crawling(int32_t in_flight, int pass)
{
    return 0.05 * flat(in_flight, pass) / 10;
}

static void test_a_slow_engine_gets_long_clocks_and_a_small_rate(void **state)
{
    (void)state;
    struct tune_value v[TUNE_VALUES_MAX];
    size_t n = advise(crawling, 20, v); /* knee at 1: start takes 12 s */
    expect_advice(v, n, "starts_per_second", "0.045", "90 % of 0.1/s");
    expect_advice(v, n, "start_burst", "2", "came late");
    expect_advice(v, n, "launching", "1", "the best of 7 levels");
    expect_advice(v, n, "start", "120s", "10 x the longest of 40, 12000 ms; a p99.9");
}

static void test_the_margin_shrinks_with_the_samples(void **state)
{
    (void)state;
    struct tune_value v[TUNE_VALUES_MAX];
    size_t n = advise(crawling, 50, v);
    expect_advice(v, n, "start", "60s", "5 x the longest of 100, 12000 ms");
    struct tune_picture p = look(crawling, 500);
    sweep[0].ms[TUNE_START][TUNE_SAMPLES_MAX - 1] = 90000; /* one in 1,000: above the p99.9 */
    n = tune_advise(sweep, &p, &(struct tune_pulls){0}, v);
    expect_advice(v, n, "start", "36s", "3 x the p99.9 of 1000, 12000 ms");
    sweep[0].ms[TUNE_START][TUNE_SAMPLES_MAX - 2] = 80000; /* two */
    n = tune_advise(sweep, &p, &(struct tune_pulls){0}, v);
    expect_advice(v, n, "start", "240s", "3 x the p99.9 of 1000, 80000 ms");
}

/* Samples of levels above the knee are those of a crowd that the recommended limit prevents. */
static void test_timeouts_come_from_the_levels_up_to_the_knee(void **state)
{
    (void)state;
    struct tune_value v[TUNE_VALUES_MAX];
    struct tune_picture p;
    make_sweep(knee_at_3, 30);
    sweep[1].ms[TUNE_START][7] = 4000;
    sweep[3].ms[TUNE_START][7] = 50000;
    tune_look(sweep, COUNT, &p);
    size_t n = tune_advise(sweep, &p, &(struct tune_pulls){0}, v);
    expect_advice(v, n, "start", "20s", "5 x the longest of 180, 4000 ms");
}

static void test_pulls(void **state)
{
    (void)state;
    struct tune_value v[TUNE_VALUES_MAX];
    struct tune_picture p = look(flat, 30);
    size_t n = tune_advise(sweep, &p, &(struct tune_pulls){.count = 3, .longest_ms = 20001}, v);
    expect_advice(v, n, "pull", "201s", "10 x the longest of 3, 20001 ms");
    n = tune_advise(sweep, &p, &(struct tune_pulls){.count = 1, .longest_ms = 100}, v);
    expect_advice(v, n, "pull", "60s", "no less than 60 s");
    /* A look at the registry is no pull. */
    assert_int_equal(n, 7);
    n = tune_advise(sweep, &p, &(struct tune_pulls){.count = 1, .longest_ms = 100, .was_there = true}, v);
    assert_int_equal(n, 6);
}

/* Each is written as a line "# evidence" of a configuration, which takes 200 bytes; cut ones end in no dot
 * or word of ours, so nothing may be cut. */
static void test_no_text_is_cut(void **state)
{
    (void)state;
    struct tune_value v[TUNE_VALUES_MAX];
    struct tune_note notes[TUNE_NOTES_MAX];
    struct tune_picture p;
    make_sweep(knee_at_3, 500);
    for (size_t i = 0; i < COUNT; i++) {
        sweep[i].passes[0] = (struct tune_pass){.starts = INT32_MAX / 2, .took_ms = 1000};
        sweep[i].passes[1] = (struct tune_pass){.starts = INT32_MAX / 8, .took_ms = 1000};
        sweep[i].failures = INT32_MAX / 1000;
    }
    sweep[0].ms[TUNE_START][0] = sweep[0].ms[TUNE_CREATE][0] = INT32_MAX;
    tune_look(sweep, COUNT, &p);
    size_t n = tune_advise(sweep, &p, &(struct tune_pulls){.count = INT32_MAX, .longest_ms = INT32_MAX}, v);
    assert_int_equal(n, 7);
    for (size_t i = 0; i < n; i++) {
        assert_true(strlen(v[i].evidence) < sizeof(v[i].evidence) - 1);
        assert_true(strlen(v[i].value) < sizeof(v[i].value) - 1);
    }
    n = tune_notes(&p, notes);
    assert_true(n > 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(notes[i].text[strlen(notes[i].text) - 1], '.');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flat_engine_wants_one_in_flight),
        cmocka_unit_test(test_the_least_level_near_the_best_is_the_knee),
        cmocka_unit_test(test_95_percent_is_the_border),
        cmocka_unit_test(test_noise_of_3_percent_rarely_moves_the_knee),
        cmocka_unit_test(test_wild_rates_are_said),
        cmocka_unit_test(test_an_engine_that_only_gets_better_is_said),
        cmocka_unit_test(test_an_engine_that_gets_slower_shows_the_same_knee_and_is_said),
        cmocka_unit_test(test_the_plan_leaves_out_levels_that_so_few_containers_say_nothing_about),
        cmocka_unit_test(test_what_all_levels_lose_is_drift_and_no_scatter),
        cmocka_unit_test(test_one_level_is_used_and_said),
        cmocka_unit_test(test_nothing_measured_recommends_nothing),
        cmocka_unit_test(test_fewer_starts_than_in_flight_are_too_few),
        cmocka_unit_test(test_a_level_whose_lives_fail_is_shown_and_not_chosen),
        cmocka_unit_test(test_a_knee_of_few_starts_is_said),
        cmocka_unit_test(test_a_missing_pass_is_no_drift),
        cmocka_unit_test(test_quantiles_by_nearest_rank),
        cmocka_unit_test(test_samples_are_sorted_and_too_many_are_dropped),
        cmocka_unit_test(test_values_of_a_knee_at_3),
        cmocka_unit_test(test_a_slow_engine_gets_long_clocks_and_a_small_rate),
        cmocka_unit_test(test_the_margin_shrinks_with_the_samples),
        cmocka_unit_test(test_timeouts_come_from_the_levels_up_to_the_knee),
        cmocka_unit_test(test_pulls),
        cmocka_unit_test(test_no_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
