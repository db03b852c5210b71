/* otlp: sending, against a fake collector on a fake clock. */
#include "api/otlp.h"
#include "tests/fakes/fake_collector.h"
#include "tests/support/fake_clock.h"
#include "tests/support/turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#define SECRET "token nobody may see"

struct export_world {
    struct event_base *base;
    struct fake_clock clock;
    struct timers *timers;
    struct http *http;
    struct fake_collector *collector;
    struct otlp *otlp;
    uint64_t next_id;
    int flushed;
};

static void turn(void *arg)
{
    struct export_world *w = arg;
    turn_until_quiet(w->base, w->http);
}

static int setup(void **state)
{
    static const char *const headers[] = {"Authorization: " SECRET, "X-Scope: a b", NULL};
    struct export_world *w = check_alloc(sizeof(*w));
    struct err err;
    w->base = event_base_new();
    fake_clock_init(&w->clock);
    w->timers = timers_new(fake_clock_clock(&w->clock));
    w->clock.after_timers = turn;
    w->clock.after_timers_arg = w;
    assert_int_equal(
        http_new(w->base, w->timers, &(struct http_settings){.max_connections = 1}, &w->http, &err), 0);
    w->collector = fake_collector_new(w->base);
    char *url = check_printf("%s/v1/traces", fake_collector_url(w->collector));
    char *head = otlp_head_json(NULL, 0, "test", "1");
    w->otlp = otlp_new(w->http, w->timers,
                       &(struct otlp_settings){.url = url,
                                               .headers = headers,
                                               .head_json = head,
                                               .timeout_ms = 10000,
                                               .batch_ms = 5000,
                                               .queue_max = 100000,
                                               .batch_max = 50});
    free(url);
    free(head);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct export_world *w = *state;
    assert_null(strstr(otlp_trouble(w->otlp), SECRET));
    otlp_free(w->otlp);
    http_free(w->http);
    fake_collector_free(w->collector);
    timers_free(w->timers);
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void pass(struct export_world *w, int64_t ms)
{
    fake_clock_advance(&w->clock, w->timers, ms);
    turn(w);
}

static void add(struct export_world *w, int count)
{
    for (int i = 0; i < count; i++) {
        char text[400];
        snprintf(text, sizeof(text), "%0390d", i); /* a span is about as large as in life */
        const struct otlp_attribute attribute = {.key = "k", .text = text};
        otlp_add(w->otlp, &(struct otlp_span){.trace = {1, 1},
                                              .id = ++w->next_id,
                                              .name = "s",
                                              .kind = OTLP_KIND_INTERNAL,
                                              .attributes = &attribute,
                                              .attribute_count = 1});
    }
}

static void expect_counts(struct export_world *w, uint64_t sent, uint64_t dropped, size_t queued)
{
    struct otlp_counts counts = otlp_counts(w->otlp);
    assert_int_equal(counts.sent, sent);
    assert_int_equal(counts.dropped, dropped);
    assert_int_equal(counts.queued, queued);
}

static void test_batches(void **state)
{
    struct export_world *w = *state;
    add(w, 3);
    pass(w, 4999);
    assert_int_equal(fake_collector_requests(w->collector), 0);
    pass(w, 1);
    assert_int_equal(fake_collector_requests(w->collector), 1);
    assert_string_equal(fake_collector_path(w->collector), "/v1/traces");
    assert_non_null(strstr(fake_collector_head(w->collector), "Authorization: " SECRET "\r\n"));
    assert_non_null(strstr(fake_collector_head(w->collector), "X-Scope: a b\r\n"));
    expect_counts(w, 3, 0, 0);
    /* A whole batch does not wait, and of more than one each goes at once. */
    add(w, 120);
    pass(w, 0);
    assert_int_equal(fake_collector_requests(w->collector), 3);
    expect_counts(w, 103, 0, 20);
    pass(w, 5000);
    expect_counts(w, 123, 0, 0);
    assert_int_equal(fake_collector_count(w->collector), 123);
    assert_string_equal(otlp_trouble(w->otlp), "");
}

/* By the specification these four may be repeated, as late as the collector asks for. */
static void test_statuses_that_are_repeated(void **state)
{
    struct export_world *w = *state;
    static const int statuses[] = {429, 502, 503, 504};
    for (size_t i = 0; i < 4; i++) {
        size_t before = fake_collector_requests(w->collector);
        fake_collector_answer(w->collector, statuses[i], "Retry-After: 30\r\n", "not now");
        add(w, 1);
        pass(w, 5000);
        assert_int_equal(fake_collector_requests(w->collector), before + 1);
        pass(w, 29999);
        assert_int_equal(fake_collector_requests(w->collector), before + 1);
        fake_collector_answer(w->collector, 200, "", "{}");
        pass(w, 1);
        expect_counts(w, i + 1, 0, 0);
    }
    assert_string_equal(otlp_trouble(w->otlp), "the collector answered 504");
}

static void test_other_statuses_drop_the_batch(void **state)
{
    struct export_world *w = *state;
    static const int statuses[] = {400, 401, 404, 413, 500, 302};
    for (size_t i = 0; i < 6; i++) {
        fake_collector_answer(w->collector, statuses[i], "Retry-After: 1\r\n", SECRET);
        add(w, 2);
        pass(w, 60000);
        assert_int_equal(fake_collector_requests(w->collector), i + 1);
        expect_counts(w, 0, 2 * (i + 1), 0);
    }
    assert_string_equal(otlp_trouble(w->otlp), "the collector answered 302");
}

static void test_partial_success_is_counted(void **state)
{
    struct export_world *w = *state;
    fake_collector_answer(w->collector, 200, "",
                          "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"no " SECRET
                          "\"}}");
    add(w, 5);
    pass(w, 5000);
    expect_counts(w, 3, 2, 0);
    assert_string_equal(otlp_trouble(w->otlp),
                        "the collector rejected some of a batch: no ********************");
    /* More than there were: a collector that can't count. */
    fake_collector_answer(w->collector, 200, "", "{\"partialSuccess\":{\"rejectedSpans\":\"99\"}}");
    add(w, 5);
    pass(w, 5000);
    expect_counts(w, 3, 7, 0);
    /* An answer that is no JSON is still a good one. */
    fake_collector_answer(w->collector, 202, "", "thanks");
    add(w, 1);
    pass(w, 5000);
    expect_counts(w, 4, 7, 0);
}

/* It was not sent: it is tried again for ever, a minute apart at most, and nothing is lost that has room. */
static void test_a_collector_that_is_down(void **state)
{
    struct export_world *w = *state;
    wire_shut(fake_collector_wire(w->collector), false);
    add(w, 40);
    pass(w, 3600 * 1000);
    expect_counts(w, 0, 0, 40);
    assert_int_equal(fake_collector_requests(w->collector), 0);
    wire_listen(fake_collector_wire(w->collector));
    pass(w, 60000);
    expect_counts(w, 40, 0, 0);
}

/* Its answer is lost: it may have been taken. Four times, then it is given up. */
static void test_a_collector_that_hangs(void **state)
{
    struct export_world *w = *state;
    fake_collector_answer(w->collector, 0, "", "");
    add(w, 3);
    pass(w, 5000);
    assert_int_equal(fake_collector_held(w->collector), 1);
    pass(w, 10000 + 1000 + 10000 + 2000 + 10000 + 4000);
    assert_int_equal(fake_collector_requests(w->collector), 4);
    expect_counts(w, 0, 0, 3);
    pass(w, 10000);
    expect_counts(w, 0, 3, 0);
}

/* 1 MiB at most, whatever comes: the oldest go. */
static void test_memory_is_bounded(void **state)
{
    struct export_world *w = *state;
    wire_shut(fake_collector_wire(w->collector), false);
    add(w, 50000);
    struct otlp_counts counts = otlp_counts(w->otlp);
    assert_int_equal(counts.dropped + counts.queued, 50000);
    assert_in_range(counts.queued, 700, 512 * 1024 / 390);
    wire_listen(fake_collector_wire(w->collector));
    pass(w, 120000);
    assert_int_equal(fake_collector_count(w->collector), counts.queued);
    char *AUTO_FREE oldest = check_printf("%016x", (unsigned)(50000 - counts.queued + 1));
    assert_string_equal(json_get_text(fake_collector_span(w->collector, 0), "spanId", ""), oldest);
    const struct json *last = fake_collector_span(w->collector, counts.queued - 1);
    assert_string_equal(json_get_text(last, "spanId", ""), "000000000000c350"); /* 50,000 */
}

static void on_flushed(void *arg)
{
    struct export_world *w = arg;
    w->flushed++;
}

/* One request after the other, in next to no time. */
static void settle(struct export_world *w)
{
    for (int i = 0; i < 10; i++)
        pass(w, 1);
}

static void test_flush(void **state)
{
    struct export_world *w = *state;
    otlp_flush(w->otlp, 1000, on_flushed, w);
    assert_int_equal(w->flushed, 0); /* never before it has returned */
    settle(w);
    assert_int_equal(w->flushed, 1);
    add(w, 60);
    otlp_flush(w->otlp, 1000, on_flushed, w);
    settle(w);
    assert_int_equal(w->flushed, 2);
    expect_counts(w, 60, 0, 0);
    /* Each batch has one try. */
    fake_collector_answer(w->collector, 503, "Retry-After: 60\r\n", "");
    add(w, 60);
    otlp_flush(w->otlp, 1000, on_flushed, w);
    settle(w);
    assert_int_equal(w->flushed, 3);
    expect_counts(w, 60, 60, 0);
    /* And not more than the given time in all. */
    fake_collector_answer(w->collector, 0, "", "");
    add(w, 1);
    otlp_flush(w->otlp, 1000, on_flushed, w);
    pass(w, 999);
    assert_int_equal(w->flushed, 3);
    pass(w, 1);
    assert_int_equal(w->flushed, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_batches),
        TEST(test_statuses_that_are_repeated),
        TEST(test_other_statuses_drop_the_batch),
        TEST(test_partial_success_is_counted),
        TEST(test_a_collector_that_is_down),
        TEST(test_a_collector_that_hangs),
        TEST(test_memory_is_bounded),
        TEST(test_flush),
    };
    return cmocka_run_group_tests_name("otlp_export", tests, NULL, NULL);
}
