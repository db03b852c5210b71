/*
 * tune_pull.c - pulls the named image, and times it.
 *
 * An image that is here already is pulled once, which only asks the registry, and stays. One that was not is
 * removed after each pull, so that the next one fetches it again. Without force: somebody may use it by now.
 */
#include "tune_internal.h"

#include <stdio.h>

#define PULLS_MAX 3

static void on_pulled(void *arg, const struct engine_reply *reply);

static void end_with(struct tune *t, const char *what, const struct failure *failure)
{
    tune_describe(t, what, failure, t->pull_error);
    tune_pull_done(t);
}

static void begin_pull(struct tune *t)
{
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->pull_is_ours = !t->report.pulls.was_there;
    if (engine_pull(t->s.engine, t->s.pull, NULL, NULL, &clocks, on_pulled, t, &t->call, &err) == 0)
        return;
    snprintf(t->pull_error, sizeof(t->pull_error), "%s", err.msg);
    t->pull_is_ours = false;
    tune_pull_done(t);
}

static void on_removed(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    t->call = NULL;
    if (reply->failure != NULL) {
        end_with(t, "removing the pulled image", reply->failure);
        return;
    }
    t->pull_is_ours = false;
    int64_t end_ms = t->work_timer.deadline_ms;
    bool is_enough = t->report.pulls.count >= PULLS_MAX || t->is_winding_down ||
                     tune_now_ms(t) + 2 * t->report.pulls.longest_ms > end_ms;
    if (is_enough)
        tune_pull_done(t);
    else
        begin_pull(t);
}

static void on_pulled(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    struct tune_pulls *pulls = &t->report.pulls;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->call = NULL;
    if (reply->failure != NULL) {
        end_with(t, "pulling", reply->failure);
        return;
    }
    pulls->count++;
    pulls->longest_ms = reply->took_ms > pulls->longest_ms ? reply->took_ms : pulls->longest_ms;
    if (pulls->was_there ||
        engine_image_remove(t->s.engine, t->s.pull, false, &clocks, on_removed, t, &t->call, &err) != 0)
        tune_pull_done(t);
}

static void on_looked(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    t->call = NULL;
    t->report.pulls.was_there = reply->failure == NULL;
    if (reply->failure != NULL && reply->failure->status != 404)
        end_with(t, "looking for the image to pull", reply->failure);
    else
        begin_pull(t);
}

void tune_pull_start(struct tune *t)
{
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->phase = TUNE_PHASE_PULL;
    if (engine_image_inspect(t->s.engine, t->s.pull, &clocks, on_looked, t, &t->call, &err) == 0)
        return;
    snprintf(t->pull_error, sizeof(t->pull_error), "%s", err.msg);
    tune_pull_done(t);
}
