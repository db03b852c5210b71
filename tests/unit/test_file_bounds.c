/*
 * test_file_bounds.c - when history is cut short, when pages are given back, in how small steps.
 */
#include "core/file_bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MB INT64_C(1000000)

static void expect(struct file_bounds *b, int64_t mb, int64_t free_mb, int64_t max_mb, bool cuts,
                   bool shrinks)
{
    const struct file_sight sight = {mb * MB, free_mb * MB, true, max_mb * MB};
    file_bounds_see(b, &sight);
    if (b->is_cutting != cuts || b->is_shrinking != shrinks)
        fail_msg("%d MB, %d free of %d: cutting %d, shrinking %d", (int)mb, (int)free_mb, (int)max_mb,
                 b->is_cutting, b->is_shrinking);
}

static void test_cuts_from_the_limit_to_nine_tenths(void **state)
{
    (void)state;
    struct file_bounds b = {0};
    expect(&b, 100, 0, 100, false, false);
    expect(&b, 101, 0, 100, true, false);
    expect(&b, 101, 5, 100, true, true); /* over its limit: what is free is given back at once */
    expect(&b, 100, 9, 100, true, false);
    expect(&b, 100, 10, 100, false, false);
    expect(&b, 100, 1, 100, false, false); /* freed pages are used again */
    expect(&b, 103, 2, 100, true, true);
}

static void test_free_pages_do_not_count_as_used(void **state)
{
    (void)state;
    struct file_bounds b = {0};
    expect(&b, 200, 110, 100, false, true);
    expect(&b, 101, 11, 100, false, true);
    expect(&b, 100, 12, 100, false, false);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct file_bounds b = {0};
    expect(&b, 1000000, 0, 0, false, false);
    expect(&b, 1000000, 300000, 0, false, true);
}

static void test_gives_back_from_a_quarter_to_an_eighth(void **state)
{
    (void)state;
    struct file_bounds b = {0};
    expect(&b, 100, 25, 0, false, false);
    expect(&b, 100, 26, 0, false, true);
    expect(&b, 90, 16, 0, false, true);
    expect(&b, 80, 10, 0, false, false);
    expect(&b, 80, 15, 0, false, false);
    expect(&b, 5, 4, 0, false, false); /* too little to trouble about */
}

static void test_a_file_that_can_not_shrink(void **state)
{
    (void)state;
    struct file_bounds b = {.is_shrinking = true};
    const struct file_sight sight = {200 * MB, 150 * MB, false, 100 * MB};
    file_bounds_see(&b, &sight);
    assert_false(b.is_shrinking);
    assert_false(b.is_cutting);
}

static void test_steps_follow_the_time_they_take(void **state)
{
    (void)state;
    int64_t rows = file_bounds_rows(0, 0);
    assert_in_range(rows, FILE_BOUNDS_ROWS_MIN, FILE_BOUNDS_ROWS_MAX);
    assert_int_equal(file_bounds_rows(64, 0), 128);
    assert_int_equal(file_bounds_rows(64, 1), 64);
    assert_int_equal(file_bounds_rows(64, 2), 64);
    assert_int_equal(file_bounds_rows(64, 3), 32);
    assert_int_equal(file_bounds_rows(FILE_BOUNDS_ROWS_MAX, 0), FILE_BOUNDS_ROWS_MAX);
    assert_int_equal(file_bounds_rows(FILE_BOUNDS_ROWS_MIN, 5000), FILE_BOUNDS_ROWS_MIN);
    assert_int_equal(file_bounds_pause_ms(0), FILE_BOUNDS_PAUSE_MIN_MS);
    assert_int_equal(file_bounds_pause_ms(50), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts_from_the_limit_to_nine_tenths),
        cmocka_unit_test(test_free_pages_do_not_count_as_used),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_gives_back_from_a_quarter_to_an_eighth),
        cmocka_unit_test(test_a_file_that_can_not_shrink),
        cmocka_unit_test(test_steps_follow_the_time_they_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
