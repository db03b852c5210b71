/* How many retries a dependency may be sent: a tenth of its requests, and a few in any case. */
#include "core/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T0 1000000

static void ask(struct budget *b, int64_t now_ms, int times)
{
    for (int i = 0; i < times; i++)
        budget_request(b, now_ms);
}

/* Lets go what may at this moment; returns how many. */
static int64_t let_go(struct budget *b, int64_t now_ms)
{
    int64_t count = 0;
    while (count < 100000 && budget_wait_ms(b, now_ms, 0) == 0) {
        budget_request(b, now_ms);
        budget_retry(b, now_ms);
        count++;
    }
    return count;
}

static void test_without_requests_the_floor_is_there(void **state)
{
    (void)state;
    struct budget b = {0};
    assert_int_equal(let_go(&b, T0), BUDGET_FLOOR);
    assert_int_equal(budget_wait_ms(&b, T0, 0), BUDGET_FLOOR_WINDOW_MS + 1000);
    assert_int_equal(let_go(&b, T0 + BUDGET_FLOOR_WINDOW_MS), 0);
    assert_int_equal(let_go(&b, T0 + BUDGET_FLOOR_WINDOW_MS + 1000), BUDGET_FLOOR);
}

static void test_it_begins_at_the_beginning_of_time_too(void **state)
{
    (void)state;
    struct budget b = {0};
    assert_int_equal(let_go(&b, 0), BUDGET_FLOOR);
    assert_int_equal(let_go(&b, BUDGET_FLOOR_WINDOW_MS + 1000), BUDGET_FLOOR);
}

static void test_a_tenth_of_the_requests_of_a_minute(void **state)
{
    (void)state;
    struct budget b = {0};
    ask(&b, T0, 1000);
    assert_int_equal(let_go(&b, T0 + 30000), 100);
    /* Retries are requests, but pay for no further ones. */
    assert_int_equal(let_go(&b, T0 + 45000), BUDGET_FLOOR);
    /* The thousand are forgotten, and the retries with them. */
    assert_int_equal(let_go(&b, T0 + 120000), BUDGET_FLOOR);
}

/* Whatever the pattern, no window holds more than the promise. */
static void test_no_window_holds_more_than_a_tenth_or_the_floor(void **state)
{
    (void)state;
    static int64_t requests[600];
    static int64_t retries[600];
    struct budget b = {0};
    uint64_t random = 42;
    for (int64_t s = 0; s < 600; s++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        requests[s] = (s / 60) % 2 == 0 ? (int64_t)(random >> 33) % 40 : 0;
        ask(&b, T0 + s * 1000 + 7, (int)requests[s]);
        retries[s] = let_go(&b, T0 + s * 1000 + 500);
    }
    for (int64_t s = 60; s < 600; s++) {
        int64_t asked = 0, retried = 0, recent = 0;
        for (int64_t i = s - 60; i <= s; i++) {
            asked += requests[i];
            retried += retries[i];
        }
        for (int64_t i = s - 9; i <= s; i++)
            recent += retries[i];
        /* What a window of before has paid for may be more than one of now would. */
        assert_true(retries[s] == 0 || retried <= asked / 10 || recent <= BUDGET_FLOOR);
    }
}

static void test_who_waits_behind_others_waits_longer(void **state)
{
    (void)state;
    struct budget b = {0};
    (void)let_go(&b, T0);
    int64_t last_ms = 0;
    for (int64_t ahead = 0; ahead < 100; ahead++) {
        int64_t wait_ms = budget_wait_ms(&b, T0, ahead);
        assert_true(wait_ms >= last_ms);
        last_ms = wait_ms;
    }
    /* Ten rounds of ten. */
    assert_int_equal(last_ms, 10 * (BUDGET_FLOOR_WINDOW_MS + 1000));
    /* With a share that is more than the floor it goes faster. */
    ask(&b, T0, 60000);
    assert_int_equal(let_go(&b, T0), 6000 - BUDGET_FLOOR);
    assert_true(budget_wait_ms(&b, T0, 99) <= 1000);
}

/* The wait is no guess: at its end a retry may go, and a second before its end none. */
static void test_after_the_wait_it_may_go(void **state)
{
    (void)state;
    struct budget b = {0};
    for (int64_t i = 0; i < BUDGET_FLOOR; i++) {
        budget_retry(&b, T0 + i * 700);
    }
    int64_t now_ms = T0 + 8000;
    int64_t wait_ms = budget_wait_ms(&b, now_ms, 0);
    assert_true(wait_ms > 0);
    assert_int_not_equal(budget_wait_ms(&b, now_ms + wait_ms - 1, 0), 0);
    assert_int_equal(budget_wait_ms(&b, now_ms + wait_ms, 0), 0);
}

static void test_a_clock_that_goes_back_grants_nothing(void **state)
{
    (void)state;
    struct budget b = {0};
    (void)let_go(&b, T0);
    assert_int_equal(let_go(&b, T0 - 500000), 0);
    assert_int_equal(let_go(&b, T0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_requests_the_floor_is_there),
        cmocka_unit_test(test_it_begins_at_the_beginning_of_time_too),
        cmocka_unit_test(test_a_tenth_of_the_requests_of_a_minute),
        cmocka_unit_test(test_no_window_holds_more_than_a_tenth_or_the_floor),
        cmocka_unit_test(test_who_waits_behind_others_waits_longer),
        cmocka_unit_test(test_after_the_wait_it_may_go),
        cmocka_unit_test(test_a_clock_that_goes_back_grants_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
