/*
 * prefect.c - the Prefect client, and the life of one call.
 *
 * Does not know routes (prefect_calls.c), answers (prefect_read.c), header lines (prefect_headers.c), tokens
 * (prefect_csrf.c), who goes first (prefect_lane.c) or what a server lacks (prefect_optional.c), never
 * retries and never judges. A call goes: prefect_call_start -> [let others go first] -> [wait for a token] ->
 * prefect_call_send -> on_answer
 * -> prefect_call_finish. An answer with a 2xx status that can't be read is BAD_ANSWER; so is a 404, 405,
 * 409, 410 or 422 whose body is not the API's own JSON, since a proxy's "not found" page says nothing about a
 * flow run.
 */
#include "api/prefect_internal.h"

#include "base/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PREFECT_MAGIC = 0x70726566, CALL_MAGIC = 0x70636c6c };

/* --- the client --- */

static int copy_url(struct prefect *p, const char *url, struct err *err)
{
    if (url == NULL || (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0))
        return err_set(err, ERR_INVALID, "the Prefect API URL must begin with http:// or https://");
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)url[i]) || strchr(" ?#", url[i]) != NULL)
            return err_set(err, ERR_INVALID,
                           "the Prefect API URL holds a blank, a control character, '?' or '#'");
    if (strchr("/:", url[len - 1]) != NULL)
        return err_set(err, ERR_INVALID, "the Prefect API URL names no host");
    p->api_url = check_printf("%.*s", (int)len, url);
    return 0;
}

int prefect_new(struct http *http, struct timers *timers, const struct prefect_settings *settings,
                struct prefect **out, struct err *err)
{
    struct prefect *p = check_alloc(sizeof(*p));
    *p = (struct prefect){.magic = PREFECT_MAGIC,
                          .http = http,
                          .timers = timers,
                          .on_call_end = settings->on_call_end,
                          .may_go = settings->may_go,
                          .is_cloud = settings->is_cloud,
                          .arg = settings->arg};
    p->worker_name = check_strdup(settings->worker_name != NULL ? settings->worker_name : "");
    list_init(&p->calls);
    prefect_lane_init(p);
    prefect_csrf_init(p, settings);
    if (copy_url(p, settings->api_url, err) != 0 || prefect_set_headers(p, settings, err) != 0) {
        prefect_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

/* It no longer counts as out, whatever its callback does next. */
static void take_off(struct prefect_call *call)
{
    timer_cancel(&call->waiting_timer);
    list_remove(&call->wait_link);
    list_remove(&call->link);
    prefect_lane_leave(call);
}

static void free_call(struct prefect_call *call)
{
    call->magic = 0;
    free(call->url);
    free(call->body);
    free(call);
}

void prefect_free(struct prefect *p)
{
    if (p == NULL)
        return;
    CHECK(p->delivering == 0);
    struct list *first;
    while ((first = list_take_first(&p->calls)) != NULL)
        prefect_cancel(LIST_ITEM(first, struct prefect_call, link));
    prefect_lane_done(p);
    prefect_csrf_done(p);
    for (size_t i = 0; i < p->header_count; i++)
        secret_free(p->headers[i]);
    free(p->headers);
    for (size_t i = 0; i < p->secret_count; i++)
        secret_free(p->secrets[i]);
    free(p->secrets);
    free(p->api_url);
    free(p->worker_name);
    p->magic = 0;
    free(p);
}

const char *prefect_api_url(const struct prefect *p)
{
    return p->api_url;
}

int64_t prefect_mono_ms(const struct prefect *p)
{
    return clock_mono_ms(timers_clock(p->timers));
}

int64_t prefect_wall_ms(const struct prefect *p)
{
    return clock_wall_ms(timers_clock(p->timers));
}

/* --- one call --- */

void prefect_call_finish(struct prefect_call *call, struct prefect_reply *reply)
{
    struct prefect *p = call->prefect;
    call->is_finished = true;
    take_off(call);
    reply->took_ms = prefect_mono_ms(p) - call->started_mono_ms;
    p->delivering++;
    if (p->on_call_end != NULL && !call->is_lacking)
        p->on_call_end(p->arg, &(struct call_end){.failure = reply->failure,
                                                  .began_ms = call->started_mono_ms,
                                                  .took_ms = reply->took_ms,
                                                  .method = call->method,
                                                  .path = call->url + strlen(p->api_url),
                                                  .status = reply->status});
    call->ask.done(call->ask.arg, reply);
    p->delivering--;
    free_call(call);
}

void prefect_call_fail(struct prefect_call *call, const struct failure *failure)
{
    struct failure shown = *failure;
    prefect_hide(call->prefect, shown.message);
    struct prefect_reply reply = {.failure = &shown, .status = failure->status};
    prefect_call_finish(call, &reply);
}

struct failure prefect_call_local_failure(const struct prefect_call *call, enum transport transport,
                                          const char *message)
{
    struct failure failure = {.dependency = DEPENDENCY_PREFECT,
                              .stage = call->ask.stage,
                              .transport = transport,
                              .retry_after_ms = -1};
    snprintf(failure.message, sizeof(failure.message), "%s", message);
    return failure;
}

void prefect_cancel(struct prefect_call *call)
{
    CHECK(call->magic == CALL_MAGIC);
    if (call->is_finished)
        return; /* its callback is on the stack; the memory goes when that returns */
    if (call->http != NULL)
        http_cancel(call->http);
    take_off(call);
    free_call(call);
}

void prefect_give_up(struct prefect *p, int64_t began_ms)
{
    for (struct list *link = p->calls.next; link != &p->calls; link = link->next) {
        struct prefect_call *call = LIST_ITEM(link, struct prefect_call, link);
        /* One that has not been sent lets others go first, or waits for the fetch of a token. */
        struct http_call *out = call->is_waiting ? p->csrf.fetch : call->http;
        if (out != NULL && call->started_mono_ms < began_ms)
            http_give_up(out);
    }
}

/* An error status whose meaning rests on the API having said it. */
static bool is_only_the_apis_to_say(int status)
{
    return status == 404 || status == 405 || status == 409 || status == 410 || status == 422;
}

void prefect_describe_error(const struct http_reply *reply, int64_t wall_ms, struct failure *failure)
{
    const char *retry_after = http_reply_header(reply, "Retry-After");
    failure->status = reply->status;
    failure->sent = true;
    failure->retry_after_ms = retry_after != NULL ? http_retry_after_ms(retry_after, wall_ms) : -1;
    if (reply->status / 100 == 3) {
        snprintf(failure->message, sizeof(failure->message),
                 "redirected elsewhere: the API URL should name the final address");
        return;
    }
    bool is_ours =
        prefect_read_error(reply->body, reply->body_len, failure->message, sizeof(failure->message));
    if (!is_ours && is_only_the_apis_to_say(reply->status))
        failure->transport = TRANSPORT_BAD_ANSWER;
}

static void read_success(struct prefect_call *call, const struct http_reply *http_reply)
{
    if (call->asks_worker_id)
        prefect_take_worker_id(call->prefect, http_reply);
    struct prefect_arena arena;
    prefect_arena_init(&arena);
    struct prefect_reply reply = {.status = http_reply->status};
    struct err err;
    if (prefect_read_answer(http_reply->body, http_reply->body_len, call->read, &arena, &reply, &err) == 0) {
        prefect_call_finish(call, &reply);
    } else {
        struct failure failure = prefect_call_local_failure(call, TRANSPORT_BAD_ANSWER, err.msg);
        failure.status = http_reply->status;
        failure.sent = true;
        failure.changes = call->changes;
        prefect_call_fail(call, &failure);
    }
    prefect_arena_done(&arena);
}

static void on_answer(void *arg, const struct http_reply *reply)
{
    struct prefect_call *call = MAGIC_CAST(struct prefect_call, arg, CALL_MAGIC);
    call->http = NULL;
    if (reply->failure != NULL) {
        prefect_call_fail(call, reply->failure);
    } else if (reply->status / 100 == 2) {
        read_success(call, reply);
    } else if (!call->has_repeated && prefect_csrf_is_refusal(call->prefect, reply)) {
        prefect_csrf_refused(call);
    } else {
        struct failure failure = prefect_call_local_failure(call, TRANSPORT_NONE, "");
        failure.changes = call->changes;
        prefect_describe_error(reply, prefect_wall_ms(call->prefect), &failure);
        prefect_optional_note(call, &failure);
        prefect_call_fail(call, &failure);
    }
}

/* Header lines of one request: the common ones, then what it needs of its own. */
struct header_lines {
    const char **lines; /* owned array of borrowed lines */
    char *token;
    char *client;
};

static struct header_lines make_headers(const struct prefect_call *call)
{
    struct prefect *p = call->prefect;
    struct header_lines made = {check_alloc((p->header_count + 4) * sizeof(char *)), NULL, NULL};
    size_t count = 0;
    for (size_t i = 0; i < p->header_count; i++)
        made.lines[count++] = p->headers[i];
    if (call->body != NULL)
        made.lines[count++] = "Content-Type: application/json";
    if (p->csrf.state == CSRF_STATE_VALID && strcmp(call->method, "GET") != 0) {
        made.token = check_printf("Prefect-Csrf-Token: %s", p->csrf.token);
        made.client = check_printf("Prefect-Csrf-Client: %s", p->csrf.client);
        made.lines[count++] = made.token;
        made.lines[count++] = made.client;
    }
    made.lines[count] = NULL;
    return made;
}

int prefect_call_send(struct prefect_call *call, struct err *err)
{
    struct prefect *p = call->prefect;
    struct http_clocks clocks = call->ask.clocks;
    if (clocks.total_ms > 0) {
        int64_t left_ms = clocks.total_ms - (prefect_mono_ms(p) - call->started_mono_ms);
        clocks.total_ms = left_ms > 0 ? left_ms : 1;
    }
    struct header_lines headers = make_headers(call);
    struct http_request request = {.method = call->method,
                                   .url = call->url,
                                   .headers = headers.lines,
                                   .body = call->body,
                                   .body_len = call->body != NULL ? strlen(call->body) : 0,
                                   .changes = call->changes,
                                   .dependency = DEPENDENCY_PREFECT,
                                   .stage = call->ask.stage,
                                   .clocks = clocks,
                                   .max_body_bytes = call->max_body_bytes,
                                   .done = on_answer,
                                   .arg = call};
    call->token_generation = p->csrf.generation;
    int result = http_start(p->http, &request, &call->http, err);
    free(headers.lines);
    free(headers.token);
    free(headers.client);
    return result;
}

/* Nobody may hear of the end before the start has returned. */
static void on_not_let(void *arg)
{
    struct prefect_call *call = MAGIC_CAST(struct prefect_call, arg, CALL_MAGIC);
    struct failure failure = prefect_call_local_failure(call, TRANSPORT_BREAKER_OPEN, "breaker of prefect");
    prefect_call_fail(call, &failure);
}

int prefect_call_go(struct prefect_call *call, struct err *err)
{
    struct prefect *p = call->prefect;
    if (prefect_lacks(p, call->optional)) {
        call->is_lacking = true;
        timer_start(p->timers, &call->waiting_timer, 0, prefect_optional_on_lacking, call);
        return 0;
    }
    if (p->may_go != NULL && !p->may_go(p->arg)) {
        timer_start(p->timers, &call->waiting_timer, 0, on_not_let, call);
        return 0;
    }
    bool is_ready = prefect_csrf_is_ready(call->prefect, call->method);
    return is_ready ? prefect_call_send(call, err) : prefect_csrf_wait(call, err);
}

void prefect_call_go_late(struct prefect_call *call)
{
    struct err err;
    if (prefect_call_go(call, &err) == 0)
        return;
    struct failure failure = prefect_call_local_failure(call, TRANSPORT_NOTHING_ACCEPTED, err.msg);
    prefect_call_fail(call, &failure);
}

int prefect_call_start(struct prefect *p, const struct prefect_ask *ask,
                       const struct prefect_request *request, struct err *err)
{
    CHECK(p->magic == PREFECT_MAGIC);
    struct prefect_call *call = check_alloc(sizeof(*call));
    *call = (struct prefect_call){.magic = CALL_MAGIC,
                                  .prefect = p,
                                  .ask = *ask,
                                  .method = request->method,
                                  .url = check_printf("%s%s", p->api_url, request->path),
                                  .body = check_strdup_or_null(request->body),
                                  .read = request->read,
                                  .changes = request->changes,
                                  .optional = request->optional,
                                  .asks_worker_id = request->asks_worker_id,
                                  .max_body_bytes = request->max_body_bytes,
                                  .started_mono_ms = prefect_mono_ms(p)};
    list_init(&call->wait_link);
    list_init(&call->lane_link);
    list_add_last(&p->calls, &call->link);
    if (prefect_lane_enter(call) && prefect_call_go(call, err) != 0) {
        take_off(call);
        free_call(call);
        return -1;
    }
    if (ask->call != NULL)
        *ask->call = call;
    return 0;
}
