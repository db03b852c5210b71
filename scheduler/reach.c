#include "reach.h"

#include "base/log.h"

/* How long an absent server may take to answer. */
#define PROBE_CLOCK_MS 5000

struct reach {
    struct reach_settings s;
    struct prefect_call *probe;
    struct timer probe_timer;
    struct timer back_timer;
    int64_t answered_since_ms;
    int64_t hold_until_ms; /* mono; not before that, the server has asked */
};

static void arm_probe(struct reach *r);

struct reach *reach_new(const struct reach_settings *settings)
{
    struct reach *r = check_alloc(sizeof(*r));
    r->s = *settings;
    if (reach_is_away(r)) /* it was when we stopped */
        arm_probe(r);
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
    return guard_is_open(r->s.guard);
}

static int64_t now_ms(const struct reach *r)
{
    return clock_mono_ms(r->s.clock);
}

/* Its outcome comes through reach_note(), as that of every call. */
static void on_probed(void *arg, const struct prefect_reply *reply)
{
    struct reach *r = arg;
    (void)reply;
    r->probe = NULL;
    if (reach_is_away(r))
        arm_probe(r);
}

static void begin_probe(void *arg)
{
    struct reach *r = arg;
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = {PROBE_CLOCK_MS, PROBE_CLOCK_MS, PROBE_CLOCK_MS},
                              .done = on_probed,
                              .arg = r,
                              .call = &r->probe};
    struct err err;
    if (guard_wait_ms(r->s.guard) > 0) { /* it has asked to be left alone since */
        arm_probe(r);
        return;
    }
    guard_probe(r->s.guard);
    CHECK(prefect_get_pool(r->s.prefect, &ask, r->s.pool, &err) == 0);
}

static void arm_probe(struct reach *r)
{
    if (r->probe == NULL)
        timer_start(r->s.timers, &r->probe_timer, guard_wait_ms(r->s.guard), begin_probe, r);
}

static void on_back_timer(void *arg)
{
    struct reach *r = arg;
    r->s.on_back(r->s.arg, r->answered_since_ms);
}

static void lose(struct reach *r, const struct failure *f)
{
    log_warn("Prefect does not answer; asking for it every few seconds",
             kv_s("url", prefect_api_url(r->s.prefect)), kv_int("status", f->status),
             kv_s("transport", transport_name(f->transport)), kv_s("error", f->message));
    timer_cancel(&r->back_timer);
    arm_probe(r);
}

static void find(struct reach *r, int64_t began_ms)
{
    r->answered_since_ms = began_ms;
    timer_cancel(&r->probe_timer);
    log_info("Prefect is back");
    /* Whoever it asked to wait, waits. */
    int64_t hold_ms = r->hold_until_ms - now_ms(r);
    timer_start(r->s.timers, &r->back_timer, hold_ms > 0 ? hold_ms : 0, on_back_timer, r);
}

void reach_note(struct reach *r, const struct failure *f, int64_t began_ms)
{
    bool was_away = reach_is_away(r);
    if (f != NULL && f->retry_after_ms > 0 && now_ms(r) + f->retry_after_ms > r->hold_until_ms)
        r->hold_until_ms = now_ms(r) + f->retry_after_ms;
    guard_note(r->s.guard, f, began_ms);
    if (!was_away && reach_is_away(r))
        lose(r, f);
    else if (was_away && !reach_is_away(r))
        find(r, began_ms);
}
