#include "base/text.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends_with)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
