/* Limits that count for each value apart: what they may say, and what a run counts against. */
#include "core/per_value.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_good_items(void **state)
{
    (void)state;
    static const struct {
        const char *item;
        enum per_value_kind kind;
        const char *word;
        const char *name;
        int64_t limit;
    } cases[] = {
        {"tag:team-* 5", PER_VALUE_TAG, "tag:team-*", "team-*", 5},
        {"tag:a b  1000000", PER_VALUE_TAG, "tag:a b", "a b", 1000000},
        {"deployment 1", PER_VALUE_DEPLOYMENT, "deployment", "", 1},
        {"flow 2", PER_VALUE_FLOW, "flow", "", 2},
        {"work_queue 3", PER_VALUE_WORK_QUEUE, "work_queue", "", 3},
        {"parameter:region 4", PER_VALUE_PARAMETER, "parameter:region", "region", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct per_value limit;
        assert_null(per_value_parse(cases[i].item, &limit));
        assert_int_equal(limit.kind, cases[i].kind);
        assert_string_equal(limit.word, cases[i].word);
        assert_string_equal(limit.name, cases[i].name);
        assert_int_equal(limit.limit, cases[i].limit);
    }
}

static void test_bad_items(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "has no number at its end"},
        {"deployment", "has no number at its end"},
        {"deployment x", "has no number at its end"},
        {"deployment 5x", "has no number at its end"},
        {"deployment -1", "has no number at its end"},
        {"deployment ", "has no number at its end"},
        {"deployment 0", "has a number that is too small"},
        {"deployment 1000001", "has a number that is too large"},
        {"deployment 99999999999999999999", "has a number that is too large"},
        {"deployment: 5", "counts by something unknown"},
        {"deployments 5", "counts by something unknown"},
        {"tag 5", "counts by something unknown"},
        {"tag: 5", "counts by something unknown"},
        {"parameter: 5", "counts by something unknown"},
        {" 5", "counts by something unknown"},
        {"tag:a\tb 5", "holds a control character"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct per_value limit;
        const char *wrong = per_value_parse(cases[i][0], &limit);
        assert_non_null(wrong);
        assert_string_equal(wrong, cases[i][1]);
    }
    char long_item[300];
    memset(long_item, 'a', sizeof(long_item));
    memcpy(long_item, "tag:", 4);
    memcpy(long_item + sizeof(long_item) - 3, " 5", 3);
    struct per_value limit;
    assert_string_equal(per_value_parse(long_item, &limit), "is too long");
}

/* ---- lines ---- */

static const char *const tags[] = {"team-a", "nightly", "team-b", "team-a"};
static const char *const names[] = {"region", "size", "text"};
static const char *values[] = {"eu", "[1,2]", "two\nlines"};
static const struct match_subject subject = {.tags = tags,
                                             .tag_count = ARRAY_LEN(tags),
                                             .deployment = "nightly",
                                             .flow = "load",
                                             .work_queue = "fast",
                                             .parameter_names = names,
                                             .parameter_values = values,
                                             .parameter_count = ARRAY_LEN(names)};

static void expect_lines(const char *const *items, size_t count, const struct match_subject *run,
                         const char *before, const char *expected)
{
    struct per_value limits[8];
    for (size_t i = 0; i < count; i++)
        assert_null(per_value_parse(items[i], &limits[i]));
    char *lines = per_value_lines(limits, count, run, before);
    assert_string_equal(lines, expected);
    free(lines);
}

static void expect_line(const char *item, const char *expected)
{
    expect_lines(&item, 1, &subject, "", expected);
}

static void test_what_a_run_counts_against(void **state)
{
    (void)state;
    expect_line("tag:team-* 5", "tag:team-*\tteam-a\ntag:team-*\tteam-b");
    expect_line("tag:nightly 5", "tag:nightly\tnightly");
    expect_line("tag:team 5", "");
    expect_line("deployment 1", "deployment\tload/nightly");
    expect_line("flow 1", "flow\tload");
    expect_line("work_queue 1", "work_queue\tfast");
    expect_line("parameter:region 1", "parameter:region\teu");
    expect_line("parameter:size 1", "parameter:size\t[1,2]");
    expect_line("parameter:regio 1", "");
    expect_lines(NULL, 0, &subject, "flow\tload", "");
    /* One line, though two limits ask for it. */
    expect_lines((const char *const[]){"flow 1", "work_queue 9", "flow 2"}, 3, &subject, "",
                 "flow\tload\nwork_queue\tfast");
}

static void test_values_that_can_not_stand_in_a_line_are_told_apart(void **state)
{
    (void)state;
    expect_line("parameter:text 1", "parameter:text\t#3f71c637cfaf74f0");
    values[2] = "two\nlines!";
    struct per_value limit;
    assert_null(per_value_parse("parameter:text 1", &limit));
    char *other = per_value_lines(&limit, 1, &subject, "");
    assert_string_not_equal(other, "parameter:text\t#3f71c637cfaf74f0");
    free(other);
    static char long_text[1000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    values[2] = long_text;
    other = per_value_lines(&limit, 1, &subject, "");
    assert_int_equal(strlen(other), strlen("parameter:text\t#0123456789abcdef"));
    free(other);
    values[2] = "two\nlines";
}

static void test_a_run_without_it_is_not_limited(void **state)
{
    (void)state;
    const struct match_subject bare = {
        .tags = tags, .tag_count = 0, .deployment = "", .flow = "", .parameter_names = names};
    expect_lines(
        (const char *const[]){"tag:* 1", "deployment 1", "flow 1", "work_queue 1", "parameter:region 1"}, 5,
        &bare, "parameter:region\teu", "");
}

/* After a restart: tags and parameters come from the row, and what the limits no longer name is dropped. */
static void test_what_is_not_known_stays(void **state)
{
    (void)state;
    const struct match_subject row = {.deployment = "nightly", .flow = "load", .work_queue = "fast"};
    const char *before = "tag:team-*\tteam-a\ntag:team-*\tteam-b\nparameter:region\teu\nflow\told";
    expect_lines((const char *const[]){"parameter:region 1", "tag:team-* 9", "flow 1"}, 3, &row, before,
                 "parameter:region\teu\ntag:team-*\tteam-a\ntag:team-*\tteam-b\nflow\tload");
    expect_lines((const char *const[]){"tag:team* 9"}, 1, &row, before, "");
}

static void test_whose_line_it_is(void **state)
{
    (void)state;
    struct per_value limit;
    assert_null(per_value_parse("flow 1", &limit));
    assert_true(per_value_has(&limit, "flow\tload", 9));
    assert_true(per_value_has(&limit, "flow\t", 5));
    assert_false(per_value_has(&limit, "flow", 4));
    assert_false(per_value_has(&limit, "flows\tx", 7));
    assert_false(per_value_has(&limit, "flo\tx", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_items),
        cmocka_unit_test(test_bad_items),
        cmocka_unit_test(test_what_a_run_counts_against),
        cmocka_unit_test(test_values_that_can_not_stand_in_a_line_are_told_apart),
        cmocka_unit_test(test_a_run_without_it_is_not_limited),
        cmocka_unit_test(test_what_is_not_known_stays),
        cmocka_unit_test(test_whose_line_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
