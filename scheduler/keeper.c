#include "keeper.h"

#include "base/log.h"
#include "clocks.h"
#include "core/launch.h"
#include "index.h"

#include <stdio.h>
#include <string.h>

/* In one round of lists: containers removed, and containers that the engine is asked of. */
#define REMOVALS_MAX 20
#define LOOKS_MAX 20

/* What the engine said of one that is in no row. */
struct ended {
    char id[CONTAINER_ID_SIZE];
    int64_t ended_at_ms; /* wall; 0: not known */
};

struct keeper {
    struct engine *engine;
    const struct config *config;
    int64_t now_ms;
    int removals;       /* in this round */
    struct index asked; /* struct ended by id, owned */
    char wanted[LOOKS_MAX][CONTAINER_ID_SIZE];
    size_t wanted_count;
    size_t looked; /* of those wanted */
    struct engine_call *call;
};

struct keeper *keeper_new(struct engine *engine, const struct config *config)
{
    struct keeper *k = check_alloc(sizeof(*k));
    k->engine = engine;
    k->config = config;
    return k;
}

void keeper_free(struct keeper *k)
{
    if (k == NULL)
        return;
    if (k->call != NULL)
        engine_cancel(k->call);
    for (size_t i = 0; i < k->asked.cap; i++)
        free(k->asked.slots[i].value);
    index_done(&k->asked);
    free(k);
}

void keeper_set_config(struct keeper *k, const struct config *config)
{
    k->config = config;
}

void keeper_begin(struct keeper *k, int64_t now_ms)
{
    k->now_ms = now_ms;
    k->removals = 0;
}

static void no_matter(void *arg, const struct engine_reply *reply)
{
    (void)arg;
    if (reply->failure != NULL)
        log_debug("container not removed", kv_int("status", reply->failure->status),
                  kv_s("error", reply->failure->message));
}

void keeper_remove(struct keeper *k, const char *container_id)
{
    struct http_clocks clocks = clocks_for(k->config, "default", STAGE_REMOVE);
    struct err err;
    if (engine_remove(k->engine, container_id, false, &clocks, no_matter, NULL, NULL, &err) != 0)
        log_warn("container not removed", kv_s("container", container_id), kv_s("error", err.msg));
}

/* ---- asking the engine when it ended ---- */

static void look_next(struct keeper *k);

static void on_looked(void *arg, const struct engine_reply *reply)
{
    struct keeper *k = arg;
    k->call = NULL;
    const struct engine_container *c = reply->failure == NULL ? &reply->containers[0] : NULL;
    bool has_ended = c != NULL && c->state == ENGINE_CONTAINER_EXITED && c->finished_at_ms > 0;
    if (has_ended && index_find(&k->asked, c->id) == NULL && strlen(c->id) < CONTAINER_ID_SIZE) {
        struct ended *e = check_alloc(sizeof(*e));
        snprintf(e->id, sizeof(e->id), "%s", c->id);
        e->ended_at_ms = c->finished_at_ms;
        index_put(&k->asked, e->id, e);
    }
    look_next(k);
}

static void look_next(struct keeper *k)
{
    if (k->looked == k->wanted_count) {
        k->looked = 0;
        k->wanted_count = 0;
        return;
    }
    struct http_clocks clocks = clocks_for(k->config, "default", STAGE_INSPECT);
    struct err err;
    if (engine_inspect(k->engine, k->wanted[k->looked++], &clocks, on_looked, k, &k->call, &err) != 0) {
        log_debug("container not looked at", kv_s("error", err.msg));
        look_next(k);
    }
}

/* 0: not known yet. The next list shows it again. */
static int64_t asked_end_ms(struct keeper *k, const char *container_id)
{
    const struct ended *e = index_find(&k->asked, container_id);
    if (e != NULL)
        return e->ended_at_ms;
    if (k->wanted_count == LOOKS_MAX || strlen(container_id) >= CONTAINER_ID_SIZE)
        return 0;
    snprintf(k->wanted[k->wanted_count++], CONTAINER_ID_SIZE, "%s", container_id);
    if (k->call == NULL)
        look_next(k);
    return 0;
}

/* ---- age ---- */

static void forget(struct keeper *k, const char *container_id)
{
    struct ended *e = index_find(&k->asked, container_id);
    if (e == NULL)
        return;
    index_remove(&k->asked, e->id);
    free(e);
}

void keeper_look(struct keeper *k, const struct engine_container *c, int64_t ended_at_ms)
{
    const struct config_class *class_ = config_class_by_name(k->config, c->class_name);
    int64_t keep_ms = class_->keep_containers.ms;
    /* It did not end before it was made. */
    if (keep_ms == 0 || k->now_ms - c->created_at_ms <= keep_ms || k->removals == REMOVALS_MAX)
        return;
    if (ended_at_ms == 0)
        ended_at_ms = asked_end_ms(k, c->id);
    if (ended_at_ms == 0 || k->now_ms - ended_at_ms <= keep_ms)
        return;
    k->removals++;
    log_info("removing an ended container", kv_s("container", c->id), kv_s("name", c->name),
             kv_s("class", class_->name), kv_s("from", class_->keep_containers.from));
    keeper_remove(k, c->id);
    forget(k, c->id);
}
