/*
 * act_clocks.c - the clocks of a launch's engine calls, and what is learned from what they took.
 *
 * A call that went well is a sample of its stage. One whose total or inactivity clock ran out is none, until
 * it turns out done: a create or start when a look finds it, a connect, stop or removal when its repetition
 * says so. Pulls and looks for images are shared by launches; pulls.c learns from those.
 */
#include "act.h"

#include "clocks.h"

static const struct config_class *class_of(const struct live *live)
{
    return config_class_by_name(act_of(live)->config, live->launch->class_name);
}

/* The clocks of a call that is made now, as what is said of it later needs them. */
static void keep_clocks(struct live *live, enum stage stage, bool is_learned_from)
{
    struct act *act = act_of(live);
    live->call.stage = stage;
    live->call.is_learned_from = is_learned_from;
    live->call.clocks = learned_timeouts_clocks(act->timeouts, class_of(live), stage);
    live->call.grace_ms = 0;
    live->call.sent_mono_ms = clock_mono_ms(act->clock);
    learned_timeouts_from(act->timeouts, class_of(live), stage, CLOCK_KIND_TOTAL, live->call.from);
}

struct http_clocks act_clocks(struct live *live, enum stage stage)
{
    keep_clocks(live, stage, true);
    if (stage != live->late.stage && stage != STAGE_INSPECT)
        live->late.begun_mono_ms = 0;
    return live->call.clocks;
}

void act_shared_clock(struct live *live, enum stage stage)
{
    keep_clocks(live, stage, false);
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
    int64_t seen_ms = clock_mono_ms(act_of(live)->clock) - live->late.begun_mono_ms - live->call.grace_ms;
    learned_timeouts_late(act_of(live)->timeouts, class_of(live), live->late.stage, live->late.clock,
                          live->late.used_ms, seen_ms);
    traces_late(act_of(live)->traces, live, live->late.stage, seen_ms, live->late.used_ms);
    live->late.begun_mono_ms = 0;
}

/* What was not sent can't turn out done. */
static void learn_timeout(struct live *live, const struct failure *failure)
{
    enum clock_kind clock = failure->clock;
    int64_t used_ms = http_clock_ms(&live->call.clocks, clock);
    int64_t silent_since_ms = clock_mono_ms(act_of(live)->clock) - used_ms - live->call.grace_ms;
    learned_timeouts_expired(act_of(live)->timeouts, class_of(live), live->call.stage, clock, used_ms);
    if (!failure->sent || live->late.begun_mono_ms != 0 || live->call.stage == STAGE_INSPECT)
        return;
    live->late.stage = live->call.stage;
    live->late.clock = clock;
    live->late.used_ms = used_ms;
    live->late.begun_mono_ms = clock == CLOCK_KIND_TOTAL ? live->call.sent_mono_ms : silent_since_ms;
}

static int64_t without_grace(const struct live *live, int64_t ms)
{
    return ms > live->call.grace_ms ? ms - live->call.grace_ms : 0;
}

static void learn_good(struct live *live, const struct engine_reply *reply)
{
    enum stage stage = live->call.stage;
    bool was_late = live->late.begun_mono_ms != 0 && live->late.stage == stage;
    struct learned_times times = {reply->connect_ms, without_grace(live, reply->silence_ms),
                                  without_grace(live, reply->took_ms)};
    if (was_late && is_repeated_until_done(stage)) {
        learn_late(live);
        times.silence_ms = times.took_ms = -1; /* "done already" comes at once */
    } else if (was_late) {
        live->late.begun_mono_ms = 0;
    }
    learned_timeouts_done(act_of(live)->timeouts, class_of(live), stage, &times);
}

void act_learn(struct live *live, const struct engine_reply *reply)
{
    if (!live->call.is_learned_from)
        return;
    if (reply->failure == NULL)
        learn_good(live, reply);
    else if (reply->failure->clock != CLOCK_KIND_NONE)
        learn_timeout(live, reply->failure);
}

void act_learn_found(struct live *live, enum run_event_kind found)
{
    if (live->late.begun_mono_ms == 0)
        return;
    bool is_created = live->late.stage == STAGE_CREATE && live->launch->run.state == RUN_STATE_CREATING;
    bool is_started = live->late.stage == STAGE_START && found != RUN_EVENT_FOUND_CREATED;
    if (is_created || is_started)
        learn_late(live);
}
