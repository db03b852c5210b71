/*
 * retry: the delays of each jitter, their bounds and spread, Retry-After, capacity, and numbers no sane
 * configuration would hold.
 */
#include "base/random.h"
#include "core/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DRAWS 20000

static struct retry_policy policy_with(enum jitter jitter)
{
    struct retry_policy policy = retry_policy_default();
    policy.jitter = jitter;
    return policy;
}

static int64_t delay(const struct retry_policy *policy, int32_t attempt, uint64_t random)
{
    return retry_delay_ms(policy, ERROR_CLASS_TRANSIENT, attempt, -1, 0, random);
}

static void test_defaults_are_those_of_the_example(void **state)
{
    (void)state;
    struct retry_policy policy = retry_policy_default();
    assert_int_equal(policy.max_attempts, 6);
    assert_int_equal(policy.base_ms, 500);
    assert_true(policy.factor == 2.0);
    assert_int_equal(policy.cap_ms, 60000);
    assert_int_equal(policy.jitter, JITTER_FULL);
    assert_int_equal(policy.hand_back_after_ms, 30000);
    assert_false(policy.park);
    assert_false(policy.remove_ended_container);
}

static void test_without_jitter_doubles_to_the_cap(void **state)
{
    (void)state;
    struct retry_policy policy = policy_with(JITTER_NONE);
    const int64_t expected[] = {500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (int32_t i = 0; i < 9; i++)
        assert_int_equal(delay(&policy, i + 1, UINT64_MAX), expected[i]);
}

/* Lowest, highest and mean of many draws, as parts per thousand of the undisturbed delay. */
static void check_spread(enum jitter jitter, int64_t low_pm, int64_t high_pm)
{
    struct retry_policy policy = policy_with(jitter);
    uint64_t seed = 7;
    int64_t least = INT64_MAX;
    int64_t most = 0;
    int64_t sum = 0;
    for (int i = 0; i < DRAWS; i++) {
        int64_t ms = delay(&policy, 3, random_splitmix64(&seed));
        assert_in_range(ms, 2000 * low_pm / 1000, 2000 * high_pm / 1000);
        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
        sum += ms;
    }
    assert_true(least <= 2 * low_pm + 20);
    assert_true(most >= 2 * high_pm - 20);
    int64_t middle = low_pm + high_pm;
    assert_in_range(sum / DRAWS, middle - 20, middle + 20);
}

static void test_full_jitter_fills_all_of_it(void **state)
{
    (void)state;
    check_spread(JITTER_FULL, 0, 1000);
}

static void test_equal_jitter_fills_the_upper_half(void **state)
{
    (void)state;
    check_spread(JITTER_EQUAL, 500, 1000);
}

static void test_full_jitter_is_even(void **state)
{
    (void)state;
    struct retry_policy policy = policy_with(JITTER_FULL);
    policy.base_ms = 1000;
    uint64_t seed = 11;
    int counts[10] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[delay(&policy, 1, random_splitmix64(&seed)) * 10 / 1001]++;
    for (int i = 0; i < 10; i++)
        assert_in_range(counts[i], DRAWS / 10 * 85 / 100, DRAWS / 10 * 115 / 100);
}

static void test_decorrelated_grows_from_the_last_delay(void **state)
{
    (void)state;
    struct retry_policy policy = policy_with(JITTER_DECORRELATED);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, 1, -1, 0, 0), 500);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, 1, -1, 0, UINT64_MAX), 1500);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, 2, -1, 4000, 0), 500);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, 2, -1, 4000, UINT64_MAX), 12000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, 9, -1, 50000, UINT64_MAX), 60000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, 9, -1, INT64_MAX, UINT64_MAX), 60000);
}

static void test_capacity_waits_ten_times_as_long(void **state)
{
    (void)state;
    struct retry_policy policy = policy_with(JITTER_NONE);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_CAPACITY, 1, -1, 0, 0), 5000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_CAPACITY, 3, -1, 0, 0), 20000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_CAPACITY, 5, -1, 0, 0), 60000);
    policy.jitter = JITTER_DECORRELATED;
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_CAPACITY, 1, -1, 0, 0), 5000);
}

static void test_retry_after_is_never_undercut(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < DRAWS; i++) {
        struct retry_policy policy = policy_with((enum jitter)(JITTER_NONE + i % 4));
        enum error_class class = i % 2 ? ERROR_CLASS_THROTTLED : ERROR_CLASS_TRANSIENT;
        int64_t ms = retry_delay_ms(&policy, class, 1, 7000, 0, random_splitmix64(&seed));
        assert_in_range(ms, 7000, 8400);
        assert_true(retry_delay_ms(&policy, class, 8, 7000, 9000, random_splitmix64(&seed)) >= 7000);
    }
    struct retry_policy policy = policy_with(JITTER_NONE);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 1, 7000, 0, 0), 7000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 1, 7000, 0, UINT64_MAX), 8400);
    /* beyond the cap: theirs stands; below our own backoff: ours stands; 0 asks for nothing */
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 1, 3600000, 0, 0), 3600000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 6, 100, 0, 0), 16000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 1, 0, 0, 0), 500);
}

/* Any numbers at all: the result stays within 0 and max(cap, Retry-After * 1.2), and within the bounds. */
static void test_no_number_overflows(void **state)
{
    (void)state;
    const int32_t attempts[] = {INT32_MIN, -1, 0, 1, 2, 63, 64, 65, 1000, INT32_MAX};
    const int64_t sizes[] = {INT64_MIN, -1, 0, 1, 500, 60000, INT64_MAX / 10, INT64_MAX};
    const double factors[] = {-3, 0, 0.5, 1, 1.0000001, 2, 1e308, __builtin_nan(""), __builtin_inf()};
    const int64_t year_ms = 366LL * 24 * 3600 * 1000;
    uint64_t seed = 5;
    for (int i = 0; i < 200000; i++) {
        struct retry_policy policy = retry_policy_default();
        policy.jitter = (enum jitter)(JITTER_NONE + random_splitmix64(&seed) % 4);
        policy.base_ms = sizes[random_splitmix64(&seed) % 8];
        policy.cap_ms = sizes[random_splitmix64(&seed) % 8];
        policy.factor = factors[random_splitmix64(&seed) % 9];
        int32_t attempt = attempts[random_splitmix64(&seed) % 10];
        int64_t asked = sizes[random_splitmix64(&seed) % 8];
        enum error_class class = (enum error_class)(random_splitmix64(&seed) % 8);
        int64_t previous = sizes[random_splitmix64(&seed) % 8];
        int64_t ms = retry_delay_ms(&policy, class, attempt, asked, previous, random_splitmix64(&seed));
        int64_t cap = policy.cap_ms < 0 ? 0 : policy.cap_ms < year_ms ? policy.cap_ms : year_ms;
        int64_t most = asked <= 0 ? 0 : asked < year_ms ? asked + asked / 5 : year_ms + year_ms / 5;
        assert_true(ms >= 0);
        assert_true(ms <= (cap > most ? cap : most));
        int64_t low;
        int64_t high;
        retry_delay_bounds_ms(&policy, class, attempt, -1, &low, &high);
        assert_true(low >= 0 && low <= high && high <= cap);
    }
}

static void test_bounds_hold_and_are_tight(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (int jitter = JITTER_NONE; jitter <= JITTER_DECORRELATED; jitter++) {
        struct retry_policy policy = policy_with((enum jitter)jitter);
        for (int life = 0; life < 2000; life++) {
            int64_t previous = 0;
            for (int32_t attempt = 1; attempt <= 10; attempt++) {
                int64_t low;
                int64_t high;
                retry_delay_bounds_ms(&policy, ERROR_CLASS_TRANSIENT, attempt, -1, &low, &high);
                uint64_t random = life == 0 ? UINT64_MAX : random_splitmix64(&seed);
                previous = retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, attempt, -1, previous, random);
                assert_in_range(previous, low, high);
                if (life == 0)
                    assert_int_equal(previous, high);
                assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, attempt, -1, 0, 0), low);
            }
        }
    }
}

/* What somebody asked for holds in the bounds as it does in the delays. */
static void test_bounds_obey_what_was_asked(void **state)
{
    (void)state;
    const struct retry_policy policy = policy_with(JITTER_FULL);
    int64_t low;
    int64_t high;
    retry_delay_bounds_ms(&policy, ERROR_CLASS_THROTTLED, 1, 10000, &low, &high);
    assert_int_equal(low, 10000);
    assert_int_equal(high, 12000);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 1, 10000, 0, 0), low);
    assert_int_equal(retry_delay_ms(&policy, ERROR_CLASS_THROTTLED, 1, 10000, 0, UINT64_MAX), high);
    retry_delay_bounds_ms(&policy, ERROR_CLASS_THROTTLED, 7, 10000, &low, &high);
    assert_int_equal(high, 32000); /* a longer backoff of our own stands */
}

static void test_override_changes_what_it_says(void **state)
{
    (void)state;
    const struct retry_policy before = retry_policy_default();
    struct retry_policy policy = before;
    retry_policy_override(&policy, &(struct retry_override){0});
    assert_memory_equal(&policy, &before, sizeof(policy));
    const struct retry_override all = {3, 4000, 5, 6.5, 7000, JITTER_NONE};
    retry_policy_override(&policy, &all);
    assert_int_equal(policy.max_attempts, 3);
    assert_int_equal(policy.max_time_ms, 4000);
    assert_int_equal(policy.base_ms, 5);
    assert_true(policy.factor == 6.5);
    assert_int_equal(policy.cap_ms, 7000);
    assert_int_equal(policy.jitter, JITTER_NONE);
    retry_policy_override(&policy, &(struct retry_override){.base_ms = 9000});
    assert_int_equal(policy.cap_ms, 9000); /* a base that the old cap would cut takes it along */
}

static void test_jitters_have_names(void **state)
{
    (void)state;
    assert_string_equal(jitter_name(JITTER_NONE), "none");
    assert_string_equal(jitter_name(JITTER_EQUAL), "equal");
    assert_string_equal(jitter_name(JITTER_FULL), "full");
    assert_string_equal(jitter_name(JITTER_DECORRELATED), "decorrelated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_example),
        cmocka_unit_test(test_without_jitter_doubles_to_the_cap),
        cmocka_unit_test(test_full_jitter_fills_all_of_it),
        cmocka_unit_test(test_equal_jitter_fills_the_upper_half),
        cmocka_unit_test(test_full_jitter_is_even),
        cmocka_unit_test(test_decorrelated_grows_from_the_last_delay),
        cmocka_unit_test(test_capacity_waits_ten_times_as_long),
        cmocka_unit_test(test_retry_after_is_never_undercut),
        cmocka_unit_test(test_no_number_overflows),
        cmocka_unit_test(test_bounds_hold_and_are_tight),
        cmocka_unit_test(test_bounds_obey_what_was_asked),
        cmocka_unit_test(test_override_changes_what_it_says),
        cmocka_unit_test(test_jitters_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
