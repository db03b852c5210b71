#include "learning.h"

#include "base/check.h"
#include "config.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* So much of what was learned a kill may lose. */
#define SAVE_EVERY_MS 5000
#define STATUS_UNAVAILABLE 503

static const struct {
    const char *name;
    const struct inflight_kind *kind;
} stages[LEARNING_STAGE_COUNT] = {
    [LEARNING_CREATE] = {"launching:create", &inflight_calls},
    [LEARNING_START] = {"launching:start", &inflight_calls},
    [LEARNING_PULL] = {"pulls:pull", &inflight_pulls},
};

struct measured {
    struct inflight inflight;
    struct inflight_load load;
    bool is_on;  /* its setting is auto */
    bool is_new; /* differs from the file */
    bool is_in_file;
};

struct learning {
    struct store *store;
    const struct clock *clock;
    struct measured stages[LEARNING_STAGE_COUNT];
    int64_t saved_mono_ms; /* 0: not yet */
};

static int load(struct learning *l, struct err *err)
{
    for (int i = 0; i < LEARNING_STAGE_COUNT; i++) {
        char *text = NULL;
        if (store_load_learned(l->store, stages[i].name, &text, err) != 0)
            return -1;
        l->stages[i].is_in_file = text != NULL;
        if (text != NULL && !inflight_from_text(text, &l->stages[i].inflight))
            l->stages[i].is_new = true;
        free(text);
    }
    return 0;
}

int learning_new(struct store *store, const struct clock *clock, const struct config *config,
                 struct learning **out, struct err *err)
{
    struct learning *l = check_alloc(sizeof(*l));
    l->store = store;
    l->clock = clock;
    for (int i = 0; i < LEARNING_STAGE_COUNT; i++)
        l->stages[i].inflight = inflight_make(stages[i].kind, stages[i].kind->first);
    if (load(l, err) != 0) {
        learning_free(l);
        return -1;
    }
    learning_set_config(l, config);
    *out = l;
    return 0;
}

void learning_free(struct learning *l)
{
    free(l);
}

void learning_set_config(struct learning *l, const struct config *config)
{
    for (int i = 0; i < LEARNING_STAGE_COUNT; i++) {
        struct measured *stage = &l->stages[i];
        stage->is_on = i == LEARNING_PULL ? config->pulls_is_auto : config->launching_is_auto;
        if (stage->is_on)
            continue;
        stage->inflight = inflight_make(stages[i].kind, stages[i].kind->first);
        stage->is_new = stage->is_in_file;
    }
}

/* ---- calls ---- */

void learning_begin(struct learning *l, struct learning_call *call, enum learning_stage stage)
{
    *call = (struct learning_call){
        .is_out = true,
        .stage = stage,
        .call = inflight_begin(&l->stages[stage].load, clock_mono_ms(l->clock)),
    };
}

static bool is_overload(const struct failure *failure)
{
    return failure->clock == CLOCK_KIND_INACTIVITY || failure->clock == CLOCK_KIND_TOTAL ||
           failure->status == STATUS_UNAVAILABLE || classify(failure).error_class == ERROR_CLASS_THROTTLED;
}

/* Does this call tell how many suit the engine? A pull that fell silent before anything came tells only that
 * its registry is dead: it must not slow down the pulls from others. */
static bool is_telling(enum learning_stage stage, const struct failure *failure, int64_t work)
{
    if (failure != NULL && !is_overload(failure))
        return false;
    if (stage != LEARNING_PULL)
        return true;
    return failure == NULL ? work >= LEARNING_BYTES_MIN : work > 0 || failure->clock == CLOCK_KIND_NONE;
}

void learning_end(struct learning *l, struct learning_call *call, const struct failure *failure, int64_t work)
{
    if (!call->is_out)
        return;
    struct measured *stage = &l->stages[call->stage];
    int64_t now_ms = clock_mono_ms(l->clock);
    double mean = inflight_end(&stage->load, call->call, now_ms);
    call->is_out = false;
    if (!stage->is_on || !is_telling(call->stage, failure, work))
        return;
    stage->is_new = true;
    if (failure == NULL)
        stage->inflight = inflight_after_success(
            stage->inflight, (struct inflight_sample){call->call.began_ms, now_ms, mean, (double)work});
    else
        stage->inflight = inflight_after_overload(stage->inflight, call->call.began_ms, now_ms);
}

void learning_leave(struct learning *l, struct learning_call *call)
{
    if (!call->is_out)
        return;
    (void)inflight_end(&l->stages[call->stage].load, call->call, clock_mono_ms(l->clock));
    call->is_out = false;
}

int64_t learning_limit(const struct learning *l, enum learning_stage stage)
{
    return inflight_limit(&l->stages[stage].inflight);
}

/* ---- saving ---- */

bool learning_has_news(const struct learning *l)
{
    bool has_news = false;
    for (int i = 0; i < LEARNING_STAGE_COUNT; i++)
        has_news = has_news || l->stages[i].is_new;
    return has_news;
}

static int save(struct learning *l, int i, struct err *err)
{
    const struct inflight *f = &l->stages[i].inflight;
    if (!l->stages[i].is_on)
        return store_forget_learned(l->store, stages[i].name, err);
    char state[INFLIGHT_TEXT_SIZE];
    char from[64];
    inflight_to_text(f, state);
    snprintf(from, sizeof(from), "%lld samples", (long long)f->samples);
    const struct store_learned learned = {.name = stages[i].name,
                                          .class_name = "",
                                          .kind = stages[i].name,
                                          .value = round(f->guess * 10) / 10,
                                          .learned_from = from,
                                          .state = state};
    return store_save_learned(l->store, &learned, err);
}

int learning_save(struct learning *l, bool is_last, struct err *err)
{
    int64_t now_ms = clock_mono_ms(l->clock);
    bool is_early = l->saved_mono_ms != 0 && now_ms - l->saved_mono_ms < SAVE_EVERY_MS;
    if (!learning_has_news(l) || (is_early && !is_last))
        return 0;
    l->saved_mono_ms = now_ms;
    for (int i = 0; i < LEARNING_STAGE_COUNT; i++) {
        if (l->stages[i].is_new && save(l, i, err) != 0)
            return -1;
        l->stages[i].is_new = false;
        l->stages[i].is_in_file = l->stages[i].is_on;
    }
    return 0;
}
