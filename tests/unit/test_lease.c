/*
 * When a concurrency lease is renewed, and whose it is.
 */
#include "core/lease.h"
#include "core/run_step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool due(int64_t claimed_ago_ms, int64_t renewed_ago_ms, int64_t failed_ago_ms)
{
    return lease_is_due(&(struct lease_times){claimed_ago_ms, renewed_ago_ms, failed_ago_ms});
}

static void test_a_quick_launch_needs_no_renewal(void **state)
{
    (void)state;
    assert_false(due(0, -1, -1));
    assert_false(due(9999, -1, -1));
    assert_true(due(10000, -1, -1)); /* a third of the shortest first lease, 30 s */
}

static void test_a_third_of_the_duration_after_the_last(void **state)
{
    (void)state;
    assert_false(due(3600000, 0, -1));
    assert_false(due(3600000, LEASE_DURATION_MS / 3 - 1, -1));
    assert_true(due(3600000, LEASE_DURATION_MS / 3, -1));
}

static void test_a_failure_is_soon_followed_by_another_try(void **state)
{
    (void)state;
    assert_false(due(20000, 0, 0));
    assert_false(due(20000, 4999, 4999));
    assert_true(due(20000, 5000, 5000));
}

/* After a restart nobody knows what is left of it; and a clock that jumped back must not let it run out. */
static void test_at_once_when_in_doubt(void **state)
{
    (void)state;
    assert_true(due(86400000, -1, -1));
    assert_true(due(-1, -1, -1));
}

static void test_ours_from_the_claim_until_the_run_is_running(void **state)
{
    (void)state;
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        struct run run = run_new(0);
        run.state = (enum run_state)s;
        assert_false(lease_is_ours(&run, false)); /* not claimed */
        run.has_claim = true;
        bool is_past = s == RUN_STATE_RESTORING || s == RUN_STATE_REMOVING || s == RUN_STATE_FINISHED;
        assert_int_equal(lease_is_ours(&run, false), !is_past);
        assert_false(lease_is_ours(&run, true));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quick_launch_needs_no_renewal),
        cmocka_unit_test(test_a_third_of_the_duration_after_the_last),
        cmocka_unit_test(test_a_failure_is_soon_followed_by_another_try),
        cmocka_unit_test(test_at_once_when_in_doubt),
        cmocka_unit_test(test_ours_from_the_claim_until_the_run_is_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
