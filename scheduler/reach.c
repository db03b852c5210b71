#include "reach.h"

#include "base/log.h"

/* Single faults pass; what lasts longer is an outage. */
#define AWAY_AFTER_MS 3000
/* How often an absent server is asked, and how long it may take to answer. */
#define PROBE_EVERY_MS 5000
#define PROBE_CLOCK_MS 5000
#define PROBE_SOONEST_MS 250

struct reach {
    struct reach_settings s;
    struct prefect_call *probe;
    struct timer probe_timer;
    struct timer back_timer;
    int64_t probe_began_ms;
    int64_t failing_since_ms; /* mono; first failure since the last answer; -1: the last call was answered */
    int64_t last_answer_ms;   /* mono; when a call was answered last */
    int64_t answered_since_ms;
    int64_t hold_until_ms; /* mono; not before that, the server has asked */
    bool is_away;
};

static void begin_probe(void *arg);

struct reach *reach_new(const struct reach_settings *settings)
{
    struct reach *r = check_alloc(sizeof(*r));
    r->s = *settings;
    r->failing_since_ms = -1;
    return r;
}

void reach_free(struct reach *r)
{
    if (r == NULL)
        return;
    if (r->probe != NULL)
        prefect_cancel(r->probe);
    timer_cancel(&r->probe_timer);
    timer_cancel(&r->back_timer);
    free(r);
}

bool reach_is_away(const struct reach *r)
{
    return r->is_away;
}

static int64_t now_ms(const struct reach *r)
{
    return clock_mono_ms(r->s.clock);
}

/* Nobody who speaks the API has answered. What we ended ourselves says nothing. */
static bool is_silence(const struct failure *f)
{
    if (f == NULL)
        return false;
    bool is_gateways = f->status >= 502 && f->status <= 504;
    return f->transport != TRANSPORT_NONE || is_gateways;
}

static bool says_nothing(const struct failure *f)
{
    return f != NULL && (f->transport == TRANSPORT_CANCELLED || f->transport == TRANSPORT_EMFILE);
}

static void arm_probe(struct reach *r)
{
    int64_t at_ms = r->probe_began_ms + PROBE_EVERY_MS;
    if (at_ms < r->hold_until_ms)
        at_ms = r->hold_until_ms;
    int64_t delay_ms = at_ms - now_ms(r);
    delay_ms = delay_ms < PROBE_SOONEST_MS ? PROBE_SOONEST_MS : delay_ms;
    /* A fifth of jitter, so that not all workers come at once. */
    int64_t jitter_ms = (int64_t)(r->s.random->next(r->s.random->arg) % (uint64_t)(delay_ms / 5 + 1));
    timer_start(r->s.timers, &r->probe_timer, delay_ms - jitter_ms, begin_probe, r);
}

/* Its outcome comes through reach_note(), as that of every call. */
static void on_probed(void *arg, const struct prefect_reply *reply)
{
    struct reach *r = arg;
    (void)reply;
    r->probe = NULL;
    if (r->is_away)
        arm_probe(r);
}

static void begin_probe(void *arg)
{
    struct reach *r = arg;
    if (now_ms(r) < r->hold_until_ms) {
        arm_probe(r);
        return;
    }
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = {PROBE_CLOCK_MS, PROBE_CLOCK_MS, PROBE_CLOCK_MS},
                              .done = on_probed,
                              .arg = r,
                              .call = &r->probe};
    struct err err;
    r->probe_began_ms = now_ms(r);
    CHECK(prefect_get_pool(r->s.prefect, &ask, r->s.pool, &err) == 0);
}

static void on_back_timer(void *arg)
{
    struct reach *r = arg;
    r->s.on_back(r->s.arg, r->answered_since_ms);
}

static void note_silence(struct reach *r, const struct failure *f, int64_t began_ms)
{
    if (f->retry_after_ms > 0 && now_ms(r) + f->retry_after_ms > r->hold_until_ms)
        r->hold_until_ms = now_ms(r) + f->retry_after_ms;
    /* A call that hung while others were answered says nothing of the time before the last answer. */
    if (r->failing_since_ms < 0)
        r->failing_since_ms = began_ms > r->last_answer_ms ? began_ms : r->last_answer_ms;
    if (r->is_away || now_ms(r) - r->failing_since_ms < AWAY_AFTER_MS)
        return;
    r->is_away = true;
    log_warn("Prefect does not answer; asking for it every few seconds",
             kv_s("url", prefect_api_url(r->s.prefect)), kv_int("status", f->status),
             kv_s("transport", transport_name(f->transport)), kv_s("error", f->message));
    timer_cancel(&r->back_timer);
    if (r->probe == NULL)
        arm_probe(r);
}

void reach_note(struct reach *r, const struct failure *f, int64_t began_ms)
{
    if (says_nothing(f))
        return;
    if (is_silence(f)) {
        note_silence(r, f, began_ms);
        return;
    }
    r->failing_since_ms = -1;
    r->last_answer_ms = now_ms(r);
    if (!r->is_away)
        return;
    r->is_away = false;
    r->answered_since_ms = began_ms;
    timer_cancel(&r->probe_timer);
    log_info("Prefect is back");
    /* Whoever it asked to wait, waits. */
    int64_t hold_ms = r->hold_until_ms - now_ms(r);
    timer_start(r->s.timers, &r->back_timer, hold_ms > 0 ? hold_ms : 0, on_back_timer, r);
}
