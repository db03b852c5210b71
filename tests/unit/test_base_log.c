/*
 * log, err and random: quoting and cutting of values, levels, context in front of errors, forms of UUIDs.
 */
#include "base/check.h"
#include "base/log.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char last_line[70000];
static enum log_level last_level;
static int line_count;

static void on_line(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    assert_true(strlen(line) < sizeof(last_line));
    memcpy(last_line, line, strlen(line) + 1);
    last_level = level;
    line_count++;
}

static int set_up(void **state)
{
    (void)state;
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, NULL);
    log_tap(on_line, NULL);
    line_count = 0;
    last_line[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    log_tap(NULL, NULL);
    return 0;
}

static int64_t fixed_ms(void *arg)
{
    (void)arg;
    return 1795401608113;
}

static void test_logfmt(void **state)
{
    (void)state;
    log_info("container started", kv_s("run", "4e25"), kv_int("attempt", -2));
    assert_string_equal(last_line, "level=info msg=\"container started\" run=4e25 attempt=-2");
    log_warn("plain");
    assert_string_equal(last_line, "level=warn msg=plain");
    assert_int_equal(last_level, LOG_LEVEL_WARN);
}

static void test_time_comes_first(void **state)
{
    (void)state;
    const struct clock clock = {.mono_ms = fixed_ms, .wall_ms = fixed_ms};
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, &clock);
    log_error("x");
    assert_string_equal(last_line, "time=2026-11-23T02:40:08.113Z level=error msg=x");
}

static void test_values_are_quoted_when_they_must(void **state)
{
    (void)state;
    log_info("m", kv_s("a", ""), kv_s("b", "x y"), kv_s("c", "a=b"), kv_s("d", "say \"hi\""),
             kv_s("e", "a\\b"),
             kv_s("f", "gr\xc3\xbc\xc3\x9f"
                       "e"),
             kv_s("g", NULL), kv_s("h", "one\ntwo\t\x01\x7f"));
    assert_string_equal(last_line,
                        "level=info msg=m a=\"\" b=\"x y\" c=\"a=b\" d=\"say \\\"hi\\\"\" e=\"a\\\\b\" "
                        "f=gr\xc3\xbc\xc3\x9f"
                        "e h=\"one\\ntwo\\u0009\\u0001\\u007f\"");
    assert_null(strchr(last_line, '\n'));
}

static void test_json(void **state)
{
    (void)state;
    log_setup(NULL, NULL, LOG_FORMAT_JSON, LOG_LEVEL_DEBUG, NULL);
    log_debug("a \"b\"", kv_s("c", "d\n\\"), kv_int("n", INT64_MIN), kv_s("z", NULL));
    assert_string_equal(last_line, "{\"level\":\"debug\",\"msg\":\"a \\\"b\\\"\",\"c\":\"d\\n\\\\\","
                                   "\"n\":-9223372036854775808}");
}

static void test_levels(void **state)
{
    (void)state;
    log_debug("hidden");
    assert_int_equal(line_count, 0);
    assert_false(log_is_on(LOG_LEVEL_DEBUG));
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR, NULL);
    log_warn("hidden");
    assert_int_equal(line_count, 0);
    log_error("seen");
    assert_int_equal(line_count, 1);
    log_tap(NULL, NULL);
    assert_false(log_is_on(LOG_LEVEL_ERROR));
}

/* The cut never leaves half a character, and the line never more than its limit. */
static void test_long_values_are_cut(void **state)
{
    (void)state;
    char value[LOG_VALUE_MAX + 100];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    log_info("m", kv_s("v", value));
    assert_int_equal(strlen(last_line), strlen("level=info msg=m v=") + LOG_VALUE_MAX);
    memcpy(value + LOG_VALUE_MAX - 1, "\xe6\x97\xa5", 3);
    log_info("m", kv_s("v", value));
    assert_int_equal(strlen(last_line), strlen("level=info msg=m v=") + LOG_VALUE_MAX - 1);
    memset(value, '\x01', sizeof(value) - 1);
    struct log_kv many[40];
    for (size_t i = 0; i + 1 < ARRAY_LEN(many); i++)
        many[i] = kv_s("v", value);
    many[ARRAY_LEN(many) - 1] = (struct log_kv){.kind = LOG_VALUE_END};
    log_write(LOG_LEVEL_INFO, "m", many);
    assert_in_range(strlen(last_line), 60000, 65536);
}

static void test_lines_go_to_the_file(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    log_setup(log_to_file, out, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, NULL);
    log_info("one");
    log_info("two", kv_s("k", "a\nb"));
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, NULL);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "level=info msg=one\nlevel=info msg=two k=\"a\\nb\"\n");
    free(text);
}

static void test_err_set_and_wrap(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, ERR_INVALID, "rate %d", -1), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(err.sys, 0);
    assert_int_equal(err_wrap(&err, "class %s", "etl"), -1);
    assert_int_equal(err_wrap(&err, "read %s", "sluice.conf"), -1);
    assert_string_equal(err.msg, "read sluice.conf: class etl: rate -1");
    assert_int_equal(err.kind, ERR_INVALID);
}

static void test_err_sys_tells_the_systems_words(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_sys(&err, 2, "open %s", "x"), -1);
    assert_string_equal(err.msg, "open x: No such file or directory");
    assert_int_equal(err.kind, ERR_IO);
    assert_int_equal(err.sys, 2);
    assert_string_equal(err_kind_name(ERR_NOT_FOUND), "not found");
}

static void test_long_errors_are_cut(void **state)
{
    (void)state;
    char text[2000];
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct err err;
    err_set(&err, ERR_PARSE, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_wrap(&err, "front");
    assert_memory_equal(err.msg, "front: yyy", 10);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    err_sys(&err, 2, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void check_uuid(const char *text, char version)
{
    assert_int_equal(strlen(text), UUID_TEXT_SIZE - 1);
    for (size_t i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(text[i], '-');
        else
            assert_non_null(strchr("0123456789abcdef", text[i]));
    }
    assert_int_equal(text[14], version);
    assert_non_null(strchr("89ab", text[19]));
}

static void test_uuids(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct random_source source = random_seeded(&seed);
    char last[UUID_TEXT_SIZE] = "";
    for (int64_t i = 0; i < 1000; i++) {
        char text[UUID_TEXT_SIZE];
        random_uuid(&source, text);
        check_uuid(text, '4');
        random_uuid7(&source, 1795401608113 + i, text);
        check_uuid(text, '7');
        assert_true(strcmp(last, text) < 0); /* ordered by time */
        memcpy(last, text, sizeof(last));
    }
    char text[UUID_TEXT_SIZE];
    random_uuid7(&source, 0x0123456789ab, text);
    assert_memory_equal(text, "01234567-89ab-7", 15);
}

static void test_seeded_source_repeats_and_the_systems_does_not(void **state)
{
    (void)state;
    uint64_t a = 42;
    uint64_t b = 42;
    for (int i = 0; i < 100; i++)
        assert_true(random_splitmix64(&a) == random_splitmix64(&b));
    uint64_t zero = 0;
    assert_true(random_splitmix64(&zero) == 0xe220a8397b1dcdaf); /* the reference sequence */
    char one[UUID_TEXT_SIZE];
    char two[UUID_TEXT_SIZE];
    random_uuid(&random_system, one);
    random_uuid(&random_system, two);
    assert_string_not_equal(one, two);
}

int main(void)
{
#define LOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_logfmt),
        LOG_TEST(test_time_comes_first),
        LOG_TEST(test_values_are_quoted_when_they_must),
        LOG_TEST(test_json),
        LOG_TEST(test_levels),
        LOG_TEST(test_long_values_are_cut),
        LOG_TEST(test_lines_go_to_the_file),
        cmocka_unit_test(test_err_set_and_wrap),
        cmocka_unit_test(test_err_sys_tells_the_systems_words),
        cmocka_unit_test(test_long_errors_are_cut),
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_seeded_source_repeats_and_the_systems_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
