/*
 * classify: the corpus of real error texts, the rules for lost answers, and messages made to hurt.
 */
#include "base/check.h"
#include "core/classify.h"
#include "core/classify_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CORPUS "tests/data/error-corpus.tsv"
#define HELD_OUT "tests/data/error-corpus-held-out.tsv"
#define COLUMNS 9
#define MIN_ROWS 500
#define MIN_HELD_OUT_ROWS 252
/* What the table gets right of them; one that does worse has lost something general. */
#define MIN_HELD_OUT_RIGHT 215

static bool is_met[160]; /* by index of the rule */
static const char *corpus = CORPUS;
static int row_count;
static int wrong_count;

static struct failure failure_of(enum dependency dependency, enum stage stage, int status,
                                 const char *message)
{
    struct failure f = {
        .dependency = dependency, .stage = stage, .status = status, .sent = true, .retry_after_ms = -1};
    snprintf(f.message, sizeof(f.message), "%s", message);
    return f;
}

static int name_or_fail(int value, const char *what, const char *text, int line)
{
    if (value < 0)
        fail_msg("%s:%d: unknown %s \"%s\"", corpus, line, what, text);
    return value;
}

static void note_rule(const char *rule)
{
    for (size_t i = 0; i < classify_rule_count; i++) {
        if (strcmp(classify_rules[i].name, rule) == 0)
            is_met[i] = true;
    }
}

static void check_row(char *column[COLUMNS], int line)
{
    struct failure f = {.retry_after_ms = -1};
    f.dependency =
        (enum dependency)name_or_fail(dependency_from_name(column[0]), "dependency", column[0], line);
    f.stage = (enum stage)name_or_fail(stage_from_name(column[1]), "stage", column[1], line);
    f.status = (int)strtol(column[2], NULL, 10);
    f.transport = (enum transport)name_or_fail(transport_from_name(column[3]), "transport", column[3], line);
    f.sent = strstr(column[4], "sent") != NULL;
    f.changes = strstr(column[4], "changes") != NULL;
    int expected = name_or_fail(error_class_from_name(column[5]), "class", column[5], line);
    if (strcmp(column[7], "-") != 0)
        snprintf(f.message, sizeof(f.message), "%s", column[7]);
    struct verdict_on_failure verdict = classify(&f);
    note_rule(verdict.rule);
    bool is_reach_right = *column[6] == '-' || verdict.out_of_reach == (*column[6] == 'y');
    bool is_right = (int)verdict.error_class == expected && is_reach_right;
    if (!is_right)
        wrong_count++;
    if (!is_right && strcmp(corpus, CORPUS) == 0) { /* who saw the others could no longer not know them */
        print_message("%s:%d: %s%s by rule %s, not %s %s: %s\n", corpus, line,
                      error_class_name(verdict.error_class), verdict.out_of_reach ? " out of reach" : "",
                      verdict.rule, column[5], column[6], column[7]);
    }
}

static void read_row(char *text, int line)
{
    char *column[COLUMNS];
    int count = 0;
    for (char *rest = text; rest != NULL && count < COLUMNS;)
        column[count++] = strsep(&rest, "\t");
    if (count != COLUMNS || *column[COLUMNS - 1] == '\0')
        fail_msg("%s:%d: %d columns, not %d", corpus, line, count, COLUMNS);
    check_row(column, line);
    row_count++;
}

static void read_corpus(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = NULL;
    size_t size = 0;
    corpus = path;
    row_count = 0;
    wrong_count = 0;
    for (int line = 1; getline(&text, &size, file) >= 0; line++) {
        text[strcspn(text, "\n")] = '\0';
        if (*text != '#' && *text != '\0')
            read_row(text, line);
    }
    free(text);
    assert_int_equal(fclose(file), 0);
}

static void test_corpus(void **state)
{
    (void)state;
    read_corpus(CORPUS);
    assert_int_equal(wrong_count, 0);
    assert_true(row_count >= MIN_ROWS);
}

/* A row of the table that no known text meets is a guess, or hidden behind a row above it. */
static void test_every_rule_is_met_by_the_corpus(void **state)
{
    (void)state;
    assert_true(classify_rule_count <= ARRAY_LEN(is_met));
    for (size_t i = 0; i < classify_rule_count; i++) {
        if (!is_met[i])
            fail_msg("no row of the corpus meets rule %s", classify_rules[i].name);
    }
}

/* Comes last of those that read a corpus: these rows shall not excuse a row of the table. */
static void test_held_out(void **state)
{
    (void)state;
    read_corpus(HELD_OUT);
    print_message("held out: %d of %d right\n", row_count - wrong_count, row_count);
    assert_true(row_count >= MIN_HELD_OUT_ROWS);
    assert_true(row_count - wrong_count >= MIN_HELD_OUT_RIGHT);
}

static void test_rules_are_written_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < classify_rule_count; i++) {
        const struct classify_rule *rule = &classify_rules[i];
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rule->name, classify_rules[k].name);
        for (const char *p = rule->text == NULL ? "" : rule->text; *p != '\0'; p++) {
            assert_false(*p >= 'A' && *p <= 'Z');
            assert_false(p[0] == '|' && (p[1] == '|' || p[1] == '\0' || p[1] == '*' || p == rule->text));
        }
    }
    assert_null(classify_rules[classify_rule_count - 1].text);
}

static void test_case_does_not_matter(void **state)
{
    (void)state;
    struct failure f = failure_of(DEPENDENCY_ENGINE, STAGE_CREATE, 500, "NO SPACE LEFT ON DEVICE");
    assert_int_equal(classify(&f).error_class, ERROR_CLASS_CAPACITY);
    assert_string_equal(classify(&f).rule, "disk-full");
}

static void test_parts_must_come_in_order(void **state)
{
    (void)state;
    struct failure f = failure_of(DEPENDENCY_ENGINE, STAGE_START, 404, "not found: network x ");
    assert_int_equal(classify(&f).error_class, ERROR_CLASS_GONE);
    f = failure_of(DEPENDENCY_ENGINE, STAGE_START, 404, "network x not found");
    assert_int_equal(classify(&f).error_class, ERROR_CLASS_PERMANENT);
}

/* Every dependency, stage, transport, status and flag: an answer, and a lost one is never taken lightly. */
static void test_all_combinations(void **state)
{
    (void)state;
    for (int d = 0; d <= DEPENDENCY_PREFECT; d++) {
        for (int i = 0; i < STAGE_COUNT * (TRANSPORT_CANCELLED + 1) * 4; i++) {
            struct failure f = failure_of((enum dependency)d, (enum stage)(i / 4 % STAGE_COUNT), 0, "");
            f.transport = (enum transport)(i / 4 / STAGE_COUNT);
            f.sent = i % 2 == 1;
            f.changes = i / 2 % 2 == 1;
            struct verdict_on_failure v = classify(&f);
            assert_non_null(v.rule);
            bool may_be_done = f.sent && f.changes && transport_may_have_sent(f.transport);
            assert_int_equal(v.error_class == ERROR_CLASS_UNKNOWN_OUTCOME, may_be_done);
            if (may_be_done)
                assert_false(v.out_of_reach);
        }
    }
}

static void test_every_status_has_a_class(void **state)
{
    (void)state;
    for (int d = 0; d <= DEPENDENCY_PREFECT; d++) {
        for (int status = -1; status <= 1000; status++) {
            struct failure f = failure_of((enum dependency)d, STAGE_INSPECT, status, "");
            enum error_class c = classify(&f).error_class;
            assert_true(c != ERROR_CLASS_UNKNOWN_OUTCOME && c != ERROR_CLASS_CAPACITY);
            if (status >= 500 && status != 501 && status != 505)
                assert_int_equal(c, ERROR_CLASS_TRANSIENT);
        }
    }
}

static void test_connect_clock_is_out_of_reach(void **state)
{
    (void)state;
    struct failure f = failure_of(DEPENDENCY_ENGINE, STAGE_CREATE, 0, "");
    f.transport = TRANSPORT_TOTAL_TIMEOUT;
    f.clock = CLOCK_KIND_CONNECT;
    f.sent = false;
    f.changes = true;
    assert_int_equal(classify(&f).error_class, ERROR_CLASS_TRANSIENT);
    assert_true(classify(&f).out_of_reach);
    f.clock = CLOCK_KIND_TOTAL;
    assert_false(classify(&f).out_of_reach);
}

/* 4 KiB of beginnings of patterns, not even closed by a NUL; far too slow if a part were sought again and
 * again from each place. */
static void test_hostile_messages(void **state)
{
    (void)state;
    const char *const bits[] = {"network ", "oci runtime",           "dial tcp", "a",
                                "\xff\xfe", "no such host no such ", "|",        "*"};
    for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
        for (int status = 200; status <= 500; status += 100) {
            struct failure f = failure_of(DEPENDENCY_ENGINE, STAGE_START, status, "");
            for (size_t at = 0; at < sizeof(f.message); at++)
                f.message[at] = bits[i][at % strlen(bits[i])];
            for (int round = 0; round < 50; round++)
                assert_non_null(classify(&f).rule);
        }
    }
    struct failure f = failure_of(DEPENDENCY_ENGINE, STAGE_START, 500, "");
    memset(f.message, 'x', sizeof(f.message));
    memcpy(f.message + sizeof(f.message) - 23, "no space left on device", 23);
    assert_int_equal(classify(&f).error_class, ERROR_CLASS_CAPACITY);
}

static void test_names_and_their_inverses(void **state)
{
    (void)state;
    for (int i = 0; i < STAGE_COUNT; i++)
        assert_int_equal(stage_from_name(stage_name((enum stage)i)), i);
    for (int i = 0; i <= TRANSPORT_CANCELLED; i++)
        assert_int_equal(transport_from_name(transport_name((enum transport)i)), i);
    for (int i = 0; i <= ERROR_CLASS_UNKNOWN_OUTCOME; i++)
        assert_int_equal(error_class_from_name(error_class_name((enum error_class)i)), i);
    for (int i = 0; i <= DEPENDENCY_PREFECT; i++)
        assert_int_equal(dependency_from_name(dependency_name((enum dependency)i)), i);
    assert_int_equal(stage_from_name("Create"), -1);
    assert_int_equal(transport_from_name(""), -1);
    assert_string_equal(clock_kind_name(CLOCK_KIND_INACTIVITY), "inactivity");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_every_rule_is_met_by_the_corpus),
        cmocka_unit_test(test_held_out),
        cmocka_unit_test(test_rules_are_written_well),
        cmocka_unit_test(test_case_does_not_matter),
        cmocka_unit_test(test_parts_must_come_in_order),
        cmocka_unit_test(test_all_combinations),
        cmocka_unit_test(test_every_status_has_a_class),
        cmocka_unit_test(test_connect_clock_is_out_of_reach),
        cmocka_unit_test(test_hostile_messages),
        cmocka_unit_test(test_names_and_their_inverses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
