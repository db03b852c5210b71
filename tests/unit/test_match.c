/*
 * match: the grammar of globs, rules over what is known of a run, and globs made to take for ever.
 */
#include "base/check.h"
#include "core/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct glob_case {
    const char *glob;
    const char *text;
    bool holds;
};

static void check_globs(const struct glob_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (match_glob(cases[i].glob, cases[i].text) != cases[i].holds)
            fail_msg("\"%s\" on \"%s\" should be %d", cases[i].glob, cases[i].text, cases[i].holds);
    }
}

static void test_plain_stars_and_marks(void **state)
{
    (void)state;
    const struct glob_case cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"etl", "etl", true},
        {"etl", "etl2", false},
        {"etl", "ETL", false},
        {"nightly-*", "nightly-", true},
        {"nightly-*", "nightly-3", true},
        {"nightly-*", "anightly-3", false},
        {"*", "", true},
        {"***", "x", true},
        {"*.py", "a.py.py", true},
        {"*.py", "a.pyc", false},
        {"a*b*c", "aXXbYYc", true},
        {"a*b*c", "aXXbYY", false},
        {"*ab*ab", "ababab", true},
        {"*aab", "aaaab", true},
        {"?", "", false},
        {"?", "x", true},
        {"?", "xy", false},
        {"??*", "x", false},
        {"*?", "", false},
        {"*?", "xyz", true},
        {"a*/b", "a/x/b", true},
    };
    check_globs(cases, ARRAY_LEN(cases));
}

static void test_sets_and_backslashes(void **state)
{
    (void)state;
    const struct glob_case cases[] = {
        {"[abc]", "b", true},         {"[abc]", "d", false},     {"[a-c]x", "bx", true},
        {"[a-c]", "d", false},        {"[!a-c]", "d", true},     {"[!a-c]", "b", false},
        {"[!a]", "", false},          {"[]]", "]", true},        {"[!]]", "]", false},
        {"[!]]", "x", true},          {"[a-]", "-", true},       {"[-a]", "-", true},
        {"[a-]", "b", false},         {"[c-a]", "b", false},     {"[\\]]", "]", true},
        {"[a\\-c]", "b", false},      {"[a\\-c]", "-", true},    {"[abc", "[abc", true},
        {"[abc", "a", false},         {"[", "[", true},          {"[]", "[]", true},
        {"[!", "[!", true},           {"\\*", "*", true},        {"\\*", "x", false},
        {"\\?", "?", true},           {"\\[a]", "[a]", true},    {"\\\\", "\\", true},
        {"a\\", "a\\", true},         {"*[0-9]", "run-7", true}, {"*[0-9]", "run-", false},
        {"v[0-9][0-9]", "v12", true}, {"*\\*", "a*", true},      {"*\\*", "ab", false},
    };
    check_globs(cases, ARRAY_LEN(cases));
}

static void test_characters_are_those_of_utf8(void **state)
{
    (void)state;
    const struct glob_case cases[] = {
        {"gr?\xc3\x9f"
         "e",
         "gr\xc3\xb6\xc3\x9f"
         "e",
         true},
        {"?", "\xe6\x97\xa5", true},
        {"??", "\xe6\x97\xa5", false},
        {"?", "\xf0\x9f\x9a\x80", true},
        {"[\xc3\xa0-\xc3\xbf]", "\xc3\xb6", true},
        {"[\xc3\xa0-\xc3\xbf]", "o", false},
        {"*\xb6", "\xc3\xb6", false}, /* half of a character is not part of it */
        {"?", "\xff", true},          /* a byte outside UTF-8 counts as one */
        {"\xff", "\xff", true},
        {"\xff", "\xfe", false},
        {"??", "\xc3\x28", true}, /* cut off in the middle */
        {"?", "\xf0\x9f", false},
        {"[\xc3", "[\xc3", true},
        {"?", "\xf8\x80\x80\x80\x80", false},
    };
    check_globs(cases, ARRAY_LEN(cases));
}

/* Each would take longer than the universe lasts with one branch a star; here it ends at once. */
static void test_hostile_globs_end(void **state)
{
    (void)state;
    char glob[2001];
    char text[5001];
    for (size_t i = 0; i + 2 < sizeof(glob); i += 2)
        memcpy(glob + i, "a*", 2);
    memcpy(glob + sizeof(glob) - 3, "b", 2);
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(match_glob(glob, text));
    text[sizeof(text) - 2] = 'b';
    assert_true(match_glob(glob, text));
    memset(glob, '*', sizeof(glob) - 1);
    glob[sizeof(glob) - 1] = '\0';
    assert_true(match_glob(glob, text));
    memset(glob, '[', sizeof(glob) - 1);
    glob[0] = '*';
    assert_false(match_glob(glob, text));
    memset(glob, '\\', sizeof(glob) - 1);
    assert_false(match_glob(glob, text));
}

static struct match_list list_of(char **globs, size_t count)
{
    return (struct match_list){globs, count};
}

static const char *const tags[] = {"etl", "team-a"};
static const char *const names[] = {"region", "size", "where"};
static const char *const values[] = {"eu-west", "12", "{\"a\":[1,2]}"};
static const struct match_subject subject = {
    .tags = tags,
    .tag_count = 2,
    .deployment = "nightly",
    .flow = "load",
    .work_queue = "fast",
    .parameter_names = names,
    .parameter_values = values,
    .parameter_count = 3,
};

static void test_any_value_of_a_key(void **state)
{
    (void)state;
    char *globs[] = {(char[]){"nosuch"}, (char[]){"team-*"}};
    struct match_rule rule = {.tag = list_of(globs, 2)};
    assert_true(match_rule_holds(&rule, &subject));
    rule.tag.count = 1;
    assert_false(match_rule_holds(&rule, &subject));
}

static void test_all_keys(void **state)
{
    (void)state;
    char *tag[] = {(char[]){"etl"}};
    char *flow[] = {(char[]){"lo*"}};
    char *queue[] = {(char[]){"slow"}};
    struct match_rule rule = {.tag = list_of(tag, 1), .flow = list_of(flow, 1)};
    assert_true(match_rule_holds(&rule, &subject));
    rule.work_queue = list_of(queue, 1);
    assert_false(match_rule_holds(&rule, &subject));
}

static void test_deployment_with_and_without_flow(void **state)
{
    (void)state;
    const struct glob_case cases[] = {{"nightly", "", true},
                                      {"load/nightly", "", true},
                                      {"load/*", "", true},
                                      {"load", "", false},
                                      {"other/nightly", "", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *glob = check_strdup(cases[i].glob);
        struct match_rule rule = {.deployment = list_of(&glob, 1)};
        assert_int_equal(match_rule_holds(&rule, &subject), cases[i].holds);
    }
}

static void test_parameters(void **state)
{
    (void)state;
    const struct glob_case cases[] = {
        {"region=eu-*", "", true}, {"region=us-*", "", false}, {"size=12", "", true},
        {"size=1", "", false},     {"siz=12", "", false},      {"size2=12", "", false},
        {"size", "", true},        {"nosuch", "", false},      {"where={\"a\":*}", "", true},
        {"region=", "", false},    {"=eu-west", "", false},    {"", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_FREE char *glob = check_strdup(cases[i].glob);
        struct match_rule rule = {.parameter = list_of(&glob, 1)};
        assert_int_equal(match_rule_holds(&rule, &subject), cases[i].holds);
    }
}

static void test_what_is_unknown_matches_no_key(void **state)
{
    (void)state;
    char *globs[] = {(char[]){"*"}};
    const struct match_subject unknown = {0};
    struct match_rule rules[] = {{.tag = list_of(globs, 1)},
                                 {.deployment = list_of(globs, 1)},
                                 {.flow = list_of(globs, 1)},
                                 {.work_queue = list_of(globs, 1)},
                                 {.parameter = list_of(globs, 1)}};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        assert_false(match_rule_holds(&rules[i], &unknown));
        assert_false(match_rule_is_empty(&rules[i]));
    }
    const struct match_subject no_flow = {.deployment = "nightly"};
    assert_true(match_rule_holds(&rules[1], &no_flow));
}

static void test_empty_rule(void **state)
{
    (void)state;
    struct match_rule rule = {0};
    const struct match_subject unknown = {0};
    assert_true(match_rule_is_empty(&rule));
    assert_true(match_rule_holds(&rule, &unknown));
    assert_true(match_rule_holds(&rule, &subject));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_stars_and_marks),
        cmocka_unit_test(test_sets_and_backslashes),
        cmocka_unit_test(test_characters_are_those_of_utf8),
        cmocka_unit_test(test_hostile_globs_end),
        cmocka_unit_test(test_any_value_of_a_key),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_deployment_with_and_without_flow),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_what_is_unknown_matches_no_key),
        cmocka_unit_test(test_empty_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
