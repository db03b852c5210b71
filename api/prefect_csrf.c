/*
 * prefect_csrf.c - CSRF tokens of a self-hosted server: when to fetch one, who waits, when to give up on
 * them.
 *
 * Does not retry: a fetch that fails ends the calls that wait for it with that failure (nothing of theirs was
 * sent), and the next changing call fetches anew. States (csrf_state): NONE -> ASKING at the first changing
 * request -> VALID (200) or NOT_HERE (422, 404: the server has no such protection). VALID -> NONE at expiry.
 * VALID, NOT_HERE -> NONE when a request is refused for its token; that request waits for the new token and
 * goes once more. One fetch at a time; every changing request meanwhile waits, each under its own total
 * clock.
 */
#include "api/prefect_internal.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

/* A server whose clock differs from ours must not make us fetch a token for each request, nor keep a dead one
 * for days; what is then wrong in between, the refusal cures. */
enum { TOKEN_LIFE_MIN_MS = 60 * 1000, TOKEN_LIFE_MAX_MS = 3600 * 1000, TOKEN_MARGIN_MS = 5 * 1000 };

static void forget_token(struct prefect_csrf *csrf)
{
    secret_free(csrf->token);
    csrf->token = NULL;
}

void prefect_csrf_init(struct prefect *p, const struct prefect_settings *settings)
{
    p->csrf = (struct prefect_csrf){.state = settings->csrf_enabled ? CSRF_STATE_NONE : CSRF_STATE_OFF};
    list_init(&p->csrf.waiting);
    random_uuid(settings->random, p->csrf.client);
}

void prefect_csrf_done(struct prefect *p)
{
    if (p->csrf.fetch != NULL)
        http_cancel(p->csrf.fetch);
    p->csrf.fetch = NULL;
    forget_token(&p->csrf);
}

bool prefect_csrf_is_ready(const struct prefect *p, const char *method)
{
    const struct prefect_csrf *csrf = &p->csrf;
    if (strcmp(method, "GET") == 0)
        return true;
    switch (csrf->state) {
    case CSRF_STATE_OFF:
    case CSRF_STATE_NOT_HERE:
        return true;
    case CSRF_STATE_NONE:
    case CSRF_STATE_ASKING:
        return false;
    case CSRF_STATE_VALID:
        return prefect_mono_ms(p) < csrf->expires_mono_ms;
    }
    UNREACHABLE();
}

/* --- the fetch's end --- */

/* Hand each waiting call to fn; calls that begin to wait meanwhile stay for the next answer. */
static void for_each_waiting(struct prefect *p,
                             void (*fn)(struct prefect_call *call, const struct failure *failure),
                             const struct failure *failure)
{
    struct list batch;
    struct list *item;
    list_init(&batch);
    while ((item = list_take_first(&p->csrf.waiting)) != NULL)
        list_add_last(&batch, item);
    while ((item = list_take_first(&batch)) != NULL) {
        struct prefect_call *call = LIST_ITEM(item, struct prefect_call, wait_link);
        call->is_waiting = false;
        timer_cancel(&call->waiting_timer);
        fn(call, failure);
    }
}

static void send_one(struct prefect_call *call, const struct failure *failure)
{
    (void)failure;
    struct err err;
    if (prefect_call_send(call, &err) == 0)
        return;
    struct failure own = prefect_call_local_failure(call, TRANSPORT_NOTHING_ACCEPTED, err.msg);
    prefect_call_fail(call, &own);
}

/* What happened to the fetch, told to a call of which nothing was sent. */
static void fail_one(struct prefect_call *call, const struct failure *failure)
{
    struct failure own = *failure;
    own.stage = call->ask.stage;
    own.sent = false;
    own.changes = false;
    prefect_call_fail(call, &own);
}

static void keep_token(struct prefect *p, const char *token, const char *expiration)
{
    struct err ignored;
    int64_t expires_at_ms;
    int64_t life_ms = TOKEN_LIFE_MIN_MS;
    if (clock_parse(expiration, &expires_at_ms, &ignored) == 0)
        life_ms = expires_at_ms - prefect_wall_ms(p) - TOKEN_MARGIN_MS;
    if (life_ms < TOKEN_LIFE_MIN_MS)
        life_ms = TOKEN_LIFE_MIN_MS;
    if (life_ms > TOKEN_LIFE_MAX_MS)
        life_ms = TOKEN_LIFE_MAX_MS;
    forget_token(&p->csrf);
    p->csrf.token = check_strdup(token);
    p->csrf.expires_mono_ms = prefect_mono_ms(p) + life_ms;
    p->csrf.state = CSRF_STATE_VALID;
}

/* A token goes into a header line: nothing but visible characters. */
static bool is_token(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c <= 0x20 || *c >= 0x7f)
            return false;
    return text[0] != '\0';
}

static int read_token(struct prefect *p, const struct http_reply *reply, struct err *err)
{
    struct json *root = NULL;
    if (json_parse(reply->body, reply->body_len, &root, err) != 0)
        return err_set(err, ERR_PARSE, "the CSRF token's answer is not valid JSON");
    const char *token = json_get_text(root, "token", "");
    int result = 0;
    if (is_token(token))
        keep_token(p, token, json_get_text(root, "expiration", ""));
    else
        result = err_set(err, ERR_PARSE, "the CSRF token's answer holds no token");
    json_free(root);
    return result;
}

static void on_token(void *arg, const struct http_reply *reply)
{
    struct prefect *p = arg;
    struct failure failure = {
        .dependency = DEPENDENCY_PREFECT, .stage = p->csrf.fetch_stage, .retry_after_ms = -1};
    struct err err;
    p->csrf.fetch = NULL;
    p->csrf.state = CSRF_STATE_NONE;
    p->csrf.generation++;
    if (reply->failure != NULL) {
        failure = *reply->failure;
    } else if (reply->status == 200 && read_token(p, reply, &err) == 0) {
        for_each_waiting(p, send_one, NULL);
        return;
    } else if (reply->status == 200) {
        failure.status = reply->status;
        failure.transport = TRANSPORT_BAD_ANSWER;
        snprintf(failure.message, sizeof(failure.message), "%s", err.msg);
    } else {
        prefect_describe_error(reply, prefect_wall_ms(p), &failure);
        bool is_not_here =
            (reply->status == 404 || reply->status == 422) && failure.transport == TRANSPORT_NONE;
        if (is_not_here) {
            p->csrf.state = CSRF_STATE_NOT_HERE;
            for_each_waiting(p, send_one, NULL);
            return;
        }
    }
    for_each_waiting(p, fail_one, &failure);
}

/* --- waiting --- */

static void on_waited_too_long(void *arg)
{
    struct prefect_call *call = arg;
    struct failure failure =
        prefect_call_local_failure(call, TRANSPORT_TOTAL_TIMEOUT, "the CSRF token did not come in time");
    failure.clock = CLOCK_KIND_TOTAL;
    call->is_waiting = false;
    prefect_call_fail(call, &failure);
}

static int start_fetch(struct prefect *p, const struct prefect_ask *ask, struct err *err)
{
    char *url = check_printf("%s/csrf-token?client=%s", p->api_url, p->csrf.client);
    struct http_request request = {.method = "GET",
                                   .url = url,
                                   .headers = (const char *const *)p->headers,
                                   .dependency = DEPENDENCY_PREFECT,
                                   .stage = ask->stage,
                                   .clocks = ask->clocks,
                                   .max_body_bytes = 64 * 1024,
                                   .done = on_token,
                                   .arg = p};
    int result = http_start(p->http, &request, &p->csrf.fetch, err);
    free(url);
    if (result != 0)
        return -1;
    p->csrf.state = CSRF_STATE_ASKING;
    p->csrf.fetch_stage = ask->stage;
    return 0;
}

int prefect_csrf_wait(struct prefect_call *call, struct err *err)
{
    struct prefect *p = call->prefect;
    if (p->csrf.state != CSRF_STATE_ASKING && start_fetch(p, &call->ask, err) != 0)
        return -1;
    call->is_waiting = true;
    list_add_last(&p->csrf.waiting, &call->wait_link);
    if (call->ask.clocks.total_ms > 0) {
        int64_t left_ms = call->ask.clocks.total_ms - (prefect_mono_ms(p) - call->started_mono_ms);
        timer_start(p->timers, &call->waiting_timer, left_ms, on_waited_too_long, call);
    }
    return 0;
}

/* --- refusals --- */

bool prefect_csrf_is_refusal(const struct prefect *p, const struct http_reply *reply)
{
    char text[256];
    if (reply->status != 403 || p->csrf.state == CSRF_STATE_OFF)
        return false;
    return prefect_read_error(reply->body, reply->body_len, text, sizeof(text)) &&
           (strstr(text, "Invalid CSRF token") != NULL || strstr(text, "Missing CSRF token") != NULL);
}

void prefect_csrf_refused(struct prefect_call *call)
{
    struct prefect *p = call->prefect;
    call->has_repeated = true;
    /* Others sent with the same token may have been refused before, and the new one be here already. */
    if (p->csrf.generation == call->token_generation && p->csrf.state != CSRF_STATE_ASKING)
        p->csrf.state = CSRF_STATE_NONE;
    prefect_call_go_late(call);
}
