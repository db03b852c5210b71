/*
 * profile and toml: what Prefect's own files say, read from texts of every shape, well and badly meant.
 */
#include "base/check.h"
#include "config_fixture.h"
#include "profile.h"
#include "toml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- TOML ---- */

static void append(char **text, char *more)
{
    char *both = check_printf("%s%s", *text, more);
    free(*text);
    free(more);
    *text = both;
}

/* "a/b=s:text " for each value; s, b, n, a by kind, tables as "[a/b] ". */
static void on_value(void *arg, const char *const *path, size_t depth, enum toml_kind kind, const char *value,
                     int line)
{
    char **text = arg;
    assert_true(line >= 1);
    append(text, check_strdup(kind == TOML_TABLE ? "[" : ""));
    for (size_t i = 0; i < depth; i++)
        append(text, check_printf("%s%s", i > 0 ? "/" : "", path[i]));
    static const char letters[] = {
        [TOML_TABLE] = 't', [TOML_STRING] = 's', [TOML_BOOL] = 'b', [TOML_NUMBER] = 'n', [TOML_ARRAY] = 'a'};
    append(text, kind == TOML_TABLE ? check_strdup("] ") : check_printf("=%c:%s ", letters[kind], value));
}

static char *read_toml(const char *text, size_t len, int *result, int *bad_line, struct err *err)
{
    char *told = check_strdup("");
    /* a copy of exact size, so that reading past the end is found */
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);
    *bad_line = 0;
    *result = toml_read(copy, len, on_value, &told, bad_line, err);
    free(copy);
    return told;
}

static void test_toml_that_is_fine(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *told;
    } cases[] = {
        {"", ""},
        {"\n # x\n\t\r\n", ""},
        {"\xEF\xBB\xBF"
         "a = 1",
         "a=n:1 "},
        {"active = \"prod\"\n[profiles.prod]\nX = 'y' # z\r\nT=true\nF = false\n",
         "active=s:prod [profiles/prod] profiles/prod/X=s:y profiles/prod/T=b:true profiles/prod/F=b:false "},
        {"a.b . c = 1\n\"x.y\".'z w' = 2\n", "a/b/c=n:1 x.y/z w=n:2 "},
        {"[ a . \"b c\" ]\nd = 1\n[[a.e]]\nf = 2\n", "[a/b c] a/b c/d=n:1 [a/e] a/e/f=n:2 "},
        {"a = \"\\b\\t\\n\\f\\r\\\"\\\\\\u00e9\\U0001F600\"\n",
         "a=s:\b\t\n\f\r\"\\\xC3\xA9\xF0\x9F\x98\x80 "},
        {"a = 'C:\\x'\n", "a=s:C:\\x "},
        {"a = \"\"\"\nx\\\n   y\"z\"\"\"\"\"\nb = 1\n", "a=s:xy\"z\"\" b=n:1 "},
        {"a = '''\r\nx\r\ny'''\n", "a=s:x\ny "},
        {"a = ''\nb = \"\"\n", "a=s: b=s: "},
        {"a = [1, \"x\", [true,], {k = 'v'}, # c\n 2\n]\nb = 1\n", "a=a:1,x,2 b=n:1 "},
        {"a = { b = 1, c.d = 'x', e = {} }\n", "a/b=n:1 a/c/d=s:x "},
        {"a = +1_000\nb = -0.5e-3\nc = 0xff\nd = inf\ne = -nan\n",
         "a=n:+1000 b=n:-0.5e-3 c=n:0xff d=n:inf e=n:-nan "},
        {"a = 1979-05-27T07:32:00Z\nb = 1979-05-27 07:32:00.5\nc = 07:32:00\n",
         "a=n:1979-05-27T07:32:00Z b=n:1979-05-27 07:32:00.5 c=n:07:32:00 "},
        {"[a]\n[a.b]\n[c]\n", "[a] [a/b] [c] "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int result;
        int bad_line;
        struct err err;
        char *AUTO_FREE told = read_toml(cases[i].text, strlen(cases[i].text), &result, &bad_line, &err);
        if (result != 0)
            fail_msg("%s: %s", cases[i].text, err.msg);
        assert_string_equal(told, cases[i].told);
    }
}

static void test_toml_that_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *sentence;
    } cases[] = {
        {"a\n", 1, "no = after the key"},
        {"= 1\n", 1, "a key is missing"},
        {"a. = 1\n", 1, "a key is missing"},
        {"a =\nb = 1\n", 1, "a value is missing, or a text without quotes"},
        {"\na = x\n", 2, "a value is missing, or a text without quotes"},
        {"a = True\n", 1, "a value is missing, or a text without quotes"},
        {"a = 1 b = 2\n", 1, "text after the value; allowed: one KEY = VALUE a line"},
        {"a = 'x' y\n", 1, "text after the value; allowed: one KEY = VALUE a line"},
        {"a = \"x\n", 1, "a string that doesn't end on its line"},
        {"a = \"x", 1, "a string that never ends"},
        {"a = '''x\n\n", 3, "a string that never ends"},
        {"a = \"\\x41\"\n", 1, "an unknown escape"},
        {"a = \"\\\n", 1, "an unknown escape"},
        {"a = \"\\", 1, "an unknown escape"},
        {"a = \"\\u00\"\n", 1, "an escape that is no character"},
        {"a = \"\\u0000\"\n", 1, "an escape that is no character"},
        {"a = \"\\ud800\"\n", 1, "an escape that is no character"},
        {"a = \"\\U00110000\"\n", 1, "an escape that is no character"},
        {"a = \"\001\"\n", 1, "a control character in a string"},
        {"a = 1 # \001\n", 1, "a control character in a comment"},
        {"[a\nb = 1\n", 1, "a table's name without closing ]"},
        {"[[a]\n", 1, "a table's name without closing ]"},
        {"[]\n", 1, "a key is missing"},
        {"[a] b = 1\n", 1, "text after the value; allowed: one KEY = VALUE a line"},
        {"a = [1\n\n 2]\n", 3, "an array that never ends"},
        {"a = [1,\n", 2, "a value is missing, or a text without quotes"},
        {"a = [", 1, "a value is missing, or a text without quotes"},
        {"a = {b = 1\n", 1, "an inline table that never ends"},
        {"a = {b = 1", 1, "an inline table that never ends"},
        {"a = {", 1, "a key is missing"},
        {"\"\"\"a\"\"\" = 1\n", 1, "a key is missing"},
        {"a \"b\" = 1\n", 1, "no = after the key"},
        {"\x89PNG\r\n", 1, "a key is missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int result;
        int bad_line;
        struct err err;
        char *AUTO_FREE told = read_toml(cases[i].text, strlen(cases[i].text), &result, &bad_line, &err);
        if (result == 0)
            fail_msg("%s was taken as %s", cases[i].text, told);
        assert_int_equal(err.kind, ERR_PARSE);
        assert_string_equal(err.msg, cases[i].sentence);
        assert_int_equal(bad_line, cases[i].line);
    }
}

static void expect_toml_error(const char *text, size_t len, const char *sentence)
{
    int result;
    int bad_line;
    struct err err;
    free(read_toml(text, len, &result, &bad_line, &err));
    assert_int_equal(result, -1);
    assert_string_equal(err.msg, sentence);
}

static void test_toml_that_is_deep_or_large(void **state)
{
    (void)state;
    size_t size = 1024 * 1024;
    char *AUTO_FREE text = malloc(size);
    assert_non_null(text);
    memset(text, '[', size);
    memcpy(text, "a = ", 4);
    expect_toml_error(text, size, "values nested too deep");
    for (size_t i = 0; i + 4 <= size; i += 4)
        memcpy(text + i, "{a= ", 4);
    memcpy(text, "a = ", 4);
    expect_toml_error(text, size, "tables nested too deep");
    for (size_t i = 0; i + 2 <= size; i += 2)
        memcpy(text + i, "a.", 2);
    expect_toml_error(text, size, "tables nested too deep");
    memset(text, 'x', size);
    expect_toml_error(text, size, "more than 65536 bytes");
    memcpy(text, "a = \"", 5);
    expect_toml_error(text, size, "more than 65536 bytes");
    expect_toml_error("a = \"x\0y\"", 9, "a control character in a string");
    expect_toml_error("\0", 1, "a key is missing");
}

/* Every beginning of a fine text, and every byte of it replaced: an answer or an error, nothing worse. */
static void test_toml_cut_off_and_garbled(void **state)
{
    (void)state;
    static const char text[] =
        "\xEF\xBB\xBF"
        "active='p'\r\n[profiles.\"p\"]\nA=\"\\u00e9\\n\"\nB=[1,{c=2},[]]\n"
        "C='''\nx'''\nD={e.f=true,g=1979-05-27 07:32:00}\n[[h]]\nI=\"\"\"a\\\n b\"\"\"\n";
    static const char replacements[] = {'\0', '\n', '"', '\'', '[', ']', '{',
                                        '}',  '\\', '=', '.',  '#', ' ', (char)0xFF};
    int result;
    int bad_line;
    struct err err;
    size_t fine = 0;
    for (size_t len = 0; len < sizeof(text); len++) {
        free(read_toml(text, len, &result, &bad_line, &err));
        fine += result == 0 ? 1 : 0;
        assert_true(result == 0 || (bad_line >= 1 && bad_line <= 12));
    }
    assert_true(fine > 10);
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        for (size_t r = 0; r < sizeof(replacements); r++) {
            char garbled[sizeof(text)];
            memcpy(garbled, text, sizeof(text));
            garbled[i] = replacements[r];
            free(read_toml(garbled, sizeof(text) - 1, &result, &bad_line, &err));
            assert_true(result == 0 || (bad_line >= 1 && bad_line <= 13));
        }
}

/* ---- Prefect's files ---- */

struct heard {
    char *settings;
    char *problems;
};

static void on_setting(void *arg, const char *name, const char *value, const char *from)
{
    struct heard *heard = arg;
    append(&heard->settings, check_printf("%s=%s (%s)\n", name, value, from));
}

static void on_problem(void *arg, const char *text)
{
    struct heard *heard = arg;
    append(&heard->problems, check_printf("%s\n", text));
}

static void expect_heard(struct heard *heard, const char *settings, const char *problems)
{
    assert_string_equal(heard->settings, settings);
    assert_string_equal(heard->problems, problems);
    free(heard->settings);
    free(heard->problems);
}

/* settings: each on a line; outcome: of profile_read, and the name. */
static void check_profile(const char *text, const char *wanted, enum profile_outcome outcome,
                          const char *name, const char *settings, const char *problems)
{
    struct heard heard = {check_strdup(""), check_strdup("")};
    const struct profile_reader reader = {on_setting, on_problem, &heard};
    char *AUTO_FREE found = NULL;
    if (text != NULL)
        fixture_write("profiles.toml", text);
    assert_int_equal(profile_read(text != NULL ? "profiles.toml" : "none.toml", wanted, &reader, &found),
                     outcome);
    assert_string_equal(found != NULL ? found : "", name);
    expect_heard(&heard, settings, problems);
}

static void test_profiles(void **state)
{
    (void)state;
    const char *two =
        "[profiles.dev]\nPREFECT_API_URL = \"http://d\"\n[profiles.prod]\nPREFECT_API_URL = 'http://p'\n"
        "PREFECT_A = true\nPREFECT_B = 1_0\nprefect_c = 1\nOTHER = 1\nPREFECT_D = [1, 'x']\n"
        "[profiles.prod.x]\nPREFECT_E = 1\n";
    char *AUTO_FREE with_active = check_printf("active = 'prod'\n%s", two);
    char *AUTO_FREE active_below = check_printf("%s[other]\nactive = 'dev'\n", two);
    const char *prod = "PREFECT_API_URL=http://p (profile prod)\nPREFECT_A=True (profile prod)\n"
                       "PREFECT_B=10 (profile prod)\nPREFECT_D=1,x (profile prod)\n";
    check_profile(NULL, NULL, PROFILE_NOT_NAMED, "", "", "");
    check_profile(NULL, "prod", PROFILE_UNKNOWN, "prod", "", "");
    check_profile("", NULL, PROFILE_NOT_NAMED, "", "", "");
    check_profile(with_active, NULL, PROFILE_READ, "prod", prod, "");
    check_profile(with_active, "dev", PROFILE_READ, "dev", "PREFECT_API_URL=http://d (profile dev)\n", "");
    check_profile(two, "prod", PROFILE_READ, "prod", prod, "");
    check_profile(two, NULL, PROFILE_NOT_NAMED, "", "", "");
    check_profile(active_below, NULL, PROFILE_NOT_NAMED, "", "", "");
    check_profile("active = 'e'\n[profiles.e]\n", NULL, PROFILE_READ, "e", "", "");
    check_profile("active = 'ephemeral'\n", NULL, PROFILE_UNKNOWN, "ephemeral", "", "");
    check_profile("[profiles.dev]\n", "prod", PROFILE_UNKNOWN, "prod", "", "");
    check_profile("active = 1\n", NULL, PROFILE_NOT_NAMED, "", "", "");
}

static void test_built_in_profiles(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *settings;
    } cases[] = {{"ephemeral", "PREFECT_SERVER_EPHEMERAL_ENABLED=true (profile ephemeral)\n"},
                 {"local", "PREFECT_API_URL=http://127.0.0.1:4200/api (profile local)\n"},
                 {"cloud", ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct heard heard = {check_strdup(""), check_strdup("")};
        const struct profile_reader reader = {on_setting, on_problem, &heard};
        assert_true(profile_read_built_in(cases[i].name, &reader));
        assert_false(profile_read_built_in("nope", &reader));
        expect_heard(&heard, cases[i].settings, "");
    }
}

static void test_profiles_with_mistakes(void **state)
{
    (void)state;
    check_profile("active = 'p'\n[profiles.p]\nPREFECT_X = \"a\"\nPREFECT_Y = b\n", NULL, PROFILE_READ, "p",
                  "", "profiles.toml:4: a value is missing, or a text without quotes\n");
    check_profile("<html>", NULL, PROFILE_READ, "", "", "profiles.toml:1: a key is missing\n");
    struct heard heard = {check_strdup(""), check_strdup("")};
    const struct profile_reader reader = {on_setting, on_problem, &heard};
    char *AUTO_FREE name = NULL;
    assert_int_equal(profile_read(".", NULL, &reader, &name), PROFILE_NOT_NAMED);
    expect_heard(&heard, "", ".: can't be read: Is a directory\n");
}

static void test_a_huge_profile(void **state)
{
    (void)state;
    size_t size = 10 * 1024 * 1024;
    char *AUTO_FREE bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, '\n', size);
    fixture_write_bytes("profiles.toml", bytes, size);
    struct heard heard = {check_strdup(""), check_strdup("")};
    const struct profile_reader reader = {on_setting, on_problem, &heard};
    char *AUTO_FREE name = NULL;
    assert_int_equal(profile_read("profiles.toml", NULL, &reader, &name), PROFILE_NOT_NAMED);
    expect_heard(&heard, "", "profiles.toml: larger than 1024 KiB\n");
}

static void test_project_files(void **state)
{
    (void)state;
    struct heard heard = {check_strdup(""), check_strdup("")};
    const struct profile_reader reader = {on_setting, on_problem, &heard};
    fixture_write("prefect.toml",
                  "home = \"/x\"\n[api]\nurl = \"http://h/api\"\n[client.metrics]\nenabled = true\n"
                  "[client]\nretry_extra_codes = [429, 5_00, [1], {a = 1}]\nodd-name = 1\n"
                  "[client.custom_headers]\nX-A = \"b\\\"c\"\n\"x.d\" = 'e'\n");
    profile_read_project("prefect.toml", "prefect.toml", false, &reader);
    expect_heard(&heard,
                 "PREFECT_HOME=/x (prefect.toml:1)\nPREFECT_API_URL=http://h/api (prefect.toml:3)\n"
                 "PREFECT_CLIENT_METRICS_ENABLED=True (prefect.toml:5)\n"
                 "PREFECT_CLIENT_RETRY_EXTRA_CODES=429,500 (prefect.toml:7)\n"
                 "PREFECT_CLIENT_CUSTOM_HEADERS={\"X-A\": \"b\\\"c\", \"x.d\": \"e\"} (prefect.toml:10)\n",
                 "");
    heard = (struct heard){check_strdup(""), check_strdup("")};
    fixture_write("pyproject.toml",
                  "[project]\nname = \"x\"\ndescription = \"\"\"\n[tool.prefect]\napi.url = 'no'\n\"\"\"\n"
                  "dependencies = [\n  \"a>=1\", # c\n]\n[tool.other]\napi.url = 'no'\n[tool]\n"
                  "prefect.api.url = 'http://h'\n[tool.prefect.worker]\nquery_seconds = 5\n");
    profile_read_project("pyproject.toml", "pyproject.toml", true, &reader);
    expect_heard(
        &heard,
        "PREFECT_API_URL=http://h (pyproject.toml:13)\nPREFECT_WORKER_QUERY_SECONDS=5 (pyproject.toml:15)\n",
        "");
    heard = (struct heard){check_strdup(""), check_strdup("")};
    profile_read_project("none.toml", "none.toml", true, &reader);
    fixture_write("prefect.toml", "\n[api\n");
    profile_read_project("prefect.toml", "prefect.toml", false, &reader);
    expect_heard(&heard, "", "prefect.toml:2: a table's name without closing ]\n");
}

static void test_dotenv(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *settings;
        const char *problems;
    } cases[] = {
        {"", "", ""},
        {"PREFECT_A=1", "PREFECT_A=1 (.env:1)\n", ""},
        {"\xEF\xBB\xBFPREFECT_A=1\r\n", "PREFECT_A=1 (.env:1)\n", ""},
        {"# PREFECT_A=1\n\n  export PREFECT_B = x y  # c\n", "PREFECT_B=x y (.env:3)\n", ""},
        {"PREFECT_A=a#b\n", "PREFECT_A=a#b (.env:1)\n", ""},
        {"PREFECT_A=#b\n", "PREFECT_A= (.env:1)\n", ""},
        {"PREFECT_A='a # ${X} \\' b'\n", "PREFECT_A=a # ${X} ' b (.env:1)\n", ""},
        {"PREFECT_A=\"a\\nb\\\"\" # c\nPREFECT_B=2\n", "PREFECT_A=a\nb\" (.env:1)\nPREFECT_B=2 (.env:2)\n",
         ""},
        {"KEY=\"-----\nPREFECT_NO=1\n-----\"\nPREFECT_B=2\n", "PREFECT_B=2 (.env:4)\n", ""},
        {"PATH=/bin\nprefect_a=1\nPREFECT_A\nPREFECT-B=1\n=1\nPREFECT_C=\n",
         "PREFECT_A=1 (.env:2)\nPREFECT_C= (.env:6)\n", ""},
        {"PREFECT_A=${HOST}/api\nPREFECT_B=2\n", "PREFECT_B=2 (.env:2)\n",
         ".env:1: PREFECT_A: ${...} is not filled in here; allowed: the value itself\n"},
        {"PREFECT_A=\"x\nPREFECT_B=2\n", "", ".env:1: PREFECT_A: the closing quote is missing\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct heard heard = {check_strdup(""), check_strdup("")};
        const struct profile_reader reader = {on_setting, on_problem, &heard};
        fixture_write(".env", cases[i].text);
        profile_read_dotenv(".env", &reader);
        expect_heard(&heard, cases[i].settings, cases[i].problems);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_toml_that_is_fine),
        cmocka_unit_test(test_toml_that_is_not),
        cmocka_unit_test(test_toml_that_is_deep_or_large),
        cmocka_unit_test(test_toml_cut_off_and_garbled),
        TEST(test_profiles),
        TEST(test_built_in_profiles),
        TEST(test_profiles_with_mistakes),
        TEST(test_a_huge_profile),
        TEST(test_project_files),
        TEST(test_dotenv),
    };
    return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
