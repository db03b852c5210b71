/*
 * clock: ISO 8601 in both directions, and text that only looks like it.
 */
#include "base/check.h"
#include "base/clock.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_format(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    clock_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format(1795401608113, text);
    assert_string_equal(text, "2026-11-23T02:40:08.113Z");
    clock_format(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    clock_format(951782400000, text);
    assert_string_equal(text, "2000-02-29T00:00:00.000Z");
}

static void test_format_ends_for_any_number(void **state)
{
    (void)state;
    const int64_t numbers[] = {INT64_MIN,       INT64_MIN / 1000, -62167219200001,
                               253402300800000, INT64_MAX / 1000, INT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        char text[CLOCK_TEXT_SIZE];
        memset(text, 'x', sizeof(text));
        clock_format(numbers[i], text);
        assert_non_null(memchr(text, '\0', sizeof(text)));
    }
}

struct parse_case {
    const char *text;
    int64_t wall_ms;
};

static void test_what_prefect_writes(void **state)
{
    (void)state;
    const struct parse_case cases[] = {
        {"2026-11-23T02:40:08.113Z", 1795401608113},
        {"2026-11-23T02:40:08.247351Z", 1795401608247},
        {"2026-11-23T02:40:08.247999999Z", 1795401608247},
        {"2026-11-23T02:40:08Z", 1795401608000},
        {"2026-11-23T02:40:08", 1795401608000},
        {"2026-11-23 02:40:08.5", 1795401608500},
        {"2026-11-23T02:40:08.113+00:00", 1795401608113},
        {"2026-11-23T04:10:08.113+01:30", 1795401608113},
        {"2026-11-22T21:40:08.113-05:00", 1795401608113},
        {"2026-11-22T21:40:08-0500", 1795401608000},
        {"2026-11-23t02:40:08Z", -1},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"1970-01-01T00:00:00Z", 0},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t wall_ms = -1;
        struct err err;
        int rc = clock_parse(cases[i].text, &wall_ms, &err);
        if (rc != (cases[i].wall_ms < 0 ? -1 : 0) || wall_ms != cases[i].wall_ms)
            fail_msg("%s: %d, %lld", cases[i].text, rc, (long long)wall_ms);
    }
}

static void test_what_is_no_time(void **state)
{
    (void)state;
    const char *const texts[] = {
        "",
        "x",
        "null",
        "2026",
        "2026-11-23",
        "2026-11-23T",
        "2026-11-23T02:40",
        "2026-11-23T02:40:0",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-11-00T00:00:00Z",
        "2026-11-32T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T23:60:00Z",
        "2026-11-23T23:59:61Z",
        "2026-11-23T02:40:08.Z",
        "2026-11-23T02:40:08.1234567890Z",
        "2026-11-23T02:40:08Zx",
        "2026-11-23T02:40:08 Z",
        "2026-11-23T02:40:08+",
        "2026-11-23T02:40:08+1",
        "2026-11-23T02:40:08+24:00",
        "2026-11-23T02:40:08+01:60",
        "2026-11-23T02:40:08+01:",
        "+026-11-23T02:40:08Z",
        "-001-11-23T02:40:08Z",
        "1969-12-31T23:59:59Z",
        " 2026-11-23T02:40:08Z",
        "2026-11-23T02:40:08Z ",
        "2026/11/23T02:40:08Z",
        "20261123T024008Z",
        ("\xd9\xa2\xd9\xa0"
         "26-11-23T02:40:08Z"),
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t wall_ms = 77;
        struct err err;
        if (clock_parse(texts[i], &wall_ms, &err) != -1)
            fail_msg("\"%s\" was taken for %lld", texts[i], (long long)wall_ms);
        assert_int_equal(wall_ms, 77);
        assert_int_equal(err.kind, ERR_PARSE);
    }
}

static void test_long_text_is_cut_in_the_error(void **state)
{
    (void)state;
    char text[5000];
    memset(text, '9', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    int64_t wall_ms;
    struct err err;
    assert_int_equal(clock_parse(text, &wall_ms, &err), -1);
    assert_true(strlen(err.msg) < 100);
}

/* Every millisecond count survives the way through text. */
static void test_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < 20000; i++) {
        int64_t wall_ms = (int64_t)(random_splitmix64(&seed) % 253402300800000u);
        char text[CLOCK_TEXT_SIZE];
        int64_t again_ms = -1;
        struct err err;
        clock_format(wall_ms, text);
        assert_int_equal(clock_parse(text, &again_ms, &err), 0);
        assert_true(again_ms == wall_ms);
    }
}

/* One byte changed at random: refused, or a time that a sound clock can format again. */
static void test_garbled_text(void **state)
{
    (void)state;
    uint64_t seed = 6;
    int taken = 0;
    for (int i = 0; i < 50000; i++) {
        char text[] = "2026-11-23T02:40:08.247351+00:00";
        size_t changes = 1 + random_splitmix64(&seed) % 3;
        for (size_t k = 0; k < changes; k++)
            text[random_splitmix64(&seed) % (sizeof(text) - 1)] = (char)(random_splitmix64(&seed) & 0xff);
        int64_t wall_ms;
        struct err err;
        if (clock_parse(text, &wall_ms, &err) != 0)
            continue;
        char again[CLOCK_TEXT_SIZE];
        clock_format(wall_ms, again);
        int64_t again_ms;
        assert_int_equal(clock_parse(again, &again_ms, &err), 0);
        assert_true(again_ms == wall_ms);
        taken++;
    }
    assert_in_range(taken, 100, 25000);
}

static void test_system_clocks_run(void **state)
{
    (void)state;
    int64_t first = clock_mono_ms(&clock_system);
    assert_true(clock_mono_ms(&clock_system) >= first);
    assert_true(clock_wall_ms(&clock_system) > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_format_ends_for_any_number),
        cmocka_unit_test(test_what_prefect_writes),
        cmocka_unit_test(test_what_is_no_time),
        cmocka_unit_test(test_long_text_is_cut_in_the_error),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_garbled_text),
        cmocka_unit_test(test_system_clocks_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
