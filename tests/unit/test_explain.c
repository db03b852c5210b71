/*
 * explain: words, headers and files of all kinds into the JSON that people and scripts read.
 */
#include "api/json.h"
#include "base/check.h"
#include "config_fixture.h"
#include "explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS (784111777000 - 10000) /* ten seconds before the example date of RFC 9110 */

struct told {
    int code;
    struct json *json; /* NULL: nothing was printed */
    char *errors;
};

static struct told ask(const struct explain_question *question, const struct config *config)
{
    struct told told = {0};
    char *text = NULL;
    size_t len = 0;
    size_t errors_len = 0;
    FILE *out = open_memstream(&text, &len);
    FILE *errors = open_memstream(&told.errors, &errors_len);
    assert_true(out != NULL && errors != NULL);
    told.code = explain(question, config, NOW_MS, out, errors);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(fclose(errors), 0);
    struct err err;
    if (len > 0)
        assert_int_equal(json_parse(text, len, &told.json, &err), 0);
    free(text);
    return told;
}

static void told_done(struct told *told)
{
    json_free(told->json);
    free(told->errors);
}

static void expect(const struct explain_question *question, const struct config *config, const char *class,
                   bool retry, const char *rule)
{
    struct told told = ask(question, config);
    if (told.code != 0 || told.json == NULL)
        fail_msg("%d: %s", told.code, told.errors);
    assert_string_equal(json_get_text(told.json, "class", ""), class);
    assert_int_equal(json_get_bool(told.json, "retry", !retry), retry);
    assert_string_equal(json_get_text(told.json, "rule", ""), rule);
    assert_int_equal(json_count(json_get(told.json, "delays_ms")) > 0, retry);
    told_done(&told);
}

static void expect_delay(const struct explain_question *question, const struct config *config, int index,
                         int64_t low, int64_t high)
{
    struct told told = ask(question, config);
    const struct json *delay = json_first(json_get(told.json, "delays_ms"));
    for (int i = 0; i < index; i++)
        delay = json_next(delay);
    assert_int_equal(json_get_int(delay, "attempt", 0), index + 2);
    assert_int_equal(json_get_int(delay, "low", -1), low);
    assert_int_equal(json_get_int(delay, "high", -1), high);
    told_done(&told);
}

static void expect_refusal(const struct explain_question *question, int code, const char *part)
{
    struct told told = ask(question, NULL);
    assert_int_equal(told.code, code);
    assert_null(told.json);
    if (strstr(told.errors, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, told.errors);
    told_done(&told);
}

static void test_words(void **state)
{
    (void)state;
    expect(&(struct explain_question){.stage = "create", .status = 400}, NULL, "permanent", false,
           "status-4xx");
    expect(&(struct explain_question){.stage = "start", .transport = "read timeout after send"}, NULL,
           "unknown_outcome", false, "read timeout after send");
    expect(&(struct explain_question){.stage = "pull", .transport = "read timeout after send"}, NULL,
           "transient", true, "read timeout after send");
    expect(
        &(struct explain_question){.stage = "create", .transport = "TLS wrong version number (plain HTTP)"},
        NULL, "permanent", false, "TLS wrong version number");
    expect(
        &(struct explain_question){
            .stage = "resolve", .dependency = "prefect", .status = 404, .message = "Deployment not found"},
        NULL, "gone", false, "status-404");
    expect(&(struct explain_question){.stage = "pull", .message = "toomanyrequests: slow down"}, NULL,
           "throttled", true, "throttled");
}

static void test_wrong_use(void **state)
{
    (void)state;
    expect_refusal(&(struct explain_question){.stage = "nap"}, 2,
                   "--stage: \"nap\" is not known; allowed: one of api");
    expect_refusal(&(struct explain_question){.dependency = "moon"}, 2,
                   "allowed: one of engine, registry, prefect");
    expect_refusal(&(struct explain_question){.transport = "owl"}, 2, "DNS failure");
    expect_refusal(&(struct explain_question){.transport = "partial"}, 2, "partial body");
    expect_refusal(&(struct explain_question){.headers = {"Retry-After 5"}}, 2, "allowed: NAME: VALUE");
    expect_refusal(&(struct explain_question){.headers = {": 5"}}, 2, "allowed: NAME: VALUE");
    expect_refusal(&(struct explain_question){.message = "a", .message_file = "b"}, 2,
                   "allowed: one of them");
    expect_refusal(&(struct explain_question){.job_class = "etl"}, 2, "default, or a class of --config FILE");
}

static void test_retry_after(void **state)
{
    (void)state;
    struct explain_question q = {.stage = "api", .status = 429, .headers = {"X: y", "retry-after: 5"}};
    expect_delay(&q, NULL, 0, 5000, 6000);
    q.headers[1] = "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT";
    expect_delay(&q, NULL, 0, 10000, 12000);
    q.headers[1] = "Retry-After: Sunday, 06-Nov-94 08:49:37 GMT";
    expect_delay(&q, NULL, 0, 10000, 12000);
    q.headers[1] = "Retry-After: 86400";
    expect_delay(&q, NULL, 0, 3600000, 4320000); /* an hour is the most, and up to a fifth more */
    q.headers[1] = "Retry-After: soon";
    expect_delay(&q, NULL, 0, 0, 500);
}

/* ---- files ---- */

static struct explain_question file_of(const char *stage, const char *bytes, size_t len)
{
    fixture_write_bytes("c.conf", bytes, len);
    return (struct explain_question){.stage = stage, .status = 500, .message_file = "c.conf"};
}

static void expect_file(const char *stage, int status, const char *text, const char *class, const char *rule)
{
    struct explain_question q = file_of(stage, text, strlen(text));
    q.status = status;
    expect(&q, NULL, class,
           strcmp(class, "transient") == 0 || strcmp(class, "throttled") == 0 ||
               strcmp(class, "capacity") == 0,
           rule);
}

static void test_bodies(void **state)
{
    (void)state;
    expect_file("create", 500, "{\"message\":\"no space left on device\"}\n", "capacity", "disk-full");
    expect_file("create", 500,
                "{\"cause\":\"that name is already in use\",\"message\":\"creating container storage: the "
                "container name \\\"x\\\" is already in use by y\",\"response\":500}",
                "conflict", "name-taken");
    expect_file(
        "pull", 404,
        "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\",\"detail\":{}}]}",
        "gone", "registry-gone");
    expect_file("pull", 200,
                "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached it\"}]}",
                "throttled", "throttled");
    expect_file("api", 500, "{\"detail\":\"(sqlite3.OperationalError) database is locked\"}", "transient",
                "busy");
    expect_file("report", 404, "{\"exception_message\":\"Flow run not found\"}", "gone", "status-404");
    expect_file("create", 500, "<html><body>Bad Gateway</body></html>", "transient", "other-side-restarting");
    expect_file("start", 500, "Error response from daemon: cannot allocate memory\n", "capacity",
                "memory-full");
}

#define PROGRESS                                                                                             \
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":\"a\"}\r\n"
#define PULL_ERROR                                                                                           \
    "{\"errorDetail\":{\"message\":\"toomanyrequests: You have reached your pull rate "                      \
    "limit.\"},\"error\":\"x\"}\r\n"

static void test_pulls(void **state)
{
    (void)state;
    expect_file("pull", 200, PROGRESS PROGRESS PULL_ERROR, "throttled", "throttled");
    expect_file("pull", 200, PULL_ERROR, "throttled", "throttled");
    expect_file("pull", 200, PROGRESS "{\"error\":\"no space left on device\"}", "capacity", "disk-full");
    /* the last line is cut off, within its sentence and before it */
    expect_file("pull", 200, PROGRESS "{\"errorDetail\":{\"message\":\"toomanyrequests: You ha", "throttled",
                "throttled");
    expect_file("pull", 200, PROGRESS PROGRESS, "transient", "partial body");
    expect_file("pull", 200, PROGRESS "{\"status\":\"Downl", "transient", "partial body");
    struct explain_question q = file_of("pull", "", 0);
    fixture_write("c.conf", PROGRESS "{\"status\":\"Status: Downloaded newer image for a:1\"}\n");
    expect_refusal(&q, 1, "a pull that has succeeded: no error to explain");
}

static void test_files_that_hold_little(void **state)
{
    (void)state;
    struct explain_question q = file_of("create", "", 0);
    struct told told = ask(&q, NULL);
    assert_int_equal(told.code, 0);
    assert_string_equal(told.errors,
                        "sluice: --message-file: \"c.conf\" is empty: judged by the rest alone\n");
    assert_string_equal(json_get_text(told.json, "class", ""), "transient");
    told_done(&told);
    q = file_of("create", " \r\n\n ", 5);
    expect(&q, NULL, "transient", true, "status-5xx");
    static const char binary[] = "\x7f"
                                 "ELF\0\1\2\0\xff\xfe no space left on device \0\0\x80";
    q = file_of("create", binary, sizeof(binary));
    struct told of_binary = ask(&q, NULL);
    assert_int_equal(of_binary.code, 0);
    told_done(&of_binary);
    q.message_file = "none.txt";
    expect_refusal(&q, 1, "\"none.txt\" can't be read");
    q.message_file = ".";
    expect_refusal(&q, 1, "\".\" can't be read");
    q.message_file = "/dev/zero";
    expect_refusal(&q, 1, "longer than 64 MiB");
}

/* Of much, the end counts. */
static void test_large_files(void **state)
{
    (void)state;
    size_t piece = strlen(PROGRESS);
    size_t len = 5 * 1024 * 1024 / piece * piece;
    char *AUTO_FREE text = check_alloc(len + sizeof(PULL_ERROR));
    for (size_t at = 0; at < len; at += piece)
        memcpy(text + at, PROGRESS, piece);
    memcpy(text + len, PULL_ERROR, sizeof(PULL_ERROR));
    struct explain_question q = file_of("pull", text, len + strlen(PULL_ERROR));
    q.status = 200;
    expect(&q, NULL, "throttled", true, "throttled");
    memset(text, 'x', len);
    memcpy(text + len - 25, "\nno space left on device\n", 25);
    q = file_of("create", text, len);
    expect(&q, NULL, "capacity", true, "disk-full");
}

/* ---- with a configuration ---- */

static void test_rules_classes_and_stages(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f,
        "[retry]\njitter = none\nbase = 1s\npull_max_attempts = 3\n[class etl]\nmatch_tag = t\nbase = 7s\n"
        "[rule vpn]\nstage = pull\nmessage = *FORBIDDEN*\nclass = transient\ndelay = 30s\n"
        "max_attempts = 4\n[rule etl]\njob_class = etl\nstatus = 418\nstage = create\naction = park\n",
        NULL, NULL);
    fixture_expect_problems(f, "");
    struct explain_question q = {.stage = "pull", .status = 500, .message = "denied: access forbidden"};
    expect(&q, f->config, "transient", true, "vpn");
    expect_delay(&q, f->config, 2, 30000, 36000); /* the third and last */
    struct told told = ask(&q, f->config);
    assert_int_equal(json_get_int(told.json, "max_attempts", 0), 4);
    told_done(&told);
    q = (struct explain_question){.stage = "pull", .status = 503};
    expect(&q, f->config, "transient", true, "status-5xx");
    expect_delay(&q, f->config, 1, 2000, 2000);
    q.job_class = "etl";
    expect_delay(&q, f->config, 1, 14000, 14000);
    q = (struct explain_question){.stage = "create", .status = 418, .job_class = "etl"};
    told = ask(&q, f->config);
    assert_string_equal(json_get_text(told.json, "rule", ""), "etl");
    assert_true(json_get_bool(told.json, "park", false));
    told_done(&told);
    q.job_class = "default";
    expect(&q, f->config, "permanent", false, "status-4xx");
    q.job_class = "moon";
    told = ask(&q, f->config);
    assert_int_equal(told.code, 2);
    assert_string_equal(told.errors,
                        "sluice: --class: \"moon\" is not known; allowed: one of etl, default\n");
    told_done(&told);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_words),       TEST(test_wrong_use),
        TEST(test_retry_after), TEST(test_bodies),
        TEST(test_pulls),       TEST(test_files_that_hold_little),
        TEST(test_large_files), TEST(test_rules_classes_and_stages),
    };
    return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
