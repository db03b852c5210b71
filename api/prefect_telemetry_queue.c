/*
 * prefect_telemetry_queue.c - one kind of telemetry: its queue, its batches, their tries.
 *
 * Does not know what the items say. waiting -> batch (at most one) -> sent, or dropped and counted. The one
 * timer of a queue is either the collecting second after the first item, or the pause before the batch's next
 * try.
 */
#include "api/prefect_telemetry_internal.h"

#include "base/buf.h"

#include <string.h>

enum {
    COLLECT_MS = 1000,
    BATCH_MAX = 200,
    BATCH_MAX_BYTES = 1024 * 1024, /* the smallest limit of a server is 5 MiB */
    TRIES_MAX = 4,
    RETRY_MS = 1000, /* doubled with each try */
    RETRY_MAX_MS = 60 * 1000,
    QUEUE_MAX = 5000,
    QUEUE_MAX_BYTES = 8 * 1024 * 1024
};

void telemetry_queue_init(struct telemetry_queue *q, struct prefect_telemetry *owner, bool is_on,
                          const struct prefect_telemetry_settings *settings)
{
    *q = (struct telemetry_queue){.owner = owner,
                                  .is_on = is_on,
                                  .max_count = settings->queue_max > 0 ? settings->queue_max : QUEUE_MAX,
                                  .max_bytes = settings->queue_max_bytes > 0 ? settings->queue_max_bytes
                                                                             : QUEUE_MAX_BYTES};
    list_init(&q->waiting);
    list_init(&q->batch);
}

static void free_items(struct list *items)
{
    struct list *link;
    while ((link = list_take_first(items)) != NULL)
        free(LIST_ITEM(link, struct telemetry_item, link));
}

void telemetry_queue_done(struct telemetry_queue *q)
{
    timer_cancel(&q->timer);
    if (q->is_out)
        prefect_cancel(q->call);
    free_items(&q->waiting);
    free_items(&q->batch);
}

/* --- making room --- */

static bool is_debug(const struct telemetry_item *item)
{
    return item->level <= PREFECT_LOG_DEBUG;
}

static void take_waiting(struct telemetry_queue *q, struct telemetry_item *item)
{
    list_remove(&item->link);
    q->waiting_count--;
    q->debug_count -= is_debug(item);
}

static void drop_waiting(struct telemetry_queue *q, struct telemetry_item *item)
{
    take_waiting(q, item);
    q->bytes -= item->len;
    q->dropped++;
    free(item);
}

/* The oldest debug line, or else the oldest item. */
static struct telemetry_item *least_wanted(struct telemetry_queue *q)
{
    struct list *link = q->waiting.next;
    if (q->debug_count > 0)
        while (!is_debug(LIST_ITEM(link, struct telemetry_item, link)))
            link = link->next;
    return LIST_ITEM(link, struct telemetry_item, link);
}

static bool is_full(const struct telemetry_queue *q, size_t len)
{
    return q->waiting_count + q->batch_count >= q->max_count || q->bytes + len > q->max_bytes;
}

/* --- batches --- */

static void on_timer(void *arg)
{
    telemetry_queue_send(arg);
}

static void end_batch(struct telemetry_queue *q, uint64_t *counter)
{
    struct list *link;
    while ((link = list_take_first(&q->batch)) != NULL) {
        struct telemetry_item *item = LIST_ITEM(link, struct telemetry_item, link);
        q->bytes -= item->len;
        free(item);
    }
    *counter += q->batch_count;
    q->batch_count = 0;
    q->tries = 0;
}

/* Arrange what comes next, when no request is out. */
static void arrange_next(struct telemetry_queue *q, int64_t delay_ms)
{
    if (q->batch_count + q->waiting_count > 0)
        timer_start(q->owner->timers, &q->timer, q->owner->is_flushing ? 0 : delay_ms, on_timer, q);
    telemetry_on_progress(q->owner);
}

/* The server says that it doesn't take this kind at all. */
static bool is_not_taken(const struct failure *failure)
{
    return failure->transport == TRANSPORT_NONE &&
           (failure->status == 404 || failure->status == 405 || failure->status == 422);
}

static void switch_off(struct telemetry_queue *q)
{
    q->is_off_by_server = true;
    end_batch(q, &q->dropped);
    while (!list_is_empty(&q->waiting))
        drop_waiting(q, LIST_ITEM(q->waiting.next, struct telemetry_item, link));
    timer_cancel(&q->timer);
    telemetry_on_progress(q->owner);
}

static int64_t retry_delay_ms(const struct telemetry_queue *q, int64_t retry_after_ms)
{
    int64_t delay_ms = (int64_t)RETRY_MS << (q->tries - 1);
    if (retry_after_ms > delay_ms)
        delay_ms = retry_after_ms;
    return delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS;
}

static void on_failure(struct telemetry_queue *q, int64_t retry_after_ms)
{
    q->tries++;
    if (q->tries < TRIES_MAX && !q->owner->is_flushing) {
        arrange_next(q, retry_delay_ms(q, retry_after_ms));
        return;
    }
    end_batch(q, &q->dropped);
    arrange_next(q, COLLECT_MS);
}

static void on_posted(void *arg, const struct prefect_reply *reply)
{
    struct telemetry_queue *q = arg;
    q->is_out = false;
    if (reply->failure == NULL) {
        end_batch(q, &q->sent);
        arrange_next(q, q->waiting_count >= BATCH_MAX ? 0 : COLLECT_MS);
    } else if (is_not_taken(reply->failure)) {
        switch_off(q);
    } else {
        on_failure(q, reply->failure->retry_after_ms);
    }
}

/* Move the next items into the batch. */
static void fill_batch(struct telemetry_queue *q)
{
    size_t bytes = 0;
    while (!list_is_empty(&q->waiting) && q->batch_count < BATCH_MAX) {
        struct telemetry_item *item = LIST_ITEM(q->waiting.next, struct telemetry_item, link);
        if (q->batch_count > 0 && bytes + item->len > BATCH_MAX_BYTES)
            return;
        take_waiting(q, item);
        list_add_last(&q->batch, &item->link);
        q->batch_count++;
        bytes += item->len;
    }
}

static int write_batch(const struct telemetry_queue *q, struct buf *body, struct err *err)
{
    for (struct list *link = q->batch.next; link != &q->batch; link = link->next) {
        const struct telemetry_item *item = LIST_ITEM(link, struct telemetry_item, link);
        if (buf_add_str(body, link == q->batch.next ? "[" : ",", err) != 0 ||
            buf_add(body, item->text, item->len, err) != 0)
            return -1;
    }
    return buf_add_str(body, "]", err);
}

void telemetry_queue_send(struct telemetry_queue *q)
{
    if (q->is_out || q->is_off_by_server)
        return;
    timer_cancel(&q->timer);
    if (q->batch_count == 0)
        fill_batch(q);
    if (q->batch_count == 0)
        return;
    struct buf body;
    struct err err;
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = q->owner->clocks,
                              .done = on_posted,
                              .arg = q,
                              .call = &q->call,
                              .can_wait = true};
    buf_init(&body, q->max_bytes + QUEUE_MAX_BYTES);
    if (write_batch(q, &body, &err) == 0 && q->post(q->owner->prefect, &ask, buf_text(&body), &err) == 0)
        q->is_out = true;
    buf_done(&body);
    if (!q->is_out)
        on_failure(q, -1);
}

/* --- adding --- */

void telemetry_queue_add(struct telemetry_queue *q, int level, const char *text)
{
    size_t len = strlen(text);
    if (!q->is_on)
        return;
    if (q->is_off_by_server) {
        q->dropped++;
        return;
    }
    while (is_full(q, len) && q->waiting_count > 0)
        drop_waiting(q, least_wanted(q));
    struct telemetry_item *item = is_full(q, len) ? NULL : malloc(sizeof(*item) + len + 1);
    if (item == NULL) {
        q->dropped++;
        return;
    }
    item->level = level;
    item->len = len;
    memcpy(item->text, text, len + 1);
    list_add_last(&q->waiting, &item->link);
    q->waiting_count++;
    q->debug_count += is_debug(item);
    q->bytes += len;
    if (q->is_out || q->batch_count > 0)
        return; /* the batch's end arranges the next */
    if (q->waiting_count >= BATCH_MAX)
        timer_start(q->owner->timers, &q->timer, 0, on_timer, q);
    else if (!timer_is_running(&q->timer))
        timer_start(q->owner->timers, &q->timer, COLLECT_MS, on_timer, q);
}
