/*
 * bucket: over a million simulated starts the limit holds in every window and is used; saved states and
 * jumping clocks give nothing away and freeze nothing.
 */
#include "base/check.h"
#include "base/random.h"
#include "core/bucket.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1795401608000) /* an ordinary wall time */

/*
 * Judges a sequence of starts without knowing GCRA: for every pair i <= j there are j - i + 1 starts in the
 * closed window from t_i to t_j, and that must not exceed burst + rate * (t_j - t_i). Keeping the least of
 * i - rate * t_i tells the worst pair in one pass.
 */
struct judge {
    double rate_per_ms;
    double least;
    double worst; /* most tokens any window needed beyond rate * window */
    int64_t count;
    int64_t first_ms;
};

static void judge_start(struct judge *j, int64_t now_ms)
{
    if (j->count == 0)
        *j = (struct judge){.rate_per_ms = j->rate_per_ms, .least = DBL_MAX, .first_ms = now_ms};
    double refilled = j->rate_per_ms * (double)(now_ms - j->first_ms);
    double before = (double)j->count - refilled;
    j->least = fmin(j->least, before);
    j->count++;
    j->worst = fmax(j->worst, (double)j->count - refilled - j->least);
}

static double random_between(uint64_t *seed, double low, double high)
{
    return low + (high - low) * (double)(random_splitmix64(seed) >> 11) / 9007199254740992.0;
}

/* Serve `starts` arrivals that follow one of four patterns; backlogged: everything is there from the start.
 */
static void simulate(uint64_t *seed, double rate, int64_t burst, int pattern, int starts)
{
    struct bucket b = bucket_make(rate, burst, 0);
    struct judge judge = {.rate_per_ms = rate / 1000};
    double arrival_ms = (double)NOW_MS;
    int64_t now_ms = NOW_MS;
    for (int i = 0; i < starts; i++) {
        if (pattern == 1)
            arrival_ms += random_between(seed, 0, 2000 / rate);
        else if (pattern == 2 && i % 37 == 0)
            arrival_ms += random_between(seed, 0, 60000 / rate);
        else if (pattern == 3)
            arrival_ms += random_between(seed, 0, 1) < 0.01 ? 100000 / rate : 200 / rate;
        if ((double)now_ms < arrival_ms)
            now_ms = (int64_t)ceil(arrival_ms);
        int64_t wait_ms = bucket_wait_ms(&b, now_ms);
        assert_true(wait_ms >= 0 && wait_ms <= b.interval_us / 1000 + 1);
        now_ms += wait_ms;
        assert_int_equal(bucket_wait_ms(&b, now_ms), 0);
        if (wait_ms > 0)
            assert_true(bucket_wait_ms(&b, now_ms - 1) > 0);
        assert_true(bucket_tokens(&b, now_ms) >= 1 - 1e-9);
        assert_true(bucket_tokens(&b, now_ms) <= (double)burst + 1e-9);
        b = bucket_take(b, now_ms);
        judge_start(&judge, now_ms);
    }
    assert_true(judge.worst <= (double)burst + 1e-6);
    if (pattern == 0) {
        double allowed = (double)burst + rate * (double)(now_ms - NOW_MS) / 1000;
        assert_true((double)starts >= 0.99 * floor(allowed));
    }
}

static void test_a_million_starts_keep_to_the_limit_and_use_it(void **state)
{
    (void)state;
    uint64_t seed = 20261123;
    int64_t simulated = 0;
    for (int i = 0; i < 600; i++) {
        /* a burst of 1 cannot make up for the millisecond that a wait is rounded up by: slow rates only */
        int64_t burst = 1 + (int64_t)(random_splitmix64(&seed) % 50);
        double rate = exp(random_between(&seed, log(0.01), log(burst == 1 ? 8 : 500)));
        simulate(&seed, rate, burst, i % 4, 2000);
        simulated += 2000;
    }
    assert_true(simulated >= 1000000);
}

static void test_full_bucket_gives_its_burst_and_no_more(void **state)
{
    (void)state;
    struct bucket b = bucket_make(8, 4, 0);
    assert_true(bucket_tokens(&b, NOW_MS) == 4.0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bucket_wait_ms(&b, NOW_MS), 0);
        b = bucket_take(b, NOW_MS);
    }
    assert_true(bucket_tokens(&b, NOW_MS) == 0.0);
    assert_int_equal(bucket_wait_ms(&b, NOW_MS), 125);
    assert_int_equal(bucket_wait_ms(&b, NOW_MS + 124), 1);
    assert_int_equal(bucket_wait_ms(&b, NOW_MS + 125), 0);
    assert_true(fabs(bucket_tokens(&b, NOW_MS + 250) - 2) < 1e-9);
    assert_true(bucket_tokens(&b, NOW_MS + 3600000) == 4.0);
}

static void test_take_without_a_token_is_a_debt(void **state)
{
    (void)state;
    struct bucket b = bucket_make(8, 2, 0);
    for (int i = 0; i < 3; i++)
        b = bucket_take(b, NOW_MS);
    struct bucket honest = bucket_take(bucket_take(bucket_make(8, 2, 0), NOW_MS), NOW_MS);
    assert_true(b.tat_us == honest.tat_us + honest.interval_us);
}

/* A hundred restarts while runs wait: the stored number is all that survives, and it grants nothing. */
static void test_restarts_grant_no_extra_start(void **state)
{
    (void)state;
    uint64_t seed = 17;
    double rate = 3;
    int64_t burst = 5;
    struct judge judge = {.rate_per_ms = rate / 1000};
    int64_t now_ms = NOW_MS;
    int64_t saved_us = 0;
    for (int life = 0; life < 100; life++) {
        struct bucket b = bucket_make(rate, burst, saved_us);
        int64_t end_ms = now_ms + (int64_t)(random_splitmix64(&seed) % 900);
        for (int i = 0; i < 100 && now_ms + bucket_wait_ms(&b, now_ms) <= end_ms; i++) {
            now_ms += bucket_wait_ms(&b, now_ms);
            b = bucket_take(b, now_ms);
            judge_start(&judge, now_ms);
        }
        now_ms = end_ms;
        saved_us = b.tat_us;
    }
    assert_true(judge.worst <= (double)burst + 1e-6);
    assert_true((double)judge.count >= 0.98 * ((double)burst + rate * (double)(now_ms - NOW_MS) / 1000));
}

/* A clock set back by an hour: one start passes, then the rate holds again; nothing waits for the hour. */
static void test_clock_set_back_freezes_nothing(void **state)
{
    (void)state;
    struct bucket b = bucket_make(2, 4, 0);
    for (int i = 0; i < 4; i++)
        b = bucket_take(b, NOW_MS);
    int64_t now_ms = NOW_MS - 3600000;
    struct judge judge = {.rate_per_ms = 0.002};
    int64_t end_ms = now_ms + 60000;
    for (int i = 0; i < 1000 && now_ms + bucket_wait_ms(&b, now_ms) <= end_ms; i++) {
        int64_t wait_ms = bucket_wait_ms(&b, now_ms);
        assert_true(wait_ms <= 500);
        now_ms += wait_ms;
        b = bucket_take(b, now_ms);
        judge_start(&judge, now_ms);
    }
    assert_int_equal(judge.count, 121);
    assert_true(judge.worst <= 1 + 1e-6);
}

/* The clock jumps to and fro: never a wait beyond an interval, never more than a burst a jump forward, and
 * one start a jump back. */
static void test_clock_jumping_to_and_fro(void **state)
{
    (void)state;
    struct bucket b = bucket_make(1, 3, 0);
    for (int jump = 0; jump < 1000; jump++) {
        int64_t now_ms = NOW_MS + (jump % 2 == 0 ? 86400000 : 0);
        int taken = 0;
        while (taken < 10 && bucket_wait_ms(&b, now_ms) == 0) {
            b = bucket_take(b, now_ms);
            taken++;
        }
        assert_int_equal(taken, jump % 2 == 0 ? 3 : 1);
        assert_in_range(bucket_wait_ms(&b, now_ms), 1, 1000);
    }
}

static void test_small_steps_back_cost_no_more_than_the_step(void **state)
{
    (void)state;
    uint64_t seed = 23;
    for (int i = 0; i < 100000; i++) {
        struct bucket b = bucket_make(10, 1 + (int64_t)(random_splitmix64(&seed) % 20), 0);
        int64_t now_ms = NOW_MS;
        int takes = (int)(random_splitmix64(&seed) % (uint64_t)b.burst) + 1;
        for (int k = 0; k < takes; k++)
            b = bucket_take(b, now_ms);
        int64_t before = bucket_wait_ms(&b, now_ms);
        int64_t back_ms = (int64_t)(random_splitmix64(&seed) % 3000);
        int64_t after = bucket_wait_ms(&b, now_ms - back_ms);
        assert_true(after <= before + back_ms && after <= 100);
    }
}

static void test_no_limit(void **state)
{
    (void)state;
    const double none[] = {0, -1, -INFINITY, INFINITY, NAN};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct bucket b = bucket_make(none[i], 0, INT64_MAX);
        for (int k = 0; k < 1000; k++) {
            assert_int_equal(bucket_wait_ms(&b, NOW_MS), 0);
            b = bucket_take(b, NOW_MS);
        }
        assert_true(bucket_tokens(&b, NOW_MS) == -1.0);
    }
}

/* Whatever comes from a file or a clock: no overflow, no negative wait, no freeze. */
static void test_hostile_numbers(void **state)
{
    (void)state;
    const double rates[] = {DBL_MIN, 1e-9, 0.001, 1, 1e6, 1e9, DBL_MAX};
    const int64_t numbers[] = {INT64_MIN, -1, 0, 1, NOW_MS, NOW_MS * 1000, INT64_MAX / 1000, INT64_MAX};
    for (size_t r = 0; r < ARRAY_LEN(rates); r++) {
        for (size_t i = 0; i < 8 * 8 * 8; i++) {
            int64_t now_ms = numbers[i / 64];
            struct bucket b = bucket_make(rates[r], numbers[i / 8 % 8], numbers[i % 8]);
            for (int k = 0; k < 5; k++) {
                int64_t wait_ms = bucket_wait_ms(&b, now_ms);
                assert_true(wait_ms >= 0 && wait_ms <= b.interval_us / 1000 + 1);
                double tokens = bucket_tokens(&b, now_ms);
                assert_true(tokens >= 0 && tokens <= (double)b.burst * (1 + 1e-9));
                if (wait_ms == 0)
                    b = bucket_take(b, now_ms);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_starts_keep_to_the_limit_and_use_it),
        cmocka_unit_test(test_full_bucket_gives_its_burst_and_no_more),
        cmocka_unit_test(test_take_without_a_token_is_a_debt),
        cmocka_unit_test(test_restarts_grant_no_extra_start),
        cmocka_unit_test(test_clock_set_back_freezes_nothing),
        cmocka_unit_test(test_clock_jumping_to_and_fro),
        cmocka_unit_test(test_small_steps_back_cost_no_more_than_the_step),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_hostile_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
