/*
 * http_curl_call.c - the end of a call: its clocks, its failure, the callbacks to its user.
 *
 * The clocks: connect runs from the start until the request goes out, inactivity from then on and again with
 * every byte moved, total over everything, redirects included. Whatever ends a call (curl's result, a clock,
 * the user) takes it out of curl first; what is to be told waits in http->ready for http_curl_deliver().
 */
#include "api/http_curl_internal.h"

#include "base/memory.h"

#include <event2/event.h>

#include <curl/curl.h>

#include <stdarg.h>
#include <stdio.h>

static void on_connect_clock(void *arg)
{
    http_curl_fail_by_clock(MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC), CLOCK_KIND_CONNECT);
}

static void on_inactivity_clock(void *arg)
{
    http_curl_fail_by_clock(MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC), CLOCK_KIND_INACTIVITY);
}

static void on_total_clock(void *arg)
{
    http_curl_fail_by_clock(MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC), CLOCK_KIND_TOTAL);
}

void http_curl_start_clocks(struct http_call *call)
{
    struct timers *timers = call->http->timers;
    call->connecting_ms = clock_mono_ms(timers_clock(timers));
    if (call->clocks.connect_ms > 0)
        timer_start(timers, &call->connect_timer, call->clocks.connect_ms, on_connect_clock, call);
    if (call->clocks.total_ms > 0 && !timer_is_running(&call->total_timer))
        timer_start(timers, &call->total_timer, call->clocks.total_ms, on_total_clock, call);
}

void http_curl_begin(struct http_call *call)
{
    int64_t now_ms = clock_mono_ms(timers_clock(call->http->timers));
    call->has_begun = true;
    /* Measured here and not asked of curl, so that it is the time that the clock of ours has bounded: with a
     * wait for a free connection, and on `timers`. Without a socket of its own the call is on a kept one. */
    if (call->has_socket)
        call->connect_ms = now_ms - call->connecting_ms;
    call->touched_ms = now_ms;
    http_curl_touch(call);
}

/* The inactivity clock is about to start again, or to end. */
static void note_silence(struct http_call *call)
{
    int64_t now_ms = clock_mono_ms(timers_clock(call->http->timers));
    if (now_ms - call->touched_ms > call->silence_ms)
        call->silence_ms = now_ms - call->touched_ms;
    call->touched_ms = now_ms;
}

void http_curl_touch(struct http_call *call)
{
    if (call->is_finished || !call->has_begun)
        return;
    note_silence(call);
    timer_cancel(&call->connect_timer);
    if (call->clocks.inactivity_ms > 0)
        timer_start(call->http->timers, &call->inactivity_timer, call->clocks.inactivity_ms,
                    on_inactivity_clock, call);
}

void http_curl_mark_ready(struct http_call *call)
{
    if (call->in_callback || !list_is_empty(&call->in_ready))
        return;
    list_add_last(&call->http->ready, &call->in_ready);
    event_active(call->http->deliver_event, EV_TIMEOUT, 0);
}

static void finish(struct http_call *call)
{
    const struct clock *clock = timers_clock(call->http->timers);
    if (call->has_begun)
        note_silence(call);
    call->is_finished = true;
    call->took_ms = clock_mono_ms(clock) - call->started_ms;
    http_curl_detach(call);
    http_curl_mark_ready(call);
}

void http_curl_fail(struct http_call *call, enum transport transport, enum clock_kind clock, bool sent,
                    const char *fmt, ...)
{
    if (call->failure == NULL)
        call->failure = check_alloc(sizeof(*call->failure));
    *call->failure = (struct failure){
        .dependency = call->dependency,
        .stage = call->stage,
        .status = call->status,
        .transport = transport,
        .sent = sent,
        .changes = call->changes,
        .clock = clock,
        .retry_after_ms = -1,
    };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(call->failure->message, sizeof(call->failure->message), fmt, ap);
    va_end(ap);
    finish(call);
}

void http_curl_on_result(struct http_call *call, int curl_code)
{
    call->http->activity++;
    bool is_cut = call->answer_cut && curl_code == CURLE_WRITE_ERROR;
    if ((curl_code != CURLE_OK && !is_cut) || !call->has_headers)
        http_curl_fail_by_code(call, curl_code);
    else if (is_cut || !http_curl_follow(call))
        finish(call);
}

/* --- callbacks to the user --- */

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
    return http_find_header(reply->call->headers.data, reply->call->headers.len, name);
}

static void tell_headers(struct http_call *call)
{
    /* A 307 or 308 may yet be followed; this is known when its body has ended. */
    bool may_be_followed = (call->status == 307 || call->status == 308) && !call->is_finished;
    if (call->on_headers == NULL || call->headers_told || !call->has_headers || may_be_followed)
        return;
    call->headers_told = true;
    call->http->activity++;
    call->on_headers(call->arg, call->status);
}

static void tell_chunk(struct http_call *call)
{
    if (call->is_cancelled || call->chunks.len == 0)
        return;
    /* curl does not run while we are here, so the buffer cannot move; a cancelled call is freed later. */
    call->http->activity++;
    bool go_on = call->on_chunk(call->arg, call->chunks.data, call->chunks.len);
    buf_done(&call->chunks);
    if (!go_on && !call->is_cancelled)
        http_curl_fail(call, TRANSPORT_CANCELLED, CLOCK_KIND_NONE, true,
                       "the answer of %s was not wanted any more", call->where);
}

static void tell_done(struct http_call *call)
{
    if (call->is_cancelled || !call->is_finished)
        return;
    struct http_reply reply = {.status = call->status,
                               .body = buf_text(&call->answer),
                               .body_len = call->answer.len,
                               .took_ms = call->took_ms,
                               .connect_ms = call->connect_ms,
                               .silence_ms = call->silence_ms,
                               .failure = call->failure,
                               .call = call};
    call->http->activity++;
    call->done(call->arg, &reply);
}

static void deliver_one(struct http_call *call)
{
    KILL_REQUEST(answers, call);
    call->in_callback = true;
    tell_headers(call);
    tell_chunk(call);
    tell_done(call);
    call->in_callback = false;
    if (call->is_finished || call->is_cancelled)
        http_curl_call_free(call);
}

void http_curl_deliver(struct http *http)
{
    CHECK(!http->is_delivering);
    http->is_delivering = true;
    bool was_large = false;
    struct list *link;
    while ((link = list_take_first(&http->ready)) != NULL) {
        struct http_call *call = LIST_ITEM(link, struct http_call, in_ready);
        was_large = was_large || call->answer.len >= MEMORY_LARGE_BYTES;
        deliver_one(call);
    }
    http->is_delivering = false;
    if (was_large) /* what its user has made of it is several times as large, in small pieces, and freed by
                      now */
        memory_give_back();
}
