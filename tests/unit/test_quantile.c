/* The sketch of times: its error, how it forgets, and its text. */
#include "core/quantile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_without_samples(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    assert_int_equal(quantile_ms(&q, 0.999), 0);
}

/* Never less than the true one, and at most 8 % (or 1 ms) more. */
static void expect_near(int64_t found_ms, int64_t true_ms)
{
    if (found_ms < true_ms || (double)found_ms > 1.08 * (double)true_ms + 1)
        fail_msg("%lld for %lld", (long long)found_ms, (long long)true_ms);
}

static void test_the_error_of_a_single_time(void **state)
{
    (void)state;
    for (int64_t ms = 1; ms < 90000000; ms += 1 + ms / 50) {
        struct quantile q = {.total = 0};
        quantile_add(&q, ms);
        expect_near(quantile_ms(&q, 0.999), ms);
        expect_near(quantile_ms(&q, 0), ms);
    }
}

static void test_times_out_of_range(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    quantile_add(&q, -5);
    assert_int_equal(quantile_ms(&q, 1), 1);
    quantile_add(&q, INT64_MAX);
    assert_true(quantile_ms(&q, 1) > 27 * INT64_C(3600000));
    assert_int_equal(quantile_ms(&q, 0.5), 1);
}

static void test_the_error_of_quantiles(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    for (int64_t i = 1; i <= 1000; i++)
        quantile_add(&q, i * 7);
    static const int of_thousand[] = {1, 10, 500, 900, 990, 999, 1000};
    for (size_t i = 0; i < sizeof(of_thousand) / sizeof(of_thousand[0]); i++)
        expect_near(quantile_ms(&q, of_thousand[i] / 1000.0), of_thousand[i] * 7);
}

/* What was long has no say any more when so many others have come. */
static int64_t samples_until_forgotten(int long_ones)
{
    struct quantile q = {.total = 0};
    for (int i = 0; i < long_ones; i++)
        quantile_add(&q, 50000);
    assert_true(quantile_ms(&q, 0.999) >= 50000);
    int64_t count = 0;
    for (; quantile_ms(&q, 0.999) >= 50000; count++)
        quantile_add(&q, 100);
    return count;
}

static void test_old_samples_fade(void **state)
{
    (void)state;
    assert_in_range(samples_until_forgotten(1), 900, 1100);
    assert_in_range(samples_until_forgotten(1500), 6000, 12000);
}

static void test_a_rare_sample_is_not_forgotten_at_once(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    for (int i = 0; i < 100000; i++)
        quantile_add(&q, i % 500 == 0 ? 9000 : 100);
    expect_near(quantile_ms(&q, 0.999), 9000);
    expect_near(quantile_ms(&q, 0.99), 100);
}

/* Halving takes from its weight, not all of it. */
static void test_a_single_sample_fades_slowly(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    quantile_add(&q, 9000);
    for (int i = 0; i < 5000; i++)
        quantile_add(&q, 100);
    expect_near(quantile_ms(&q, 1), 9000);
    for (int i = 0; i < 10000; i++)
        quantile_add(&q, 100);
    expect_near(quantile_ms(&q, 1), 100);
}

static void test_saved_and_loaded_it_is_the_same(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    struct quantile again = {.total = 0};
    char text[QUANTILE_TEXT_SIZE];
    quantile_save(&q, text);
    assert_string_equal(text, "");
    assert_true(quantile_load(&again, text));
    assert_memory_equal(&q, &again, sizeof(q));
    for (int64_t i = 1; i < 100000000; i += 1 + i / 20)
        quantile_add(&q, i);
    quantile_save(&q, text);
    assert_true(quantile_load(&again, text));
    assert_memory_equal(&q, &again, sizeof(q));
}

/* The longest text there can be: every bucket in use, and full. */
static void test_the_longest_text_has_room(void **state)
{
    (void)state;
    struct quantile q = {.total = 0};
    for (int i = 0; i < QUANTILE_BUCKETS; i++) {
        q.weights[i] = 2097152;
        q.total += 2097152;
    }
    char text[QUANTILE_TEXT_SIZE];
    quantile_save(&q, text);
    assert_true(strlen(text) < QUANTILE_TEXT_SIZE - 1);
}

static void test_other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        " ",
        "x",
        "3",
        "3:",
        ":3",
        "3:0",
        "-1:1024",
        "240:1024",
        "3:2097153",
        "3:1024 ",
        "3:1024,4:1",
        "3:1024 3:1024",
        "4:1 3:1",
        "3:1024  4:1",
        "3:1x",
        "3:+1",
        "3: 1",
        "1:2000000 2:2000000",
        "1:99999999999999999999",
        "99999999999999999999:1",
    };
    struct quantile before = {.total = 0};
    quantile_add(&before, 77);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct quantile q = before;
        if (quantile_load(&q, texts[i]))
            fail_msg("\"%s\" was taken", texts[i]);
        assert_memory_equal(&q, &before, sizeof(q));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_samples),
        cmocka_unit_test(test_the_error_of_a_single_time),
        cmocka_unit_test(test_times_out_of_range),
        cmocka_unit_test(test_the_error_of_quantiles),
        cmocka_unit_test(test_old_samples_fade),
        cmocka_unit_test(test_a_rare_sample_is_not_forgotten_at_once),
        cmocka_unit_test(test_a_single_sample_fades_slowly),
        cmocka_unit_test(test_saved_and_loaded_it_is_the_same),
        cmocka_unit_test(test_the_longest_text_has_room),
        cmocka_unit_test(test_other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
