/* test_metrics_text.c - the two text formats to the byte, hostile values of labels, and the choice between
 * the formats. */
#include "metrics_text.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

struct page {
    struct buf buf;
    struct metrics_text text;
};

static void open_page(struct page *p, enum metrics_format format, size_t max)
{
    buf_init(&p->buf, max);
    p->text = (struct metrics_text){.out = &p->buf, .format = format};
}

static void expect_page(struct page *p, const char *expected)
{
    metrics_text_end(&p->text);
    assert_string_equal(buf_text(&p->buf), expected);
    buf_done(&p->buf);
}

#define LABELS(...) ((const struct metrics_label[METRICS_LABELS_MAX + 1]){__VA_ARGS__})

static void write_some(struct metrics_text *t)
{
    struct histogram h = {0};
    histogram_add(&h, &histogram_share, 0.04);
    histogram_add(&h, &histogram_share, 0.5);
    histogram_add(&h, &histogram_share, 3);
    metrics_text_begin(t, METRICS_BUILD);
    metrics_text_count(t, LABELS({"version", "1.2"}), 1);
    metrics_text_begin(t, METRICS_TOKENS); /* nothing to say: not described either */
    metrics_text_begin(t, METRICS_CALL_SECONDS);
    metrics_text_value(t, LABELS({"dependency", "engine"}, {"endpoint", "GET /"}), 0.1);
    metrics_text_begin(t, METRICS_TIMEOUT_USED);
    metrics_text_histogram(t, LABELS({"stage", "pull"}, {"outcome", "ok"}), &h, &histogram_share, 0x102u);
    metrics_text_begin(t, METRICS_UPTIME);
    metrics_text_value(t, NULL, 12345678);
}

static void test_openmetrics(void **state)
{
    (void)state;
    struct page p;
    open_page(&p, METRICS_OPENMETRICS, 65536);
    write_some(&p.text);
    assert_int_equal(p.text.series, 8);
    expect_page(&p, "# HELP sluice_build The version that runs; always 1.\n"
                    "# TYPE sluice_build info\n"
                    "sluice_build_info{version=\"1.2\"} 1\n"
                    "# HELP sluice_call_seconds Time that these calls took together.\n"
                    "# TYPE sluice_call_seconds counter\n"
                    "# UNIT sluice_call_seconds seconds\n"
                    "sluice_call_seconds_total{dependency=\"engine\",endpoint=\"GET /\"} 0.1\n"
                    "# HELP sluice_attempt_timeout_used_ratio The share of its total timeout that an attempt "
                    "used, where it had one.\n"
                    "# TYPE sluice_attempt_timeout_used_ratio histogram\n"
                    "# UNIT sluice_attempt_timeout_used_ratio ratio\n"
                    "sluice_attempt_timeout_used_ratio_bucket{stage=\"pull\",outcome=\"ok\",le=\"0.05\"} 1\n"
                    "sluice_attempt_timeout_used_ratio_bucket{stage=\"pull\",outcome=\"ok\",le=\"1.0\"} 2\n"
                    "sluice_attempt_timeout_used_ratio_bucket{stage=\"pull\",outcome=\"ok\",le=\"+Inf\"} 3\n"
                    "sluice_attempt_timeout_used_ratio_sum{stage=\"pull\",outcome=\"ok\"} 3.54\n"
                    "sluice_attempt_timeout_used_ratio_count{stage=\"pull\",outcome=\"ok\"} 3\n"
                    "# HELP sluice_uptime_seconds Time since the service began.\n"
                    "# TYPE sluice_uptime_seconds gauge\n"
                    "# UNIT sluice_uptime_seconds seconds\n"
                    "sluice_uptime_seconds 12345678.0\n"
                    "# EOF\n");
}

/* Its counters are named as their samples are, it knows neither info nor unit, and it has no closing line. */
static void test_prometheus(void **state)
{
    (void)state;
    struct page p;
    open_page(&p, METRICS_PROMETHEUS, 65536);
    metrics_text_begin(&p.text, METRICS_BUILD);
    metrics_text_count(&p.text, LABELS({"version", "1.2"}), 1);
    metrics_text_begin(&p.text, METRICS_CALL_SECONDS);
    metrics_text_value(&p.text, LABELS({"dependency", "engine"}, {"endpoint", "GET /"}), 2);
    metrics_text_begin(&p.text, METRICS_LATENESS);
    metrics_text_histogram(&p.text, NULL, &(struct histogram){0}, &histogram_lateness, 0);
    expect_page(&p, "# HELP sluice_build_info The version that runs; always 1.\n"
                    "# TYPE sluice_build_info gauge\n"
                    "sluice_build_info{version=\"1.2\"} 1\n"
                    "# HELP sluice_call_seconds_total Time that these calls took together.\n"
                    "# TYPE sluice_call_seconds_total counter\n"
                    "sluice_call_seconds_total{dependency=\"engine\",endpoint=\"GET /\"} 2.0\n"
                    "# HELP sluice_start_lateness_seconds From the time a run was due to the start of its "
                    "container.\n"
                    "# TYPE sluice_start_lateness_seconds histogram\n"
                    "sluice_start_lateness_seconds_bucket{le=\"+Inf\"} 0\n"
                    "sluice_start_lateness_seconds_sum 0.0\n"
                    "sluice_start_lateness_seconds_count 0\n");
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } numbers[] = {
        {0, "0.0"},
        {-2, "-2.0"},
        {0.0001, "0.0001"},
        {1764198000.25, "1764198000.25"},
        {1e15, "1e+15"},
        {123456789012, "123456789012.0"},
        {(double)NAN, "NaN"},
        {(double)INFINITY, "+Inf"},
        {-(double)INFINITY, "-Inf"},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct page p;
        char expected[80];
        open_page(&p, METRICS_OPENMETRICS, 65536);
        metrics_text_begin(&p.text, METRICS_PAUSED);
        p.text.is_begun = true;
        metrics_text_value(&p.text, NULL, numbers[i].value);
        snprintf(expected, sizeof(expected), "sluice_paused %s\n# EOF\n", numbers[i].text);
        expect_page(&p, expected);
    }
}

static void expect_label(const char *value, const char *written)
{
    struct page p;
    char expected[1024];
    open_page(&p, METRICS_PROMETHEUS, 65536);
    metrics_text_begin(&p.text, METRICS_QUEUED);
    p.text.is_begun = true;
    metrics_text_value(&p.text, LABELS({"class", value}), 1);
    snprintf(expected, sizeof(expected), "sluice_queue_runs{class=\"%s\"} 1.0\n", written);
    expect_page(&p, expected);
}

#define REPLACED "\xEF\xBF\xBD"

static void test_hostile_labels(void **state)
{
    (void)state;
    expect_label("a\"b\\c\nd", "a\\\"b\\\\c\\nd");
    expect_label("} 1\nsluice_up 0", "} 1\\nsluice_up 0");
    expect_label("gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F");
    expect_label("\xF0\x9F\x90\xB3", "\xF0\x9F\x90\xB3");
    expect_label("a\xFF", "a" REPLACED "~d225d729");
    expect_label("a\xFE", "a" REPLACED "~d125d596");
    expect_label("\x01\x7F", REPLACED REPLACED "~5274bf89");
    expect_label("\xC0\xAF", REPLACED REPLACED "~209a1a50");                           /* overlong */
    expect_label("\xED\xA0\x80", REPLACED REPLACED REPLACED "~75a7b798");              /* a surrogate */
    expect_label("\xF4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED "~d2885b71"); /* above the last */
    expect_label("\xE2\x82", REPLACED REPLACED "~1defd7a5");                           /* cut off */
}

/* Two long values that differ at their ends stay two; a character is not cut in half. */
static void test_long_labels_are_cut(void **state)
{
    (void)state;
    char value[5000];
    char written[METRICS_LABEL_MAX_BYTES + 16];
    memset(value, 'x', sizeof(value));
    value[METRICS_LABEL_MAX_BYTES] = '\0';
    expect_label(value, value);
    value[METRICS_LABEL_MAX_BYTES] = 'x';
    value[sizeof(value) - 1] = '\0';
    snprintf(written, sizeof(written), "%.*s~%s", METRICS_LABEL_MAX_BYTES, value, "c41d75df");
    expect_label(value, written);
    value[sizeof(value) - 2] = 'y';
    snprintf(written, sizeof(written), "%.*s~%s", METRICS_LABEL_MAX_BYTES, value, "c31d744c");
    expect_label(value, written);
    memcpy(value + METRICS_LABEL_MAX_BYTES - 1, "\xC3\xBC", 3);
    snprintf(written, sizeof(written), "%.*s~%s", METRICS_LABEL_MAX_BYTES - 1, value, "34eccf18");
    expect_label(value, written);
    memset(value, '"', sizeof(value) - 1);
    struct page p;
    open_page(&p, METRICS_PROMETHEUS, 65536);
    metrics_text_begin(&p.text, METRICS_RETRIES);
    metrics_text_count(&p.text, LABELS({"class", value}, {"error_class", value}, {"more", value}), 1);
    assert_false(p.text.is_failed);
    buf_done(&p.buf);
    memset(value, 0xFF, sizeof(value) - 1);
    open_page(&p, METRICS_PROMETHEUS, 65536);
    metrics_text_begin(&p.text, METRICS_RETRIES);
    metrics_text_count(&p.text, LABELS({"dependency", value}, {"error_class", value}, {"more", value}), 1);
    assert_false(p.text.is_failed);
    buf_done(&p.buf);
}

static void test_a_buffer_that_is_too_small_is_told(void **state)
{
    (void)state;
    struct page p;
    open_page(&p, METRICS_OPENMETRICS, 300);
    write_some(&p.text);
    assert_true(p.text.is_failed);
    buf_done(&p.buf);
}

/* Accept headers, and whether OpenMetrics is the answer. */
static const struct {
    const char *accept;
    bool is_open;
} accepts[] = {
    {"", false},
    {"*/*", false},
    {"text/plain", false},
    {"text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", false},
    {"application/openmetrics-text", true},
    {"application/openmetrics-text; version=1.0.0; charset=utf-8", true},
    {"application/openmetrics-text;version=0.0.1", false},
    {"application/openmetrics-text;version=2.0.0", false},
    {"APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\"", true},
    /* Prometheus 2.42, 2.50 and 3.0 */
    {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     true},
    {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
     "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
     "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
     true},
    {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
     "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
     "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
     true},
    /* the other one is wanted more */
    {"text/plain;version=0.0.4;q=0.6,application/openmetrics-text;q=0.5", false},
    {"text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.5", true},
    {"text/*;q=0.6, application/openmetrics-text;q=0.5", false},
    {"*/*, application/openmetrics-text;q=0.999", false},
    /* the more exact range counts, whatever its place */
    {"text/plain;q=0.1, text/*;q=0.9, application/openmetrics-text;q=0.5", true},
    {"application/*, text/plain;q=0.1", false}, /* not named */
    /* refused */
    {"application/openmetrics-text;q=0", false},
    {"application/openmetrics-text;q=0.000, */*;q=0", false},
    {"application/json", false},
    /* what can't be read does not count */
    {"application/openmetrics-text;q=2", false},
    {"application/openmetrics-text;q=abc", false},
    {"application/openmetrics-text;q=0.1234", false},
    {"application/openmetrics-text;q=", false},
    {"application/openmetrics-text;q=-1, application/openmetrics-text;q=0.2", true},
    {",,, ;;;=,\"application/openmetrics-text\"", false},
    {"text/plain;x=\"a,b\\\"application/openmetrics-text\"", false},
    {"text/plain;q=0.1;x=\"application/openmetrics-text, \", application/openmetrics-text", true},
    {"application/openmetrics-text;x=\"never closed", true},
    {"text/plain;x=\"\\", false},
    {"application/openmetrics-textual", false},
    {"application/openmetrics-tex", false},
};

static void test_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepts); i++) {
        bool is_open = metrics_format_for(accepts[i].accept) == METRICS_OPENMETRICS;
        if (is_open != accepts[i].is_open)
            fail_msg("%s: %s", accepts[i].accept, is_open ? "OpenMetrics" : "not OpenMetrics");
    }
    assert_string_equal(metrics_content_type(METRICS_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_string_equal(metrics_content_type(METRICS_PROMETHEUS), "text/plain; version=0.0.4; charset=utf-8");
}

/* Pieces of headers in any order, each in memory of its own size: a sanitizer sees what is read beyond it. A
 * header that names the format once, wanted in full, with anything before it that is closed, is understood.
 */
static void test_accept_of_any_pieces(void **state)
{
    (void)state;
    static const char *const pieces[] = {"application/openmetrics-text",
                                         "text/plain",
                                         "*/*",
                                         ";",
                                         ",",
                                         "=",
                                         "\"",
                                         "\\",
                                         "q",
                                         "q=0.5",
                                         "q=",
                                         "version=1.0.0",
                                         " ",
                                         "\t",
                                         "0",
                                         "1",
                                         ".",
                                         "\xFF"};
    uint64_t random = 7;
    for (int i = 0; i < 20000; i++) {
        char text[512] = "";
        size_t len = 0;
        for (uint64_t n = random_splitmix64(&random) % 12; n > 0; n--)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                    pieces[random_splitmix64(&random) % ARRAY_LEN(pieces)]);
        char *own = check_strdup(text);
        (void)metrics_format_for(own);
        free(own);
        own = check_printf("%.*s;x=\"\", application/openmetrics-text", (int)strcspn(text, "\"\\;="), text);
        assert_int_equal(metrics_format_for(own), METRICS_OPENMETRICS);
        free(own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openmetrics),
        cmocka_unit_test(test_prometheus),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_hostile_labels),
        cmocka_unit_test(test_long_labels_are_cut),
        cmocka_unit_test(test_a_buffer_that_is_too_small_is_told),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_accept_of_any_pieces),
    };
    return cmocka_run_group_tests_name("metrics_text", tests, NULL, NULL);
}
