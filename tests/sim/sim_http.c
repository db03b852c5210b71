/*
 * sim_http.c - api/http.h without sockets: the clients of the net (sim_net.h).
 *
 * Keeps the promises of http.h: done comes once, never before http_start() has returned, never after
 * http_cancel(); clocks run on `timers`; failures are told in the words that http_curl_failure.c uses for the
 * same thing. Answers are read as bytes: status line, headers, a body with a length, in chunks or none.
 * Redirects are unknown here.
 */
#include "sim_net_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEADERS_MAX_BYTES ((size_t)64 * 1024)
#define ERROR_BODY_MAX_BYTES ((size_t)64 * 1024)
#define BODY_MAX_BYTES ((size_t)16 * 1024 * 1024)

struct http {
    struct sim_net *net;
    struct timers *timers;
    struct list calls;
    size_t call_count;
    uint64_t activity;
};

enum body_form { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_TO_END };

struct http_call {
    struct http *http;
    struct list in_calls;
    struct list in_ready;
    struct wire_exchange *link;  /* NULL: over */
    struct http_request request; /* its pointers are not valid any more */
    char *where;
    struct timer connect_timer;
    struct timer inactivity_timer;
    struct timer total_timer;
    int64_t started_ms;
    int64_t took_ms;
    int64_t connect_ms;
    int64_t touched_ms;
    int64_t silence_ms;
    bool has_begun;
    bool has_line;
    bool has_headers;
    int status;
    struct buf headers; /* lines, each ended by NUL */
    struct buf answer;
    struct buf raw; /* bytes not yet understood */
    enum body_form form;
    size_t body_left; /* LENGTH: of the body; CHUNKED: of the chunk, its CRLF included */
    bool is_finished;
    bool is_cancelled;
    bool in_callback;
    struct failure *failure;
};

int http_new(struct event_base *base, struct timers *timers, const struct http_settings *settings,
             struct http **out, struct err *err)
{
    (void)settings;
    (void)err;
    struct http *http = check_alloc(sizeof(*http));
    *http = (struct http){.net = sim_net_of(base), .timers = timers};
    list_init(&http->calls);
    *out = http;
    return 0;
}

static void detach(struct http_call *call)
{
    timer_cancel(&call->connect_timer);
    timer_cancel(&call->inactivity_timer);
    timer_cancel(&call->total_timer);
    struct wire_exchange *x = STEAL(call->link);
    if (x != NULL)
        sim_net_leave(x);
}

static void free_call(struct http_call *call)
{
    CHECK(!call->in_callback);
    detach(call);
    list_remove(&call->in_ready);
    list_remove(&call->in_calls);
    call->http->call_count--;
    buf_done(&call->headers);
    buf_done(&call->answer);
    buf_done(&call->raw);
    free(call->where);
    free(call->failure);
    free(call);
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    while (!list_is_empty(&http->calls))
        free_call(LIST_ITEM(http->calls.next, struct http_call, in_calls));
    free(http);
}

size_t http_calls_out(const struct http *http)
{
    return http->call_count;
}

uint64_t http_activity(const struct http *http)
{
    return http->activity;
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    return http_find_header(reply->call->headers.data, reply->call->headers.len, name);
}

/* ---- the end ---- */

/* Tell the end; the call is gone afterwards. */
static void tell_done(struct http_call *call)
{
    struct http_reply reply = {.status = call->status,
                               .body = buf_text(&call->answer),
                               .body_len = call->answer.len,
                               .took_ms = call->took_ms,
                               .connect_ms = call->connect_ms,
                               .silence_ms = call->silence_ms,
                               .failure = call->failure,
                               .call = call};
    call->in_callback = true;
    if (!call->is_cancelled)
        call->request.done(call->request.arg, &reply);
    call->in_callback = false;
    free_call(call);
}

static int64_t now_ms(const struct http_call *call)
{
    return clock_mono_ms(timers_clock(call->http->timers));
}

static void note_silence(struct http_call *call)
{
    if (now_ms(call) - call->touched_ms > call->silence_ms)
        call->silence_ms = now_ms(call) - call->touched_ms;
    call->touched_ms = now_ms(call);
}

static void finish(struct http_call *call)
{
    if (call->has_begun)
        note_silence(call);
    call->is_finished = true;
    call->took_ms = now_ms(call) - call->started_ms;
    call->http->activity++;
    detach(call);
}

static void fail(struct http_call *call, enum transport transport, enum clock_kind clock, bool sent,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);
static void fail(struct http_call *call, enum transport transport, enum clock_kind clock, bool sent,
                 const char *fmt, ...)
{
    call->failure = check_alloc(sizeof(*call->failure));
    call->failure->dependency = call->request.dependency;
    call->failure->stage = call->request.stage;
    call->failure->status = call->status;
    call->failure->transport = transport;
    call->failure->sent = sent;
    call->failure->changes = call->request.changes;
    call->failure->clock = clock;
    call->failure->retry_after_ms = -1;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(call->failure->message, sizeof(call->failure->message), fmt, ap);
    va_end(ap);
    finish(call);
}

bool sim_http_tell_one(struct sim_net *net)
{
    struct list *link = list_take_first(&net->ready);
    if (link == NULL)
        return false;
    tell_done(LIST_ITEM(link, struct http_call, in_ready));
    return true;
}

/* A clock ends a call within timers_run(); it is told by the next step. */
static void fail_by_clock(struct http_call *call, enum transport transport, enum clock_kind clock,
                          const char *what, int64_t ms)
{
    fail(call, transport, clock, call->has_begun, "%s %s within %lld ms", what, call->where, (long long)ms);
    list_add_last(&call->http->net->ready, &call->in_ready);
}

static void on_connect_clock(void *arg)
{
    struct http_call *call = arg;
    fail_by_clock(call, TRANSPORT_CONNECT_TIMEOUT, CLOCK_KIND_CONNECT, "no connection to",
                  call->request.clocks.connect_ms);
}

static void on_inactivity_clock(void *arg)
{
    struct http_call *call = arg;
    enum transport transport = call->has_headers ? TRANSPORT_IDLE_TIMEOUT
                               : call->has_line  ? TRANSPORT_PARTIAL_HEADERS
                                                 : TRANSPORT_READ_TIMEOUT;
    fail_by_clock(call, transport, CLOCK_KIND_INACTIVITY, "no answer from",
                  call->request.clocks.inactivity_ms);
}

static void on_total_clock(void *arg)
{
    struct http_call *call = arg;
    fail_by_clock(call, TRANSPORT_TOTAL_TIMEOUT, CLOCK_KIND_TOTAL, "no complete answer from",
                  call->request.clocks.total_ms);
}

static void touch(struct http_call *call)
{
    note_silence(call);
    if (call->request.clocks.inactivity_ms > 0)
        timer_start(call->http->timers, &call->inactivity_timer, call->request.clocks.inactivity_ms,
                    on_inactivity_clock, call);
}

/* ---- the net's word ---- */

void sim_http_connected(struct http_call *call)
{
    call->has_begun = true;
    call->touched_ms = now_ms(call);
    call->connect_ms = call->request.fresh_connection ? call->touched_ms - call->started_ms : -1;
    timer_cancel(&call->connect_timer);
    touch(call);
}

void sim_http_refused(struct http_call *call, enum transport transport)
{
    fail(call, transport, CLOCK_KIND_NONE, false, "cannot connect to %s: refused", call->where);
    tell_done(call);
}

void sim_http_closed(struct http_call *call)
{
    static const enum transport early[] = {TRANSPORT_CLOSED_BEFORE_ANSWER, TRANSPORT_RESET_BEFORE_ANSWER,
                                           TRANSPORT_SEND_FAILED, TRANSPORT_REUSED_CLOSED};
    size_t choices = call->request.fresh_connection ? 3 : 4;
    enum transport transport = call->has_headers ? TRANSPORT_PARTIAL_BODY
                               : call->has_line  ? TRANSPORT_PARTIAL_HEADERS
                                                 : early[sim_net_draw(call->http->net, choices)];
    if (call->has_headers && call->form == BODY_TO_END)
        finish(call);
    else
        fail(call, transport, CLOCK_KIND_NONE, call->has_begun, "connection lost to %s", call->where);
    tell_done(call);
}

/* ---- reading an answer ---- */

static bool is_streamed(const struct http_call *call)
{
    return call->request.on_chunk != NULL && call->status >= 200 && call->status <= 299;
}

static void read_form(struct http_call *call)
{
    const char *length = http_find_header(call->headers.data, call->headers.len, "Content-Length");
    call->body_left = 0;
    if (call->status == 204 || call->status == 304) {
        call->form = BODY_NONE;
    } else if (length != NULL) {
        call->form = BODY_LENGTH;
        call->body_left = strtoul(length, NULL, 10);
    } else if (http_find_header(call->headers.data, call->headers.len, "Transfer-Encoding") != NULL) {
        call->form = BODY_CHUNKED;
    } else {
        call->form = BODY_TO_END;
    }
}

/* The header block, once it is complete. False: it is not. */
static bool read_headers(struct http_call *call)
{
    struct err err;
    const char *end = memmem(call->raw.data, call->raw.len, "\r\n\r\n", 4);
    call->has_line = call->has_line || memmem(call->raw.data, call->raw.len, "\r\n", 2) != NULL;
    if (end == NULL)
        return false;
    size_t len = (size_t)(end - call->raw.data) + 2;
    CHECK(buf_add(&call->headers, call->raw.data, len, &err) == 0);
    buf_consume(&call->raw, len + 2);
    char *data = call->headers.data;
    call->status = (int)strtol(data + strcspn(data, " "), NULL, 10);
    size_t to = 0;
    for (size_t i = 0; i < call->headers.len; i++)
        if (data[i] != '\r')
            data[to++] = data[i] == '\n' ? '\0' : data[i];
    call->headers.len = to;
    call->has_headers = true;
    read_form(call);
    return true;
}

/* Give a piece of the body to whom it belongs. False: the call is over. */
static bool take_body(struct http_call *call, const char *data, size_t len)
{
    struct err err;
    if (len == 0)
        return true;
    if (!is_streamed(call)) {
        bool is_cut = call->request.on_chunk != NULL && len > ERROR_BODY_MAX_BYTES - call->answer.len;
        if (!is_cut && buf_add(&call->answer, data, len, &err) == 0)
            return true;
        fail(call, TRANSPORT_BODY_TOO_LARGE, CLOCK_KIND_NONE, true, "the answer of %s is too large",
             call->where);
        return false;
    }
    if (call->request.on_chunk(call->request.arg, data, len) || call->is_cancelled)
        return !call->is_cancelled;
    fail(call, TRANSPORT_CANCELLED, CLOCK_KIND_NONE, true, "the answer of %s was not wanted any more",
         call->where);
    return false;
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Bytes of the present chunk; its CRLF (the last two of body_left) is dropped. */
static bool take_chunk(struct http_call *call)
{
    size_t of_body = call->body_left > 2 ? min_size(call->body_left - 2, call->raw.len) : 0;
    size_t all = min_size(call->body_left, call->raw.len);
    char *AUTO_FREE piece = check_alloc(of_body + 1);
    memcpy(piece, call->raw.data, of_body);
    buf_consume(&call->raw, of_body > 0 ? of_body : all);
    call->body_left -= of_body > 0 ? of_body : all;
    return take_body(call, piece, of_body);
}

static bool read_chunks(struct http_call *call)
{
    while (call->raw.len > 0) {
        if (call->body_left > 0) {
            if (!take_chunk(call))
                return false;
            continue;
        }
        const char *end = memmem(call->raw.data, call->raw.len, "\r\n", 2);
        if (end == NULL)
            return true;
        size_t size = strtoul(call->raw.data, NULL, 16);
        buf_consume(&call->raw, (size_t)(end - call->raw.data) + 2);
        if (size == 0) {
            finish(call);
            return false;
        }
        call->body_left = size + 2;
    }
    return true;
}

static void read_body(struct http_call *call)
{
    if (call->form == BODY_CHUNKED) {
        (void)read_chunks(call);
        return;
    }
    size_t len = call->form == BODY_LENGTH ? min_size(call->body_left, call->raw.len) : call->raw.len;
    char *AUTO_FREE piece = check_alloc(len + 1);
    memcpy(piece, call->raw.data == NULL ? "" : call->raw.data, len);
    buf_clear(&call->raw);
    call->body_left -= call->form == BODY_LENGTH ? len : 0;
    if (take_body(call, piece, len) && call->form != BODY_TO_END && call->body_left == 0)
        finish(call);
}

void sim_http_receive(struct http_call *call, const char *data, size_t len)
{
    struct err err;
    call->http->activity += len;
    touch(call);
    CHECK(buf_add(&call->raw, data, len, &err) == 0);
    call->in_callback = true;
    bool had_headers = call->has_headers;
    if (call->has_headers || read_headers(call)) {
        if (!had_headers && call->request.on_headers != NULL)
            call->request.on_headers(call->request.arg, call->status);
        if (!call->is_cancelled)
            read_body(call);
    }
    call->in_callback = false;
    if (call->is_finished && !call->is_cancelled)
        tell_done(call);
    else if (call->is_cancelled)
        free_call(call);
}

/* ---- starting ---- */

/* "http://127.0.0.1:4200/api/x" -> "127.0.0.1:4200" and "/api/x". */
static void split_url(const char *url, const char *unix_socket, char **place, const char **target)
{
    const char *host = strstr(url, "://");
    CHECK(host != NULL);
    host += 3;
    *target = strchr(host, '/');
    CHECK(*target != NULL);
    *place =
        unix_socket != NULL ? check_strdup(unix_socket) : check_printf("%.*s", (int)(*target - host), host);
}

int http_start(struct http *http, const struct http_request *request, struct http_call **call,
               struct err *err)
{
    (void)err;
    struct http_call *c = check_alloc(sizeof(*c));
    c->http = http;
    c->request = *request;
    c->started_ms = clock_mono_ms(timers_clock(http->timers));
    buf_init(&c->headers, HEADERS_MAX_BYTES);
    buf_init(&c->answer, request->max_body_bytes > 0 ? request->max_body_bytes : BODY_MAX_BYTES);
    buf_init(&c->raw, BODY_MAX_BYTES);
    list_init(&c->in_ready);
    list_init(&c->in_calls);
    list_add_last(&http->calls, &c->in_calls);
    http->call_count++;
    const char *target;
    split_url(request->url, request->unix_socket, &c->where, &target);
    char *AUTO_FREE body =
        check_printf("%.*s", (int)request->body_len, request->body == NULL ? "" : request->body);
    const struct sim_request r = {
        .http = http, .place = c->where, .method = request->method, .target = target, .body = body};
    c->link = sim_net_connect(http->net, c, &r, request->headers, request->fresh_connection);
    if (request->clocks.connect_ms > 0)
        timer_start(http->timers, &c->connect_timer, request->clocks.connect_ms, on_connect_clock, c);
    if (request->clocks.total_ms > 0)
        timer_start(http->timers, &c->total_timer, request->clocks.total_ms, on_total_clock, c);
    *call = c;
    return 0;
}

void http_give_up(struct http_call *call)
{
    if (call->is_finished || call->is_cancelled || call->has_line)
        return;
    fail(call, call->has_begun ? TRANSPORT_READ_TIMEOUT : TRANSPORT_CONNECT_FAILED, CLOCK_KIND_NONE,
         call->has_begun, "%s has answered later calls, but not this one", call->where);
    list_add_last(&call->http->net->ready, &call->in_ready);
}

void http_cancel(struct http_call *call)
{
    call->is_cancelled = true;
    if (call->in_callback)
        detach(call);
    else
        free_call(call);
}
