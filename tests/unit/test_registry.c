/* Which registry an image comes from, and limits for each registry apart. */
#include "core/registry.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_whose_image_it_is(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"python", "docker.io"},
        {"python:3.11", "docker.io"},
        {"prefecthq/prefect:3-latest", "docker.io"},
        {"docker.io/library/python", "docker.io"},
        {"index.docker.io/library/python", "docker.io"},
        {"ghcr.io/a/b:1", "ghcr.io"},
        {"ghcr.io/a/b@sha256:0123", "ghcr.io"},
        {"127.0.0.1:5000/flows", "127.0.0.1:5000"},
        {"localhost/flows", "localhost"},
        {"localhost:5000/flows", "localhost:5000"},
        {"localhosts/flows", "docker.io"},
        {"", "docker.io"},
        {"/x", "docker.io"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char host[REGISTRY_SIZE];
        registry_of(cases[i][0], host);
        assert_string_equal(host, cases[i][1]);
    }
}

static void test_whose_login_it_is(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://index.docker.io/v1/", "docker.io"},
        {"index.docker.io", "docker.io"},
        {"https://registry-1.docker.io", "docker.io"},
        {"docker.io", "docker.io"},
        {"", "docker.io"},
        {"https://", "docker.io"},
        {"http://127.0.0.1:5000", "127.0.0.1:5000"},
        {"127.0.0.1:5000/v2/", "127.0.0.1:5000"},
        {"https://GHCR.io/owner", "ghcr.io"},
        {"registry.example", "registry.example"},
        {"index.docker.io.evil.example", "index.docker.io.evil.example"},
        {"https://evil.example/index.docker.io", "evil.example"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char host[REGISTRY_SIZE];
        registry_of_login(cases[i][0], host);
        assert_string_equal(host, cases[i][1]);
    }
}

static void test_a_long_name_is_cut(void **state)
{
    (void)state;
    char image[1000];
    char host[REGISTRY_SIZE];
    memset(image, '.', sizeof(image));
    memcpy(image + sizeof(image) - 3, "/x", 3);
    registry_of(image, host);
    assert_int_equal(strlen(host), REGISTRY_SIZE - 1);
}

static void test_good_and_bad_limits(void **state)
{
    (void)state;
    static const struct {
        const char *item;
        bool is_count;
        const char *wrong;
        double value;
    } cases[] = {
        {"ghcr.io 4", true, NULL, 4},
        {"ghcr.io   4", true, NULL, 4},
        {"* 0.5", false, NULL, 0.5},
        {"ghcr.io 0.5", true, "has no number at its end", 0},
        {"ghcr.io", true, "has no number at its end", 0},
        {"ghcr.io x", false, "has no number at its end", 0},
        {"ghcr.io 1.2.3", false, "has no number at its end", 0},
        {"ghcr.io 1 2", true, "has no number at its end", 0},
        {"ghcr.io 0", true, "has a number that is too small", 0},
        {"ghcr.io 0.0", false, "has a number that is too small", 0},
        {"ghcr.io 1000001", true, "has a number that is too large", 0},
        {" 4", true, "has no registry", 0},
        {"", true, "has no registry", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct registry_limit limit;
        const char *wrong = registry_limit_parse(cases[i].item, cases[i].is_count, &limit);
        if (cases[i].wrong == NULL) {
            assert_null(wrong);
            assert_true(limit.value == cases[i].value);
        } else {
            assert_string_equal(wrong, cases[i].wrong);
        }
    }
}

static void test_the_first_that_matches_counts(void **state)
{
    (void)state;
    static char *items[] = {"docker.io 1", "*.internal:5000 8", "*.io 3"};
    const struct match_list limits = {items, ARRAY_LEN(items)};
    assert_true(registry_limit_for(&limits, "docker.io") == 1);
    assert_true(registry_limit_for(&limits, "ghcr.io") == 3);
    assert_true(registry_limit_for(&limits, "a.internal:5000") == 8);
    assert_true(registry_limit_for(&limits, "quay.example") == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_image_it_is),
        cmocka_unit_test(test_whose_login_it_is),
        cmocka_unit_test(test_a_long_name_is_cut),
        cmocka_unit_test(test_good_and_bad_limits),
        cmocka_unit_test(test_the_first_that_matches_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
