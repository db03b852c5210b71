/*
 * tune_sweep.c - the lives of the sweep: all levels upwards, then all downwards.
 *
 * A step is one pass of one level. It ends when it has had its lives, or its share of the time that is left,
 * and all of them have ended. What a step does not use the later ones get.
 */
#include "tune_internal.h"

#include <stdio.h>

#define FAILED_IN_A_ROW_MAX 5

struct life {
    struct list link; /* sweep.lives */
    struct tune *t;
    struct engine_call *call;
    char container_id[TUNE_CONTAINER_ID_SIZE];
};

static void go_on(struct tune *t);
static void begin_step(struct tune *t);

static bool is_second_pass(const struct tune_sweep *w)
{
    return w->step >= w->count;
}

static struct tune_level *level_of_step(struct tune *t)
{
    const struct tune_sweep *w = &t->sweep;
    return &t->levels[is_second_pass(w) ? TUNE_PASSES * w->count - 1 - w->step : w->step];
}

static int32_t lives_of_step(const struct tune *t)
{
    int32_t first = (t->s.containers + 1) / 2;
    return is_second_pass(&t->sweep) ? t->s.containers - first : first;
}

/* ---- one life ---- */

static void end_life(struct life *life)
{
    list_remove(&life->link);
    free(life);
}

static void note_failure(struct tune *t, const char *what, const struct failure *failure)
{
    struct tune_sweep *w = &t->sweep;
    level_of_step(t)->failures++;
    tune_note_unknown(t, failure);
    if (++w->failed_in_a_row < FAILED_IN_A_ROW_MAX)
        return;
    char text[TUNE_SENTENCE_SIZE];
    char all[TUNE_SENTENCE_SIZE];
    tune_describe(t, what, failure, text);
    snprintf(all, sizeof(all), "%d containers in a row have failed, the last one at %.500s",
             FAILED_IN_A_ROW_MAX, text);
    tune_fail(t, all);
}

/* What could not be removed is left to the cleaner. */
static void on_removed(void *arg, const struct engine_reply *reply)
{
    struct life *life = arg;
    struct tune *t = life->t;
    if (reply->failure == NULL)
        tune_add(level_of_step(t), TUNE_REMOVE, reply->took_ms);
    t->sweep.removing--;
    end_life(life);
    go_on(t);
}

static void remove_container(struct life *life)
{
    struct tune *t = life->t;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->sweep.launching--;
    t->sweep.removing++;
    CHECK(engine_remove(t->s.engine, life->container_id, true, &clocks, on_removed, life, &life->call,
                        &err) == 0);
}

static void on_started(void *arg, const struct engine_reply *reply)
{
    struct life *life = arg;
    struct tune *t = life->t;
    struct tune_sweep *w = &t->sweep;
    struct tune_pass *pass = &level_of_step(t)->passes[is_second_pass(w)];
    if (reply->failure != NULL) {
        note_failure(t, "starting a container", reply->failure);
    } else {
        tune_add(level_of_step(t), TUNE_START, reply->took_ms);
        pass->starts++;
        w->last_start_ms = tune_now_ms(t);
        w->failed_in_a_row = 0;
    }
    remove_container(life);
    go_on(t);
}

static void on_created(void *arg, const struct engine_reply *reply)
{
    struct life *life = arg;
    struct tune *t = life->t;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    if (reply->failure != NULL) {
        note_failure(t, "creating a container", reply->failure);
        t->sweep.launching--;
        end_life(life);
        go_on(t);
        return;
    }
    tune_add(level_of_step(t), TUNE_CREATE, reply->took_ms);
    snprintf(life->container_id, sizeof(life->container_id), "%s", reply->container_id);
    if (t->is_winding_down)
        remove_container(life);
    else
        CHECK(engine_start(t->s.engine, life->container_id, &clocks, on_started, life, &life->call, &err) ==
              0); /* the engine has named it */
}

static void begin_life(struct tune *t)
{
    struct life *life = check_alloc(sizeof(*life));
    life->t = t;
    list_add_last(&t->sweep.lives, &life->link);
    t->sweep.begun++;
    t->sweep.launching++;
    tune_create(t, on_created, life, &life->call);
}

/* ---- steps ---- */

static bool may_begin(struct tune *t)
{
    const struct tune_sweep *w = &t->sweep;
    int32_t in_flight = level_of_step(t)->in_flight;
    return !t->is_winding_down && w->begun < lives_of_step(t) && w->launching < in_flight &&
           w->removing <= in_flight && tune_now_ms(t) < w->step_end_ms;
}

static void end_step(struct tune *t)
{
    struct tune_sweep *w = &t->sweep;
    struct tune_level *level = level_of_step(t);
    struct tune_pass *pass = &level->passes[is_second_pass(w)];
    if (pass->starts > 0)
        pass->took_ms = w->last_start_ms > w->step_begun_ms ? w->last_start_ms - w->step_begun_ms : 1;
    if (t->s.on_pass != NULL && pass->starts > 0)
        t->s.on_pass(t->s.arg, level->in_flight, pass);
    w->step++;
    if (t->is_winding_down || w->step == TUNE_PASSES * w->count || tune_now_ms(t) >= w->end_ms)
        tune_sweep_done(t);
    else
        begin_step(t);
}

static void go_on(struct tune *t)
{
    struct tune_sweep *w = &t->sweep;
    if (t->phase != TUNE_PHASE_SWEEP)
        return; /* a failure has ended it just now */
    while (may_begin(t))
        begin_life(t);
    if (w->launching == 0 && w->removing == 0)
        end_step(t);
}

static void begin_step(struct tune *t)
{
    struct tune_sweep *w = &t->sweep;
    int64_t steps_left = (int64_t)(TUNE_PASSES * w->count - w->step);
    w->begun = 0;
    w->step_begun_ms = w->last_start_ms = tune_now_ms(t);
    w->step_end_ms = w->step_begun_ms + (w->end_ms - w->step_begun_ms) / steps_left;
    go_on(t);
}

void tune_sweep_start(struct tune *t)
{
    struct tune_sweep *w = &t->sweep;
    int64_t left_ms = t->work_timer.deadline_ms - tune_now_ms(t);
    t->phase = TUNE_PHASE_SWEEP;
    /* The last lives take a while to end; pulls want their share. */
    w->end_ms = tune_now_ms(t) + (t->s.pull == NULL ? left_ms * 9 / 10 : left_ms * 6 / 10);
    begin_step(t);
}

void tune_sweep_cancel(struct tune *t)
{
    struct list *link;
    while ((link = list_take_first(&t->sweep.lives)) != NULL) {
        struct life *life = LIST_ITEM(link, struct life, link);
        engine_cancel(life->call);
        end_life(life);
    }
    t->sweep.launching = t->sweep.removing = 0;
}
