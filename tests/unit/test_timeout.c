/* A learned timeout, case by case; test_timeout_sim.c has the figures. */
#include "core/timeout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct timeout_policy policy = {
    .fixed_ms = 60000, .floor_ms = 5000, .ceiling_ms = 180000, .margin = 2.5, .min_samples = 30};

static struct timeout after(int count, int64_t took_ms)
{
    struct timeout t = {.samples = 0};
    for (int i = 0; i < count; i++)
        timeout_done(&t, took_ms);
    return t;
}

static void expect_same(const struct timeout *a, const struct timeout *b)
{
    assert_memory_equal(&a->took, &b->took, sizeof(a->took));
    assert_int_equal(a->samples, b->samples);
    assert_int_equal(a->raised_ms, b->raised_ms);
}

static void test_the_fixed_value_until_there_are_enough_samples(void **state)
{
    (void)state;
    struct timeout t = after(29, 4000);
    assert_false(timeout_is_learned(&t, &policy));
    assert_int_equal(timeout_ms(&t, &policy), 60000);
    timeout_done(&t, 4000);
    assert_true(timeout_is_learned(&t, &policy));
    assert_in_range(timeout_ms(&t, &policy), 10000, 10800);
}

static void test_floor_and_ceiling(void **state)
{
    (void)state;
    struct timeout quick = after(100, 20);
    assert_int_equal(timeout_ms(&quick, &policy), 5000);
    struct timeout slow = after(100, 170000);
    assert_int_equal(timeout_ms(&slow, &policy), 180000);
}

/* The fixed value is what one may wait anyway: to wait longer takes more than a margin. */
static void test_the_margin_shrinks_before_it_makes_the_wait_as_long_as_the_fixed_value(void **state)
{
    (void)state;
    struct timeout t = after(100, 19990);
    assert_in_range(timeout_ms(&t, &policy), 49975, 54000);
    t = after(100, 40000);
    assert_int_equal(timeout_ms(&t, &policy), 54000);
    t = after(100, 60000);
    assert_in_range(timeout_ms(&t, &policy), 75000, 81000);
}

static void test_a_timeout_doubles_up_to_the_ceiling_until_something_goes_well(void **state)
{
    (void)state;
    struct timeout t = after(100, 20);
    for (int64_t expected_ms = 5000; expected_ms < 180000; expected_ms *= 2) {
        assert_int_equal(timeout_ms(&t, &policy), expected_ms);
        timeout_expired(&t, &policy, expected_ms);
    }
    assert_int_equal(timeout_ms(&t, &policy), 180000);
    timeout_expired(&t, &policy, 180000);
    assert_int_equal(timeout_ms(&t, &policy), 180000);
    timeout_done(&t, 30);
    assert_int_equal(timeout_ms(&t, &policy), 5000);
}

static void test_the_fixed_value_doubles_as_well(void **state)
{
    (void)state;
    struct timeout t = {.samples = 0};
    timeout_expired(&t, &policy, 60000);
    assert_int_equal(timeout_ms(&t, &policy), 120000);
    timeout_done(&t, 100);
    assert_int_equal(timeout_ms(&t, &policy), 60000);
}

static void test_a_ceiling_below_the_fixed_value_takes_nothing_from_it(void **state)
{
    (void)state;
    struct timeout_policy low = policy;
    low.ceiling_ms = 20000;
    struct timeout t = {.samples = 0};
    assert_int_equal(timeout_ms(&t, &low), 60000);
    timeout_expired(&t, &low, 60000);
    assert_int_equal(timeout_ms(&t, &low), 60000);
}

static void test_those_that_time_out_together_double_once(void **state)
{
    (void)state;
    struct timeout t = after(100, 20);
    for (int i = 0; i < 10; i++)
        timeout_expired(&t, &policy, 5000);
    assert_int_equal(timeout_ms(&t, &policy), 10000);
}

static void test_one_that_was_sent_before_the_doubling_changes_nothing(void **state)
{
    (void)state;
    struct timeout t = after(100, 20);
    timeout_expired(&t, &policy, 5000);
    timeout_expired(&t, &policy, 10000);
    timeout_expired(&t, &policy, 5000);
    assert_int_equal(timeout_ms(&t, &policy), 20000);
}

static void test_what_timed_out_is_no_sample(void **state)
{
    (void)state;
    struct timeout t = after(100, 20);
    struct timeout before = t;
    timeout_expired(&t, &policy, 5000);
    assert_int_equal(t.samples, before.samples);
    assert_memory_equal(&t.took, &before.took, sizeof(t.took));
}

static void test_one_that_turns_out_done_is_a_sample_of_at_least_its_timeout(void **state)
{
    (void)state;
    struct timeout t = {.samples = 0};
    timeout_late(&t, &policy, 60000, 100); /* a clock of the looker's that says nonsense */
    assert_in_range(quantile_ms(&t.took, 1), 60000, 64800);
    struct timeout seen = {.samples = 0};
    timeout_late(&seen, &policy, 60000, 90000);
    assert_in_range(quantile_ms(&seen.took, 1), 90000, 97200);
    struct timeout far = {.samples = 0}; /* seen after a night without the engine */
    timeout_late(&far, &policy, 60000, 8 * INT64_C(3600000));
    assert_in_range(quantile_ms(&far.took, 1), 180000, 194400);
    assert_int_equal(far.samples, 1);
}

static void test_a_late_end_does_not_lower_what_its_timeout_has_raised(void **state)
{
    (void)state;
    struct timeout t = after(2000, 20);
    timeout_expired(&t, &policy, 5000);
    timeout_late(&t, &policy, 5000, 6000);
    assert_int_equal(timeout_ms(&t, &policy), 10000);
}

static void test_saved_and_loaded_it_is_the_same(void **state)
{
    (void)state;
    struct timeout t = after(1234, 700);
    timeout_expired(&t, &policy, 5000);
    char text[TIMEOUT_TEXT_SIZE];
    timeout_save(&t, text);
    struct timeout again = {.samples = 0};
    assert_true(timeout_load(&again, text));
    expect_same(&t, &again);
    struct timeout none = {.samples = 0};
    timeout_save(&none, text);
    assert_true(timeout_load(&again, text));
    expect_same(&none, &again);
}

static void test_other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "q1",
        "q1 1",
        "q1 1 0",
        "q2 1 0 3:1024",
        "q1 1 0 ",
        "q1 0 0 3:1024",
        "q1 -1 0 3:1024",
        "q1 1 -5 3:1024",
        "q1 1 0 x",
        "q1 1 0 3:1024 ",
        "q1 1 0  3:1024",
        "q1 1 99999999999999 3:1024",
        "q1 99999999999999999999 0 3:1024",
        "q1 1 0\n3:1024",
    };
    struct timeout before = after(3, 50);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct timeout t = before;
        if (timeout_load(&t, texts[i]))
            fail_msg("\"%s\" was taken", texts[i]);
        expect_same(&t, &before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fixed_value_until_there_are_enough_samples),
        cmocka_unit_test(test_floor_and_ceiling),
        cmocka_unit_test(test_the_margin_shrinks_before_it_makes_the_wait_as_long_as_the_fixed_value),
        cmocka_unit_test(test_a_timeout_doubles_up_to_the_ceiling_until_something_goes_well),
        cmocka_unit_test(test_the_fixed_value_doubles_as_well),
        cmocka_unit_test(test_a_ceiling_below_the_fixed_value_takes_nothing_from_it),
        cmocka_unit_test(test_those_that_time_out_together_double_once),
        cmocka_unit_test(test_one_that_was_sent_before_the_doubling_changes_nothing),
        cmocka_unit_test(test_what_timed_out_is_no_sample),
        cmocka_unit_test(test_one_that_turns_out_done_is_a_sample_of_at_least_its_timeout),
        cmocka_unit_test(test_a_late_end_does_not_lower_what_its_timeout_has_raised),
        cmocka_unit_test(test_saved_and_loaded_it_is_the_same),
        cmocka_unit_test(test_other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
