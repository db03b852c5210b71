/* When a dependency counts as down, how it is probed, and what a restart keeps. */
#include "core/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define T0 1000000

static const struct breaker_rule rule = {
    .failing_ms = 3000, .silent = 2, .failures = 5, .share_calls = 20, .share_percent = 90};

static void has_failed(struct breaker *b, int64_t now_ms, bool is_silent)
{
    breaker_fail(b, &rule, now_ms,
                 &(struct breaker_failure){.began_ms = now_ms, .retry_after_ms = -1, .is_silent = is_silent});
}

static struct breaker opened(int64_t now_ms)
{
    struct breaker b = {0};
    breaker_open(&b, now_ms);
    return b;
}

static void test_silence_that_lasts_opens_it(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int64_t ms = 0; ms < 3000; ms += 100)
        has_failed(&b, T0 + ms, true);
    assert_int_equal(b.state, BREAKER_CLOSED);
    has_failed(&b, T0 + 3000, true);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_true(b.is_silent);
    assert_int_equal(breaker_wait_ms(&b, T0 + 3000), BREAKER_GAP_MS);
}

static void test_a_single_failure_opens_nothing(void **state)
{
    (void)state;
    struct breaker b = {0};
    breaker_fail(&b, &rule, T0,
                 &(struct breaker_failure){.began_ms = T0 - 60000, .retry_after_ms = -1, .is_silent = true});
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_answers_that_say_it_is_ill_take_more_of_them(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 4; i++)
        has_failed(&b, T0 + i * 1000, false);
    assert_int_equal(b.state, BREAKER_CLOSED);
    has_failed(&b, T0 + 4000, false);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(b.is_silent);
}

/* A 503 is as good as silence while it lasts, but its retries are not free afterwards. */
static void test_a_gateways_refusal_opens_it_like_silence_and_is_none(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 2; i++)
        breaker_fail(
            &b, &rule, T0 + i * 3000,
            &(struct breaker_failure){
                .began_ms = T0 + i * 3000, .retry_after_ms = -1, .is_silent = true, .is_refusal = true});
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(b.is_silent);
}

static void test_a_good_call_in_between_begins_the_row_anew(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 100; i++) {
        has_failed(&b, T0 + i * 1000, true);
        breaker_succeed(&b, T0 + i * 1000 + 500);
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
    /* What began before that good call says nothing of the time before it. */
    breaker_fail(&b, &rule, T0 + 100000,
                 &(struct breaker_failure){.began_ms = T0, .retry_after_ms = -1, .is_silent = true});
    has_failed(&b, T0 + 100100, true);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_nearly_all_calls_of_ten_seconds(void **state)
{
    (void)state;
    struct breaker half = {0};
    struct breaker most = {0};
    for (int i = 0; i < 300; i++) {
        if (i % 2 == 0)
            breaker_succeed(&half, T0 + i * 100);
        else
            has_failed(&half, T0 + i * 100, false);
        if (i % 20 == 0)
            breaker_succeed(&most, T0 + i * 100);
        else
            has_failed(&most, T0 + i * 100, false);
        if (most.state != BREAKER_CLOSED)
            break;
    }
    assert_int_equal(half.state, BREAKER_CLOSED);
    assert_int_equal(most.state, BREAKER_OPEN);
}

static void test_probes_are_spaced_and_one_at_a_time(void **state)
{
    (void)state;
    struct breaker b = opened(T0);
    int64_t last_ms = T0, probes = 0;
    for (int64_t now_ms = T0; now_ms < T0 + 600000; now_ms += 10) {
        if (breaker_wait_ms(&b, now_ms) != 0)
            continue;
        assert_true(now_ms - last_ms >= BREAKER_GAP_MS);
        assert_true(now_ms - last_ms <= BREAKER_GAP_MAX_MS * 11 / 10 + 10);
        breaker_probe(&b, now_ms, (uint64_t)now_ms * 7919u);
        assert_int_equal(b.state, BREAKER_HALF_OPEN);
        assert_true(breaker_wait_ms(&b, now_ms) >= BREAKER_GAP_MS);
        last_ms = now_ms;
        probes++;
        has_failed(&b, now_ms + 5, true);
        assert_int_equal(b.state, BREAKER_OPEN);
    }
    print_message("breaker: %d probes in 600 s\n", (int)probes);
    assert_true(probes >= 250 && probes <= 600);
}

static void test_a_good_call_closes_it(void **state)
{
    (void)state;
    struct breaker b = opened(T0);
    breaker_probe(&b, T0 + 1000, 0);
    breaker_succeed(&b, T0 + 1100);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_int_equal(breaker_wait_ms(&b, T0 + 1100), 0);
    /* And the failures of before are not held against it. */
    has_failed(&b, T0 + 1200, true);
    has_failed(&b, T0 + 1300, true);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_the_window_begins_anew_when_it_closes(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 200 && b.state == BREAKER_CLOSED; i++)
        has_failed(&b, T0 + i * 100, false);
    assert_int_equal(b.state, BREAKER_OPEN);
    breaker_succeed(&b, T0 + 7000);
    for (int i = 0; i < 4; i++)
        has_failed(&b, T0 + 7100 + i * 1000, false);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

static void test_what_it_asked_for_is_kept(void **state)
{
    (void)state;
    struct breaker b = opened(T0);
    breaker_probe(&b, T0 + 1000, 0);
    breaker_fail(&b, &rule, T0 + 1010,
                 &(struct breaker_failure){.began_ms = T0 + 1000, .retry_after_ms = 30000});
    assert_int_equal(breaker_wait_ms(&b, T0 + 1010), 30000);
}

static void test_a_restart_keeps_an_open_one_open(void **state)
{
    (void)state;
    char text[BREAKER_TEXT_SIZE];
    struct breaker b = opened(T0);
    for (int i = 0; i < 10; i++)
        breaker_probe(&b, T0 + i * 3000, 0);
    breaker_write(&b, text);
    struct breaker again = breaker_read(text, 50);
    assert_int_equal(again.state, BREAKER_OPEN);
    assert_true(again.is_silent);
    again.is_silent = false;
    breaker_write(&again, text);
    assert_false(breaker_read(text, 50).is_silent);
    assert_int_equal(breaker_wait_ms(&again, 50), BREAKER_GAP_MS);
    breaker_probe(&again, 1050, 0);
    assert_int_equal(breaker_wait_ms(&again, 1050), BREAKER_GAP_MAX_MS);
    breaker_succeed(&b, T0 + 60000);
    breaker_write(&b, text);
    assert_string_equal(text, "closed");
    assert_int_equal(breaker_read(text, 50).state, BREAKER_CLOSED);
}

static void test_text_that_nobody_wrote_is_a_closed_one(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, "", "nonsense", "silent", "SILENT 3", "closed 7"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(breaker_read(texts[i], T0).state, BREAKER_CLOSED);
    /* An open one with a number that can't be is open, and probed. */
    static const char *const odd[] = {"silent -5", "refusing 99999999999999999999", "silent x"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct breaker b = breaker_read(odd[i], T0);
        assert_int_equal(b.state, BREAKER_OPEN);
        breaker_probe(&b, T0, UINT64_MAX);
        int64_t wait_ms = breaker_wait_ms(&b, T0);
        assert_true(wait_ms >= BREAKER_GAP_MS && wait_ms <= BREAKER_GAP_MAX_MS * 11 / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_that_lasts_opens_it),
        cmocka_unit_test(test_a_single_failure_opens_nothing),
        cmocka_unit_test(test_answers_that_say_it_is_ill_take_more_of_them),
        cmocka_unit_test(test_a_gateways_refusal_opens_it_like_silence_and_is_none),
        cmocka_unit_test(test_a_good_call_in_between_begins_the_row_anew),
        cmocka_unit_test(test_nearly_all_calls_of_ten_seconds),
        cmocka_unit_test(test_probes_are_spaced_and_one_at_a_time),
        cmocka_unit_test(test_a_good_call_closes_it),
        cmocka_unit_test(test_the_window_begins_anew_when_it_closes),
        cmocka_unit_test(test_what_it_asked_for_is_kept),
        cmocka_unit_test(test_a_restart_keeps_an_open_one_open),
        cmocka_unit_test(test_text_that_nobody_wrote_is_a_closed_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
