/*
 * prefect_telemetry_queue.c - one kind of telemetry: its queue, its batches, their tries.
 *
 * Does not know what the items say. waiting -> batch (at most one) -> sent, or dropped and counted. The one
 * timer of a queue is either the collecting time after the first item, or the pause before the batch's next
 * try. What an answer means:
 *
 * - not there (404, 405): the kind is off while prefect_lacks() it, then asked for again by the next item.
 * - refused (400, 413, 422): the batch is halved until the one item that is not liked is alone, and dropped;
 *   if several in a row are refused alone, it is the kind: off.
 * - not carried out (429, 503, not sent): tried again until it works; meanwhile the queue drops its oldest.
 * - unknown (time-out, other 5xx): tried a few times, since it may have been stored each time.
 *
 * The pause grows with each failure, also over batches, up to a minute: a server that hangs is asked rarely.
 */
#include "api/prefect_telemetry_internal.h"

#include <string.h>

enum {
    COLLECT_MS = 1000,
    BATCH_MAX = 200,
    BATCH_MAX_BYTES = 1024 * 1024, /* the smallest limit of a server is 5 MiB */
    REFUSED_MAX = 3,
    TRIES_MAX = 4,
    QUEUE_MAX = 5000,
    QUEUE_MAX_BYTES = 8 * 1024 * 1024
};

void telemetry_queue_init(struct telemetry_queue *q, struct prefect_telemetry *owner, bool is_on,
                          const struct prefect_telemetry_settings *settings)
{
    const struct batch_limits limits = {
        .max_count = settings->queue_max > 0 ? settings->queue_max : QUEUE_MAX,
        .max_bytes = settings->queue_max_bytes > 0 ? settings->queue_max_bytes : QUEUE_MAX_BYTES,
        .batch_max_count = BATCH_MAX,
        .batch_max_bytes = BATCH_MAX_BYTES};
    *q = (struct telemetry_queue){.owner = owner, .is_on = is_on, .collect_ms = COLLECT_MS};
    batch_queue_init(&q->items, &limits);
}

void telemetry_queue_done(struct telemetry_queue *q)
{
    timer_cancel(&q->timer);
    if (q->is_out)
        prefect_cancel(q->call);
    batch_queue_done(&q->items);
}

/* --- batches --- */

static void on_timer(void *arg)
{
    telemetry_queue_send(arg);
}

static void end_batch(struct telemetry_queue *q, uint64_t *counter)
{
    *counter += batch_queue_end(&q->items);
    q->tries = 0;
}

/* Arrange what comes next, when no request is out. */
static void arrange_next(struct telemetry_queue *q, int64_t delay_ms)
{
    if (batch_queue_count(&q->items) > 0)
        timer_start(q->owner->timers, &q->timer, q->owner->is_flushing ? 0 : delay_ms, on_timer, q);
    telemetry_on_progress(q->owner);
}

static void switch_off(struct telemetry_queue *q)
{
    q->refused_count = 0;
    q->tries = 0;
    batch_queue_drop_all(&q->items);
    timer_cancel(&q->timer);
    telemetry_on_progress(q->owner);
}

/* It may have been stored, and may be each time. */
static bool is_unknown(const struct failure *failure)
{
    bool was_carried_out =
        failure->transport == TRANSPORT_NONE && failure->status != 429 && failure->status != 503;
    return failure->sent && (was_carried_out || failure->transport != TRANSPORT_NONE);
}

static void on_failure(struct telemetry_queue *q, bool counts, int64_t retry_after_ms)
{
    q->failures++;
    q->tries += counts;
    if (q->tries >= TRIES_MAX || q->owner->is_flushing)
        end_batch(q, &q->items.dropped);
    arrange_next(q, batch_pause_ms(q->failures, retry_after_ms));
}

static void on_refused(struct telemetry_queue *q)
{
    if (q->items.batch_count > 1) {
        batch_queue_halve(&q->items);
        arrange_next(q, 0);
        return;
    }
    end_batch(q, &q->items.dropped);
    if (++q->refused_count < REFUSED_MAX) {
        arrange_next(q, 0);
        return;
    }
    prefect_note_lack(q->owner->prefect, q->kind);
    switch_off(q);
}

static void on_sent(struct telemetry_queue *q)
{
    end_batch(q, &q->sent);
    q->failures = 0;
    q->refused_count = 0;
    bool is_short = batch_queue_relax(&q->items);
    bool has_more = is_short || q->items.waiting_count >= q->items.batch_limit;
    arrange_next(q, has_more ? 0 : q->collect_ms);
}

static void on_posted(void *arg, const struct prefect_reply *reply)
{
    struct telemetry_queue *q = arg;
    const struct failure *failure = reply->failure;
    bool is_answer = failure != NULL && failure->transport == TRANSPORT_NONE;
    int status = is_answer ? failure->status : 0;
    q->is_out = false;
    if (failure == NULL)
        on_sent(q);
    else if (status == 404 || status == 405)
        switch_off(q);
    else if (status == 400 || status == 413 || status == 422)
        on_refused(q);
    else
        on_failure(q, is_unknown(failure), failure->retry_after_ms);
}

void telemetry_queue_send(struct telemetry_queue *q)
{
    if (q->is_out)
        return;
    timer_cancel(&q->timer);
    if (!batch_queue_fill(&q->items))
        return;
    struct buf body;
    struct err err;
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = q->owner->clocks,
                              .done = on_posted,
                              .arg = q,
                              .call = &q->call,
                              .can_wait = true};
    buf_init(&body, q->items.limits.max_bytes + QUEUE_MAX_BYTES);
    if (buf_add_str(&body, "[", &err) == 0 && batch_queue_write(&q->items, &body, &err) == 0 &&
        buf_add_str(&body, "]", &err) == 0 && q->post(q->owner->prefect, &ask, buf_text(&body), &err) == 0)
        q->is_out = true;
    buf_done(&body);
    if (!q->is_out)
        on_failure(q, true, -1);
}

/* --- adding --- */

void telemetry_queue_add(struct telemetry_queue *q, int level, const char *text)
{
    if (!q->is_on)
        return;
    if (prefect_lacks(q->owner->prefect, q->kind)) {
        q->items.dropped++;
        return;
    }
    batch_queue_add(&q->items, level <= PREFECT_LOG_DEBUG, text);
    if (q->is_out || q->items.batch_count > 0)
        return; /* the batch's end arranges the next */
    if (q->items.waiting_count >= BATCH_MAX)
        timer_start(q->owner->timers, &q->timer, 0, on_timer, q);
    else if (!timer_is_running(&q->timer))
        timer_start(q->owner->timers, &q->timer, q->collect_ms, on_timer, q);
}
