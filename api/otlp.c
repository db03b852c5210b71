/*
 * otlp.c - see otlp.h, "sending".
 *
 * The one timer is either the collecting time after the first span, or the pause before the batch's next try.
 * Memory: the queue's texts, and the batch twice while it is sent (here and in libcurl).
 */
#include "api/otlp.h"

#include "api/batch_queue.h"
#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX_BYTES ((size_t)512 * 1024)
#define BATCH_MAX_BYTES ((size_t)128 * 1024)
#define ANSWER_MAX_BYTES ((size_t)64 * 1024)
#define HEADERS_MAX 64
/* Of a batch whose answer was lost: it may have been taken each time. */
#define TRIES_MAX 4
#define TROUBLE_SIZE 300

struct otlp {
    struct http *http;
    struct timers *timers;
    char *url;
    char *head;
    char *headers[HEADERS_MAX + 2]; /* NULL-terminated; secret */
    int64_t timeout_ms;
    int64_t batch_ms;
    struct batch_queue spans;
    struct http_call *call; /* NULL: none is out */
    struct timer timer;
    int failures; /* in a row */
    int tries;    /* of the present batch, with a lost answer */
    uint64_t sent;
    char trouble[TROUBLE_SIZE];
    bool is_flushing;
    struct timer flush_timer;
    void (*flush_done)(void *arg);
    void *flush_arg;
};

struct otlp *otlp_new(struct http *http, struct timers *timers, const struct otlp_settings *settings)
{
    struct otlp *o = check_alloc(sizeof(*o));
    const struct batch_limits limits = {.max_count = settings->queue_max,
                                        .max_bytes = QUEUE_MAX_BYTES,
                                        .batch_max_count = settings->batch_max,
                                        .batch_max_bytes = BATCH_MAX_BYTES};
    *o = (struct otlp){.http = http,
                       .timers = timers,
                       .url = check_strdup(settings->url),
                       .head = check_strdup(settings->head_json),
                       .timeout_ms = settings->timeout_ms,
                       .batch_ms = settings->batch_ms};
    size_t count = 0;
    o->headers[count++] = check_strdup("Content-Type: application/json");
    for (size_t i = 0; settings->headers != NULL && settings->headers[i] != NULL && i < HEADERS_MAX; i++)
        o->headers[count++] = check_strdup(settings->headers[i]);
    batch_queue_init(&o->spans, &limits);
    return o;
}

void otlp_free(struct otlp *o)
{
    if (o == NULL)
        return;
    timer_cancel(&o->timer);
    timer_cancel(&o->flush_timer);
    if (o->call != NULL)
        http_cancel(o->call);
    batch_queue_done(&o->spans);
    for (size_t i = 0; o->headers[i] != NULL; i++)
        secret_free(o->headers[i]);
    free(o->url);
    free(o->head);
    free(o);
}

/* ---- what came of a batch ---- */

static void send_batch(struct otlp *o);

static void on_timer(void *arg)
{
    send_batch(arg);
}

static void on_flush_over(void *arg)
{
    struct otlp *o = arg;
    o->is_flushing = false;
    o->flush_done(o->flush_arg);
}

/* From a timer, so that done is never called inside a callback or before the flush has returned. */
static void look_at_flush(struct otlp *o)
{
    if (o->is_flushing && batch_queue_count(&o->spans) == 0)
        timer_start(o->timers, &o->flush_timer, 0, on_flush_over, o);
}

static void arrange_next(struct otlp *o, int64_t delay_ms)
{
    if (batch_queue_count(&o->spans) > 0)
        timer_start(o->timers, &o->timer, o->is_flushing ? 0 : delay_ms, on_timer, o);
    look_at_flush(o);
}

/* A collector may repeat what it was sent. */
static void set_trouble(struct otlp *o, const char *what, const char *detail)
{
    snprintf(o->trouble, sizeof(o->trouble), "%s%s%.200s", what, detail[0] == '\0' ? "" : ": ", detail);
    for (size_t i = 1; o->headers[i] != NULL; i++) {
        const char *value = strchr(o->headers[i], ':');
        secret_hide(o->trouble, value == NULL ? NULL : value + 1 + strspn(value + 1, " "));
    }
}

static void end_batch(struct otlp *o)
{
    o->tries = 0;
    o->spans.dropped += batch_queue_end(&o->spans);
}

static void on_taken(struct otlp *o, const struct http_reply *reply)
{
    char *message;
    uint64_t rejected = otlp_rejected(reply->body, reply->body_len, &message);
    size_t count = batch_queue_end(&o->spans);
    if (rejected > count)
        rejected = count;
    o->sent += count - rejected;
    o->spans.dropped += rejected;
    if (rejected > 0)
        set_trouble(o, "the collector rejected some of a batch", message == NULL ? "" : message);
    free(message);
    o->tries = 0;
    o->failures = 0;
    arrange_next(o, batch_queue_has_batch(&o->spans) ? 0 : o->batch_ms);
}

/* In a flush each batch has one try. */
static void try_again(struct otlp *o, bool was_lost, int64_t retry_after_ms)
{
    o->failures++;
    o->tries += was_lost;
    if (o->tries >= TRIES_MAX || o->is_flushing)
        end_batch(o);
    arrange_next(o, batch_pause_ms(o->failures, retry_after_ms));
}

static bool may_be_repeated(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void on_posted(void *arg, const struct http_reply *reply)
{
    struct otlp *o = arg;
    char status[40];
    o->call = NULL;
    snprintf(status, sizeof(status), "the collector answered %d", reply->status);
    if (reply->failure != NULL) {
        set_trouble(o, reply->failure->message, "");
        try_again(o, reply->failure->sent, -1);
    } else if (reply->status >= 200 && reply->status < 300) {
        on_taken(o, reply);
    } else if (may_be_repeated(reply->status)) {
        const char *retry_after = http_reply_header(reply, "Retry-After");
        set_trouble(o, status, "");
        try_again(o, false,
                  retry_after == NULL
                      ? -1
                      : http_retry_after_ms(retry_after, clock_wall_ms(timers_clock(o->timers))));
    } else {
        set_trouble(o, status, "");
        end_batch(o);
        o->failures++;
        arrange_next(o, batch_pause_ms(o->failures, -1));
    }
}

static int write_body(const struct otlp *o, struct buf *body, struct err *err)
{
    if (buf_add_str(body, o->head, err) != 0 || batch_queue_write(&o->spans, body, err) != 0)
        return -1;
    return buf_add_str(body, otlp_tail_json, err);
}

static void send_batch(struct otlp *o)
{
    struct buf body;
    struct err err;
    if (o->call != NULL || !batch_queue_fill(&o->spans))
        return;
    timer_cancel(&o->timer);
    buf_init(&body, 2 * QUEUE_MAX_BYTES + strlen(o->head));
    int rc = write_body(o, &body, &err);
    struct http_request request = {.method = "POST",
                                   .url = o->url,
                                   .headers = (const char *const *)o->headers,
                                   .body = buf_text(&body),
                                   .body_len = body.len,
                                   .clocks = {.connect_ms = o->timeout_ms, .total_ms = o->timeout_ms},
                                   .max_body_bytes = ANSWER_MAX_BYTES,
                                   .done = on_posted,
                                   .arg = o};
    if (rc == 0)
        rc = http_start(o->http, &request, &o->call, &err);
    buf_done(&body);
    if (rc == 0)
        return;
    o->call = NULL;
    set_trouble(o, err.msg, "");
    end_batch(o);
    arrange_next(o, batch_pause_ms(++o->failures, -1));
}

/* ---- for the owner ---- */

void otlp_add(struct otlp *o, const struct otlp_span *span)
{
    char *text = otlp_span_json(span);
    uint64_t dropped = o->spans.dropped;
    batch_queue_add(&o->spans, false, text);
    free(text);
    if (o->spans.dropped > dropped && o->trouble[0] == '\0')
        set_trouble(o, "spans came faster than the collector takes them", "");
    if (o->call != NULL || o->spans.batch_count > 0)
        return; /* the batch's end arranges the next */
    if (batch_queue_has_batch(&o->spans))
        timer_start(o->timers, &o->timer, 0, on_timer, o);
    else if (!timer_is_running(&o->timer))
        timer_start(o->timers, &o->timer, o->batch_ms, on_timer, o);
}

void otlp_flush(struct otlp *o, int64_t limit_ms, void (*done)(void *arg), void *arg)
{
    CHECK(!o->is_flushing);
    o->is_flushing = true;
    o->flush_done = done;
    o->flush_arg = arg;
    timer_start(o->timers, &o->flush_timer, limit_ms, on_flush_over, o);
    send_batch(o);
    look_at_flush(o);
}

struct otlp_counts otlp_counts(const struct otlp *o)
{
    return (struct otlp_counts){
        .sent = o->sent, .dropped = o->spans.dropped, .queued = batch_queue_count(&o->spans)};
}

const char *otlp_trouble(const struct otlp *o)
{
    return o->trouble;
}
