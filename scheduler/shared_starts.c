#include "shared_starts.h"

#include "base/log.h"
#include "clocks.h"
#include "core/bucket.h"
#include "core/shared_rate.h"

struct shared_starts {
    struct shared_starts_settings s;
    struct shared_rate rate;
    struct bucket own; /* while the limit can't be asked; in mono time */
    struct prefect_call *call;
    struct timer timer;
};

struct shared_starts *shared_starts_new(const struct shared_starts_settings *settings)
{
    struct shared_starts *shared = check_alloc(sizeof(*shared));
    shared->s = *settings;
    shared_starts_set_config(shared, settings->config);
    return shared;
}

void shared_starts_free(struct shared_starts *shared)
{
    if (shared == NULL)
        return;
    if (shared->call != NULL)
        prefect_cancel(shared->call);
    timer_cancel(&shared->timer);
    free(shared);
}

void shared_starts_set_config(struct shared_starts *shared, const struct config *config)
{
    shared->s.config = config;
    shared->own = bucket_make(config->shared_limit_fallback, 1, shared->own.tat_us);
}

static int64_t now_ms(const struct shared_starts *shared)
{
    return clock_mono_ms(shared->s.clock);
}

static void on_timer(void *arg)
{
    (void)arg; /* the turn that follows asks again */
}

static void judge_failure(struct shared_starts *shared, const struct failure *failure)
{
    if (failure->status == 423) {
        shared->rate = shared_rate_refused(shared->rate, failure->retry_after_ms, now_ms(shared));
        return;
    }
    if (!shared->rate.is_away)
        log_warn("the shared limit of starts can't be asked; the host's own share counts meanwhile",
                 kv_s("limit", shared->s.config->shared_limit), kv_int("status", failure->status),
                 kv_s("error", failure->message));
    shared->rate = shared_rate_failed(shared->rate, now_ms(shared));
}

static void on_answer(void *arg, const struct prefect_reply *reply)
{
    struct shared_starts *shared = arg;
    shared->call = NULL;
    bool was_away = shared->rate.is_away;
    if (reply->failure != NULL) {
        judge_failure(shared, reply->failure);
    } else if (reply->count == 0) {
        /* Prefect grants whatever is asked of a limit that it doesn't know. */
        if (!was_away)
            log_warn("there is no active global concurrency limit of this name; the host's own share counts "
                     "meanwhile",
                     kv_s("limit", shared->s.config->shared_limit));
        shared->rate = shared_rate_failed(shared->rate, now_ms(shared));
    } else {
        shared->rate = shared_rate_granted(shared->rate, now_ms(shared));
    }
    if (was_away && !shared->rate.is_away)
        log_info("the shared limit of starts counts again", kv_s("limit", shared->s.config->shared_limit));
    timer_start(shared->s.timers, &shared->timer, shared_rate_wait_ms(&shared->rate, now_ms(shared)),
                on_timer, shared);
}

static void ask(struct shared_starts *shared, int64_t ready)
{
    int64_t tokens = shared_rate_wants(&shared->rate, ready, now_ms(shared));
    if (tokens == 0)
        return;
    const struct config *config = shared->s.config;
    struct prefect_ask request = {.stage = STAGE_API,
                                  .clocks = clocks_for(config, "default", STAGE_API),
                                  .done = on_answer,
                                  .arg = shared,
                                  .call = &shared->call};
    struct err err;
    if (prefect_take_rate(shared->s.prefect, &request, config->shared_limit, tokens, &err) == 0) {
        shared->rate = shared_rate_sent(shared->rate, tokens);
        return;
    }
    log_warn("the shared limit of starts can't be asked", kv_s("limit", config->shared_limit),
             kv_s("error", err.msg));
    shared->rate = shared_rate_failed(shared->rate, now_ms(shared));
}

bool shared_starts_take(struct shared_starts *shared, int64_t ready)
{
    if (shared->s.config->shared_limit == NULL)
        return true;
    bool has_token = shared_rate_has(&shared->rate, now_ms(shared));
    if (has_token)
        shared->rate = shared_rate_take(shared->rate);
    /* The next ones are asked for before the last is used. */
    ask(shared, has_token ? ready - 1 : ready);
    if (has_token || !shared->rate.is_away)
        return has_token;
    int64_t wait_ms = bucket_wait_ms(&shared->own, now_ms(shared));
    if (wait_ms == 0)
        shared->own = bucket_take(shared->own, now_ms(shared));
    else
        timer_start(shared->s.timers, &shared->timer, wait_ms, on_timer, shared);
    return wait_ms == 0;
}
