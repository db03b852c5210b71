/*
 * timers: order, equal deadlines, starting and cancelling inside a callback, walls that jump.
 */
#include "base/check.h"
#include "base/random.h"
#include "base/timers.h"
#include "tests/support/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct fake_clock fake;
static struct timers *timers;
static char fired[64];

static int set_up(void **state)
{
    (void)state;
    fake_clock_init(&fake);
    timers = timers_new(fake_clock_clock(&fake));
    memset(fired, 0, sizeof(fired));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    timers_free(timers);
    return 0;
}

static void on_letter(void *arg)
{
    size_t used = strlen(fired);
    assert_true(used + 1 < sizeof(fired));
    fired[used] = *(const char *)arg;
}

static char letters[] = "abcdefgh";

static void test_order_of_deadlines_then_of_starts(void **state)
{
    (void)state;
    struct timer t[6] = {0};
    const int64_t delays[] = {30, 10, 30, 10, 20, 30};
    for (size_t i = 0; i < 6; i++)
        timer_start(timers, &t[i], delays[i], on_letter, &letters[i]);
    assert_int_equal(timers_next_ms(timers), 10);
    fake_clock_advance(&fake, timers, 29);
    assert_string_equal(fired, "bde");
    fake_clock_advance(&fake, timers, 1);
    assert_string_equal(fired, "bdeacf");
    assert_int_equal(timers_next_ms(timers), -1);
}

static void test_not_early_not_twice(void **state)
{
    (void)state;
    struct timer t = {0};
    timer_start(timers, &t, 100, on_letter, letters);
    fake.mono_ms += 99;
    assert_int_equal(timers_run(timers), 0);
    assert_int_equal(timers_next_ms(timers), 1);
    fake.mono_ms += 500;
    assert_int_equal(timers_next_ms(timers), 0);
    assert_int_equal(timers_run(timers), 1);
    assert_int_equal(timers_run(timers), 0);
    assert_false(timer_is_running(&t));
    assert_string_equal(fired, "a");
}

static void test_start_never_calls_and_negative_counts_as_zero(void **state)
{
    (void)state;
    struct timer t[2] = {0};
    timer_start(timers, &t[0], 0, on_letter, &letters[0]);
    timer_start(timers, &t[1], INT64_MIN, on_letter, &letters[1]);
    assert_string_equal(fired, "");
    assert_int_equal(timers_next_ms(timers), 0);
    assert_int_equal(timers_run(timers), 2);
    assert_string_equal(fired, "ab");
}

static void test_longest_delays_do_not_wrap_around(void **state)
{
    (void)state;
    struct timer t[3] = {0};
    timer_start(timers, &t[0], INT64_MAX, on_letter, &letters[0]);
    timer_start_wall(timers, &t[1], INT64_MAX, INT64_MAX, on_letter, &letters[1]);
    assert_true(timers_next_ms(timers) > INT64_C(86400000) * 366 * 1000);
    timer_start_wall(timers, &t[2], INT64_MIN, INT64_MAX, on_letter, &letters[2]);
    assert_int_equal(timers_run(timers), 1);
    assert_string_equal(fired, "c");
    timer_cancel(&t[0]);
    timer_cancel(&t[1]);
}

static void test_starting_again_moves(void **state)
{
    (void)state;
    struct timer t[2] = {0};
    timer_start(timers, &t[0], 10, on_letter, &letters[0]);
    timer_start(timers, &t[1], 20, on_letter, &letters[1]);
    timer_start(timers, &t[0], 20, on_letter, &letters[2]);
    fake_clock_advance(&fake, timers, 15);
    assert_string_equal(fired, "");
    fake_clock_advance(&fake, timers, 5);
    assert_string_equal(fired, "bc");
}

static void test_cancel(void **state)
{
    (void)state;
    struct timer t[3] = {0};
    for (size_t i = 0; i < 3; i++)
        timer_start(timers, &t[i], 10, on_letter, &letters[i]);
    timer_cancel(&t[1]);
    timer_cancel(&t[1]);
    assert_false(timer_is_running(&t[1]));
    assert_true(timer_is_running(&t[2]));
    fake_clock_advance(&fake, timers, 10);
    assert_string_equal(fired, "ac");
    struct timer never = {0};
    timer_cancel(&never);
}

struct pair {
    struct timer self;
    struct timer other;
};

static void on_cancel_other(void *arg)
{
    struct pair *p = arg;
    on_letter(&letters[0]);
    timer_cancel(&p->other);
}

static void on_start_again(void *arg)
{
    struct pair *p = arg;
    on_letter(&letters[0]);
    timer_start(timers, &p->self, 0, on_start_again, p);
}

static void test_cancel_inside_a_callback_of_the_same_moment(void **state)
{
    (void)state;
    struct pair p = {0};
    timer_start(timers, &p.self, 5, on_cancel_other, &p);
    timer_start(timers, &p.other, 5, on_letter, &letters[1]);
    fake.mono_ms += 5;
    assert_int_equal(timers_run(timers), 1);
    assert_string_equal(fired, "a");
    assert_int_equal(timers_next_ms(timers), -1);
}

/* What is started in a callback waits for the next call, or one turn could last for ever. */
static void test_start_inside_a_callback_waits_for_the_next_run(void **state)
{
    (void)state;
    struct pair p = {0};
    timer_start(timers, &p.self, 5, on_start_again, &p);
    fake.mono_ms += 5;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(timers_run(timers), 1);
        assert_int_equal(strlen(fired), i);
        assert_int_equal(timers_next_ms(timers), 0);
    }
    timer_cancel(&p.self);
}

static void test_wall_times_are_cut_to_a_sane_delay(void **state)
{
    (void)state;
    struct timer t[4] = {0};
    timer_start_wall(timers, &t[0], fake.wall_ms + 50, 1000, on_letter, &letters[0]);
    timer_start_wall(timers, &t[1], fake.wall_ms - 86400000, 1000, on_letter, &letters[1]);
    timer_start_wall(timers, &t[2], fake.wall_ms + 86400000, 1000, on_letter, &letters[2]);
    timer_start_wall(timers, &t[3], INT64_MAX, 1000, on_letter, &letters[3]);
    fake.wall_ms -= 3600000; /* what happens to the wall clock later changes nothing */
    assert_int_equal(timers_run(timers), 1);
    fake_clock_advance(&fake, timers, 50);
    assert_string_equal(fired, "ba");
    fake_clock_advance(&fake, timers, 949);
    assert_string_equal(fired, "ba");
    fake_clock_advance(&fake, timers, 1);
    assert_string_equal(fired, "bacd");
}

static void on_count(void *arg)
{
    ++*(int *)arg;
}

static void test_owner_hears_of_a_new_head(void **state)
{
    (void)state;
    int changes = 0;
    struct timer t[2] = {0};
    timers_on_change(timers, on_count, &changes);
    timer_start(timers, &t[0], 100, on_letter, letters);
    assert_int_equal(changes, 1);
    timer_start(timers, &t[1], 200, on_letter, letters);
    assert_int_equal(changes, 1);
    timer_start(timers, &t[1], 50, on_letter, letters);
    assert_int_equal(changes, 2);
}

static void test_free_leaves_no_timer_behind(void **state)
{
    (void)state;
    struct timer t = {0};
    struct timers *own = timers_new(fake_clock_clock(&fake));
    timer_start(own, &t, 10, on_letter, letters);
    timers_free(own);
    assert_false(timer_is_running(&t));
    timer_cancel(&t);
    timers_free(NULL);
}

#define MANY 500

struct many {
    struct timer timer;
    int64_t due_ms;
    uint64_t seq;
    bool is_on;
};
static struct many many[MANY];
static int64_t last_due_ms;
static uint64_t last_seq;

static void on_many(void *arg)
{
    struct many *m = arg;
    assert_true(m->is_on);
    assert_true(m->due_ms <= fake.mono_ms);
    assert_true(m->due_ms > last_due_ms || (m->due_ms == last_due_ms && m->seq > last_seq));
    last_due_ms = m->due_ms;
    last_seq = m->seq;
    m->is_on = false;
}

/* Random starts, moves and cancels against what each timer itself remembers. */
static void test_random_use(void **state)
{
    (void)state;
    uint64_t seed = 8;
    uint64_t seq = 0;
    for (int turn = 0; turn < 5000; turn++) {
        for (int k = 0; k < 10; k++) {
            struct many *m = &many[random_splitmix64(&seed) % MANY];
            if (random_splitmix64(&seed) % 4 == 0) {
                timer_cancel(&m->timer);
                m->is_on = false;
                continue;
            }
            int64_t delay_ms = (int64_t)(random_splitmix64(&seed) % 200);
            timer_start(timers, &m->timer, delay_ms, on_many, m);
            m->is_on = true;
            m->due_ms = fake.mono_ms + delay_ms;
            m->seq = ++seq;
        }
        fake.mono_ms += (int64_t)(random_splitmix64(&seed) % 5);
        last_due_ms = 0;
        timers_run(timers);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(timer_is_running(&many[i].timer), many[i].is_on);
            assert_true(!many[i].is_on || many[i].due_ms > fake.mono_ms);
        }
    }
}

int main(void)
{
#define TIMER_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TIMER_TEST(test_order_of_deadlines_then_of_starts),
        TIMER_TEST(test_not_early_not_twice),
        TIMER_TEST(test_start_never_calls_and_negative_counts_as_zero),
        TIMER_TEST(test_longest_delays_do_not_wrap_around),
        TIMER_TEST(test_starting_again_moves),
        TIMER_TEST(test_cancel),
        TIMER_TEST(test_cancel_inside_a_callback_of_the_same_moment),
        TIMER_TEST(test_start_inside_a_callback_waits_for_the_next_run),
        TIMER_TEST(test_wall_times_are_cut_to_a_sane_delay),
        TIMER_TEST(test_owner_hears_of_a_new_head),
        TIMER_TEST(test_free_leaves_no_timer_behind),
        TIMER_TEST(test_random_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
