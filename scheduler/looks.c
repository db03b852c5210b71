/*
 * looks.c - see looks.h.
 *
 * A batch is open until its timer rings or it is full; then its one request is out, and the next look opens
 * another batch. There are two that can be open: for looks that can wait, and for those that can't.
 */
#include "looks.h"

#include "base/list.h"

#include <stdio.h>
#include <string.h>

#define LOOKS_MAX 200
#define GATHER_MS 1000

struct look {
    struct list link; /* batch.looks */
    char flow_run_id[UUID_TEXT_SIZE];
    look_fn fn;
    void *arg;
};

struct batch {
    struct list link; /* looks.batches */
    struct looks *owner;
    struct list looks;
    size_t count;
    bool can_wait;
    struct http_clocks clocks;
    struct timer timer;
    struct prefect_call *call; /* NULL: open */
};

struct looks {
    struct prefect *prefect;
    struct timers *timers;
    struct list batches;
};

struct looks *looks_new(struct prefect *prefect, struct timers *timers)
{
    struct looks *l = check_alloc(sizeof(*l));
    l->prefect = prefect;
    l->timers = timers;
    list_init(&l->batches);
    return l;
}

static void free_batch(struct batch *b)
{
    struct list *link;
    while ((link = list_take_first(&b->looks)) != NULL)
        free(LIST_ITEM(link, struct look, link));
    if (b->call != NULL)
        prefect_cancel(b->call);
    timer_cancel(&b->timer);
    list_remove(&b->link);
    free(b);
}

void looks_free(struct looks *l)
{
    if (l == NULL)
        return;
    while (!list_is_empty(&l->batches))
        free_batch(LIST_ITEM(l->batches.next, struct batch, link));
    free(l);
}

/* What follows a look is decided by the state; one that we don't know is no answer. */
static bool is_readable(const struct prefect_run *run)
{
    return run == NULL || run->state_type != PREFECT_STATE_UNKNOWN || run->state_name[0] == '\0';
}

static void answer(const struct look *look, const struct prefect_reply *reply)
{
    if (reply->failure != NULL) {
        look->fn(look->arg, reply->failure, reply->took_ms, NULL);
        return;
    }
    const struct prefect_run *run = prefect_reply_run(reply, look->flow_run_id);
    if (is_readable(run)) {
        look->fn(look->arg, NULL, reply->took_ms, run);
        return;
    }
    struct failure failure = {.dependency = DEPENDENCY_PREFECT,
                              .stage = STAGE_API,
                              .status = reply->status,
                              .transport = TRANSPORT_BAD_ANSWER,
                              .sent = true,
                              .retry_after_ms = -1};
    snprintf(failure.message, sizeof(failure.message), "field state_type of the flow run is unknown");
    look->fn(look->arg, &failure, reply->took_ms, NULL);
}

static void on_answer(void *arg, const struct prefect_reply *reply)
{
    struct batch *b = arg;
    struct list *link;
    b->call = NULL;
    /* Out of the owner's sight, so that nothing that a callback does can reach it. */
    list_remove(&b->link);
    while ((link = list_take_first(&b->looks)) != NULL) {
        struct look *look = LIST_ITEM(link, struct look, link);
        answer(look, reply);
        free(look);
    }
    free_batch(b);
}

static void send(void *arg)
{
    struct batch *b = arg;
    const char *ids[LOOKS_MAX];
    size_t count = 0;
    for (struct list *link = b->looks.next; link != &b->looks; link = link->next)
        ids[count++] = LIST_ITEM(link, struct look, link)->flow_run_id;
    timer_cancel(&b->timer);
    if (count == 0) {
        free_batch(b);
        return;
    }
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = b->clocks,
                              .done = on_answer,
                              .arg = b,
                              .call = &b->call,
                              .can_wait = b->can_wait};
    struct err err;
    /* Only a URL that can't be is refused, and this one is ours. */
    CHECK(prefect_filter_runs(b->owner->prefect, &ask, ids, count, &err) == 0);
}

static struct batch *open_batch(struct looks *l, bool can_wait, const struct http_clocks *clocks)
{
    for (struct list *link = l->batches.next; link != &l->batches; link = link->next) {
        struct batch *b = LIST_ITEM(link, struct batch, link);
        if (b->call == NULL && b->can_wait == can_wait && b->count < LOOKS_MAX)
            return b;
    }
    struct batch *b = check_alloc(sizeof(*b));
    b->owner = l;
    b->can_wait = can_wait;
    b->clocks = *clocks;
    list_init(&b->looks);
    list_add_last(&l->batches, &b->link);
    timer_start(l->timers, &b->timer, can_wait ? GATHER_MS : 0, send, b);
    return b;
}

struct look *looks_want(struct looks *l, const char *flow_run_id, const struct http_clocks *clocks,
                        bool can_wait, look_fn fn, void *arg)
{
    struct batch *b = open_batch(l, can_wait, clocks);
    struct look *look = check_alloc(sizeof(*look));
    snprintf(look->flow_run_id, sizeof(look->flow_run_id), "%s", flow_run_id);
    look->fn = fn;
    look->arg = arg;
    list_add_last(&b->looks, &look->link);
    if (++b->count == LOOKS_MAX)
        timer_start(l->timers, &b->timer, 0, send, b);
    return look;
}

void looks_leave(struct look *look)
{
    list_remove(&look->link);
    free(look);
}
