/*
 * tune_clean.c - removes what carries a label: containers first, since an image with containers can't go.
 *
 * One at a time: there are a few at most, and the last thing an engine in trouble needs is haste. What could
 * not be removed is tried again in the next round.
 */
#include "tune_internal.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS_MAX 5
#define ROUND_PAUSE_MS 300

static void look(void *arg);

static void forget_ids(struct tune_cleaner *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->ids[i]);
    free(c->ids);
    c->ids = NULL;
    c->count = c->next = 0;
}

static void end(struct tune *t)
{
    forget_ids(&t->cleaner);
    t->cleaner.done(t);
}

static void next_round(struct tune *t)
{
    struct tune_cleaner *c = &t->cleaner;
    bool went_wrong = c->error[0] != '\0';
    if (went_wrong && ++c->round >= ROUNDS_MAX)
        end(t);
    else
        timer_start(t->s.timers, &c->timer, went_wrong ? ROUND_PAUSE_MS : 0, look, t);
}

static void remove_next(struct tune *t);

static void on_removed(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    struct tune_cleaner *c = &t->cleaner;
    c->call = NULL;
    bool is_gone = reply->failure == NULL || reply->failure->status == 404;
    c->removed += reply->failure == NULL;
    if (!is_gone)
        tune_describe(t, c->at_images ? "removing an image" : "removing a container", reply->failure,
                      c->error);
    remove_next(t);
}

static void remove_next(struct tune *t)
{
    struct tune_cleaner *c = &t->cleaner;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    if (c->next == c->count) {
        forget_ids(c);
        next_round(t);
        return;
    }
    const char *id = c->ids[c->next++];
    int rc = c->at_images ? engine_image_remove(t->s.engine, id, true, &clocks, on_removed, t, &c->call, &err)
                          : engine_remove(t->s.engine, id, true, &clocks, on_removed, t, &c->call, &err);
    if (rc == 0)
        return;
    snprintf(c->error, sizeof(c->error), "%s", err.msg);
    remove_next(t);
}

static void on_listed(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    struct tune_cleaner *c = &t->cleaner;
    c->call = NULL;
    if (reply->failure != NULL) {
        tune_describe(t, "looking for what a tune has left", reply->failure, c->error);
        next_round(t);
        return;
    }
    if (reply->count == 0 && c->at_images) {
        end(t);
        return;
    }
    c->at_images = c->at_images || reply->count == 0;
    if (reply->count == 0) {
        look(t);
        return;
    }
    c->ids = check_alloc(reply->count * sizeof(*c->ids));
    for (; c->count < reply->count; c->count++)
        c->ids[c->count] =
            check_strdup(c->at_images ? reply->image_ids[c->count] : reply->containers[c->count].id);
    remove_next(t);
}

static void look(void *arg)
{
    struct tune *t = arg;
    struct tune_cleaner *c = &t->cleaner;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    c->error[0] = '\0';
    int rc = c->at_images ? engine_image_list(t->s.engine, c->label, &clocks, on_listed, t, &c->call, &err)
                          : engine_list(t->s.engine, c->label, &clocks, on_listed, t, &c->call, &err);
    CHECK(rc == 0);
}

void tune_clean_start(struct tune *t, const char *label, int64_t settle_ms, tune_fn done)
{
    struct tune_cleaner *c = &t->cleaner;
    *c = (struct tune_cleaner){.done = done};
    snprintf(c->label, sizeof(c->label), "%s", label);
    timer_start(t->s.timers, &c->timer, settle_ms, look, t);
}

void tune_clean_cancel(struct tune *t)
{
    timer_cancel(&t->cleaner.timer);
    engine_cancel(t->cleaner.call);
    t->cleaner.call = NULL;
    forget_ids(&t->cleaner);
}
