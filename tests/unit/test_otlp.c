/* otlp: the JSON of spans, to the byte, and what an answer says of rejected ones. */
#include "api/json.h"
#include "api/otlp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect(const struct otlp_span *span, const char *json)
{
    char *text = otlp_span_json(span);
    assert_string_equal(text, json);
    free(text);
}

static void test_a_span(void **state)
{
    (void)state;
    static const struct otlp_attribute attributes[] = {{.key = "a.text", .text = "say \"hi\"\n"},
                                                       {.key = "a.number", .number = -9007199254740993},
                                                       {.key = "a.list", .text = "1.2", .is_list = true}};
    expect(&(struct otlp_span){.trace = {0x0a, 0xb0},
                               .id = 0xc,
                               .name = "create",
                               .kind = OTLP_KIND_CLIENT,
                               .start_ms = 1767225600123,
                               .end_ms = 1767225601000,
                               .attributes = attributes,
                               .attribute_count = 3},
           "{\"traceId\":\"000000000000000a00000000000000b0\",\"spanId\":\"000000000000000c\",\"flags\":257,"
           "\"name\":\"create\",\"kind\":3,\"startTimeUnixNano\":\"1767225600123000000\","
           "\"endTimeUnixNano\":\"1767225601000000000\",\"attributes\":["
           "{\"key\":\"a.text\",\"value\":{\"stringValue\":\"say \\\"hi\\\"\\n\"}},"
           "{\"key\":\"a.number\",\"value\":{\"intValue\":\"-9007199254740993\"}},"
           "{\"key\":\"a.list\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"1.2\"}]}}}]}");
}

static void test_parents_and_errors(void **state)
{
    (void)state;
    struct otlp_span span = {.trace = {1, 2},
                             .id = 3,
                             .parent = 0xfedcba9876543210,
                             .is_parent_remote = true,
                             .name = "launch",
                             .kind = OTLP_KIND_CONSUMER,
                             .start_ms = 5000,
                             .end_ms = 4000, /* the clock was set back */
                             .is_error = true,
                             .message = "no such image"};
    expect(&span, "{\"traceId\":\"00000000000000010000000000000002\",\"spanId\":\"0000000000000003\","
                  "\"flags\":769,\"parentSpanId\":\"fedcba9876543210\",\"name\":\"launch\",\"kind\":5,"
                  "\"startTimeUnixNano\":\"5000000000\",\"endTimeUnixNano\":\"5000000000\",\"attributes\":[],"
                  "\"status\":{\"code\":2,\"message\":\"no such image\"}}");
    span.is_parent_remote = false;
    span.start_ms = -7; /* a clock that was never set */
    span.end_ms = 0;
    char *text = otlp_span_json(&span);
    assert_non_null(strstr(text, "\"flags\":257,"));
    assert_non_null(strstr(text, "\"startTimeUnixNano\":\"0000000\",\"endTimeUnixNano\":\"0000000\""));
    free(text);
}

/* Whatever a name holds, the result is JSON of bounded size. */
static void test_hostile_texts(void **state)
{
    (void)state;
    char *large = malloc(200001);
    assert_non_null(large);
    memset(large, '\x01', 200000);
    large[200000] = '\0';
    const char *const texts[] = {"\xff\xfe\x80", "\xc3", "</script>\x7f", large};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct otlp_attribute attribute = {.key = "k", .text = texts[i]};
        const struct otlp_span span = {.trace = {1, 1},
                                       .id = 1,
                                       .name = texts[i],
                                       .kind = OTLP_KIND_INTERNAL,
                                       .attributes = &attribute,
                                       .attribute_count = 1,
                                       .is_error = true,
                                       .message = texts[i]};
        char *text = otlp_span_json(&span);
        struct json *root = NULL;
        struct err err;
        assert_int_equal(json_parse(text, strlen(text), &root, &err), 0);
        assert_true(strlen(text) < 3 * 6 * 1024 + 500);
        json_free(root);
        free(text);
    }
    free(large);
}

static void test_a_request(void **state)
{
    (void)state;
    static const struct otlp_attribute resource[] = {{.key = "service.name", .text = "sluice"}};
    char *head = otlp_head_json(resource, 1, "sluice", "0.1");
    assert_string_equal(
        head, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
              "\"value\":{\"stringValue\":\"sluice\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"sluice\","
              "\"version\":\"0.1\"},\"spans\":[");
    char *whole = check_printf("%s%s", head, otlp_tail_json);
    struct json *root = NULL;
    struct err err;
    assert_int_equal(json_parse(whole, strlen(whole), &root, &err), 0);
    json_free(root);
    free(whole);
    free(head);
}

static void expect_rejected(const char *body, uint64_t count, const char *said)
{
    char *message;
    assert_true(otlp_rejected(body, strlen(body), &message) == count);
    if (said == NULL)
        assert_null(message);
    else
        assert_string_equal(message, said);
    free(message);
}

static void test_partial_success(void **state)
{
    (void)state;
    expect_rejected("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"too old\"}}", 3,
                    "too old");
    expect_rejected("{\"partialSuccess\":{\"rejectedSpans\":2}}", 2, NULL);
    expect_rejected("{\"partialSuccess\":{\"errorMessage\":\"mind the names\"}}", 0, "mind the names");
    expect_rejected("{\"partialSuccess\":{\"rejectedSpans\":\"-4\"}}", 0, NULL);
    expect_rejected("{\"partialSuccess\":{\"rejectedSpans\":{}}}", 0, NULL);
    expect_rejected("{\"partialSuccess\":[]}", 0, NULL);
    expect_rejected("{}", 0, NULL);
    expect_rejected("", 0, NULL);
    expect_rejected("<html>", 0, NULL);
    expect_rejected("{\"partialSuccess\":{\"rejectedSpans\":\"3\"", 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_span),          cmocka_unit_test(test_parents_and_errors),
        cmocka_unit_test(test_hostile_texts),   cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_partial_success),
    };
    return cmocka_run_group_tests_name("otlp", tests, NULL, NULL);
}
