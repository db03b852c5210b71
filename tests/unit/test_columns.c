/*
 * columns: which column gives way to which, and that a table never takes more than there is; what many runs
 * wait for, as one.
 */
#include "base/check.h"
#include "core/columns.h"
#include "core/wait_reason.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(const struct column_shape *shapes, size_t count, size_t room, const size_t *wanted)
{
    size_t widths[COLUMNS_MAX];
    columns_fit(shapes, count, room, widths);
    for (size_t i = 0; i < count; i++)
        if (widths[i] != wanted[i])
            fail_msg("room %zu, column %zu: %zu, not %zu", room, i, widths[i], wanted[i]);
}

static void test_widest_gives_way_first(void **state)
{
    (void)state;
    static const struct column_shape shapes[] = {{20, 5, 0}, {10, 5, 0}, {6, 6, 0}};
    expect(shapes, 3, 0, (const size_t[]){20, 10, 6});
    expect(shapes, 3, 100, (const size_t[]){20, 10, 6});
    expect(shapes, 3, 40, (const size_t[]){20, 10, 6});
    expect(shapes, 3, 39, (const size_t[]){19, 10, 6});
    expect(shapes, 3, 30, (const size_t[]){10, 10, 6});
    expect(shapes, 3, 29, (const size_t[]){10, 9, 6});
    expect(shapes, 3, 28, (const size_t[]){9, 9, 6});
    expect(shapes, 3, 20, (const size_t[]){5, 5, 6});
}

static void test_highest_rank_is_left_out(void **state)
{
    (void)state;
    static const struct column_shape shapes[] = {{20, 8, 0}, {10, 10, 2}, {6, 6, 1}};
    expect(shapes, 3, 28, (const size_t[]){8, 10, 6});
    /* With that column gone the others have their full width again. */
    expect(shapes, 3, 27, (const size_t[]){19, 0, 6});
    expect(shapes, 3, 16, (const size_t[]){8, 0, 6});
    expect(shapes, 3, 15, (const size_t[]){15, 0, 0});
    expect(shapes, 3, 8, (const size_t[]){8, 0, 0});
}

static void test_of_equal_ranks_the_last(void **state)
{
    (void)state;
    static const struct column_shape shapes[] = {{5, 5, 0}, {5, 5, 1}, {5, 5, 1}};
    expect(shapes, 3, 18, (const size_t[]){5, 5, 0});
}

static void test_what_stays_is_cut_where_nothing_fits(void **state)
{
    (void)state;
    static const struct column_shape shapes[] = {{12, 12, 0}, {8, 8, 0}, {3, 3, 4}};
    expect(shapes, 3, 18, (const size_t[]){12, 4, 0});
    expect(shapes, 3, 13, (const size_t[]){12, 0, 0});
    expect(shapes, 3, 7, (const size_t[]){7, 0, 0});
    expect(shapes, 3, 1, (const size_t[]){1, 0, 0});
}

/* Whatever the shapes are. The sequence is that of a linear congruential generator, the same each time. */
static void test_never_wider_than_the_room(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        struct column_shape shapes[8];
        size_t widths[8];
        size_t count = 1 + (size_t)round % 8;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1664525 + 1013904223;
            shapes[i] =
                (struct column_shape){1 + (seed >> 8) % 60, 1 + (seed >> 16) % 60, (int)(seed >> 24) % 4};
        }
        size_t room = 1 + (seed >> 4) % 300;
        columns_fit(shapes, count, room, widths);
        size_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            assert_true(widths[i] <= shapes[i].natural);
            sum += widths[i] > 0 ? widths[i] + (sum > 0 ? COLUMNS_GAP : 0) : 0;
        }
        assert_true(sum <= room);
        assert_true(sum > 0 || count > 1 || shapes[0].rank > 0);
    }
}

static void test_a_very_wide_cell_costs_no_time(void **state)
{
    (void)state;
    static const struct column_shape shapes[] = {{(size_t)1 << 40, 10, 0}, {(size_t)1 << 40, 10, 0}};
    expect(shapes, 2, 42, (const size_t[]){20, 20});
}

static void test_reasons(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        const char *reason;
    } cases[] = {
        {"", ""},
        {"claim-ahead window", "claim-ahead window"},
        {"pool limit: running 200", "pool limit: running 200"},
        {"backoff until 2026-11-26T23:03:03.192Z", "backoff"},
        {"engine out of reach since 2026-11-26T23:03:03.192Z", "engine out of reach"},
        {"paused (sluice resume ends it) since 2026-11-26T23:03:03.192Z; engine out of reach since "
         "2026-11-26T23:03:03.192Z until 2026-11-26T23:03:03.192Z",
         "paused (sluice resume ends it); engine out of reach"},
        {"retry budget of engine until 2026-11-26T23:03:03.192Z", "retry budget of engine"},
        {"image of 8 runs before it", "image of runs before it"},
        {"image of 8", "image of "},
        /* no times */
        {"limit of work queue since 2026 at the server", "limit of work queue since 2026 at the server"},
        {"until 2026-11-26T23:03:03.192", "until 2026-11-26T23:03:03.192"},
        {"x until 2026-11-26", "x until 2026-11-26"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE reason = wait_reason(cases[i].said);
        assert_string_equal(reason, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widest_gives_way_first),
        cmocka_unit_test(test_highest_rank_is_left_out),
        cmocka_unit_test(test_of_equal_ranks_the_last),
        cmocka_unit_test(test_what_stays_is_cut_where_nothing_fits),
        cmocka_unit_test(test_never_wider_than_the_room),
        cmocka_unit_test(test_a_very_wide_cell_costs_no_time),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
