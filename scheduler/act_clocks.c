/*
 * act_clocks.c - the clocks of a launch's engine calls, and what is learned from what they took.
 *
 * A call that went well is a sample of its stage. One whose total ran out is none, until it turns out done:
 * a create or start when a look finds it, a connect, stop or removal when its repetition says so. Pulls and
 * looks for images are shared by launches; pulls.c learns from those.
 */
#include "act.h"

#include "clocks.h"

static const struct config_class *class_of(const struct live *live)
{
    return config_class_by_name(act_of(live)->config, live->launch->class_name);
}

/* The total of a call that is made now, as what is said of it later needs it. */
static void keep_clock(struct live *live, enum stage stage, int64_t total_ms, bool is_learned_from)
{
    struct act *act = act_of(live);
    live->call.stage = stage;
    live->call.is_learned_from = is_learned_from;
    live->call.total_ms = total_ms;
    live->call.grace_ms = 0;
    live->call.sent_mono_ms = clock_mono_ms(act->clock);
    learned_timeouts_from(act->timeouts, class_of(live), stage, live->call.from);
}

struct http_clocks act_clocks(struct live *live, enum stage stage)
{
    struct http_clocks clocks = learned_timeouts_clocks(act_of(live)->timeouts, class_of(live), stage);
    keep_clock(live, stage, clocks.total_ms, true);
    if (stage != live->late.stage && stage != STAGE_INSPECT)
        live->late.sent_mono_ms = 0;
    return clocks;
}

void act_shared_clock(struct live *live, enum stage stage)
{
    keep_clock(live, stage, learned_timeouts_total_ms(act_of(live)->timeouts, class_of(live), stage), false);
}

struct http_clocks act_fixed_clocks(struct live *live, enum stage stage)
{
    live->call.is_learned_from = false;
    live->call.from[0] = '\0';
    return clocks_for(act_of(live)->config, live->launch->class_name, stage);
}

/* These are asked for again after a lost answer, and say "done already": such an answer is what a look is to
 * the others. */
static bool is_repeated_until_done(enum stage stage)
{
    return stage == STAGE_NETWORK || stage == STAGE_STOP || stage == STAGE_REMOVE;
}

/* The call that had timed out is done after all. */
static void learn_late(struct live *live)
{
    int64_t seen_ms = clock_mono_ms(act_of(live)->clock) - live->late.sent_mono_ms - live->call.grace_ms;
    learned_timeouts_late(act_of(live)->timeouts, class_of(live), live->late.stage, live->late.used_ms,
                          seen_ms);
    live->late.sent_mono_ms = 0;
}

static void learn_timeout(struct live *live)
{
    learned_timeouts_expired(act_of(live)->timeouts, class_of(live), live->call.stage, live->call.total_ms);
    if (live->late.sent_mono_ms != 0 || live->call.stage == STAGE_INSPECT)
        return;
    live->late.stage = live->call.stage;
    live->late.used_ms = live->call.total_ms;
    live->late.sent_mono_ms = live->call.sent_mono_ms;
}

void act_learn(struct live *live, const struct engine_reply *reply)
{
    enum stage stage = live->call.stage;
    if (!live->call.is_learned_from)
        return;
    bool was_late = live->late.sent_mono_ms != 0 && live->late.stage == stage;
    int64_t took_ms = reply->took_ms - live->call.grace_ms;
    if (reply->failure != NULL && reply->failure->clock == CLOCK_KIND_TOTAL) {
        learn_timeout(live);
    } else if (reply->failure == NULL && was_late && is_repeated_until_done(stage)) {
        learn_late(live);
    } else if (reply->failure == NULL) {
        learned_timeouts_done(act_of(live)->timeouts, class_of(live), stage, took_ms > 0 ? took_ms : 0);
        if (was_late)
            live->late.sent_mono_ms = 0;
    }
}

void act_learn_found(struct live *live, enum run_event_kind found)
{
    if (live->late.sent_mono_ms == 0)
        return;
    bool is_created = live->late.stage == STAGE_CREATE && live->launch->run.state == RUN_STATE_CREATING;
    bool is_started = live->late.stage == STAGE_START && found != RUN_EVENT_FOUND_CREATED;
    if (is_created || is_started)
        learn_late(live);
}
