/* batch_queue.c - see batch_queue.h. */
#include "api/batch_queue.h"

#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 1000
#define PAUSE_MAX_MS (60 * 1000)

struct item {
    struct list link;
    bool is_minor;
    size_t len;
    char text[];
};

static struct item *item_of(struct list *link)
{
    return LIST_ITEM(link, struct item, link);
}

void batch_queue_init(struct batch_queue *q, const struct batch_limits *limits)
{
    *q = (struct batch_queue){.limits = *limits, .batch_limit = limits->batch_max_count};
    list_init(&q->waiting);
    list_init(&q->batch);
}

static size_t free_items(struct batch_queue *q, struct list *items)
{
    size_t count = 0;
    for (struct list *link; (link = list_take_first(items)) != NULL; count++) {
        q->bytes -= item_of(link)->len;
        free(item_of(link));
    }
    return count;
}

void batch_queue_done(struct batch_queue *q)
{
    (void)free_items(q, &q->waiting);
    (void)free_items(q, &q->batch);
}

/* ---- making room ---- */

static void take_waiting(struct batch_queue *q, struct item *item)
{
    list_remove(&item->link);
    q->waiting_count--;
    q->minor_count -= item->is_minor;
}

/* The oldest minor one, or else the oldest. */
static struct item *least_wanted(struct batch_queue *q)
{
    struct list *link = q->waiting.next;
    if (q->minor_count > 0)
        while (!item_of(link)->is_minor)
            link = link->next;
    return item_of(link);
}

static void drop_waiting(struct batch_queue *q, struct item *item)
{
    take_waiting(q, item);
    q->bytes -= item->len;
    q->dropped++;
    free(item);
}

static bool is_full(const struct batch_queue *q, size_t len)
{
    return batch_queue_count(q) >= q->limits.max_count || q->bytes + len > q->limits.max_bytes;
}

void batch_queue_add(struct batch_queue *q, bool is_minor, const char *text)
{
    size_t len = strlen(text);
    while (is_full(q, len) && q->waiting_count > 0)
        drop_waiting(q, least_wanted(q));
    struct item *item = is_full(q, len) ? NULL : malloc(sizeof(*item) + len + 1);
    if (item == NULL) {
        q->dropped++;
        return;
    }
    item->is_minor = is_minor;
    item->len = len;
    memcpy(item->text, text, len + 1);
    list_add_last(&q->waiting, &item->link);
    q->waiting_count++;
    q->minor_count += is_minor;
    q->bytes += len;
}

size_t batch_queue_count(const struct batch_queue *q)
{
    return q->waiting_count + q->batch_count;
}

bool batch_queue_has_batch(const struct batch_queue *q)
{
    return q->waiting_count >= q->batch_limit || q->bytes >= q->limits.batch_max_bytes;
}

/* ---- batches ---- */

bool batch_queue_fill(struct batch_queue *q)
{
    size_t bytes = 0;
    if (q->batch_count > 0)
        return true;
    while (!list_is_empty(&q->waiting) && q->batch_count < q->batch_limit) {
        struct item *item = item_of(q->waiting.next);
        if (q->batch_count > 0 && bytes + item->len > q->limits.batch_max_bytes)
            break;
        take_waiting(q, item);
        list_add_last(&q->batch, &item->link);
        q->batch_count++;
        bytes += item->len;
    }
    return q->batch_count > 0;
}

int batch_queue_write(const struct batch_queue *q, struct buf *out, struct err *err)
{
    for (struct list *link = q->batch.next; link != &q->batch; link = link->next) {
        const struct item *item = item_of(link);
        if ((link != q->batch.next && buf_add_str(out, ",", err) != 0) ||
            buf_add(out, item->text, item->len, err) != 0)
            return -1;
    }
    return 0;
}

size_t batch_queue_end(struct batch_queue *q)
{
    size_t count = free_items(q, &q->batch);
    q->batch_count = 0;
    return count;
}

void batch_queue_drop_all(struct batch_queue *q)
{
    q->dropped += batch_queue_end(q) + free_items(q, &q->waiting);
    q->waiting_count = 0;
    q->minor_count = 0;
    q->batch_limit = q->limits.batch_max_count;
}

void batch_queue_halve(struct batch_queue *q)
{
    q->batch_limit = q->batch_count / 2;
    while (q->batch_count > q->batch_limit) {
        struct item *item = item_of(q->batch.prev);
        list_remove(&item->link);
        q->batch_count--;
        list_add_last(q->waiting.next, &item->link);
        q->waiting_count++;
        q->minor_count += item->is_minor;
    }
}

bool batch_queue_relax(struct batch_queue *q)
{
    size_t usual = q->limits.batch_max_count;
    q->batch_limit = q->batch_limit * 2 < usual ? q->batch_limit * 2 : usual;
    return q->batch_limit < usual;
}

int64_t batch_pause_ms(int failures, int64_t retry_after_ms)
{
    int64_t pause_ms = PAUSE_MS;
    for (int i = 1; i < failures && pause_ms < PAUSE_MAX_MS; i++)
        pause_ms *= 2;
    if (retry_after_ms > pause_ms)
        pause_ms = retry_after_ms;
    return pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
}
