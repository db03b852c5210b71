/*
 * tune_warm.c - one container from create to its end before anything is measured: shows that the image can be
 * run at all, and takes the cost of the first time out of the figures.
 */
#include "tune_internal.h"

#include <stdio.h>
#include <string.h>

/* What is wrong with the image, and what to do; message: the engine's words. */
static void fail_image(struct tune *t, const char *message)
{
    char text[TUNE_SENTENCE_SIZE];
    if (t->s.image == NULL)
        snprintf(text, sizeof(text),
                 "the program of the made image does not run on this engine (%.200s); name an image of its "
                 "architecture with --image",
                 message);
    else
        snprintf(text, sizeof(text),
                 "`true` does not run in the image %.150s (%.200s); name an image that has it with --image, "
                 "or leave --image out",
                 t->s.image, message);
    tune_fail(t, text);
}

static void on_removed(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    t->call = NULL;
    if (reply->failure != NULL)
        tune_fail_call(t, "removing a container", reply->failure);
    else
        tune_warm_done(t);
}

static void on_ended(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->call = NULL;
    if (reply->failure != NULL) {
        tune_fail_call(t, "waiting for a container", reply->failure);
        return;
    }
    if (reply->containers[0].exit_code != 0) {
        char text[40];
        snprintf(text, sizeof(text), "exit code %d", (int)reply->containers[0].exit_code);
        fail_image(t, text);
        return;
    }
    if (engine_remove(t->s.engine, t->container_id, true, &clocks, on_removed, t, &t->call, &err) != 0)
        tune_fail(t, err.msg);
}

static void on_started(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->call = NULL;
    if (reply->failure != NULL && reply->failure->status == 400)
        fail_image(t, reply->failure->message);
    else if (reply->failure != NULL)
        tune_fail_call(t, "starting a container", reply->failure);
    else if (!tune_is_over(t) &&
             engine_wait(t->s.engine, t->container_id, &clocks, on_ended, t, &t->call, &err) != 0)
        tune_fail(t, err.msg);
}

static void on_created(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->call = NULL;
    if (reply->failure != NULL) {
        tune_note_unknown(t, reply->failure);
        tune_fail_call(t, "creating a container", reply->failure);
        return;
    }
    if (tune_is_over(t))
        return;
    snprintf(t->container_id, sizeof(t->container_id), "%s", reply->container_id);
    if (engine_start(t->s.engine, t->container_id, &clocks, on_started, t, &t->call, &err) != 0)
        tune_fail(t, err.msg);
}

void tune_warm_start(struct tune *t)
{
    t->phase = TUNE_PHASE_WARM;
    tune_create(t, on_created, t, &t->call);
}
