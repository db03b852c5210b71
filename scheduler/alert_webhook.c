#include "alert_webhook.h"

#include "api/http.h"
#include "base/log.h"
#include "base/secret.h"
#include "core/retry.h"

#include <string.h>

#define CONNECT_MS 5000
#define INACTIVITY_MS 10000
#define TOTAL_MS 20000
#define ANSWER_MAX_BYTES ((size_t)64 * 1024)
#define REFUSALS_MAX 5

static const struct retry_policy policy = {
    .max_attempts = 1, .base_ms = 5000, .factor = 2, .cap_ms = 5 * 60 * 1000, .jitter = JITTER_EQUAL};

struct alert_webhook {
    struct alert_webhook_settings s;
    struct http *http; /* NULL: no webhook, or it can't be made */
    struct http_call *call;
    struct timer retry_timer;
    int32_t tries;     /* that failed in a row */
    int32_t refusals;  /* the same */
    bool is_failing;   /* and it was said */
    bool is_woken;     /* while a call was out */
    int status;        /* of the answer that is being read; 0: none yet */
    size_t read_bytes; /* of its body */
};

static void try_now(struct alert_webhook *w);

/* ---- life ---- */

static void open_connection(struct alert_webhook *w)
{
    const struct config *c = w->s.config;
    struct http_settings settings = {.max_connections = 1,
                                     .idle_close_ms = HTTP_NEVER_KEEP,
                                     .ca_file = c->webhook_ca_file,
                                     .user_agent = "sluice/" SLUICE_VERSION};
    struct err err;
    if (c->webhook != NULL && http_new(w->s.base, w->s.timers, &settings, &w->http, &err) != 0)
        log_warn("no webhook: alerts are in the log and the state file only", kv_s("error", err.msg));
}

static void close_connection(struct alert_webhook *w)
{
    timer_cancel(&w->retry_timer);
    http_free(w->http); /* and with it the call */
    w->http = NULL;
    w->call = NULL;
    w->tries = w->refusals = 0;
    w->is_failing = w->is_woken = false;
}

struct alert_webhook *alert_webhook_new(const struct alert_webhook_settings *settings)
{
    struct alert_webhook *w = check_alloc(sizeof(*w));
    w->s = *settings;
    open_connection(w);
    return w;
}

void alert_webhook_free(struct alert_webhook *w)
{
    if (w == NULL)
        return;
    close_connection(w);
    free(w);
}

bool alert_webhook_set_config(struct alert_webhook *w, const struct config *config)
{
    const struct config *before = w->s.config;
    bool is_same = secret_equals(before->webhook, config->webhook) &&
                   secret_equals(before->webhook_authorization, config->webhook_authorization) &&
                   secret_equals(before->webhook_ca_file, config->webhook_ca_file);
    w->s.config = config;
    if (is_same)
        return false;
    close_connection(w);
    open_connection(w);
    return w->http != NULL;
}

bool alert_webhook_is_wanted(const struct alert_webhook *w)
{
    return w->http != NULL;
}

struct http *alert_webhook_http(const struct alert_webhook *w)
{
    return w->http;
}

/* ---- one call ---- */

static void on_headers(void *arg, int status)
{
    struct alert_webhook *w = arg;
    w->status = status;
}

static bool on_chunk(void *arg, const char *data, size_t len)
{
    struct alert_webhook *w = arg;
    (void)data;
    w->read_bytes += len;
    return w->read_bytes <= ANSWER_MAX_BYTES;
}

static bool is_refusal(int status)
{
    return status >= 300 && status < 500 && status != 408 && status != 425 && status != 429;
}

/* Lost on the way, and said once. */
static void say_failure(struct alert_webhook *w, const struct http_reply *reply)
{
    if (w->is_failing)
        return;
    w->is_failing = true;
    char *error = check_strdup(reply->failure == NULL ? "it answers with another status than 2xx"
                                                      : reply->failure->message);
    secret_hide(error, w->s.config->webhook);
    secret_hide(error, w->s.config->webhook_authorization);
    log_warn("the webhook does not take alerts; trying again", kv_int("status", w->status),
             kv_s("error", error));
    free(error);
}

static void on_retry(void *arg)
{
    try_now(arg);
}

static void try_later(struct alert_webhook *w, const struct http_reply *reply)
{
    int64_t wall_ms = clock_wall_ms(w->s.clock);
    int64_t retry_after_ms = http_retry_after_ms(http_reply_header(reply, "Retry-After"), wall_ms);
    uint64_t random = w->s.random->next(w->s.random->arg);
    int64_t delay_ms = retry_delay_ms(&policy, ERROR_CLASS_TRANSIENT, w->tries, retry_after_ms, 0, random);
    if (w->is_woken && delay_ms > policy.base_ms)
        delay_ms = policy.base_ms; /* something newer is worth a try of its own */
    timer_start(w->s.timers, &w->retry_timer, delay_ms, on_retry, w);
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct alert_webhook *w = arg;
    w->call = NULL;
    w->status = w->status != 0 ? w->status : reply->status;
    bool was_taken = w->status >= 200 && w->status < 300;
    bool was_failing = w->is_failing;
    if (was_taken) {
        w->tries = w->refusals = 0;
        w->is_failing = false;
        if (was_failing)
            log_info("the webhook takes alerts again");
        w->s.on_settled(w->s.arg, true);
        try_now(w);
        return;
    }
    w->tries++;
    w->refusals = is_refusal(w->status) ? w->refusals + 1 : 0;
    say_failure(w, reply);
    if (w->refusals < REFUSALS_MAX) {
        try_later(w, reply);
    } else {
        log_warn("the webhook refuses alerts: given up until the next change", kv_int("status", w->status),
                 kv_int("tries", w->refusals));
        w->tries = w->refusals = 0;
        w->s.on_settled(w->s.arg, false);
        try_now(w);
    }
    w->is_woken = false;
}

static void post(struct alert_webhook *w, const char *body)
{
    const struct config *c = w->s.config;
    char *authorization =
        c->webhook_authorization == NULL ? NULL : check_printf("Authorization: %s", c->webhook_authorization);
    const char *headers[] = {"Content-Type: application/json", authorization, NULL};
    struct http_request request = {.method = "POST",
                                   .url = c->webhook,
                                   .headers = headers,
                                   .body = body,
                                   .body_len = strlen(body),
                                   .fresh_connection = true,
                                   .stage = STAGE_API,
                                   .clocks = {CONNECT_MS, INACTIVITY_MS, TOTAL_MS},
                                   .max_body_bytes = ANSWER_MAX_BYTES,
                                   .on_chunk = on_chunk,
                                   .on_headers = on_headers,
                                   .done = on_done,
                                   .arg = w};
    struct err err;
    w->status = 0;
    w->read_bytes = 0;
    w->is_woken = false;
    if (http_start(w->http, &request, &w->call, &err) != 0) {
        w->call = NULL;
        log_warn("the webhook's URL can't be used: given up until the next change");
        w->s.on_settled(w->s.arg, false);
    }
    secret_free(authorization);
}

static void try_now(struct alert_webhook *w)
{
    struct alert_note notes[ALERT_COUNT];
    timer_cancel(&w->retry_timer);
    size_t count = w->s.collect(w->s.arg, notes);
    if (count == 0)
        return;
    struct alert_sender sender = {.pool = w->s.config->pool, .worker_name = w->s.config->worker_name};
    char *body = alert_body(&sender, notes, count);
    post(w, body);
    free(body);
}

void alert_webhook_wake(struct alert_webhook *w)
{
    if (w->http == NULL)
        return;
    if (w->call != NULL)
        w->is_woken = true;
    else
        try_now(w);
}
