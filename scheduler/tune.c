#include "tune.h"

#include "tune_image.h"
#include "tune_internal.h"

#include "api/json.h"

#include <stdio.h>
#include <string.h>

#define TUNE_MAGIC 0x74756e65u
#define END_MAX_MS 15000 /* kept for the end */
#define END_SHARE 4      /* but no more than this part of the time */
#define SETTLE_MS 1000   /* what was cut off may land so much later */

int64_t tune_now_ms(const struct tune *t)
{
    return clock_mono_ms(timers_clock(t->s.timers));
}

struct http_clocks tune_clocks(const struct tune *t)
{
    int64_t left_ms = t->limit_ms - tune_now_ms(t);
    left_ms = left_ms > 1 ? left_ms : 1;
    return (struct http_clocks){.connect_ms = left_ms, .total_ms = left_ms};
}

static int64_t end_ms_of(const struct tune *t)
{
    int64_t share_ms = t->s.time_ms / END_SHARE;
    return share_ms < END_MAX_MS ? share_ms : END_MAX_MS;
}

void tune_describe(const struct tune *t, const char *what, const struct failure *failure,
                   char text[static TUNE_SENTENCE_SIZE])
{
    snprintf(text, TUNE_SENTENCE_SIZE, "%s failed (engine %.120s): %.380s", what, engine_host(t->s.engine),
             failure->message);
}

void tune_note_unknown(struct tune *t, const struct failure *failure)
{
    t->may_land_late = t->may_land_late || (failure->sent && failure->status == 0);
}

/* ---- the end ---- */

static void finish(struct tune *t)
{
    t->phase = TUNE_PHASE_ENDED;
    timer_cancel(&t->work_timer);
    timer_cancel(&t->cut_timer);
    timer_cancel(&t->end_timer);
    tune_look(t->levels, t->sweep.count, &t->report.picture);
    t->report.error = t->error[0] == '\0' ? NULL : t->error;
    t->report.pull_error = t->pull_error[0] == '\0' ? NULL : t->pull_error;
    t->report.api_version = engine_api_version(t->s.engine);
    t->report.took_ms = tune_now_ms(t) - t->begun_ms;
    t->s.on_end(t->s.arg, &t->report);
}

static void say_left_behind(struct tune *t, const char *why)
{
    char text[TUNE_SENTENCE_SIZE];
    snprintf(text, sizeof(text),
             "%.200s%scontainers or an image with the label %s may be left (%.200s); the next `sluice tune` "
             "removes them",
             t->error, t->error[0] == '\0' ? "" : "; ", t->label, why);
    memcpy(t->error, text, sizeof(t->error));
}

static void on_cleaned(struct tune *t)
{
    if (t->cleaner.error[0] != '\0')
        say_left_behind(t, t->cleaner.error);
    finish(t);
}

static void clean(struct tune *t)
{
    tune_clean_start(t, t->label, t->may_land_late ? SETTLE_MS : 0, on_cleaned);
}

static void on_pulled_image_removed(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    t->call = NULL;
    if (reply->failure != NULL && reply->failure->status != 404 && t->pull_error[0] == '\0')
        tune_describe(t, "removing the pulled image", reply->failure, t->pull_error);
    clean(t);
}

static void on_end_time(void *arg)
{
    struct tune *t = arg;
    engine_cancel(t->call);
    t->call = NULL;
    tune_sweep_cancel(t);
    tune_clean_cancel(t);
    say_left_behind(t, "the engine did not answer in time");
    finish(t);
}

/* From here on only removals. */
static void go_clean(struct tune *t)
{
    struct http_clocks clocks;
    struct err err;
    t->phase = TUNE_PHASE_CLEAN;
    timer_cancel(&t->work_timer);
    timer_cancel(&t->cut_timer);
    if (!timer_is_running(&t->end_timer))
        timer_start(t->s.timers, &t->end_timer, end_ms_of(t), on_end_time, t);
    t->limit_ms = t->end_timer.deadline_ms;
    clocks = tune_clocks(t);
    if (!t->pull_is_ours || engine_image_remove(t->s.engine, t->s.pull, false, &clocks,
                                                on_pulled_image_removed, t, &t->call, &err) != 0)
        clean(t);
}

bool tune_is_over(struct tune *t)
{
    if (t->is_winding_down)
        go_clean(t);
    return t->is_winding_down;
}

/* ---- the end comes early ---- */

/* What is out has had its time. */
static void on_cut_time(void *arg)
{
    struct tune *t = arg;
    t->may_land_late = true;
    engine_cancel(t->call);
    t->call = NULL;
    tune_sweep_cancel(t);
    go_clean(t);
}

/* Nothing new begins. A call that changes something may end first, or its effect could come after the
 * cleaning; others are cancelled. */
static void wind_down(struct tune *t)
{
    if (t->is_winding_down || t->phase >= TUNE_PHASE_CLEAN)
        return;
    t->is_winding_down = true;
    timer_cancel(&t->work_timer);
    if (t->phase <= TUNE_PHASE_OLD) {
        engine_cancel(t->call);
        t->call = NULL;
        tune_clean_cancel(t);
        finish(t);
        return;
    }
    timer_start(t->s.timers, &t->cut_timer, end_ms_of(t) / 2, on_cut_time, t);
    timer_start(t->s.timers, &t->end_timer, end_ms_of(t), on_end_time, t);
    t->limit_ms = t->end_timer.deadline_ms;
    if (t->phase == TUNE_PHASE_PULL) {
        engine_cancel(t->call);
        t->call = NULL;
        go_clean(t);
    }
}

void tune_fail(struct tune *t, const char *sentence)
{
    if (t->error[0] == '\0')
        snprintf(t->error, sizeof(t->error), "%s", sentence);
    wind_down(t);
    /* These have no call out any more whose end would be waited for. */
    if (t->phase == TUNE_PHASE_IMAGE || t->phase == TUNE_PHASE_WARM)
        go_clean(t);
}

void tune_fail_call(struct tune *t, const char *what, const struct failure *failure)
{
    char text[TUNE_SENTENCE_SIZE];
    tune_describe(t, what, failure, text);
    tune_fail(t, text);
}

/* The time for work is used up; only before the sweep that is a failure. */
static void on_work_time(void *arg)
{
    struct tune *t = arg;
    if (t->phase < TUNE_PHASE_SWEEP)
        snprintf(t->error, sizeof(t->error), "the engine (%.120s) has not %s within %lld s",
                 engine_host(t->s.engine),
                 t->phase == TUNE_PHASE_PING ? "told its version" : "made an image and run one container",
                 (long long)((t->s.time_ms - end_ms_of(t)) / 1000));
    else if (t->phase == TUNE_PHASE_PULL)
        snprintf(t->pull_error, sizeof(t->pull_error),
                 "pulling %.200s was not done in the time that was left", t->s.pull);
    wind_down(t);
}

void tune_stop(struct tune *t)
{
    if (t->phase == TUNE_PHASE_ENDED)
        return;
    if (t->is_winding_down || t->phase == TUNE_PHASE_CLEAN) {
        on_end_time(t);
        return;
    }
    snprintf(t->error, sizeof(t->error), "stopped before the end");
    wind_down(t);
}

/* ---- the order of things ---- */

void tune_pull_done(struct tune *t)
{
    go_clean(t);
}

void tune_sweep_done(struct tune *t)
{
    if (!tune_is_over(t) && t->s.pull != NULL)
        tune_pull_start(t);
    else if (!t->is_winding_down)
        go_clean(t);
}

void tune_warm_done(struct tune *t)
{
    if (!tune_is_over(t))
        tune_sweep_start(t);
}

static void on_image(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    t->call = NULL;
    if (reply->failure == NULL) {
        if (!tune_is_over(t))
            tune_warm_start(t);
    } else if (t->s.image != NULL && reply->failure->status == 404) {
        char text[TUNE_SENTENCE_SIZE];
        snprintf(text, sizeof(text),
                 "the image %.300s is not on the engine: pull it first, or leave --image out", t->s.image);
        tune_fail(t, text);
    } else {
        tune_fail_call(t, t->s.image == NULL ? "making an image" : "looking for the image", reply->failure);
    }
}

static void make_image(struct tune *t)
{
    size_t len;
    char *AUTO_FREE tar = tune_image_tar(&len);
    struct engine_import import = {.name = t->image_name, .label = t->label, .tar = tar, .tar_len = len};
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    CHECK(engine_image_import(t->s.engine, &import, &clocks, on_image, t, &t->call, &err) == 0);
}

static void on_old_gone(struct tune *t)
{
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    t->report.found = t->cleaner.removed;
    if (t->cleaner.error[0] != '\0') {
        tune_fail(t, t->cleaner.error);
        return;
    }
    t->phase = TUNE_PHASE_IMAGE;
    if (t->s.image == NULL)
        make_image(t);
    else if (engine_image_inspect(t->s.engine, t->s.image, &clocks, on_image, t, &t->call, &err) != 0)
        tune_fail(t, err.msg);
}

static void on_ping(void *arg, const struct engine_reply *reply)
{
    struct tune *t = arg;
    t->call = NULL;
    if (reply->failure != NULL) {
        tune_fail_call(t, "asking for the version", reply->failure);
        return;
    }
    snprintf(t->engine_version, sizeof(t->engine_version), "%s", reply->version);
    if (t->s.dry_run) {
        finish(t);
        return;
    }
    t->phase = TUNE_PHASE_OLD;
    tune_clean_start(t, TUNE_LABEL, 0, on_old_gone);
}

void tune_create(struct tune *t, engine_done_fn done, void *arg, struct engine_call **call)
{
    struct http_clocks clocks = tune_clocks(t);
    struct err err;
    struct json *body = json_new_object();
    struct json *labels = json_new_object();
    struct json *host = json_new_object();
    struct json *entrypoint = json_new_array();
    json_set_text(body, "Image", t->s.image == NULL ? t->image_name : t->s.image);
    json_take_add(entrypoint, json_new_text(t->s.image == NULL ? TUNE_IMAGE_PROGRAM : "true"));
    json_take_set(body, "Entrypoint", entrypoint);
    json_set_text(labels, TUNE_LABEL, t->id);
    json_take_set(body, "Labels", labels);
    json_set_text(host, "NetworkMode", t->s.network);
    json_take_set(body, "HostConfig", host);
    char *AUTO_FREE text = json_write(body);
    char *AUTO_FREE name = check_printf("sluice-tune-%s-%d", t->id, ++t->containers_made);
    json_free(body);
    CHECK(engine_create(t->s.engine, name, NULL, text, &clocks, done, arg, call, &err) == 0);
}

void tune_start(struct tune *t)
{
    struct err err;
    int64_t work_ms = t->s.time_ms - end_ms_of(t);
    t->begun_ms = tune_now_ms(t);
    t->limit_ms = t->begun_ms + t->s.time_ms;
    timer_start(t->s.timers, &t->work_timer, work_ms, on_work_time, t);
    struct http_clocks clocks = tune_clocks(t);
    CHECK(engine_ping(t->s.engine, &clocks, on_ping, t, &t->call, &err) == 0);
}

struct tune *tune_new(const struct tune_settings *settings)
{
    struct tune *t = check_alloc(sizeof(*t));
    CHECK(settings->time_ms >= TUNE_TIME_MIN_MS && settings->containers >= TUNE_CONTAINERS_MIN &&
          settings->containers <= TUNE_SAMPLES_MAX);
    *t = (struct tune){.magic = TUNE_MAGIC, .s = *settings};
    list_init(&t->sweep.lives);
    snprintf(t->id, sizeof(t->id), "%016llx",
             (unsigned long long)settings->random->next(settings->random->arg));
    snprintf(t->label, sizeof(t->label), "%s=%s", TUNE_LABEL, t->id);
    snprintf(t->image_name, sizeof(t->image_name), "sluice-tune:%s", t->id);
    int32_t in_flight[TUNE_LEVELS_MAX];
    t->sweep.count = tune_plan(settings->containers, in_flight);
    for (size_t i = 0; i < t->sweep.count; i++)
        t->levels[i].in_flight = in_flight[i];
    t->report = (struct tune_report){.id = t->id,
                                     .engine_host = engine_host(settings->engine),
                                     .engine_version = t->engine_version,
                                     .api_version = "",
                                     .image = settings->image,
                                     .network = settings->network,
                                     .levels = t->levels,
                                     .pull_image = settings->pull};
    return t;
}

void tune_free(struct tune *t)
{
    if (t == NULL)
        return;
    CHECK(t->magic == TUNE_MAGIC);
    engine_cancel(t->call);
    tune_sweep_cancel(t);
    tune_clean_cancel(t);
    timer_cancel(&t->work_timer);
    timer_cancel(&t->cut_timer);
    timer_cancel(&t->end_timer);
    free(t);
}
