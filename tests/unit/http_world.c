/* http_world.c - see http_world.h. */
#include "tests/unit/http_world.h"

#include <event2/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

int http_world_setup(void **state)
{
    struct http_world *w = check_alloc(sizeof(*w));
    w->base = event_base_new();
    assert_non_null(w->base);
    fake_clock_init(&w->fc);
    w->timers = timers_new(fake_clock_clock(&w->fc));
    http_world_settings(w, &(struct http_settings){0});
    snprintf(w->dir, sizeof(w->dir), "/tmp/sluice-http-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof(w->path), "%s/sock", w->dir);
    raw_server_listen_unix(&w->unix_server, w->base, w->path);
    raw_server_listen_tcp(&w->tcp_server, w->base);
    *state = w;
    return 0;
}

int http_world_teardown(void **state)
{
    struct http_world *w = *state;
    http_free(w->http);
    raw_server_done(&w->unix_server);
    raw_server_done(&w->tcp_server);
    unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0);
    assert_int_equal(timers_next_ms(w->timers), -1);
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    timers_free(w->timers);
    event_base_free(w->base);
    free(w);
    return 0;
}

void http_world_settings(struct http_world *w, const struct http_settings *settings)
{
    struct err err;
    http_free(w->http);
    w->http = NULL;
    assert_int_equal(http_new(w->base, w->timers, settings, &w->http, &err), 0);
}

static void start_other(struct call_record *r)
{
    struct call_record *other = r->start_other;
    r->start_other = NULL;
    if (other == NULL)
        return;
    struct http_request request = http_world_get(r->world);
    call_start(r->world, other, &request);
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct call_record *r = arg;
    assert_non_null(r->call); /* else done came before http_start() had returned */
    r->done_count++;
    r->status = reply->status;
    assert_int_equal(reply->body[reply->body_len], '\0');
    r->body_len = reply->body_len;
    free(r->body);
    r->body = check_strdup(reply->body);
    free(r->header_x);
    r->header_x = check_strdup_or_null(http_reply_header(reply, "x"));
    r->took_ms = reply->took_ms;
    r->connect_ms = reply->connect_ms;
    r->silence_ms = reply->silence_ms;
    r->has_failure = reply->failure != NULL;
    if (reply->failure != NULL)
        r->failure = *reply->failure;
    start_other(r);
    if (r->cancel_in_done)
        http_cancel(r->call);
    if (r->cancel_other != NULL)
        http_cancel(r->cancel_other->call);
}

static void on_headers(void *arg, int status)
{
    struct call_record *r = arg;
    r->headers_count++;
    r->headers_status = status;
    r->headers_after_chunk = r->chunk_count > 0;
    start_other(r);
    if (r->cancel_in_headers)
        http_cancel(r->call);
}

static bool on_chunk(void *arg, const char *data, size_t len)
{
    struct call_record *r = arg;
    struct err err;
    r->chunk_count++;
    assert_int_equal(r->done_count, 0);
    start_other(r);
    if (r->cancel_in_chunk)
        http_cancel(r->call);
    assert_int_equal(buf_add(&r->chunks, data, len, &err), 0);
    return !r->stop_at_chunk;
}

struct http_request http_world_get(const struct http_world *w)
{
    return (struct http_request){.method = "GET",
                                 .url = "http://localhost/x",
                                 .unix_socket = w->path,
                                 .dependency = DEPENDENCY_ENGINE,
                                 .stage = STAGE_CREATE,
                                 .clocks = {.connect_ms = 5000, .inactivity_ms = 60000, .total_ms = 300000},
                                 .done = on_done};
}

struct http_request http_world_tcp(const struct http_world *w, const char *path)
{
    static char url[256];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", w->tcp_server.port, path);
    struct http_request request = http_world_get(w);
    request.url = url;
    request.unix_socket = NULL;
    return request;
}

void request_stream(struct http_request *request)
{
    request->on_chunk = on_chunk;
    request->on_headers = on_headers;
}

void call_start(struct http_world *w, struct call_record *r, const struct http_request *request)
{
    struct err err = {0};
    struct http_request own = *request;
    own.arg = r;
    r->world = w;
    r->chunks.max = SIZE_MAX / 2;
    struct http_call *call = NULL;
    if (http_start(w->http, &own, &call, &err) != 0)
        fail_msg("http_start: %s", err.msg);
    assert_int_equal(r->done_count, 0);
    r->call = call;
}

void call_run(struct http_world *w, struct call_record *r, const struct http_request *request)
{
    call_start(w, r, request);
    turn(w);
    assert_int_equal(r->done_count, 1);
}

void call_done(struct call_record *r)
{
    free(r->body);
    free(r->header_x);
    buf_done(&r->chunks);
    *r = (struct call_record){0};
}

void turn(struct http_world *w)
{
    turn_until_quiet(w->base, w->http);
}

void answer_with(struct raw_server *s, const char *bytes, enum raw_then then)
{
    static struct raw_answer kept[4];
    static size_t next;
    struct raw_answer *slot = &kept[next++ % ARRAY_LEN(kept)];
    *slot = (struct raw_answer){bytes, then};
    raw_server_answer(s, slot, 1);
}

void assert_failure(const struct call_record *r, enum transport transport, bool sent, enum clock_kind clock)
{
    assert_int_equal(r->done_count, 1);
    assert_true(r->has_failure);
    if (r->failure.transport != transport || r->failure.sent != sent || r->failure.clock != clock)
        fail_msg("transport %d instead of %d, sent %d, clock %d: %s", (int)r->failure.transport,
                 (int)transport, r->failure.sent, (int)r->failure.clock, r->failure.message);
    assert_true(r->failure.message[0] != '\0');
    assert_int_equal(r->failure.retry_after_ms, -1);
    assert_int_equal(r->failure.dependency, DEPENDENCY_ENGINE);
    assert_int_equal(r->failure.stage, STAGE_CREATE);
    assert_int_equal(r->failure.status, r->status);
}
