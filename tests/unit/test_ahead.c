/* How many runs are claimed ahead of the engine: as many as it takes, and no more. */
#include "core/ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LAUNCHING 3

static void test_an_idle_engine_widens_the_window_up_to_a_bound(void **state)
{
    (void)state;
    int64_t extra = 0;
    assert_int_equal(ahead_window(LAUNCHING, extra), LAUNCHING + AHEAD_MIN);
    for (int i = 0; i < 100; i++)
        extra = ahead_after_start(extra, LAUNCHING, false, 0, 50);
    assert_int_equal(ahead_window(LAUNCHING, extra), LAUNCHING + AHEAD_MAX);
}

static void test_an_idle_engine_with_nobody_left_to_claim_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(ahead_after_start(3, LAUNCHING, false, 0, 0), 3);
}

static void test_two_full_rounds_of_ready_runs_narrows_it(void **state)
{
    (void)state;
    assert_int_equal(ahead_after_start(3, LAUNCHING, true, 2 * LAUNCHING + 1, 50), 2);
    assert_int_equal(ahead_after_start(3, LAUNCHING, true, 2 * LAUNCHING, 50), 3);
    assert_int_equal(ahead_after_start(0, LAUNCHING, true, 2 * LAUNCHING + 1, 50), 0);
}

static void test_who_waits_for_an_image_is_bounded_apart(void **state)
{
    (void)state;
    assert_int_equal(ahead_room(5, 3, 20), 2);
    assert_int_equal(ahead_room(5, 3, AHEAD_PULLING_MAX - 1), 1);
    assert_int_equal(ahead_room(5, 3, AHEAD_PULLING_MAX), 0);
    assert_int_equal(ahead_room(5, 7, 0), -2);
    assert_int_equal(ahead_room(200, 100, 150), 50); /* a wide window is the bound of both */
}

/* Claims take `latency` steps to get ready, the engine takes up to `rate` ready runs a step. */
static int64_t starts_in(int steps, int latency, int64_t rate, int64_t *extra)
{
    int64_t on_the_way[64] = {0}; /* ring: ready in so many steps */
    int64_t ready = 0, started = 0, claimed = 0;
    for (int now = 0; now < steps; now++) {
        int64_t fresh = on_the_way[now % latency];
        int64_t before = ready;
        on_the_way[now % latency] = 0;
        ready += fresh;
        claimed -= fresh;
        int64_t starts = ready < rate ? ready : rate;
        for (int64_t i = 0; i < starts; i++) {
            bool has_waited = i < before;
            ready--;
            started++;
            *extra = ahead_after_start(*extra, LAUNCHING, has_waited, ready, 1000);
        }
        int64_t room = ahead_window(LAUNCHING, *extra) - claimed - ready;
        if (room > 0) {
            on_the_way[now % latency] = room;
            claimed += room;
        }
    }
    return started;
}

/* Two starts a step, answers after 8 steps: 16 runs must be on their way, and not more than that pile up. */
static void test_it_settles_where_the_engine_is_busy(void **state)
{
    (void)state;
    int64_t extra = 0;
    (void)starts_in(200, 8, 2, &extra);
    int64_t later = extra;
    assert_true(starts_in(1000, 8, 2, &later) >= 1950); /* of 2000; a window of 5 allows 625 */
    int64_t fast = AHEAD_MAX - AHEAD_MIN;
    (void)starts_in(1000, 1, 2, &fast);
    assert_true(fast <= LAUNCHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_idle_engine_widens_the_window_up_to_a_bound),
        cmocka_unit_test(test_an_idle_engine_with_nobody_left_to_claim_changes_nothing),
        cmocka_unit_test(test_two_full_rounds_of_ready_runs_narrows_it),
        cmocka_unit_test(test_who_waits_for_an_image_is_bounded_apart),
        cmocka_unit_test(test_it_settles_where_the_engine_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
