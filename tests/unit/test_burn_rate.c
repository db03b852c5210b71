/* Burn rates: what the windows hold, when a speed is high and when clean, what the state file keeps. */
#include "core/burn_rate.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define T0 (INT64_C(1790000000000) / HOUR * HOUR)
#define BUDGET 0.005

static struct burn_rate begun(int64_t now_ms)
{
    struct burn_rate rate;
    burn_rate_begin(&rate, now_ms);
    return rate;
}

static void add(struct burn_rate *rate, int64_t now_ms, uint64_t total, uint64_t bad)
{
    burn_rate_add(rate, now_ms, (struct burn_counts){total, bad});
}

static void expect(struct burn_rate *rate, int64_t now_ms, int64_t window_ms, uint64_t total, uint64_t bad)
{
    struct burn_counts sum = burn_rate_window(rate, now_ms, window_ms);
    assert_int_equal(sum.total, total);
    assert_int_equal(sum.bad, bad);
}

static void test_it_takes_a_few_kilobytes(void **state)
{
    (void)state;
    assert_true(sizeof(struct burn_rate) <= 4200);
}

static void test_windows_slide_by_the_minute_and_by_the_half_hour(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    add(&rate, T0 + 10, 10, 1);
    add(&rate, T0 + MINUTE - 1, 5, 0);
    add(&rate, T0 + MINUTE, 100, 7);
    expect(&rate, T0 + MINUTE, 5 * MINUTE, 115, 8);
    expect(&rate, T0 + 5 * MINUTE - 1, 5 * MINUTE, 115, 8);
    expect(&rate, T0 + 5 * MINUTE, 5 * MINUTE, 100, 7);
    expect(&rate, T0 + 6 * MINUTE, 5 * MINUTE, 0, 0);
    expect(&rate, T0 + 6 * HOUR - 1, 6 * HOUR, 115, 8);
    expect(&rate, T0 + 6 * HOUR, 6 * HOUR, 100, 7);
    expect(&rate, T0 + 72 * HOUR - 1, 72 * HOUR, 115, 8);
    expect(&rate, T0 + 72 * HOUR, 72 * HOUR, 0, 0);
}

static void test_what_is_long_gone_does_not_come_round(void **state)
{
    (void)state;
    for (int64_t gap = 6 * HOUR; gap < 400 * HOUR; gap += 37 * MINUTE) {
        struct burn_rate rate = begun(T0);
        for (int64_t ms = 0; ms < 6 * HOUR; ms += MINUTE)
            add(&rate, T0 + ms, 3, 1);
        int64_t now_ms = T0 + 6 * HOUR + gap;
        expect(&rate, now_ms, 6 * HOUR, 0, 0);
        if (gap >= 72 * HOUR)
            expect(&rate, now_ms, 72 * HOUR, 0, 0);
        else if (gap <= 65 * HOUR)
            expect(&rate, now_ms, 72 * HOUR, 360 * 3, 360);
    }
}

/* Every minute has its own number, so that each sum is known. */
static void test_sums_are_those_of_a_simple_count(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    for (int64_t m = 0; m < 5000; m++) {
        uint64_t short_sum = 0;
        add(&rate, T0 + m * MINUTE + 59999, (uint64_t)(m % 13), (uint64_t)(m % 3 == 0 && m % 13 > 0));
        for (int64_t i = m; i > m - 30 && i >= 0; i--)
            short_sum += (uint64_t)(i % 13);
        assert_int_equal(burn_rate_window(&rate, T0 + m * MINUTE + 59999, 30 * MINUTE).total, short_sum);
    }
}

static void test_a_clock_that_goes_back_changes_nothing(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0 + HOUR);
    add(&rate, T0 + HOUR, 10, 1);
    add(&rate, T0, 10, 1);
    expect(&rate, T0 - HOUR, 5 * MINUTE, 20, 2);
    expect(&rate, T0 + HOUR, 5 * MINUTE, 20, 2);
}

static void test_counts_stop_at_what_they_can_hold(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    add(&rate, T0, UINT64_MAX, UINT64_MAX);
    add(&rate, T0, 5, 5);
    expect(&rate, T0, 5 * MINUTE, UINT32_MAX, UINT32_MAX);
}

/* ---- speeds ---- */

static enum burn_verdict verdict(struct burn_rate *rate, int64_t now_ms, enum burn_speed_id speed)
{
    return burn_rate_look(rate, now_ms, &burn_speeds[speed], BUDGET).verdict;
}

/* So many events a minute with this share of bad ones. */
static int64_t run(struct burn_rate *rate, int64_t now_ms, int64_t minutes, uint64_t total, uint64_t bad)
{
    for (int64_t m = 0; m < minutes; m++, now_ms += MINUTE)
        add(rate, now_ms, total, bad);
    return now_ms;
}

static void test_both_windows_must_be_high(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    int64_t now = run(&rate, T0, 55, 100, 0);
    now = run(&rate, now, 5, 100, 100);
    assert_int_equal(verdict(&rate, now - 1, BURN_FAST), BURN_HIGH); /* 500 of 6000: 8.3 % > 7.2 % */
    now = run(&rate, now, 6, 100, 0);
    assert_int_equal(verdict(&rate, now - 1, BURN_FAST), BURN_LOW); /* the long one still is */
    assert_true(burn_rate_look(&rate, now - 1, &burn_speeds[BURN_FAST], BUDGET).long_burn > 14.4);
}

static void test_few_bad_events_say_nothing(void **state)
{
    (void)state;
    for (uint64_t bad = 1; bad <= 12; bad++) {
        struct burn_rate rate = begun(T0);
        add(&rate, T0 + HOUR, bad, bad);
        assert_int_equal(verdict(&rate, T0 + HOUR, BURN_FAST), bad >= 10 ? BURN_HIGH
                                                               : bad < 2 ? BURN_LOW
                                                                         : BURN_BETWEEN);
    }
}

static void test_one_more_after_a_storm_is_no_storm(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    int64_t now = run(&rate, T0, 30, 10, 10);
    now += 10 * MINUTE;
    add(&rate, now, 1, 1);
    assert_int_equal(verdict(&rate, now, BURN_FAST), BURN_LOW);
    add(&rate, now, 1, 1);
    assert_int_equal(verdict(&rate, now, BURN_FAST), BURN_HIGH);
}

static void test_near_the_threshold_it_neither_begins_nor_ends(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    int64_t now = run(&rate, T0, 60, 100, 5); /* 10 times the budget, above half of 14.4 */
    assert_int_equal(verdict(&rate, now - 1, BURN_FAST), BURN_BETWEEN);
    now = run(&rate, now, 60, 100, 3);
    assert_int_equal(verdict(&rate, now - 1, BURN_FAST), BURN_LOW);
}

static void test_a_window_that_was_not_seen_is_not_clean(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    assert_int_equal(verdict(&rate, T0 + 5 * MINUTE - 1, BURN_FAST), BURN_BETWEEN);
    assert_int_equal(verdict(&rate, T0 + 5 * MINUTE, BURN_FAST), BURN_LOW);
    assert_int_equal(verdict(&rate, T0 + 5 * MINUTE, BURN_SLOW), BURN_BETWEEN);
}

static void test_chance_alone_is_not_slow_burn(void **state)
{
    (void)state;
    struct burn_rate rate = begun(T0);
    add(&rate, T0, 3000, 18); /* 0.6 %, of a usual 0.3 %: seen every few days */
    assert_int_equal(verdict(&rate, T0, BURN_SLOW), BURN_BETWEEN);
    add(&rate, T0, 3000, 64); /* 82 of 6000 is not chance any more */
    assert_int_equal(verdict(&rate, T0, BURN_SLOW), BURN_HIGH);
}

/* ---- the state file ---- */

static void assert_same_windows(struct burn_rate *a, struct burn_rate *b, int64_t now_ms)
{
    static const int64_t windows[] = {5 * MINUTE, 30 * MINUTE, HOUR, 6 * HOUR, 72 * HOUR};
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        struct burn_counts of_a = burn_rate_window(a, now_ms, windows[i]);
        expect(b, now_ms, windows[i], of_a.total, of_a.bad);
    }
}

static void test_windows_go_on_after_a_restart(void **state)
{
    (void)state;
    static char text[BURN_TEXT_SIZE];
    struct burn_rate rate = begun(T0);
    struct burn_rate back;
    int64_t now = run(&rate, T0, 60 * 24 * 4, 7, 1) - 20000;
    for (int restart = 0; restart < 500; restart++, now += 1700) { /* again and again, without drifting */
        size_t len = burn_rate_write(restart == 0 ? &rate : &back, now, text);
        assert_int_equal(len, strlen(text));
        assert_true(burn_rate_read(&back, text, now + 700));
    }
    assert_same_windows(&rate, &back, now);
    assert_int_equal(back.since_ms <= now - 70 * HOUR, true);
    burn_rate_write(&rate, now, text);
    assert_true(burn_rate_read(&back, text, now + 2 * HOUR));
    assert_same_windows(&rate, &back, now + 2 * HOUR);
    assert_int_equal(back.since_ms, now + 2 * HOUR); /* who was away has seen nothing */
    assert_true(burn_rate_read(&back, text, now + 100 * 24 * HOUR));
    expect(&back, now + 100 * 24 * HOUR, 72 * HOUR, 0, 0);
}

static void test_written_in_the_future_counts_as_just_now(void **state)
{
    (void)state;
    static char text[BURN_TEXT_SIZE];
    struct burn_rate rate = begun(T0);
    struct burn_rate back;
    run(&rate, T0, 120, 7, 1);
    burn_rate_write(&rate, T0 + 2 * HOUR - 1, text);
    assert_true(burn_rate_read(&back, text, T0 - 1000 * HOUR));
    expect(&back, T0 - 1000 * HOUR, 6 * HOUR, 120 * 7, 120);
    expect(&back, T0 - 1000 * HOUR, 5 * MINUTE, 35, 5);
}

static void test_the_largest_text_fits(void **state)
{
    (void)state;
    static char text[BURN_TEXT_SIZE];
    struct burn_rate rate = begun(T0);
    struct burn_rate back;
    run(&rate, T0, 60 * 24 * 4, UINT32_MAX, UINT32_MAX);
    size_t len = burn_rate_write(&rate, T0 + 96 * HOUR - 1, text);
    assert_true(len > 10000 && len < BURN_TEXT_SIZE);
    assert_true(burn_rate_read(&back, text, T0 + 96 * HOUR - 1));
    assert_same_windows(&rate, &back, T0 + 96 * HOUR - 1);
}

static void test_other_texts_are_refused_and_leave_it_empty(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "1",
                                        "1 ",
                                        "2 5 5",
                                        "1 5",
                                        "1 5 5 ",
                                        "1 5 5 m",
                                        "1 5 5 m0:1",
                                        "1 5 5 m0:1:2",
                                        "1 5 5 m360:1:1",
                                        "1 5 5 h144:1:1",
                                        "1 5 5 m-1:1:1",
                                        "1 5 5 m0:4294967296:1",
                                        "1 5 5 m0:99999999999999999999999999:1",
                                        "1 5 5 x0:1:1",
                                        "1 5 5 m0:1:1x",
                                        "1 5 99999999999999 m0:1:1",
                                        "1 99999999999999999999999 5",
                                        "1 -5 5",
                                        " 1 5 5"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct burn_rate rate;
        if (burn_rate_read(&rate, texts[i], T0))
            fail_msg("\"%s\" was taken", texts[i]);
        expect(&rate, T0, 72 * HOUR, 0, 0);
        assert_int_equal(rate.since_ms, T0);
    }
    struct burn_rate rate;
    assert_true(burn_rate_read(&rate, "1 5 5 m0:1:1 m359:1:0 h0:9:1", T0));
    assert_true(burn_rate_read(&rate, "1 5 5 m5:1:1 h143:9:1", 10)); /* would lie before time 0 */
}

static void test_a_counter_that_fell_has_begun_anew(void **state)
{
    (void)state;
    assert_int_equal(burn_delta(5, 9), 4);
    assert_int_equal(burn_delta(9, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_takes_a_few_kilobytes),
        cmocka_unit_test(test_windows_slide_by_the_minute_and_by_the_half_hour),
        cmocka_unit_test(test_what_is_long_gone_does_not_come_round),
        cmocka_unit_test(test_sums_are_those_of_a_simple_count),
        cmocka_unit_test(test_a_clock_that_goes_back_changes_nothing),
        cmocka_unit_test(test_counts_stop_at_what_they_can_hold),
        cmocka_unit_test(test_both_windows_must_be_high),
        cmocka_unit_test(test_few_bad_events_say_nothing),
        cmocka_unit_test(test_one_more_after_a_storm_is_no_storm),
        cmocka_unit_test(test_near_the_threshold_it_neither_begins_nor_ends),
        cmocka_unit_test(test_a_window_that_was_not_seen_is_not_clean),
        cmocka_unit_test(test_chance_alone_is_not_slow_burn),
        cmocka_unit_test(test_windows_go_on_after_a_restart),
        cmocka_unit_test(test_written_in_the_future_counts_as_just_now),
        cmocka_unit_test(test_the_largest_text_fits),
        cmocka_unit_test(test_other_texts_are_refused_and_leave_it_empty),
        cmocka_unit_test(test_a_counter_that_fell_has_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
