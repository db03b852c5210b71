/* test_fake_clock.c - the tests' own clock: timers run in order, at the time they were set for. */
#include "tests/support/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct world {
    struct fake_clock fc;
    struct timers *timers;
    struct timer first;
    struct timer second;
    int64_t first_ran_ms;
    int64_t second_ran_ms;
    int after_timers;
};

static void on_second(void *arg)
{
    struct world *w = arg;
    w->second_ran_ms = w->fc.mono_ms;
}

static void on_first(void *arg)
{
    struct world *w = arg;
    w->first_ran_ms = w->fc.mono_ms;
    timer_start(w->timers, &w->second, 30, on_second, w);
}

static void count_after_timers(void *arg)
{
    struct world *w = arg;
    w->after_timers++;
}

static void test_advance_jumps_from_deadline_to_deadline(void **state)
{
    (void)state;
    struct world w = {0};
    fake_clock_init(&w.fc);
    w.fc.after_timers = count_after_timers;
    w.fc.after_timers_arg = &w;
    w.timers = timers_new(fake_clock_clock(&w.fc));
    int64_t start_ms = clock_mono_ms(fake_clock_clock(&w.fc));
    int64_t start_wall_ms = clock_wall_ms(fake_clock_clock(&w.fc));
    timer_start(w.timers, &w.first, 20, on_first, &w);
    fake_clock_advance(&w.fc, w.timers, 19);
    assert_int_equal(w.first_ran_ms, 0);
    fake_clock_advance(&w.fc, w.timers, 81);
    assert_int_equal(w.first_ran_ms, start_ms + 20);
    assert_int_equal(w.second_ran_ms, start_ms + 50);
    assert_int_equal(w.after_timers, 2);
    assert_int_equal(clock_mono_ms(fake_clock_clock(&w.fc)), start_ms + 100);
    assert_int_equal(clock_wall_ms(fake_clock_clock(&w.fc)), start_wall_ms + 100);
    timers_free(w.timers);
}

static void test_advance_by_nothing_runs_what_is_due(void **state)
{
    (void)state;
    struct world w = {0};
    fake_clock_init(&w.fc);
    w.timers = timers_new(fake_clock_clock(&w.fc));
    timer_start(w.timers, &w.second, 0, on_second, &w);
    fake_clock_advance(&w.fc, w.timers, 0);
    assert_int_equal(w.second_ran_ms, w.fc.mono_ms);
    timers_free(w.timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_advance_jumps_from_deadline_to_deadline),
        cmocka_unit_test(test_advance_by_nothing_runs_what_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
