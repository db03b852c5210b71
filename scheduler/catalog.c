/*
 * catalog.c - two indexes of entries; an entry is read by one request at a time and tells everybody who
 * waits. Entries are few (one per deployment and flow of the pool) and are kept for the life of the process.
 */
#include "catalog.h"

#include "base/list.h"
#include "clocks.h"
#include "index.h"

#include <stdio.h>

struct entry {
    struct catalog *catalog;
    struct list link;
    bool is_deployment;
    bool is_known;
    struct catalog_item item;
    struct prefect_call *call;
    struct timer hold; /* the server has said when it may be asked again, or the retry budget is empty */
    bool has_failed;   /* the last time it was read */
    struct list waits; /* wait.link */
};

struct wait {
    struct list link;
    catalog_done_fn done;
    void *arg;
};

struct catalog {
    struct prefect *prefect;
    struct timers *timers;
    const struct config *config;
    struct guard *guard; /* NULL: none */
    struct index deployments;
    struct index flows;
    struct list entries;
};

struct catalog *catalog_new(struct prefect *prefect, struct timers *timers, const struct config *config)
{
    struct catalog *c = check_alloc(sizeof(*c));
    c->prefect = prefect;
    c->timers = timers;
    c->config = config;
    list_init(&c->entries);
    return c;
}

void catalog_set_guard(struct catalog *catalog, struct guard *guard)
{
    catalog->guard = guard;
}

void catalog_set_config(struct catalog *catalog, const struct config *config)
{
    catalog->config = config;
}

static void replace(char **field, const char *text)
{
    free(*field);
    *field = check_strdup(text);
}

static void free_entry(struct entry *e)
{
    struct list *link;
    while ((link = list_take_first(&e->waits)) != NULL)
        free(LIST_ITEM(link, struct wait, link));
    if (e->call != NULL)
        prefect_cancel(e->call);
    timer_cancel(&e->hold);
    free(e->item.id);
    free(e->item.name);
    free(e->item.flow_id);
    free(e->item.updated);
    free(e->item.job_variables_json);
    free(e);
}

void catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&c->entries)) != NULL)
        free_entry(LIST_ITEM(link, struct entry, link));
    index_done(&c->deployments);
    index_done(&c->flows);
    free(c);
}

static const struct catalog_item *known(const struct index *index, const char *id)
{
    const struct entry *e = index_find(index, id);
    return e != NULL && e->is_known ? &e->item : NULL;
}

const struct catalog_item *catalog_deployment(const struct catalog *catalog, const char *id)
{
    return known(&catalog->deployments, id);
}

const struct catalog_item *catalog_flow(const struct catalog *catalog, const char *id)
{
    return known(&catalog->flows, id);
}

static void read_entry(struct entry *e);

static void on_hold_is_over(void *arg)
{
    struct entry *e = arg;
    if (!list_is_empty(&e->waits))
        read_entry(e);
}

static void keep(struct entry *e, const struct prefect_reply *reply)
{
    e->is_known = true;
    e->item.read_mono_ms = clock_mono_ms(timers_clock(e->catalog->timers)) - reply->took_ms;
    if (e->is_deployment) {
        replace(&e->item.name, reply->deployment->name);
        replace(&e->item.flow_id, reply->deployment->flow_id);
        replace(&e->item.updated, reply->deployment->updated);
        replace(&e->item.job_variables_json, reply->deployment->job_variables_json);
    } else {
        replace(&e->item.name, reply->flow_name);
    }
}

static void on_read(void *arg, const struct prefect_reply *reply)
{
    struct entry *e = arg;
    e->call = NULL;
    e->has_failed = reply->failure != NULL && reply->failure->transport != TRANSPORT_BREAKER_OPEN;
    if (reply->failure == NULL)
        keep(e, reply);
    else if (reply->failure->retry_after_ms > 0)
        timer_start(e->catalog->timers, &e->hold, reply->failure->retry_after_ms, on_hold_is_over, e);
    struct list *link;
    struct list now;
    list_init(&now);
    while ((link = list_take_first(&e->waits)) != NULL)
        list_add_last(&now, link);
    while ((link = list_take_first(&now)) != NULL) {
        struct wait *w = LIST_ITEM(link, struct wait, link);
        catalog_done_fn done = w->done;
        void *done_arg = w->arg;
        free(w);
        done(done_arg, reply->failure, reply->took_ms);
    }
}

static struct entry *entry_of(struct catalog *c, struct index *index, const char *id, bool is_deployment)
{
    struct entry *e = index_find(index, id);
    if (e != NULL)
        return e;
    e = check_alloc(sizeof(*e));
    e->catalog = c;
    e->is_deployment = is_deployment;
    e->item.id = check_strdup(id);
    e->item.name = check_strdup("");
    e->item.flow_id = check_strdup("");
    e->item.updated = check_strdup("");
    e->item.job_variables_json = check_strdup("{}");
    list_init(&e->waits);
    list_add_last(&c->entries, &e->link);
    index_put(index, e->item.id, e);
    return e;
}

static void read_entry(struct entry *e)
{
    struct catalog *c = e->catalog;
    int64_t wait_ms;
    if (e->has_failed && c->guard != NULL && !guard_take(c->guard, &wait_ms)) {
        timer_start(c->timers, &e->hold, wait_ms, on_hold_is_over, e);
        return;
    }
    struct prefect_ask ask = {.stage = STAGE_RESOLVE,
                              .clocks = clocks_for(c->config, "default", STAGE_RESOLVE),
                              .done = on_read,
                              .arg = e,
                              .call = &e->call};
    struct err err;
    int rc = e->is_deployment ? prefect_get_deployment(c->prefect, &ask, e->item.id, &err)
                              : prefect_get_flow(c->prefect, &ask, e->item.id, &err);
    CHECK(rc == 0); /* ids come from the server and are escaped: only no memory is left */
}

static bool want(struct catalog *c, struct index *index, const char *id, bool is_deployment,
                 int64_t max_age_ms, catalog_done_fn done, void *arg)
{
    struct entry *e = entry_of(c, index, id, is_deployment);
    if (e->is_known && clock_mono_ms(timers_clock(c->timers)) - e->item.read_mono_ms <= max_age_ms)
        return true;
    struct wait *w = check_alloc(sizeof(*w));
    w->done = done;
    w->arg = arg;
    list_add_last(&e->waits, &w->link);
    if (e->call == NULL && !timer_is_running(&e->hold))
        read_entry(e);
    return false;
}

bool catalog_want_deployment(struct catalog *catalog, const char *id, int64_t max_age_ms,
                             catalog_done_fn done, void *arg)
{
    return want(catalog, &catalog->deployments, id, true, max_age_ms, done, arg);
}

bool catalog_want_flow(struct catalog *catalog, const char *id, int64_t max_age_ms, catalog_done_fn done,
                       void *arg)
{
    return want(catalog, &catalog->flows, id, false, max_age_ms, done, arg);
}

void catalog_leave(struct catalog *c, const void *arg)
{
    for (struct list *link = c->entries.next; link != &c->entries; link = link->next) {
        struct entry *e = LIST_ITEM(link, struct entry, link);
        for (struct list *w = e->waits.next; w != &e->waits;) {
            struct wait *wait = LIST_ITEM(w, struct wait, link);
            w = w->next;
            if (wait->arg == arg) {
                list_remove(&wait->link);
                free(wait);
            }
        }
    }
}
