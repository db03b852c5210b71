/*
 * config: [rule NAME] sections, retries by stage, and limits that contradict each other. Every mistake with
 * its exact sentence.
 */
#include "config_fixture.h"
#include "config_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The example of the design. */
static void test_rules_arrive(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f,
        "[rule disk-full]\nstage = create, start\nstatus = 500\nmessage = *No space left on device*\n"
        "class = capacity\ndelay = 30s\n"
        "[rule vpn]\ndependency = registry\ntransport = none, DNS failure\nstatus = 4xx, 502-504\n"
        "job_class = etl\naction = park\nstage = pull\nmax_attempts = 20\nmax_time = 1h\nbase = 2s\n"
        "factor = 3\ncap = 4s\njitter = none\n",
        NULL, NULL);
    fixture_expect_problems(f, "");
    assert_int_equal(f->config->rule_count, 2);
    const struct rule *full = &f->config->rules[0];
    const struct rule *vpn = &f->config->rules[1];
    assert_string_equal(full->name, "disk-full");
    assert_int_equal(full->stages, 1u << STAGE_CREATE | 1u << STAGE_START);
    assert_int_equal(full->dependencies, RULE_ALL_DEPENDENCIES);
    assert_int_equal(full->transports, RULE_ALL_TRANSPORTS);
    assert_int_equal(full->statuses[0].low, 500);
    assert_int_equal(full->statuses[0].high, 500);
    assert_string_equal(full->message.globs[0], "*no space left on device*");
    assert_int_equal(full->error_class, ERROR_CLASS_CAPACITY);
    assert_int_equal(full->action, RULE_ACTION_UNSET);
    assert_int_equal(full->delay_ms, 30000);
    assert_int_equal(vpn->transports, 1u << TRANSPORT_NONE | 1u << TRANSPORT_DNS);
    assert_int_equal(vpn->status_count, 2);
    assert_int_equal(vpn->statuses[0].high, 499);
    assert_int_equal(vpn->statuses[1].low, 502);
    assert_int_equal(vpn->error_class, -1);
    assert_int_equal(vpn->action, RULE_ACTION_PARK);
    const struct retry_override expected = {20, 3600000, 2000, 3, 4000, JITTER_NONE};
    assert_int_equal(vpn->retry.max_attempts, expected.max_attempts);
    assert_int_equal(vpn->retry.max_time_ms, expected.max_time_ms);
    assert_int_equal(vpn->retry.base_ms, expected.base_ms);
    assert_true(vpn->retry.factor == expected.factor);
    assert_int_equal(vpn->retry.cap_ms, expected.cap_ms);
    assert_int_equal(vpn->retry.jitter, expected.jitter);
    assert_string_equal(fixture_printed(f, "rule vpn.max_time"), "1h c.conf:15");
}

static void test_retries_by_stage_and_class(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f,
        "[retry]\nmax_time = 20m\ncreate_max_attempts = 3\npull_max_time = 1h\npull_jitter = none\n"
        "[class k]\nmatch_tag = t\nmax_attempts = 9\ncreate_base = 5s\nstart_factor = 4\nstart_cap = 2m\n",
        NULL, NULL);
    fixture_expect_problems(f, "");
    const struct config_class *k = &f->config->classes[0];
    const struct config_class *rest = &f->config->classes[1];
    assert_int_equal(k->retry.max_attempts, 9);
    assert_int_equal(k->retry.max_time_ms, 1200000);
    assert_int_equal(k->stage_retry[STAGE_CREATE].max_attempts, 3);
    assert_int_equal(k->stage_retry[STAGE_CREATE].base_ms, 5000);
    assert_int_equal(k->stage_retry[STAGE_PULL].max_time_ms, 3600000);
    assert_int_equal(k->stage_retry[STAGE_PULL].jitter, JITTER_NONE);
    assert_true(k->stage_retry[STAGE_START].factor == 4);
    assert_int_equal(k->stage_retry[STAGE_START].cap_ms, 120000);
    assert_int_equal(rest->stage_retry[STAGE_CREATE].base_ms, 0);
    assert_int_equal(rest->stage_retry[STAGE_START].jitter, JITTER_UNSET);
    assert_string_equal(fixture_printed(f, "retry.start_jitter"), "- default");
    assert_string_equal(fixture_printed(f, "retry.create_max_attempts"), "3 c.conf:3");
}

#define RULE_K "c.conf:1: [rule k]: "
#define NEVER RULE_K "can never match: "
#define MUST_NOT_END                                                                                         \
    "would end what must not end: outside the way to a started container errors are repeated until they "    \
    "pass; allowed: stage = resolve, image, pull, create, network, start or some of them\n"
#define PAIRS                                                                                                \
    "no such stage has to do with that dependency; allowed: api, resolve, report with prefect; pull with "   \
    "registry or engine; all others with engine\n"
#define LOST                                                                                                 \
    "an answer that was lost is looked at first; a rule can't change that; allowed: conditions under which " \
    "the request did not arrive, or was answered\n"

static void test_rules_with_mistakes(void **state)
{
    static const struct fixture_text cases[] = {
        {"[rule]\n", "c.conf:1: [rule ]: bad name; allowed: 1 to 40 letters, digits, _, . and -\n"},
        {"[rule a]\nstage = stop\nmax_time = 1s\n[rule a]\n",
         "c.conf:4: [rule a]: given twice, first on line 1; allowed: once\n"},
        {"[rule a]\nstage = stop\nmax_time = 1s\nstage = run\n",
         "c.conf:4: [rule a] stage: given twice, first on line 2; allowed: once\n"},
        {"[rule k]\nclass = transient\n",
         RULE_K "speaks of every error; allowed: at least one of stage, dependency, status, transport, "
                "message, job_class\n"},
        {"[rule k]\nstage = pull\n",
         RULE_K "says nothing of the errors it matches; allowed: at least one of class, action, delay, "
                "max_attempts, max_time, base, factor, cap, jitter\n"},
        {"[rule k]\nstage = pull, create\ndependency = prefect\nclass = auth\n", NEVER PAIRS},
        {"[rule k]\nstage = report\ndependency = engine\nclass = transient\n", NEVER PAIRS},
        {"[rule k]\nstage = create\ndependency = registry\nclass = auth\n", NEVER PAIRS},
        {"[rule k]\nstage = pull\ndependency = engine\nclass = auth\n", ""},
        {"[rule k]\nstatus = 500\ntransport = DNS failure\nclass = throttled\n",
         NEVER "such a failure has no status; allowed: status without transport, or with transport = none\n"},
        {"[rule k]\nstage = create, start\ntransport = read timeout after send, partial body\n"
         "class = transient\n",
         NEVER LOST},
        {"[rule k]\nstage = create, inspect\ntransport = read timeout after send\nclass = transient\n", ""},
        {"[rule k]\nstage = create\ntransport = read timeout after send, connect timeout\nclass = capacity\n",
         ""},
        {"[rule k]\nstage = stop\nclass = permanent\n", RULE_K MUST_NOT_END},
        {"[rule k]\nmessage = *x*\naction = fail\n", RULE_K MUST_NOT_END},
        {"[rule k]\nstage = start, report\naction = park\n", RULE_K MUST_NOT_END},
        {"[rule k]\nstage = stop, report\nclass = throttled\n", ""},
        {"[rule k]\nstage = create\nclass = gone\n", ""},
        {"[rule k]\nstage = start\nclass = gone\n",
         RULE_K "takes a container for gone that may still be there; allowed: class = permanent for stage "
                "start\n"},
        {"[rule k]\nstage = create\nclass = unknown_outcome\naction = retry\n",
         RULE_K "repeats what has to be looked at first; allowed: class = unknown_outcome without action\n"},
        {"[rule k]\nstage = create\nbase = 2s\ncap = 1s\n",
         RULE_K "base is longer than cap; allowed: a base up to cap\n"},
        {"[rule k]\nstage = create\nstatus = 504-500\nclass = auth\n",
         "c.conf:3: [rule k] status: \"504-500\" has a range that ends before it begins; allowed: statuses "
         "from "
         "100 to 599, separated by commas, such as 429, 5xx, 500-504\n"},
        {"[rule k]\nstage = create\nstatus = 99, 0xx\nclass = auth\n",
         "c.conf:3: [rule k] status: \"99, 0xx\" has an item that is not a status; allowed: statuses from "
         "100 to "
         "599, separated by commas, such as 429, 5xx, 500-504\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

#define SHADOW(line)                                                                                         \
    "c.conf:" line ": [rule b]: can never match: [rule a] on line 1 matches all that it does and comes "     \
    "first; allowed: the narrower rule above the wider one\n"

static void test_a_rule_behind_a_wider_one(void **state)
{
    static const struct fixture_text cases[] = {
        {"[rule a]\nmessage = *space*\nclass = capacity\n"
         "[rule b]\nstage = create\nmessage = *No Space left*\nclass = transient\n",
         SHADOW("4")},
        {"[rule a]\nstage = create\nmessage = *no space left*\nclass = capacity\n"
         "[rule b]\nmessage = *space*\nclass = transient\n",
         ""},
        {"[rule a]\nstatus = 5xx\nclass = capacity\n[rule b]\nstatus = 500, 503\nclass = transient\n",
         SHADOW("4")},
        {"[rule a]\nstatus = 5xx\nclass = capacity\n[rule b]\nstatus = 500, 429\nclass = transient\n", ""},
        {"[rule a]\nstage = pull\njob_class = etl\ndelay = 1s\n[rule b]\nstage = pull\ndelay = 2s\n", ""},
        {"[rule a]\nstage = pull\ndelay = 1s\n[rule b]\nstage = pull\njob_class = etl\ndelay = 2s\n",
         SHADOW("4")},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

/* There is no way to say "for ever". */
static void test_nothing_repeats_without_end(void **state)
{
    static const struct fixture_text cases[] = {
        {"[retry]\nmax_attempts = 0\n",
         "c.conf:2: [retry] max_attempts: \"0\" is too small; allowed: a whole number from 1 to 1000\n"},
        {"[retry]\nmax_attempts = unlimited\n", "c.conf:2: [retry] max_attempts: \"unlimited\" is not a "
                                                "whole number; allowed: a whole number from 1 "
                                                "to 1000\n"},
        {"[class k]\nmatch_tag = t\npull_max_attempts = -1\n",
         "c.conf:3: [class k] pull_max_attempts: \"-1\" is too small; allowed: a whole number from 1 to "
         "1000\n"},
        {"[rule k]\nstage = pull\nmax_attempts = 0\n",
         "c.conf:3: [rule k] max_attempts: \"0\" is too small; allowed: a whole number from 1 to 1000\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

static void test_limits_that_contradict(void **state)
{
    static const struct fixture_text cases[] = {
        {"[limits]\nrunning = 5\n[class k]\nmatch_tag = t\nrunning = 9\n",
         "c.conf:5: [class k] running: 9 is above the whole pool's, 5 (c.conf:2); allowed: a whole number "
         "from "
         "1 to 5; leave the key out for no limit of its own\n"},
        {"[limits]\nrunning = 5\n[class k]\nmatch_tag = t\nrunning = 5\n", ""},
        {"[class k]\nmatch_tag = t\nrunning = 9\n", ""},
        {"[limits]\nlaunching = 2\n[class k]\nmatch_tag = t\nlaunching = 3\n",
         "c.conf:5: [class k] launching: 3 is above the whole pool's, 2 (c.conf:2); allowed: a whole number "
         "from "
         "1 to 2; leave the key out for no limit of its own\n"},
        {"[limits]\nlaunching = auto\n[class k]\nmatch_tag = t\nlaunching = 30\n", ""},
        {"[limits]\nstarts_per_second = 1.5\n[class k]\nmatch_tag = t\nstarts_per_second = 2\n",
         "c.conf:5: [class k] starts_per_second: 2 is above the whole pool's, 1.5 (c.conf:2); allowed: a "
         "number "
         "above 0, up to 1.5; leave the key out for no limit of its own\n"},
        {"[limits]\nstart_burst = 4\n",
         "c.conf:2: [limits] start_burst: a burst without a rate limits nothing; "
         "allowed: together with starts_per_second\n"},
        {"[limits]\nstarts_per_second = 1\n[class k]\nmatch_tag = t\nstart_burst = 4\n",
         "c.conf:5: [class k] start_burst: a burst without a rate limits nothing; allowed: together with "
         "starts_per_second\n"},
        {"[limits]\nstart_burst = 4\nstarts_per_second = 2\n", ""},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

/* --limit is there to go below the file. */
static void test_an_option_may_go_below_the_file(void **state)
{
    struct fixture *f = *state;
    const char *const flags[] = {"command.limit", "3", NULL};
    fixture_load(f, "[limits]\nrunning = 9\n[class k]\nmatch_tag = t\nrunning = 5\n", NULL, flags);
    fixture_expect_problems(f, "");
}

static void test_too_many_rules(void **state)
{
    struct fixture *f = *state;
    char *text = check_strdup("");
    for (int i = 0; i < CONFIG_MAX_RULES + 1; i++) {
        char *more = check_printf("%s[rule r%d]\nmessage = m%d\ndelay = 1s\n", text, i, i);
        free(text);
        text = more;
    }
    fixture_load(f, text, NULL, NULL);
    free(text);
    fixture_expect_problems(f, "c.conf:601: [rule r200]: too many rules; allowed: 200\n");
    assert_int_equal(f->config->rule_count, CONFIG_MAX_RULES);
}

static void on_change(void *arg, const char *line)
{
    char **text = arg;
    char *more = check_printf("%s%s\n", *text, line);
    free(*text);
    *text = more;
}

static void test_a_reload_tells_what_changed(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f,
        "[rule a]\nstage = pull\ndelay = 1s\n[rule b]\nstage = stop\ndelay = 1s\n[rule c]\nstage = run\n"
        "delay = 1s\n",
        NULL, NULL);
    struct config *before = f->config;
    f->config = NULL;
    fixture_load(f,
                 "[rule c]\nstage = run\ndelay = 1s\n[rule a]\nstage = pull\ndelay = 2s\nclass = auth\n"
                 "[rule d]\nstage = create\nclass = gone\n",
                 NULL, NULL);
    char *text = check_strdup("");
    config_describe_changes(before, f->config, on_change, &text);
    assert_string_equal(text, "rule a: stage = pull; delay = 1s -> stage = pull; class = auth; delay = 2s\n"
                              "rule b: removed\n"
                              "rule d: added (stage = create; class = gone)\n"
                              "rules: their order changed, the first that matches wins\n");
    free(text);
    config_free(before);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rules_arrive),
        TEST(test_retries_by_stage_and_class),
        TEST(test_rules_with_mistakes),
        TEST(test_a_rule_behind_a_wider_one),
        TEST(test_nothing_repeats_without_end),
        TEST(test_limits_that_contradict),
        TEST(test_an_option_may_go_below_the_file),
        TEST(test_too_many_rules),
        TEST(test_a_reload_tells_what_changed),
    };
    return cmocka_run_group_tests_name("config_rules", tests, NULL, NULL);
}
