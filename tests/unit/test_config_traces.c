/* config: [traces] and the variables of OpenTelemetry, and what follows from them. */
#include "config_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct config_traces *load(struct fixture *f, const char *text, const char *const *environment)
{
    fixture_load(f, text, environment, NULL);
    fixture_expect_problems(f, "");
    return &f->config->traces;
}

static void expect_list(const char *const *list, const char *expected)
{
    char *text = check_strdup("");
    for (; *list != NULL; list++) {
        char *more = check_printf("%s%s\n", text, *list);
        free(text);
        text = more;
    }
    assert_string_equal(text, expected);
    free(text);
}

static void test_nothing_said(void **state)
{
    const struct config_traces *t = load(*state, NULL, NULL);
    assert_null(t->url);
    assert_null(t->notice);
    assert_int_equal(t->timeout_ms, 10000);
    assert_int_equal(t->batch_delay_ms, 5000);
    assert_int_equal(t->queue_size, 2048);
    assert_int_equal(t->batch_size, 512);
    assert_true(t->sampler.follows_parent && t->sampler.ratio >= 1);
    expect_list(t->headers, "");
    expect_list(t->resource, "service.name\nsluice\n");
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/"))->url,
                        "http://c:4318/v1/traces");
    assert_string_equal(load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/base"))->url,
                        "http://c:4318/base/v1/traces");
    assert_string_equal(load(f, NULL,
                             ENVIRONMENT("OTEL_EXPORTER_OTLP_ENDPOINT=http://c",
                                         "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=https://t/other"))
                            ->url,
                        "https://t/other");
    /* The whole address wins wherever it stands; of one key the environment. */
    assert_string_equal(
        load(f, "[traces]\nendpoint = http://file/x\n", ENVIRONMENT("OTEL_EXPORTER_OTLP_ENDPOINT=http://c"))
            ->url,
        "http://file/x");
    assert_string_equal(
        load(f, "[traces]\ncollector = http://file\n", ENVIRONMENT("OTEL_EXPORTER_OTLP_ENDPOINT=http://c"))
            ->url,
        "http://c/v1/traces");
    assert_string_equal(load(f, "[traces]\ncollector = http://file\n", NULL)->url, "http://file/v1/traces");
}

static void test_ways_to_switch_it_off(void **state)
{
    struct fixture *f = *state;
    static const char base[] = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c";
    assert_null(load(f, NULL, ENVIRONMENT(base, "OTEL_SDK_DISABLED=true"))->url);
    assert_null(load(f, NULL, ENVIRONMENT(base, "OTEL_SDK_DISABLED=TRUE"))->url);
    assert_null(load(f, NULL, ENVIRONMENT(base, "OTEL_TRACES_EXPORTER=none"))->url);
    assert_null(load(f, NULL, ENVIRONMENT(base, "OTEL_TRACES_EXPORTER=zipkin,otlpx"))->url);
    assert_non_null(load(f, NULL, ENVIRONMENT(base, "OTEL_SDK_DISABLED=false"))->url);
    assert_non_null(load(f, NULL, ENVIRONMENT(base, "OTEL_TRACES_EXPORTER=console , otlp"))->url);
    assert_null(load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_ENDPOINT="))->url);
}

static void test_numbers_of_the_environment_are_milliseconds(void **state)
{
    struct fixture *f = *state;
    const struct config_traces *t =
        load(f, NULL,
             ENVIRONMENT("OTEL_EXPORTER_OTLP_TIMEOUT=2500", "OTEL_BSP_SCHEDULE_DELAY=200",
                         "OTEL_BSP_MAX_QUEUE_SIZE=10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=5",
                         "OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5"));
    assert_int_equal(t->timeout_ms, 2500);
    assert_int_equal(t->batch_delay_ms, 200);
    assert_int_equal(t->queue_size, 10);
    assert_int_equal(t->batch_size, 5);
    assert_true(!t->sampler.follows_parent && t->sampler.ratio > 0.49 && t->sampler.ratio < 0.51);
    assert_string_equal(fixture_printed(f, "traces.timeout"), "2500ms OTEL_EXPORTER_OTLP_TIMEOUT");
    t = load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=2"));
    assert_int_equal(t->timeout_ms, 2);
    fixture_load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_TIMEOUT=10s", "OTEL_BSP_SCHEDULE_DELAY=0"), NULL);
    fixture_expect_problems(f, "OTEL_EXPORTER_OTLP_TIMEOUT: \"10s\" is not a whole number; allowed: a whole "
                               "number of milliseconds, such as 5000\n"
                               "OTEL_BSP_SCHEDULE_DELAY: \"0\" is too small; allowed: a whole number of "
                               "milliseconds, such as 5000\n");
}

static void test_lists(void **state)
{
    struct fixture *f = *state;
    const struct config_traces *t = load(
        f, NULL,
        ENVIRONMENT("OTEL_EXPORTER_OTLP_HEADERS= authorization = Bearer%20a%2Cb , x-empty=,,",
                    "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=prod,service.name=named,odd=50%,t=a=b"));
    expect_list(t->headers, "authorization: Bearer a,b\nx-empty: \n");
    expect_list(t->resource, "service.name\nnamed\ndeployment.environment\nprod\nodd\n50%\nt\na=b\n");
    t = load(f, NULL,
             ENVIRONMENT("OTEL_SERVICE_NAME=mine", "OTEL_RESOURCE_ATTRIBUTES=service.name=other",
                         "OTEL_EXPORTER_OTLP_HEADERS=a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=2"));
    expect_list(t->headers, "a: 2\n");
    expect_list(t->resource, "service.name\nmine\n");
}

/* Named by their place only: they may be secret. What could end a header's line is none. */
static void test_lists_with_mistakes(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f, NULL,
        ENVIRONMENT("OTEL_EXPORTER_OTLP_HEADERS=good=1,hunter2,a b=2,=3,x=hunter2%0d%0aHost: evil,c:d=4",
                    "OTEL_RESOURCE_ATTRIBUTES=novalue"),
        NULL);
#define NO_PAIR(n) ": entry " #n " is not KEY=VALUE; allowed: KEY=VALUE,..., percent-encoded\n"
    fixture_expect_problems(
        f,
        "OTEL_EXPORTER_OTLP_HEADERS" NO_PAIR(2) "OTEL_EXPORTER_OTLP_HEADERS" NO_PAIR(
            3) "OTEL_EXPORTER_OTLP_HEADERS" NO_PAIR(4) "OTEL_EXPORTER_OTLP_HEADERS" NO_PAIR(5) "OTEL_"
                                                                                               "EXPORTER_"
                                                                                               "OTLP_"
                                                                                               "HEADER"
                                                                                               "S" NO_PAIR(
                                                                                                   6) "OTEL_"
                                                                                                      "RESOUR"
                                                                                                      "CE_"
                                                                                                      "ATTRIB"
                                                                                                      "UTE"
                                                                                                      "S" NO_PAIR(
                                                                                                          1));
}

static void test_headers_are_never_printed(void **state)
{
    struct fixture *f = *state;
    load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_HEADERS=authorization=hunter2"));
    for (int json = 0; json < 2; json++) {
        char *AUTO_FREE text = fixture_print(f, json == 1);
        assert_null(strstr(text, "hunter2"));
        assert_non_null(strstr(text, "traces_headers"));
    }
}

static void test_what_is_done_otherwise_is_said(void **state)
{
    struct fixture *f = *state;
    static const char base[] = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317";
    assert_string_equal(load(f, NULL, ENVIRONMENT(base, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"))->notice,
                        "traces go as JSON over HTTP, not as grpc: the collector's HTTP port (usually 4318) "
                        "has to be named");
    const struct config_traces *t =
        load(f, NULL, ENVIRONMENT(base, "OTEL_TRACES_SAMPLER=xray", "OTEL_EXPORTER_OTLP_PROTOCOL=http/json"));
    assert_string_equal(t->notice, "there is no sampler xray: parentbased_always_on is used");
    assert_true(t->sampler.follows_parent && t->sampler.ratio >= 1);
    /* Without traces nobody needs to know. */
    assert_null(load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_PROTOCOL=grpc"))->notice);
}

static void test_the_proxy_of_the_environment(void **state)
{
    struct fixture *f = *state;
    static const char base[] = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318";
    assert_string_equal(load(f, NULL, ENVIRONMENT(base, "http_proxy=http://p:3128"))->proxy, "http://p:3128");
    assert_string_equal(load(f, NULL, ENVIRONMENT(base, "http_proxy=http://p:3128", "no_proxy=c"))->proxy,
                        "");
}

static void test_files_have_to_be_there(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, NULL, ENVIRONMENT("OTEL_EXPORTER_OTLP_CERTIFICATE=/nonexistent/ca.pem"), NULL);
    fixture_expect_problems(f, "OTEL_EXPORTER_OTLP_CERTIFICATE: \"/nonexistent/ca.pem\" can't be read: No "
                               "such file or directory\n");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_said),
        TEST(test_addresses),
        TEST(test_ways_to_switch_it_off),
        TEST(test_numbers_of_the_environment_are_milliseconds),
        TEST(test_lists),
        TEST(test_lists_with_mistakes),
        TEST(test_headers_are_never_printed),
        TEST(test_what_is_done_otherwise_is_said),
        TEST(test_the_proxy_of_the_environment),
        TEST(test_files_have_to_be_there),
    };
    return cmocka_run_group_tests_name("config_traces", tests, NULL, NULL);
}
