/* test_http.c - api/http.h when all goes well: requests, answers, connections, streaming, redirects, text. */
#include "tests/unit/http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX:  one \r\nX: two\r\n\r\nhello";

static void assert_has(const char *text, const char *part)
{
    if (strcasestr(text, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strcasestr(text, part) != NULL)
        fail_msg("\"%s\" is in \"%s\"", part, text);
}

static void test_get(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    static const char *const headers[] = {"X-Own: 1", NULL};
    request.headers = headers;
    uint64_t activity = http_activity(w->http);
    call_start(w, &r, &request);
    assert_int_equal(http_calls_out(w->http), 1);
    w->fc.mono_ms += 7;
    turn(w);
    assert_int_equal(r.done_count, 1);
    assert_false(r.has_failure);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "hello");
    assert_string_equal(r.header_x, "one");
    assert_int_equal(r.took_ms, 7);
    assert_int_equal(http_calls_out(w->http), 0);
    assert_true(http_activity(w->http) > activity);
    const char *sent = buf_text(&w->unix_server.last_request);
    assert_int_equal(strncmp(sent, "GET /x HTTP/1.1\r\n", 17), 0);
    assert_has(sent, "\r\nX-Own: 1\r\n");
    assert_has_not(sent, "Accept-Encoding");
    assert_has_not(sent, "Expect");
    assert_has_not(sent, "Content-");
    assert_has_not(sent, "User-Agent");
    call_done(&r);
}

static void test_methods_and_bodies(void **state)
{
    struct http_world *w = *state;
    static const struct {
        const char *method;
        const char *body;
        const char *starts;
        const char *ends;
        bool has_length;
    } cases[] = {{"POST", "{}", "POST /x", "\r\nContent-Length: 2\r\n\r\n{}", true},
                 {"POST", NULL, "POST /x", "\r\nContent-Length: 0\r\n\r\n", true},
                 {"POST", "", "POST /x", "\r\nContent-Length: 0\r\n\r\n", true},
                 {"PATCH", "{\"a\":1}", "PATCH /x", "\r\nContent-Length: 7\r\n\r\n{\"a\":1}", true},
                 {"PUT", NULL, "PUT /x", "\r\nContent-Length: 0\r\n\r\n", true},
                 {"DELETE", NULL, "DELETE /x", "\r\n\r\n", false},
                 {"HEAD", NULL, "HEAD /x", "\r\n\r\n", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call_record r = {0};
        bool is_head = strcmp(cases[i].method, "HEAD") == 0;
        answer_with(&w->unix_server, is_head ? "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" : ok,
                    RAW_KEEP);
        struct http_request request = http_world_get(w);
        request.method = cases[i].method;
        request.body = cases[i].body;
        request.body_len = cases[i].body == NULL ? 0 : strlen(cases[i].body);
        call_run(w, &r, &request);
        assert_false(r.has_failure);
        assert_string_equal(r.body, is_head ? "" : "hello");
        const char *sent = buf_text(&w->unix_server.last_request);
        assert_int_equal(strncmp(sent, cases[i].starts, strlen(cases[i].starts)), 0);
        size_t len = strlen(cases[i].ends);
        assert_string_equal(sent + w->unix_server.last_request.len - len, cases[i].ends);
        assert_int_equal(strstr(sent, "Content-Length") != NULL, cases[i].has_length);
        assert_has_not(sent, "Content-Type");
        assert_has_not(sent, "Expect");
        call_done(&r);
    }
}

static void test_a_large_body_is_sent_whole(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    size_t len = (size_t)3 * 1024 * 1024;
    char *AUTO_FREE body = check_alloc(len);
    memset(body, 'b', len);
    body[len - 1] = 'e';
    answer_with(&w->unix_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    static const char *const headers[] = {"content-type: application/json", NULL};
    request.headers = headers;
    request.method = "POST";
    request.body = body;
    request.body_len = len;
    call_start(w, &r, &request);
    memset(body, 'x', len); /* it was borrowed for http_start() only */
    turn(w);
    assert_int_equal(r.done_count, 1);
    assert_false(r.has_failure);
    const struct buf *sent = &w->unix_server.last_request;
    assert_int_equal(sent->data[sent->len - 1], 'e');
    assert_int_equal(sent->data[sent->len - len], 'b');
    assert_has(buf_text(sent), "application/json");
    call_done(&r);
}

static void test_answers(void **state)
{
    struct http_world *w = *state;
    static const struct {
        const char *bytes;
        enum raw_then then;
        int status;
        const char *body;
    } cases[] = {
        {"HTTP/1.1 204 No Content\r\n\r\n", RAW_KEEP, 204, ""},
        {"HTTP/1.1 304 Not Modified\r\n\r\n", RAW_KEEP, 304, ""},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", RAW_KEEP, 404, "none"},
        {"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", RAW_CLOSE, 500, ""},
        {"HTTP/1.0 200 OK\r\n\r\nuntil the end", RAW_CLOSE, 200, "until the end"},
        {"HTTP/1.1 100 Continue\r\nX: no\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\n1", RAW_KEEP,
         201, "1"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: "
         "trailer\r\n\r\n",
         RAW_KEEP, 200, "abcde"},
        {"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", RAW_KEEP, 302, ""},
        {"HTTP/1.1 200\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw", RAW_KEEP, 200, "raw"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call_record r = {0};
        answer_with(&w->unix_server, cases[i].bytes, cases[i].then);
        struct http_request request = http_world_get(w);
        call_run(w, &r, &request);
        assert_false(r.has_failure);
        assert_int_equal(r.status, cases[i].status);
        assert_string_equal(r.body, cases[i].body);
        assert_null(r.header_x);
        call_done(&r);
    }
    assert_int_equal(w->unix_server.request_count, ARRAY_LEN(cases));
}

static void test_a_body_of_the_maximum_is_taken(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    request.max_body_bytes = 5;
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(r.body_len, 5);
    call_done(&r);
}

static void test_a_connection_is_reused(void **state)
{
    struct http_world *w = *state;
    answer_with(&w->unix_server, ok, RAW_KEEP);
    for (int i = 0; i < 3; i++) {
        struct call_record r = {0};
        struct http_request request = http_world_get(w);
        call_run(w, &r, &request);
        assert_false(r.has_failure);
        call_done(&r);
    }
    assert_int_equal(w->unix_server.connection_count, 1);
    assert_int_equal(w->unix_server.open_count, 1);
    assert_int_equal(w->unix_server.request_count, 3);
}

static void test_a_connection_is_not_kept_behind_a_server_error(void **state)
{
    struct http_world *w = *state;
    answer_with(&w->unix_server, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", RAW_KEEP);
    for (int i = 0; i < 2; i++) {
        struct call_record r = {0};
        struct http_request request = http_world_get(w);
        call_run(w, &r, &request);
        assert_int_equal(r.status, 503);
        call_done(&r);
    }
    assert_int_equal(w->unix_server.connection_count, 2);
    assert_int_equal(w->unix_server.open_count, 0);
}

static void test_a_fresh_connection_is_neither_reused_nor_kept(void **state)
{
    struct http_world *w = *state;
    answer_with(&w->unix_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    for (int i = 0; i < 3; i++) {
        struct call_record r = {0};
        request.fresh_connection = i > 0;
        call_run(w, &r, &request);
        assert_false(r.has_failure);
        call_done(&r);
    }
    assert_int_equal(w->unix_server.connection_count, 3);
    assert_int_equal(w->unix_server.open_count, 1);
}

/* --- streaming --- */

static void send_text(struct raw_server *s, const char *text)
{
    assert_non_null(raw_last(s));
    raw_send(raw_last(s), text, strlen(text));
}

static void test_a_streamed_body_comes_in_pieces(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_start(w, &r, &request);
    turn(w);
    send_text(&w->unix_server, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n");
    turn(w);
    assert_int_equal(r.headers_count, 1);
    assert_int_equal(r.headers_status, 200);
    assert_int_equal(r.chunk_count, 0);
    send_text(&w->unix_server, "3\r\nabc\r\n");
    turn(w);
    assert_string_equal(buf_text(&r.chunks), "abc");
    assert_int_equal(r.done_count, 0);
    send_text(&w->unix_server, "2\r\nde\r\n0\r\n\r\n");
    turn(w);
    assert_string_equal(buf_text(&r.chunks), "abcde");
    assert_int_equal(r.done_count, 1);
    assert_int_equal(r.headers_count, 1);
    assert_false(r.has_failure);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "");
    assert_string_equal(r.header_x, "1");
    call_done(&r);
}

static void test_headers_come_before_the_first_chunk(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_run(w, &r, &request);
    assert_int_equal(r.headers_count, 1);
    assert_false(r.headers_after_chunk);
    assert_string_equal(buf_text(&r.chunks), "hello");
    call_done(&r);
}

static void test_a_streamed_body_has_no_maximum(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    size_t len = (size_t)2 * 1024 * 1024;
    char *AUTO_FREE body = check_alloc(len + 1);
    memset(body, 'b', len);
    char *AUTO_FREE bytes = check_printf("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", len, body);
    answer_with(&w->unix_server, bytes, RAW_KEEP);
    struct http_request request = http_world_get(w);
    request_stream(&request);
    request.max_body_bytes = 10;
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(r.chunks.len, len);
    call_done(&r);
}

static void test_an_error_to_a_streamed_call_is_collected(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server, "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone", RAW_KEEP);
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(r.status, 404);
    assert_int_equal(r.headers_status, 404);
    assert_int_equal(r.chunk_count, 0);
    assert_string_equal(r.body, "none");
    call_done(&r);
}

static void test_a_long_error_to_a_streamed_call_is_cut(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    char *AUTO_FREE body = check_alloc(100001);
    memset(body, 'b', 100000);
    char *AUTO_FREE bytes = check_printf("HTTP/1.1 500 No\r\nContent-Length: 99999999\r\n\r\n%s", body);
    answer_with(&w->unix_server, bytes, RAW_KEEP);
    struct http_request request = http_world_get(w);
    request_stream(&request);
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(r.status, 500);
    assert_int_equal(r.body_len, 65536);
    call_done(&r);
}

/* --- redirects --- */

static void test_307_is_followed_with_method_and_body(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    static const struct raw_answer answers[] = {
        {"HTTP/1.1 307 X\r\nLocation: /y/\r\nX: no\r\nContent-Length: 3\r\n\r\nold", RAW_KEEP},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew", RAW_KEEP}};
    raw_server_answer(&w->unix_server, answers, ARRAY_LEN(answers));
    struct http_request request = http_world_get(w);
    request_stream(&request);
    request.method = "PATCH";
    request.body = "{}";
    request.body_len = 2;
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.headers_count, 1);
    assert_int_equal(r.headers_status, 200);
    assert_string_equal(buf_text(&r.chunks), "new");
    assert_null(r.header_x);
    const char *sent = buf_text(&w->unix_server.last_request);
    assert_int_equal(strncmp(sent, "PATCH /y/ HTTP/1.1\r\n", 20), 0);
    assert_has(sent, "\r\n\r\n{}");
    assert_int_equal(w->unix_server.request_count, 2);
    call_done(&r);
}

static void test_redirects_are_limited(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server, "HTTP/1.1 308 X\r\nLocation: /x\r\nContent-Length: 1\r\n\r\nr", RAW_KEEP);
    struct http_request request = http_world_get(w);
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(r.status, 308);
    assert_string_equal(r.body, "r");
    assert_int_equal(w->unix_server.request_count, 4);
    call_done(&r);
}

static void test_redirects_to_other_places_are_answers(void **state)
{
    struct http_world *w = *state;
    static const char *const places[] = {"http://localhost:1/x", "http://elsewhere/x",
                                         "https://localhost:8443/x", "ftp://localhost/x",
                                         "file:///etc/passwd"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct call_record r = {0};
        char *AUTO_FREE bytes =
            check_printf("HTTP/1.1 307 X\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", places[i]);
        answer_with(&w->unix_server, bytes, RAW_KEEP);
        struct http_request request = http_world_get(w);
        request_stream(&request);
        call_run(w, &r, &request);
        assert_false(r.has_failure);
        assert_int_equal(r.status, 307);
        assert_int_equal(r.headers_status, 307);
        call_done(&r);
    }
    assert_int_equal(w->unix_server.request_count, ARRAY_LEN(places));
}

/* To https on the same host; the server here has none, but it sees the second connection. */
static void test_an_upgrade_to_https_is_followed(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server,
                "HTTP/1.1 308 X\r\nLocation: https://LOCALHOST/x\r\nContent-Length: 0\r\n\r\n", RAW_CLOSE);
    struct http_request request = http_world_get(w);
    call_start(w, &r, &request);
    turn(w);
    assert_int_equal(w->unix_server.connection_count, 2);
    assert_int_equal(r.done_count, 0);
    http_cancel(r.call);
    call_done(&r);
}

/* --- more than one call --- */

static void test_a_kept_connection_makes_room_for_another_place(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    http_world_settings(w, &(struct http_settings){.max_connections = 1});
    answer_with(&w->unix_server, ok, RAW_KEEP);
    answer_with(&w->tcp_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    call_run(w, &r, &request);
    assert_int_equal(w->unix_server.open_count, 1);
    call_done(&r);
    request = http_world_tcp(w, "/x");
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    assert_int_equal(w->unix_server.open_count, 0);
    call_done(&r);
}

static void test_calls_beyond_the_connections_wait(void **state)
{
    struct http_world *w = *state;
    struct call_record r[6] = {0};
    http_world_settings(w, &(struct http_settings){.max_connections = 2});
    struct http_request request = http_world_get(w);
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        call_start(w, &r[i], &request);
    turn(w);
    assert_int_equal(w->unix_server.open_count, 2);
    assert_int_equal(w->unix_server.request_count, 2);
    /* The connection that is answered serves the waiting calls one after the other. */
    answer_with(&w->unix_server, ok, RAW_KEEP);
    send_text(&w->unix_server, ok);
    turn(w);
    int done = 0;
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        done += r[i].done_count;
        assert_true(r[i].done_count == 1 ? !r[i].has_failure : true);
    }
    assert_int_equal(done, 5); /* the sixth holds the other connection, which was never answered */
    assert_int_equal(w->unix_server.connection_count, 2);
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        if (r[i].done_count == 0)
            http_cancel(r[i].call);
        call_done(&r[i]);
    }
}

static void test_calls_may_start_in_any_callback(void **state)
{
    struct http_world *w = *state;
    struct call_record r[3] = {0};
    answer_with(&w->unix_server, ok, RAW_KEEP);
    struct http_request request = http_world_get(w);
    r[0].start_other = &r[1];
    r[1].start_other = &r[2]; /* in done */
    request_stream(&request);
    call_run(w, &r[0], &request); /* in headers */
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        assert_int_equal(r[i].done_count, 1);
        assert_false(r[i].has_failure);
        call_done(&r[i]);
    }
    request.on_headers = NULL;
    r[0].start_other = &r[1];
    call_run(w, &r[0], &request); /* in chunk */
    assert_int_equal(r[1].done_count, 1);
    call_done(&r[0]);
    call_done(&r[1]);
}

/* --- what is refused at once, and texts --- */

static void assert_not_started(struct http_world *w, const struct http_request *request, const char *says)
{
    struct err err = {0};
    struct http_call *call = NULL;
    assert_int_equal(http_start(w->http, request, &call, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_null(call);
    assert_has(err.msg, says);
    assert_has_not(err.msg, "hunter2");
    assert_int_equal(http_calls_out(w->http), 0);
}

static void test_bad_requests_are_refused(void **state)
{
    struct http_world *w = *state;
    static const char *const urls[] = {"",
                                       "x",
                                       "ftp://host/x",
                                       "http://",
                                       "http://u:hunter2@h:99999/",
                                       "file:///x",
                                       "http://host/\n",
                                       "http://ho st/"};
    static const char *const methods[] = {"", "get", "GE T", "GET\r\n", "ABCDEFGHIJKLMNOPQRST"};
    static const char *const lines[] = {"A: b\r\nC: d", "no colon hunter2", ": x", "A\n: hunter2"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct http_request request = http_world_get(w);
        request.url = urls[i];
        assert_not_started(w, &request, "URL");
    }
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct http_request request = http_world_get(w);
        request.method = methods[i];
        assert_not_started(w, &request, "method");
    }
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const char *headers[] = {lines[i], NULL};
        struct http_request request = http_world_get(w);
        request.headers = headers;
        assert_not_started(w, &request, "header");
    }
    turn(w);
    assert_int_equal(w->unix_server.connection_count, 0);
}

static void test_retry_after(void **state)
{
    (void)state;
    const int64_t wall_ms = 784111777000 - 10000; /* ten seconds before the example date of RFC 9110 */
    assert_int_equal(http_retry_after_ms("0", wall_ms), 0);
    assert_int_equal(http_retry_after_ms(" 120 ", wall_ms), 120000);
    assert_int_equal(http_retry_after_ms("0.5", wall_ms), 500);
    assert_int_equal(http_retry_after_ms("3.", wall_ms), 3000);
    assert_int_equal(http_retry_after_ms("3601", wall_ms), 3600000);
    assert_int_equal(http_retry_after_ms("99999999999999999999999999", wall_ms), 3600000);
    assert_int_equal(http_retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", wall_ms), 10000);
    assert_int_equal(http_retry_after_ms("Sunday, 06-Nov-94 08:49:37 GMT", wall_ms), 10000);
    assert_int_equal(http_retry_after_ms("Sun Nov  6 08:49:37 1994", wall_ms), 10000);
    assert_int_equal(http_retry_after_ms("Sun, 06 Nov 1994 08:49:37 GMT", wall_ms + 20000), 0);
    assert_int_equal(http_retry_after_ms("Sun, 06 Nov 1999 08:49:37 GMT", wall_ms), 3600000);
    static const char *const bad[] = {"",
                                      "-1",
                                      "soon",
                                      "1e3",
                                      "nan",
                                      "inf",
                                      "0x10",
                                      "1 2",
                                      ".",
                                      ".5",
                                      "Sun, 06 Nov 1994 08:49:37 GMT x",
                                      "Sun, 06 Nov",
                                      "1,5"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(http_retry_after_ms(bad[i], wall_ms), -1);
    assert_int_equal(http_retry_after_ms(NULL, wall_ms), -1);
}

static void test_escape(void **state)
{
    (void)state;
    char *escaped = http_escape("aZ09-._~ /?#%&+\"\xC3\xA4\n");
    assert_string_equal(escaped, "aZ09-._~%20%2F%3F%23%25%26%2B%22%C3%A4%0A");
    free(escaped);
    escaped = http_escape("");
    assert_string_equal(escaped, "");
    free(escaped);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, http_world_setup, http_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_get),
        WORLD_TEST(test_methods_and_bodies),
        WORLD_TEST(test_a_large_body_is_sent_whole),
        WORLD_TEST(test_answers),
        WORLD_TEST(test_a_body_of_the_maximum_is_taken),
        WORLD_TEST(test_a_connection_is_reused),
        WORLD_TEST(test_a_connection_is_not_kept_behind_a_server_error),
        WORLD_TEST(test_a_fresh_connection_is_neither_reused_nor_kept),
        WORLD_TEST(test_a_streamed_body_comes_in_pieces),
        WORLD_TEST(test_headers_come_before_the_first_chunk),
        WORLD_TEST(test_a_streamed_body_has_no_maximum),
        WORLD_TEST(test_an_error_to_a_streamed_call_is_collected),
        WORLD_TEST(test_a_long_error_to_a_streamed_call_is_cut),
        WORLD_TEST(test_307_is_followed_with_method_and_body),
        WORLD_TEST(test_redirects_are_limited),
        WORLD_TEST(test_redirects_to_other_places_are_answers),
        WORLD_TEST(test_an_upgrade_to_https_is_followed),
        WORLD_TEST(test_a_kept_connection_makes_room_for_another_place),
        WORLD_TEST(test_calls_beyond_the_connections_wait),
        WORLD_TEST(test_calls_may_start_in_any_callback),
        WORLD_TEST(test_bad_requests_are_refused),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
