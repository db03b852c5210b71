/* test_json.c - the promises of api/json.h: exact numbers, strictness, building. */
#include "api/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct json *parse(const char *text)
{
    struct json *value = NULL;
    struct err err = {0};
    if (json_parse(text, strlen(text), &value, &err) != 0)
        fail_msg("%s: %s", text, err.msg);
    return value;
}

static void assert_round_trip(const char *text, const char *expected)
{
    struct json *value = parse(text);
    char *written = json_write(value);
    assert_string_equal(written, expected);
    free(written);
    json_free(value);
}

/* The text is copied to a block of its own length, so that reading past its end is seen by ASan. */
static void assert_refused(const char *text, size_t len, enum err_kind kind, const char *says)
{
    char *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    struct json *untouched = NULL;
    struct err err = {0};
    if (json_parse(exact, len, &untouched, &err) == 0)
        fail_msg("taken: %.*s", (int)len, text);
    assert_null(untouched);
    assert_int_equal(err.kind, kind);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%.*s\": \"%s\" does not say \"%s\"", (int)len, text, err.msg, says);
    free(exact);
}

static void test_numbers_keep_their_text(void **state)
{
    (void)state;
    static const char *const same[] = {"0",
                                       "-0",
                                       "1.0",
                                       "1e5",
                                       "1E+5",
                                       "-1.50e-07",
                                       "1e400",
                                       "[1,2]",
                                       "9007199254740993",
                                       "[[1.0]]",
                                       "1.10",
                                       "123456789012345678901234567890",
                                       "{\"a\":-0.0,\"b\":[1.00,{\"c\":2}]}"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++)
        assert_round_trip(same[i], same[i]);
    assert_round_trip(" { \"a\" :\t1.0 ,\r\n\"b\":2}\n", "{\"a\":1.0,\"b\":2}");
    struct json *value = parse("{\"n\":1.0,\"s\":\"1.0\"}");
    assert_string_equal(json_number_text(json_get(value, "n")), "1.0");
    assert_null(json_number_text(json_get(value, "s")));
    assert_int_equal(json_kind(json_get(value, "n")), JSON_NUMBER);
    assert_int_equal(json_kind(json_get(value, "s")), JSON_STRING);
    json_free(value);
}

static void test_strings_keep_their_text(void **state)
{
    (void)state;
    assert_round_trip("\"a\\u00e4\xC3\xA4\\n\\\\u0000\\\"\"", "\"a\xC3\xA4\xC3\xA4\\n\\\\u0000\\\"\"");
    assert_round_trip("\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"");
    assert_round_trip("{\"\":\"\"}", "{\"\":\"\"}");
    assert_round_trip("\"\\u00ff1\"", "\"\xC3\xBF"
                                      "1\"");
    assert_round_trip("\"/ \x7f \\u001f\"", "\"/ \x7f \\u001f\"");
    assert_round_trip("\"[{1,2\"", "\"[{1,2\"");
}

static void test_null_characters_are_refused(void **state)
{
    (void)state;
    assert_refused("\"a\\u0000b\"", 10, ERR_INVALID, "\\u0000");
    assert_refused("{\"k\\u0000\":1}", 13, ERR_INVALID, "byte 3");
    assert_refused("\"a\0b\"", 5, ERR_PARSE, "control character");
    assert_refused("1\0", 2, ERR_PARSE, "does not belong");
    assert_refused("\0", 1, ERR_PARSE, "byte 0");
}

static const char *const bad_texts[] = {"",
                                        " ",
                                        "{",
                                        "[",
                                        "}",
                                        "]",
                                        "[1,]",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{\"a\" 1}",
                                        "{a:1}",
                                        "{1:2}",
                                        "{\"a\":{1:2}}",
                                        "[1 2]",
                                        "1 2",
                                        "1}",
                                        "01",
                                        "-",
                                        "-01",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "1.e5",
                                        "1e",
                                        "1e+",
                                        "0x10",
                                        "NaN",
                                        "Infinity",
                                        "nul",
                                        "nullx",
                                        "tr1ue",
                                        "True",
                                        "\"",
                                        "\"a",
                                        "\"\\",
                                        "\"\\\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12G4\"",
                                        "\"\\ud83d\"",
                                        "\"\\ud83dx\"",
                                        "\"\\ude00\"",
                                        "\"\t\"",
                                        "\"\x80\"",
                                        "\"\xC0\x80\"",
                                        "\"\xED\xA0\x80\"",
                                        "\"\xF5\x80\x80\x80\"",
                                        "\"\xC3\"",
                                        "\"\xFF"
                                        "1\"",
                                        "\xFF"
                                        "1",
                                        "\xEF\xBB\xBF{}",
                                        "'a'",
                                        "/* */1",
                                        "[1,2",
                                        "{\"a\":1",
                                        "<html>",
                                        "\x0B"
                                        "1",
                                        "\"\xE0\x80\x80\"",
                                        "\"\xF0\x80\x80\x80\"",
                                        "\"\xF4\x90\x80\x80\"",
                                        "1,2",
                                        "\"a\"\"b\"",
                                        "[\"a\"1]"};

static void test_bad_text_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_texts); i++)
        assert_refused(bad_texts[i], strlen(bad_texts[i]), ERR_PARSE, "not valid JSON");
}

static void test_errors_tell_the_offset_in_the_source(void **state)
{
    (void)state;
    assert_refused("[1,22,333,x]", 12, ERR_PARSE, "byte 10");
    assert_refused("[1,01]", 6, ERR_PARSE, "byte 3");
    assert_refused("[1,\"\x80\"]", 7, ERR_PARSE, "byte 4");
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,true,null,\"\\u00e4\xC3\xA4\\n\"],\"b\":{\"c\":-7}}";
    struct json *whole = parse(text);
    json_free(whole);
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_refused(text, len, ERR_PARSE, "not valid JSON");
}

/* Whatever byte is changed: refused with a reason, or taken and then written as text that is taken again. */
static void test_every_changed_byte_is_refused_or_round_trips(void **state)
{
    (void)state;
    char text[] = "{\"a\":[1.5e3,true,null,\"\\u00e4\xC3\xA4\\n\"],\"b\":{\"c\":-7}}";
    int taken = 0;
    for (size_t at = 0; at < sizeof(text) - 1; at++) {
        char original = text[at];
        for (int c = 0; c < 256; c++) {
            text[at] = (char)c;
            struct json *value = NULL;
            struct err err = {0};
            if (json_parse(text, sizeof(text) - 1, &value, &err) != 0) {
                assert_int_equal(err.kind, ERR_PARSE);
                continue;
            }
            char *written = json_write(value);
            assert_round_trip(written, written);
            free(written);
            json_free(value);
            taken++;
        }
        text[at] = original;
    }
    assert_true(taken > (int)sizeof(text));
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    char text[8000];
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    text[400] = '\0';
    assert_round_trip(text, text);
    memset(text, '[', 201);
    memset(text + 201, ']', 201);
    assert_refused(text, 402, ERR_LIMIT, "200");
    memset(text, '[', sizeof(text));
    assert_refused(text, sizeof(text), ERR_LIMIT, "byte 200");
    for (size_t i = 0; i + 5 <= sizeof(text); i += 5)
        memcpy(text + i, "{\"a\":", 5);
    assert_refused(text, sizeof(text), ERR_LIMIT, "200");
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {{"0", 0},
                 {"-0", 0},
                 {"5.0", 5},
                 {"-5.000", -5},
                 {"1e3", 1000},
                 {"1.5e1", 15},
                 {"9007199254740993", 9007199254740993},
                 {"9007199254740993.0", 9007199254740993},
                 {"9223372036854775807", INT64_MAX},
                 {"-9223372036854775808", INT64_MIN},
                 {"9223372036854775808", -77},
                 {"1e19", -77},
                 {"1e400", -77},
                 {"9007199254740993e0", -77},
                 {"5.5", -77},
                 {"0.1", -77},
                 {"1e-1", -77},
                 {"\"5\"", -77},
                 {"true", -77},
                 {"null", -77},
                 {"[5]", -77}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json *value = parse(cases[i].text);
        assert_int_equal(json_int(value, -77), cases[i].value);
        json_free(value);
    }
}

static void test_doubles(void **state)
{
    (void)state;
    struct json *value = parse("[0.1,-2.5e3,1e400,\"1\"]");
    const struct json *item = json_first(value);
    assert_true(json_double(item, 7) == 0.1);
    item = json_next(item);
    assert_true(json_double(item, 7) == -2500.0);
    item = json_next(item);
    assert_true(json_double(item, 7) == 7.0);
    item = json_next(item);
    assert_true(json_double(item, 7) == 7.0);
    json_free(value);
}

static void test_readers_fall_back(void **state)
{
    (void)state;
    assert_null(json_get(NULL, "a"));
    assert_string_equal(json_text(NULL, "x"), "x");
    assert_null(json_text(NULL, NULL));
    assert_true(json_bool(NULL, true));
    assert_int_equal(json_int(NULL, 3), 3);
    assert_true(json_double(NULL, 3) == 3.0);
    assert_null(json_number_text(NULL));
    assert_int_equal(json_count(NULL), 0);
    assert_null(json_first(NULL));
    assert_null(json_next(NULL));
    assert_int_equal(json_kind(NULL), JSON_NULL);
    struct json *value =
        parse("{\"s\":\"t\",\"b\":false,\"n\":4,\"z\":null,\"S\":\"other\",\"s\":\"later\"}");
    assert_string_equal(json_get_text(value, "s", "x"), "t");
    assert_string_equal(json_get_text(value, "S", "x"), "other");
    assert_string_equal(json_get_text(value, "n", "x"), "x");
    assert_string_equal(json_get_text(value, "none", "x"), "x");
    assert_false(json_get_bool(value, "b", true));
    assert_true(json_get_bool(value, "n", true));
    assert_int_equal(json_get_int(value, "n", 9), 4);
    assert_int_equal(json_get_int(value, "s", 9), 9);
    assert_int_equal(json_kind(json_get(value, "z")), JSON_NULL);
    assert_non_null(json_get(value, "z"));
    assert_null(json_get(json_get(value, "s"), "s"));
    assert_null(json_first(json_get(value, "s")));
    json_free(value);
}

static void test_walking(void **state)
{
    (void)state;
    struct json *value = parse("{\"a\":1,\"b\":[true,2,\"x\"],\"c\":{}}");
    assert_int_equal(json_count(value), 3);
    const struct json *member = json_first(value);
    assert_string_equal(json_key(member), "a");
    member = json_next(member);
    assert_string_equal(json_key(member), "b");
    assert_int_equal(json_count(member), 3);
    assert_int_equal(json_kind(json_first(member)), JSON_BOOL);
    assert_string_equal(json_key(json_first(member)), "");
    member = json_next(member);
    assert_int_equal(json_count(member), 0);
    assert_null(json_next(member));
    json_free(value);
}

static void test_building(void **state)
{
    (void)state;
    struct json *object = json_new_object();
    json_set_text(object, "text", "a\"b\n");
    json_set_text(object, "none", NULL);
    json_set_int(object, "int", INT64_MIN);
    json_set_bool(object, "bool", true);
    struct json *array = json_new_array();
    json_take_add(array, json_new_number_text("1.0"));
    json_take_add(array, json_new_null());
    json_take_add(array, json_new_bool(false));
    json_take_set(object, "array", array);
    json_set_int(object, "text", 5); /* in place */
    json_set_int(object, "gone", 5);
    json_remove(object, "gone");
    json_remove(object, "never there");
    struct json *copy = json_copy(object);
    json_free(object);
    char *written = json_write(copy);
    assert_string_equal(written, "{\"text\":5,\"none\":null,\"int\":-9223372036854775808,\"bool\":true,"
                                 "\"array\":[1.0,null,false]}");
    free(written);
    assert_int_equal(json_get_int(copy, "int", 0), INT64_MIN);
    json_free(copy);
    json_free(NULL);
}

static void test_written_text_is_utf8(void **state)
{
    (void)state;
    char *quoted = json_quote("cut in the middle: \xE2\x82");
    assert_string_equal(quoted, "\"cut in the middle: \xEF\xBF\xBD\xEF\xBF\xBD\"");
    free(quoted);
    quoted = json_quote("\xFF\"\\\x01\xC3\xA4");
    assert_string_equal(quoted, "\"\xEF\xBF\xBD\\\"\\\\\\u0001\xC3\xA4\"");
    free(quoted);
    struct json *object = json_new_object();
    json_set_int(object, "\xFFkey", 1);
    json_set_int(object, "\xFFkey", 2);
    char *written = json_write(object);
    assert_round_trip(written, "{\"\xEF\xBF\xBDkey\":2}");
    free(written);
    json_free(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_keep_their_text),
        cmocka_unit_test(test_strings_keep_their_text),
        cmocka_unit_test(test_null_characters_are_refused),
        cmocka_unit_test(test_bad_text_is_refused),
        cmocka_unit_test(test_errors_tell_the_offset_in_the_source),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_every_changed_byte_is_refused_or_round_trips),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_readers_fall_back),
        cmocka_unit_test(test_walking),
        cmocka_unit_test(test_building),
        cmocka_unit_test(test_written_text_is_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
