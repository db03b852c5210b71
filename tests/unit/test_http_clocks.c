/* test_http_clocks.c - api/http.h: the clocks of a call, cancelling, and when callbacks come. */
#include "tests/unit/http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
static const char ok_chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

static void advance(struct http_world *w, int64_t ms)
{
    fake_clock_advance(&w->fc, w->timers, ms);
    turn(w);
}

static void send_text(struct http_world *w, const char *text)
{
    assert_non_null(raw_last(&w->unix_server));
    raw_send(raw_last(&w->unix_server), text, strlen(text));
    turn(w);
}

static void start_and_turn(struct http_world *w, struct call_record *r)
{
    struct http_request request = http_world_get(w);
    call_start(w, r, &request);
    turn(w);
}

static void assert_message(const struct call_record *r, const char *before, const struct http_world *w,
                           const char *after)
{
    char *AUTO_FREE message = check_printf("%sunix://%s%s", before, w->path, after);
    assert_string_equal(r->failure.message, message);
}

static void test_a_silent_server(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    advance(w, 59999);
    assert_int_equal(r.done_count, 0);
    advance(w, 1);
    assert_failure(&r, TRANSPORT_READ_TIMEOUT, true, CLOCK_KIND_INACTIVITY);
    assert_message(&r, "no answer from ", w, " within 60000 ms");
    assert_int_equal(r.took_ms, 60000);
    assert_int_equal(r.status, 0);
    call_done(&r);
}

static void test_silence_in_the_headers(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    advance(w, 30000);
    send_text(w, "HTTP/1.1 200 OK\r\nContent-");
    advance(w, 59999);
    assert_int_equal(r.done_count, 0);
    advance(w, 1);
    assert_failure(&r, TRANSPORT_PARTIAL_HEADERS, true, CLOCK_KIND_INACTIVITY);
    call_done(&r);
}

static void test_silence_in_the_body(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    send_text(w, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    advance(w, 60000);
    assert_failure(&r, TRANSPORT_IDLE_TIMEOUT, true, CLOCK_KIND_INACTIVITY);
    assert_int_equal(r.status, 200);
    call_done(&r);
}

/* Every byte starts the inactivity clock again, half a header line, too; only the total clock ends this. */
static void test_a_dripping_server(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    for (int i = 0; i < 5; i++) {
        advance(w, 59000);
        assert_int_equal(r.done_count, 0);
        send_text(w, i == 0 ? "HTTP/1.1 200 OK\r\nX: " : "x");
    }
    advance(w, 4999);
    assert_int_equal(r.done_count, 0);
    advance(w, 1);
    assert_failure(&r, TRANSPORT_TOTAL_TIMEOUT, true, CLOCK_KIND_TOTAL);
    assert_message(&r, "no complete answer from ", w, " within 300000 ms");
    assert_int_equal(r.took_ms, 300000);
    call_done(&r);
}

static void test_clocks_may_be_off(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request.clocks = (struct http_clocks){0};
    call_start(w, &r, &request);
    assert_int_equal(timers_next_ms(w->timers), -1);
    turn(w);
    advance(w, (int64_t)7 * 86400 * 1000);
    assert_int_equal(timers_next_ms(w->timers), -1);
    send_text(w, ok);
    assert_int_equal(r.done_count, 1);
    assert_false(r.has_failure);
    call_done(&r);
}

static void test_the_connect_clock_ends_with_the_connection(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request.clocks = (struct http_clocks){.connect_ms = 10};
    call_start(w, &r, &request);
    turn(w);
    advance(w, 86400000);
    assert_int_equal(r.done_count, 0);
    send_text(w, ok);
    assert_false(r.has_failure);
    call_done(&r);
}

static void test_an_upload_nobody_reads(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    size_t len = (size_t)8 * 1024 * 1024;
    char *AUTO_FREE body = check_alloc(len);
    w->unix_server.never_reads = true;
    struct http_request request = http_world_get(w);
    request.method = "POST";
    request.body = body;
    request.body_len = len;
    call_start(w, &r, &request);
    turn(w);
    advance(w, 60000);
    assert_failure(&r, TRANSPORT_READ_TIMEOUT, true, CLOCK_KIND_INACTIVITY);
    call_done(&r);
}

static void test_the_total_clock_covers_redirects(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    advance(w, 40000);
    send_text(w, "HTTP/1.1 307 X\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n");
    for (int i = 0; i < 4; i++) {
        advance(w, 50000);
        assert_int_equal(r.done_count, 0);
        send_text(w, i == 0 ? ok_chunked : "1\r\nx\r\n");
    }
    advance(w, 50000);
    advance(w, 10000);
    assert_failure(&r, TRANSPORT_TOTAL_TIMEOUT, true, CLOCK_KIND_TOTAL);
    assert_int_equal(r.took_ms, 300000);
    call_done(&r);
}

static void test_a_stream_that_falls_silent(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_start(w, &r, &request);
    turn(w);
    send_text(w, ok_chunked);
    send_text(w, "3\r\nabc\r\n");
    advance(w, 59000);
    send_text(w, "2\r\nde\r\n");
    advance(w, 59999);
    assert_int_equal(r.done_count, 0);
    advance(w, 1);
    assert_string_equal(buf_text(&r.chunks), "abcde");
    assert_failure(&r, TRANSPORT_IDLE_TIMEOUT, true, CLOCK_KIND_INACTIVITY);
    call_done(&r);
}

/* --- what the clocks have counted --- */

/* The longest gap between any two bytes, from the request on; the way to the connection is none. */
static void test_the_longest_silence(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_start(w, &r, &request);
    fake_clock_advance(&w->fc, w->timers, 4000); /* curl has not been asked yet */
    turn(w);
    advance(w, 900);
    send_text(w, ok_chunked);
    advance(w, 300);
    send_text(w, "3\r\nabc\r\n");
    advance(w, 1200);
    send_text(w, "2\r\nd");
    advance(w, 1100);
    send_text(w, "e\r\n0\r\n\r\n");
    assert_int_equal(r.done_count, 1);
    assert_false(r.has_failure);
    assert_int_equal(r.silence_ms, 1200);
    assert_int_equal(r.connect_ms, 4000);
    assert_int_equal(r.took_ms, 7500);
    call_done(&r);
}

static void test_the_last_silence_counts(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    send_text(w, "HTTP/1.1 200 OK\r\n\r\nhello");
    advance(w, 7000);
    raw_end(raw_last(&w->unix_server), RAW_CLOSE);
    turn(w);
    assert_int_equal(r.done_count, 1);
    assert_false(r.has_failure);
    assert_int_equal(r.silence_ms, 7000);
    call_done(&r);
}

static void test_a_kept_connection_took_no_time_to_connect(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    for (int i = 0; i < 3; i++) {
        request.fresh_connection = i == 2;
        answer_with(&w->unix_server, ok, RAW_KEEP);
        call_start(w, &r, &request);
        fake_clock_advance(&w->fc, w->timers, 50);
        turn(w);
        assert_false(r.has_failure);
        assert_int_equal(r.connect_ms, i == 1 ? -1 : 50);
        assert_int_equal(r.silence_ms, 0);
        call_done(&r);
    }
}

static void test_what_never_connects_took_no_time_to_connect(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request.unix_socket = "/nonexistent/socket";
    call_run(w, &r, &request);
    assert_true(r.has_failure);
    assert_int_equal(r.connect_ms, -1);
    assert_int_equal(r.silence_ms, 0);
    call_done(&r);
}

/* --- cancelling --- */

static void test_cancel_before_anything_happened(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    call_start(w, &r, &request);
    http_cancel(r.call);
    turn(w);
    assert_int_equal(r.done_count, 0);
    assert_int_equal(http_calls_out(w->http), 0);
    assert_int_equal(w->unix_server.connection_count, 0);
    assert_int_equal(timers_next_ms(w->timers), -1);
    call_done(&r);
}

static void test_cancel_while_waiting(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    assert_int_equal(w->unix_server.request_count, 1);
    http_cancel(r.call);
    turn(w);
    assert_int_equal(w->unix_server.open_count, 0);
    advance(w, 1000000);
    assert_int_equal(r.done_count, 0);
    call_done(&r);
}

static void test_cancel_between_the_clock_and_its_callback(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    start_and_turn(w, &r);
    fake_clock_advance(&w->fc, w->timers, 60000);
    http_cancel(r.call);
    turn(w);
    assert_int_equal(r.done_count, 0);
    assert_int_equal(http_calls_out(w->http), 0);
    call_done(&r);
}

static void test_cancel_in_own_callbacks(void **state)
{
    struct http_world *w = *state;
    struct http_request request = http_world_get(w);
    request_stream(&request);
    for (int where = 0; where < 3; where++) {
        struct call_record r = {
            .cancel_in_headers = where == 0, .cancel_in_chunk = where == 1, .cancel_in_done = where == 2};
        answer_with(&w->unix_server, ok, RAW_KEEP);
        call_start(w, &r, &request);
        turn(w);
        assert_int_equal(r.headers_count, 1);
        assert_int_equal(r.chunk_count, where > 0);
        assert_int_equal(r.done_count, where == 2);
        assert_int_equal(http_calls_out(w->http), 0);
        call_done(&r);
    }
}

static void test_cancel_in_the_middle_of_a_stream(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {.cancel_in_chunk = true};
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_start(w, &r, &request);
    turn(w);
    send_text(w, ok_chunked);
    send_text(w, "3\r\nabc\r\n");
    assert_int_equal(r.chunk_count, 1);
    assert_string_equal(buf_text(&r.chunks), "abc");
    assert_int_equal(r.done_count, 0);
    assert_int_equal(w->unix_server.open_count, 0);
    assert_int_equal(http_calls_out(w->http), 0);
    call_done(&r);
}

static void test_a_chunk_callback_may_end_the_call(void **state)
{
    struct http_world *w = *state;
    for (int is_whole = 0; is_whole < 2; is_whole++) {
        struct call_record r = {.stop_at_chunk = true};
        struct http_request request = http_world_get(w);
        request_stream(&request);
        call_start(w, &r, &request);
        turn(w);
        send_text(w, is_whole ? ok : "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
        assert_int_equal(r.chunk_count, 1);
        assert_failure(&r, TRANSPORT_CANCELLED, true, CLOCK_KIND_NONE);
        assert_int_equal(http_calls_out(w->http), 0);
        call_done(&r);
    }
}

/* Two calls end in the same turn; the first one's done cancels the second, whose done was due. */
static void test_cancel_another_that_is_due(void **state)
{
    struct http_world *w = *state;
    struct call_record r[2] = {0};
    start_and_turn(w, &r[0]);
    start_and_turn(w, &r[1]);
    r[0].cancel_other = &r[1];
    advance(w, 60000);
    assert_int_equal(r[0].done_count, 1);
    assert_int_equal(r[1].done_count, 0);
    assert_int_equal(http_calls_out(w->http), 0);
    call_done(&r[0]);
    call_done(&r[1]);
}

static void test_free_ends_calls_without_callbacks(void **state)
{
    struct http_world *w = *state;
    struct call_record r[3] = {0};
    start_and_turn(w, &r[0]);
    fake_clock_advance(&w->fc, w->timers, 60000); /* due, not told yet */
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_start(w, &r[1], &request);
    turn_until_quiet(w->base, NULL);
    send_text(w, ok_chunked);
    call_start(w, &r[2], &request);
    int told = r[0].done_count;
    http_free(w->http);
    w->http = NULL;
    turn(w);
    assert_int_equal(r[0].done_count, told);
    assert_int_equal(r[1].done_count + r[2].done_count, 0);
    assert_int_equal(timers_next_ms(w->timers), -1);
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        call_done(&r[i]);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, http_world_setup, http_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_silent_server),
        WORLD_TEST(test_silence_in_the_headers),
        WORLD_TEST(test_silence_in_the_body),
        WORLD_TEST(test_a_dripping_server),
        WORLD_TEST(test_clocks_may_be_off),
        WORLD_TEST(test_the_connect_clock_ends_with_the_connection),
        WORLD_TEST(test_an_upload_nobody_reads),
        WORLD_TEST(test_the_total_clock_covers_redirects),
        WORLD_TEST(test_a_stream_that_falls_silent),
        WORLD_TEST(test_the_longest_silence),
        WORLD_TEST(test_the_last_silence_counts),
        WORLD_TEST(test_a_kept_connection_took_no_time_to_connect),
        WORLD_TEST(test_what_never_connects_took_no_time_to_connect),
        WORLD_TEST(test_cancel_before_anything_happened),
        WORLD_TEST(test_cancel_while_waiting),
        WORLD_TEST(test_cancel_between_the_clock_and_its_callback),
        WORLD_TEST(test_cancel_in_own_callbacks),
        WORLD_TEST(test_cancel_in_the_middle_of_a_stream),
        WORLD_TEST(test_a_chunk_callback_may_end_the_call),
        WORLD_TEST(test_cancel_another_that_is_due),
        WORLD_TEST(test_free_ends_calls_without_callbacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
