/*
 * rules: which rule fits, what it may change, and what no rule changes: lost answers, and the end of what
 * must not be left alone.
 */
#include "base/check.h"
#include "core/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char any_space[] = "*no space left*";

static struct rule any_rule(const char *name)
{
    return (struct rule){.name = name,
                         .stages = RULE_ALL_STAGES,
                         .dependencies = RULE_ALL_DEPENDENCIES,
                         .transports = RULE_ALL_TRANSPORTS,
                         .error_class = -1};
}

static struct rule rule_of_class(enum error_class error_class)
{
    struct rule rule = any_rule("mine");
    rule.error_class = (int)error_class;
    return rule;
}

static struct failure failure_of(enum stage stage, int status, const char *message)
{
    struct failure f = {.dependency = DEPENDENCY_ENGINE,
                        .stage = stage,
                        .status = status,
                        .sent = true,
                        .changes = stage == STAGE_CREATE || stage == STAGE_START,
                        .retry_after_ms = -1};
    snprintf(f.message, sizeof(f.message), "%s", message);
    return f;
}

static struct ruling judge(const struct rule *rule, const struct failure *failure, bool gives_up,
                           int32_t attempt)
{
    const struct retry_policy policy = retry_policy_default();
    const struct rule_place place = {
        .job_class = "etl", .gives_up = gives_up, .attempt = attempt, .policy = &policy};
    return rules_judge(rule, rule == NULL ? 0 : 1, failure, &place);
}

static void test_without_rules_the_table_rules(void **state)
{
    (void)state;
    const struct failure f = failure_of(STAGE_CREATE, 500, "no space left on device");
    const struct ruling r = judge(NULL, &f, true, 0);
    assert_int_equal(r.verdict.error_class, ERROR_CLASS_CAPACITY);
    assert_string_equal(r.verdict.rule, "disk-full");
    assert_int_equal(r.acts_as, ERROR_CLASS_CAPACITY);
    assert_true(r.repeats);
    assert_int_equal(r.retry_after_ms, -1);
}

static void test_every_key_must_fit(void **state)
{
    (void)state;
    char *spaces[] = {any_space};
    char *classes[] = {(char[]){"et*"}};
    const struct rule_statuses statuses[] = {{404, 404}, {500, 504}};
    struct rule rule = any_rule("mine");
    rule.stages = 1u << STAGE_CREATE;
    rule.dependencies = 1u << DEPENDENCY_ENGINE;
    rule.transports = UINT64_C(1) << TRANSPORT_NONE;
    rule.statuses = statuses;
    rule.status_count = 2;
    rule.message = (struct match_list){spaces, 1};
    rule.job_class = (struct match_list){classes, 1};
    const struct failure good = failure_of(STAGE_CREATE, 503, "write x: No Space LEFT on device");
    assert_true(rule_fits(&rule, &good, "etl"));
    assert_false(rule_fits(&rule, &good, "web"));
    struct failure f = good;
    f.stage = STAGE_START;
    assert_false(rule_fits(&rule, &f, "etl"));
    f = good;
    f.dependency = DEPENDENCY_REGISTRY;
    assert_false(rule_fits(&rule, &f, "etl"));
    f = good;
    f.transport = TRANSPORT_BAD_ANSWER;
    assert_false(rule_fits(&rule, &f, "etl"));
    for (int status = 0; status <= 600; status++) {
        f = good;
        f.status = status;
        assert_int_equal(rule_fits(&rule, &f, "etl"), status == 404 || (status >= 500 && status <= 504));
    }
    f = good;
    snprintf(f.message, sizeof(f.message), "no space for rent");
    assert_false(rule_fits(&rule, &f, "etl"));
}

static void test_a_pulls_error_is_the_registrys(void **state)
{
    (void)state;
    struct rule rule = any_rule("mine");
    rule.dependencies = 1u << DEPENDENCY_REGISTRY;
    struct failure f = failure_of(STAGE_PULL, 500, "denied");
    assert_true(rule_fits(&rule, &f, "etl"));
    f.transport = TRANSPORT_ECONNREFUSED_UNIX; /* that was the engine */
    assert_false(rule_fits(&rule, &f, "etl"));
}

static void test_the_first_that_fits_wins(void **state)
{
    (void)state;
    struct rule rules[3] = {any_rule("one"), any_rule("two"), any_rule("three")};
    rules[0].stages = 1u << STAGE_PULL;
    rules[1].error_class = ERROR_CLASS_THROTTLED;
    rules[2].error_class = ERROR_CLASS_PERMANENT;
    const struct retry_policy policy = retry_policy_default();
    const struct rule_place place = {.job_class = "etl", .gives_up = true, .policy = &policy};
    const struct failure f = failure_of(STAGE_CREATE, 400, "x");
    const struct ruling r = rules_judge(rules, 3, &f, &place);
    assert_string_equal(r.verdict.rule, "two");
    assert_int_equal(r.verdict.error_class, ERROR_CLASS_THROTTLED);
}

/* Whatever the rule, whatever got lost. */
static void test_no_rule_speaks_of_a_lost_answer(void **state)
{
    (void)state;
    int lost = 0;
    for (int t = 0; t <= TRANSPORT_CANCELLED; t++)
        for (int c = 0; c <= ERROR_CLASS_UNKNOWN_OUTCOME; c++)
            for (int action = 0; action <= RULE_ACTION_PARK; action++) {
                struct rule rule = rule_of_class((enum error_class)c);
                rule.action = (enum rule_action)action;
                struct failure f = failure_of(STAGE_START, 0, "");
                f.transport = (enum transport)t;
                const struct verdict_on_failure table = classify(&f);
                const struct ruling r = judge(&rule, &f, true, 0);
                if (table.error_class != ERROR_CLASS_UNKNOWN_OUTCOME)
                    continue;
                lost++;
                assert_int_equal(r.acts_as, ERROR_CLASS_UNKNOWN_OUTCOME);
                assert_int_equal(r.verdict.error_class, ERROR_CLASS_UNKNOWN_OUTCOME);
                assert_false(r.repeats);
                assert_string_equal(r.verdict.rule, table.rule);
            }
    assert_true(lost > 100);
}

static void test_actions(void **state)
{
    (void)state;
    const struct failure full = failure_of(STAGE_CREATE, 500, "no space left on device");
    const struct failure bad = failure_of(STAGE_CREATE, 400, "bad");
    struct rule rule = any_rule("mine");
    rule.action = RULE_ACTION_FAIL;
    struct ruling r = judge(&rule, &full, true, 0);
    assert_int_equal(r.verdict.error_class, ERROR_CLASS_CAPACITY); /* what it is stays what it is */
    assert_int_equal(r.acts_as, ERROR_CLASS_PERMANENT);
    assert_false(r.repeats || r.park);
    rule.action = RULE_ACTION_PARK;
    assert_true(judge(&rule, &full, true, 0).park);
    rule.action = RULE_ACTION_RETRY;
    assert_int_equal(judge(&rule, &full, true, 0).acts_as, ERROR_CLASS_CAPACITY);
    r = judge(&rule, &bad, true, 0);
    assert_int_equal(r.acts_as, ERROR_CLASS_TRANSIENT);
    assert_int_equal(r.verdict.error_class, ERROR_CLASS_PERMANENT);
    assert_true(r.repeats);
}

/* A delay is a time asked for; what the other side asked for is never undercut. */
static void test_delay_and_limits(void **state)
{
    (void)state;
    struct failure f = failure_of(STAGE_CREATE, 500, "");
    struct rule rule = any_rule("mine");
    rule.delay_ms = 30000;
    rule.retry.max_attempts = 9;
    struct ruling r = judge(&rule, &f, true, 0);
    assert_int_equal(r.retry_after_ms, 30000);
    assert_int_equal(r.retry.max_attempts, 9);
    assert_int_equal(r.verdict.error_class, ERROR_CLASS_TRANSIENT);
    f.retry_after_ms = 40000;
    assert_int_equal(judge(&rule, &f, true, 0).retry_after_ms, 40000);
}

/* Out of reach costs no try, unless a rule says what it means. */
static void test_reach(void **state)
{
    (void)state;
    struct failure f = failure_of(STAGE_PULL, 0, "");
    f.transport = TRANSPORT_ECONNREFUSED_UNIX;
    struct rule rule = any_rule("mine");
    rule.delay_ms = 1000;
    assert_true(judge(&rule, &f, true, 0).verdict.out_of_reach);
    rule.error_class = ERROR_CLASS_PERMANENT;
    assert_false(judge(&rule, &f, true, 0).verdict.out_of_reach);
}

/* Where nothing is given up, a rule can't end anything, and repeats against the table only so often. */
static void test_states_that_never_give_up(void **state)
{
    (void)state;
    const struct failure passing = failure_of(STAGE_STOP, 500, "");
    const struct failure lasting = failure_of(STAGE_STOP, 404, "no such container");
    for (int c = 0; c <= ERROR_CLASS_UNKNOWN_OUTCOME; c++) {
        const struct rule rule = rule_of_class((enum error_class)c);
        if (rule_ends(&rule))
            assert_int_equal(judge(&rule, &passing, false, 0).acts_as, ERROR_CLASS_TRANSIENT);
    }
    struct rule rule = rule_of_class(ERROR_CLASS_TRANSIENT);
    assert_int_equal(judge(&rule, &lasting, false, 0).acts_as, ERROR_CLASS_TRANSIENT);
    assert_int_equal(judge(&rule, &lasting, false, 4).acts_as, ERROR_CLASS_TRANSIENT);
    assert_int_equal(judge(&rule, &lasting, false, 5).acts_as, ERROR_CLASS_GONE); /* the sixth and last try */
    assert_int_equal(judge(&rule, &lasting, true, 99).acts_as, ERROR_CLASS_TRANSIENT); /* run_step counts */
    rule.retry.max_attempts = 2;
    assert_int_equal(judge(&rule, &lasting, false, 1).acts_as, ERROR_CLASS_GONE);
    assert_int_equal(judge(&rule, &passing, false, 99).acts_as, ERROR_CLASS_TRANSIENT);
}

static void check_cover(const char *outer, const char *inner, bool covers)
{
    char outer_glob[64];
    char inner_glob[64];
    char *outer_list[] = {outer_glob};
    char *inner_list[] = {inner_glob};
    struct rule first = any_rule("first");
    struct rule second = any_rule("second");
    snprintf(outer_glob, sizeof(outer_glob), "%s", outer);
    snprintf(inner_glob, sizeof(inner_glob), "%s", inner);
    first.message = (struct match_list){outer_list, 1};
    second.message = (struct match_list){inner_list, 1};
    if (rule_covers(&first, &second) != covers)
        fail_msg("\"%s\" %s \"%s\"", outer, covers ? "covers" : "does not cover", inner);
}

static void test_globs_cover_globs(void **state)
{
    (void)state;
    static const struct {
        const char *outer;
        const char *inner;
        bool covers;
    } cases[] = {
        {"*", "x", true},
        {"*", "[a-z]*", true},
        {"*space*", "*no space left*", true},
        {"*space*", "*spac*", false},
        {"a*", "*a", false},
        {"a*c", "abc", true},
        {"a?c", "abc", true},
        {"a?c", "a*c", false},
        {"a*", "a?", true},
        {"abc", "abc", true},
        {"abc", "abd", false},
        {"[ab]*", "[ab]*", true},
        {"[ab]*", "a*", false},
        {"*a*b*", "*b*a*", false},
        {"*a*b*", "*xa*yb*", true},
        {"a", "", false},
        {"*x", "*y*x", true},
        {"*ab", "*aab", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check_cover(cases[i].outer, cases[i].inner, cases[i].covers);
}

/* What is said to be covered is: no text fits the inner glob and not the outer one. */
static void test_cover_is_sound(void **state)
{
    (void)state;
    static const char letters[] = "ab*?";
    char globs[2][6];
    int covered = 0;
    for (unsigned n = 0; n < 4u << 18; n++) {
        for (int g = 0; g < 2; g++) {
            size_t len = 1 + (n * 7 + (unsigned)g * 13) % 4;
            for (size_t i = 0; i < len; i++)
                globs[g][i] = letters[(n >> (g * 8 + (int)i * 2)) & 3];
            globs[g][len] = '\0';
        }
        char *lists[2][1] = {{globs[0]}, {globs[1]}};
        struct rule first = any_rule("first");
        struct rule second = any_rule("second");
        first.message = (struct match_list){lists[0], 1};
        second.message = (struct match_list){lists[1], 1};
        if (!rule_covers(&first, &second))
            continue;
        covered++;
        for (unsigned text = 0; text < 64; text++) {
            char word[7] = "";
            for (unsigned i = 0; i < text % 7 && i < 6; i++)
                word[i] = text >> i & 1 ? 'a' : 'b';
            if (match_glob(globs[1], word) && !match_glob(globs[0], word))
                fail_msg("\"%s\" is said to cover \"%s\", but not \"%s\"", globs[0], globs[1], word);
        }
    }
    assert_true(covered > 1000);
}

static void test_rules_cover_rules(void **state)
{
    (void)state;
    const struct rule_statuses all_5xx[] = {{500, 599}};
    const struct rule_statuses some[] = {{500, 500}, {502, 504}};
    struct rule wide = any_rule("wide");
    struct rule narrow = any_rule("narrow");
    narrow.stages = 1u << STAGE_CREATE;
    narrow.statuses = some;
    narrow.status_count = 2;
    assert_true(rule_covers(&wide, &narrow));
    assert_false(rule_covers(&narrow, &wide));
    wide.statuses = all_5xx;
    wide.status_count = 1;
    assert_true(rule_covers(&wide, &narrow));
    narrow.status_count = 0;
    assert_false(rule_covers(&wide, &narrow));
}

/* Not even closed by a NUL; globs made to hurt. */
static void test_hostile_messages(void **state)
{
    (void)state;
    char *globs[] = {(char[]){"*a*a*a*a*a*a*a*a*a*a*a*b"}, (char[]){"\xff*"}};
    struct rule rule = any_rule("mine");
    rule.message = (struct match_list){globs, 2};
    struct failure f = failure_of(STAGE_CREATE, 500, "");
    memset(f.message, 'a', sizeof(f.message));
    assert_false(rule_fits(&rule, &f, "etl"));
    memset(f.message, 0xff, sizeof(f.message));
    assert_true(rule_fits(&rule, &f, "etl"));
}

static void test_names(void **state)
{
    (void)state;
    for (int a = RULE_ACTION_RETRY; a <= RULE_ACTION_PARK; a++)
        assert_int_equal(rule_action_from_name(rule_action_name((enum rule_action)a)), a);
    assert_int_equal(rule_action_from_name("again"), RULE_ACTION_UNSET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_rules_the_table_rules),
        cmocka_unit_test(test_every_key_must_fit),
        cmocka_unit_test(test_a_pulls_error_is_the_registrys),
        cmocka_unit_test(test_the_first_that_fits_wins),
        cmocka_unit_test(test_no_rule_speaks_of_a_lost_answer),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_delay_and_limits),
        cmocka_unit_test(test_reach),
        cmocka_unit_test(test_states_that_never_give_up),
        cmocka_unit_test(test_globs_cover_globs),
        cmocka_unit_test(test_cover_is_sound),
        cmocka_unit_test(test_rules_cover_rules),
        cmocka_unit_test(test_hostile_messages),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
