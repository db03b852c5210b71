#include "leases.h"

#include "base/log.h"
#include "clocks.h"
#include "core/lease.h"

#include <string.h>

#define LOOK_MS 5000
/* Renewals must not stand in the way of claims. */
#define CALLS_MAX 4

struct leases {
    struct leases_settings s;
    struct timer timer;
    int calls_out;
};

static void look(void *arg);

struct leases *leases_new(const struct leases_settings *settings)
{
    struct leases *l = check_alloc(sizeof(*l));
    l->s = *settings;
    timer_start(l->s.timers, &l->timer, 0, look, l);
    return l;
}

void leases_free(struct leases *leases)
{
    if (leases == NULL)
        return;
    timer_cancel(&leases->timer);
    free(leases);
}

void leases_set_config(struct leases *leases, const struct config *config)
{
    leases->s.config = config;
}

void leases_forget(struct leases *leases, struct live *live)
{
    if (live->lease_call == NULL)
        return;
    prefect_cancel(live->lease_call);
    live->lease_call = NULL;
    leases->calls_out--;
}

static struct leases *leases_of(const struct live *live)
{
    return live->leases;
}

/* Before 3.6 it is 404, but with words of its own. */
static bool is_gone(const struct failure *f)
{
    return f->status == 410 || (f->status == 404 && strcmp(f->message, "Lease not found") == 0);
}

static void judge_failure(struct leases *l, struct live *live, const struct prefect_reply *reply)
{
    const struct failure *f = reply->failure;
    runner_record_timeout(l->s.runner, f, reply->took_ms);
    if (is_gone(f) && live->launch->run.start_sent) {
        live->is_lease_lost = true;
        log_info(
            "the lease of a started run is over: the run has begun, or ended, or its slot was given away",
            kv_s("run", live->launch->flow_run_id), kv_s("lease", live->launch->lease_id));
    } else if (is_gone(f)) {
        live->is_lease_lost = true;
        log_warn("the server has given the concurrency slot of a claimed run away",
                 kv_s("run", live->launch->flow_run_id), kv_s("name", live->launch->run_name),
                 kv_s("lease", live->launch->lease_id), kv_s("error", f->message));
    } else if (f->status == 404 || f->status == 422) {
        live->is_lease_unknown = true;
        log_debug("the server doesn't renew leases", kv_s("run", live->launch->flow_run_id),
                  kv_int("status", f->status), kv_s("error", f->message));
    } else {
        live->lease_tried_mono_ms = clock_mono_ms(l->s.clock);
        log_debug("lease not renewed; trying again", kv_s("run", live->launch->flow_run_id),
                  kv_int("status", f->status), kv_s("error", f->message));
    }
}

static void on_renewed(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    struct leases *l = leases_of(live);
    live->lease_call = NULL;
    l->calls_out--;
    live->lease_tried_mono_ms = 0;
    live->was_lease_answered = true;
    if (reply->failure != NULL)
        judge_failure(l, live, reply);
    timer_start(l->s.timers, &l->timer, 0, look, l);
}

static void renew(struct leases *l, struct live *live)
{
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = clocks_for(l->s.config, live->launch->class_name, STAGE_API),
                              .done = on_renewed,
                              .arg = live,
                              .call = &live->lease_call};
    struct err err;
    live->leases = l;
    live->lease_renewed_mono_ms = clock_mono_ms(l->s.clock);
    if (prefect_renew_lease(l->s.prefect, &ask, live->launch->lease_id, LEASE_DURATION_MS / 1000, &err) ==
        0) {
        l->calls_out++;
        return;
    }
    live->is_lease_unknown = true;
    log_warn("lease can't be renewed", kv_s("run", live->launch->flow_run_id), kv_s("error", err.msg));
}

static bool is_due(const struct leases *l, const struct live *live)
{
    int64_t now_ms = clock_mono_ms(l->s.clock);
    int64_t renewed_ms = live->lease_renewed_mono_ms;
    int64_t tried_ms = live->lease_tried_mono_ms;
    struct lease_times times = {
        .claimed_ago_ms = clock_wall_ms(l->s.clock) - live->launch->run.claimed_at_ms,
        .renewed_ago_ms = renewed_ms == 0 ? -1 : now_ms - renewed_ms,
        .failed_ago_ms = tried_ms == 0 ? -1 : now_ms - tried_ms,
    };
    return lease_is_due(&times);
}

/* Asked again at each look, until no request is out that forbids it. */
static void give_up_launch(struct leases *l, struct live *live)
{
    const struct run *run = &live->launch->run;
    if (run->state < RUN_STATE_CLAIMING || run->state > RUN_STATE_STARTING || run->start_sent)
        return;
    runner_note(l->s.runner, live,
                "its concurrency slot was given away: handed back, so that it gets another one");
    runner_feed_kind(l->s.runner, live, RUN_EVENT_LEASE_LOST);
}

static bool is_kept_by_us(const struct live *live)
{
    return live->launch->lease_id[0] != '\0' && !live->is_lease_unknown &&
           lease_is_ours(&live->launch->run, live->is_running_at_server);
}

bool leases_hold(struct leases *l, struct live *live)
{
    if (!is_kept_by_us(live))
        return true;
    if (live->is_lease_lost || live->was_lease_answered)
        return !live->is_lease_lost;
    if (live->lease_call == NULL && !is_due(l, live))
        return true;
    if (live->lease_call == NULL)
        renew(l, live);
    return live->is_lease_unknown;
}

static void look(void *arg)
{
    struct leases *l = arg;
    struct list *all = runner_all(l->s.runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (!is_kept_by_us(live) || live->lease_call != NULL)
            continue;
        if (live->is_lease_lost)
            give_up_launch(l, live);
        else if (l->calls_out < CALLS_MAX && is_due(l, live))
            renew(l, live);
    }
    timer_start(l->s.timers, &l->timer, LOOK_MS, look, l);
}
