#include "base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_ends_with(void **state)
{
    (void)state;
    assert_true(text_ends_with("ecs:push", ":push"));
    assert_true(text_ends_with("abc", "abc"));
    assert_true(text_ends_with("", ""));
    assert_true(text_ends_with("abc", ""));
    assert_false(text_ends_with("bc", "abc"));
    assert_false(text_ends_with("abcd", "abc"));
}

static void test_numbers_as_python_writes_them(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *text;
    } cases[] = {{30, "30.0"},
                 {0.1, "0.1"},
                 {-2.5, "-2.5"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1e-4, "0.0001"},
                 {1e-5, "1e-05"},
                 {-0.0, "-0.0"},
                 {1.0 / 3, "0.3333333333333333"},
                 {HUGE_VAL, "inf"},
                 {-HUGE_VAL, "-inf"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[TEXT_DOUBLE_SIZE];
        assert_string_equal(text_of_double(cases[i].number, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends_with),
                                       cmocka_unit_test(test_numbers_as_python_writes_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
