/* trace: ids that follow from a launch id, the text form of W3C, and who is recorded. */
#include "core/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LAUNCH "0f3a61c2-7b1d-8e50-9c3f-0123456789ab"

static void test_text_form(void **state)
{
    (void)state;
    static const char text[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct trace_parent p;
    char written[TRACE_PARENT_SIZE];
    assert_true(trace_parent_read(text, &p));
    assert_true(p.trace.high == UINT64_C(0x0af7651916cd43dd) && p.trace.low == UINT64_C(0x8448eb211c80319c));
    assert_true(p.span == UINT64_C(0xb7ad6b7169203331) && p.is_sampled);
    trace_parent_write(&p, written);
    assert_string_equal(written, text);
    p.is_sampled = false;
    trace_parent_write(&p, written);
    assert_string_equal(written + 53, "00");
    /* Another version may have more behind it, and other flags count for nothing. */
    assert_true(trace_parent_read("42-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03-more", &p));
    assert_true(p.is_sampled);
    assert_true(trace_parent_read("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe", &p));
    assert_false(p.is_sampled);
}

static void test_what_is_no_traceparent(void **state)
{
    (void)state;
    static const char *const bad[] = {
        NULL,
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ",
        "42-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0z",
    };
    struct trace_parent p = {.span = 17};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(trace_parent_read(bad[i], &p));
    assert_true(p.span == 17); /* untouched */
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Launch ids share their mark and more: their traces share nothing. */
static void test_ids_differ(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static uint64_t lows[COUNT], highs[COUNT], spans[COUNT];
    size_t in_lower_half = 0;
    for (int i = 0; i < COUNT; i++) {
        char id[40];
        snprintf(id, sizeof(id), "%08x-0000-8000-8000-0123456789ab", (unsigned)i);
        struct trace_id trace = trace_id_of(id);
        lows[i] = trace.low;
        highs[i] = trace.high;
        spans[i] = trace_span_of(id, "launch", 0, 0);
        in_lower_half += trace.low >> 63 == 0;
    }
    qsort(lows, COUNT, sizeof(*lows), compare);
    qsort(highs, COUNT, sizeof(*highs), compare);
    qsort(spans, COUNT, sizeof(*spans), compare);
    for (int i = 1; i < COUNT; i++)
        assert_true(lows[i] != lows[i - 1] && highs[i] != highs[i - 1] && spans[i] != spans[i - 1]);
    /* Samplers go by the low half: it has to be spread. 5 standard deviations. */
    assert_in_range(in_lower_half, COUNT / 2 - 354, COUNT / 2 + 354);
}

static void test_spans_of_a_launch_differ_and_stay(void **state)
{
    (void)state;
    uint64_t span = trace_span_of(LAUNCH, "create", 1000, 0);
    assert_true(span != 0 && span == trace_span_of(LAUNCH, "create", 1000, 0));
    assert_true(span != trace_span_of(LAUNCH, "start", 1000, 0));
    assert_true(span != trace_span_of(LAUNCH, "create", 1001, 0));
    assert_true(span != trace_span_of(LAUNCH, "create", 1000, 1));
    assert_true(trace_id_of(LAUNCH).high == trace_id_of(LAUNCH).high);
    /* Of another version these would be other traces after an upgrade. */
    assert_true(trace_id_of(LAUNCH).high == UINT64_C(0x7c798c254edb6728) &&
                trace_id_of(LAUNCH).low == UINT64_C(0x6033b91419203b6b) &&
                span == UINT64_C(0x5fd2cf8e2a6c6afc));
    /* A text that is no UUID is one's own fault, and still an id. */
    assert_true(trace_id_of("").low != 0 && trace_id_of("x").low != trace_id_of("y").low);
}

static void test_samplers(void **state)
{
    (void)state;
    static const struct trace_parent yes = {{1, 2}, 3, true}, no = {{1, 2}, 3, false};
    static const struct trace_id low = {9, UINT64_C(0x3fffff0000000000)},
                                 high = {9, UINT64_C(0x4000000000000001)}, most = {9, UINT64_MAX};
    static const struct {
        const char *name;
        double arg;
        bool of_low, of_high, with_yes, with_no;
    } cases[] = {
        {"always_on", 0, true, true, true, true},
        {"always_off", 1, false, false, false, false},
        {"traceidratio", 0.25, true, false, false, false},
        {"traceidratio", 1, true, true, true, true},
        {"traceidratio", 0, false, false, false, false},
        {"parentbased_always_on", 0, true, true, true, false},
        {"parentbased_always_off", 1, false, false, true, false},
        {"parentbased_traceidratio", 0.25, true, false, true, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace_sampler s;
        assert_true(trace_sampler_named(cases[i].name, cases[i].arg, &s));
        assert_int_equal(trace_is_sampled(&s, low, NULL), cases[i].of_low);
        assert_int_equal(trace_is_sampled(&s, high, NULL), cases[i].of_high);
        assert_int_equal(trace_is_sampled(&s, most, &yes), cases[i].with_yes);
        assert_int_equal(trace_is_sampled(&s, most, &no), cases[i].with_no);
    }
    struct trace_sampler s;
    assert_false(trace_sampler_named(NULL, 1, &s));
    assert_false(trace_sampler_named("", 1, &s));
    assert_false(trace_sampler_named("parentbased_", 1, &s));
    assert_false(trace_sampler_named("xray", 1, &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_form),  cmocka_unit_test(test_what_is_no_traceparent),
        cmocka_unit_test(test_ids_differ), cmocka_unit_test(test_spans_of_a_launch_differ_and_stay),
        cmocka_unit_test(test_samplers),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
