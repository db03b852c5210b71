/*
 * prefect.c - the Prefect client's settings, headers, and the life of one call.
 *
 * Does not know routes (prefect_calls.c), answers (prefect_read.c), tokens (prefect_csrf.c) or who goes first
 * (prefect_lane.c), never retries
 * and never judges. A call goes: prefect_call_start -> [let others go first] -> [wait for a token] ->
 * prefect_call_send -> on_answer
 * -> prefect_call_finish. An answer with a 2xx status that can't be read is BAD_ANSWER; so is a 404, 405,
 * 409, 410 or 422 whose body is not the API's own JSON, since a proxy's "not found" page says nothing about a
 * flow run. Secrets live in the header lines only and are wiped with them.
 */
#include "api/prefect_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PREFECT_MAGIC = 0x70726566, CALL_MAGIC = 0x70636c6c };

/* The Prefect version whose behaviour we claim to equal (the server's rules look at it). */
#define CLAIMED_API_VERSION "0.8.4"
#define CLAIMED_USER_AGENT "prefect/" PREFECT_CLAIMED_VERSION " (API " CLAIMED_API_VERSION ")"

/* --- header lines --- */

static void wipe_free(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
}

static bool is_same_header(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* Add a header, in the place of one with the same name. */
static void set_header(struct prefect *p, const char *name, const char *value)
{
    char *line = check_printf("%s: %s", name, value);
    for (size_t i = 0; i < p->header_count; i++) {
        if (is_same_header(p->headers[i], name)) {
            wipe_free(p->headers[i]);
            p->headers[i] = line;
            return;
        }
    }
    char **grown = check_realloc(p->headers, (p->header_count + 2) * sizeof(*grown));
    p->headers = grown;
    p->headers[p->header_count++] = line;
    p->headers[p->header_count] = NULL;
}

static bool is_header_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c) && *c != '\t')
            return false;
    return true;
}

static bool is_header_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL)
            return false;
    return name[0] != '\0';
}

static char *base64(const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(text);
    const unsigned char *in = (const unsigned char *)text;
    char *out = check_alloc((len + 2) / 3 * 4 + 1);
    char *to = out;
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)in[i] << 16;
        bits |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned)in[i + 2] : 0;
        *to++ = digits[bits >> 18];
        *to++ = digits[(bits >> 12) & 63];
        *to++ = i + 1 < len ? digits[(bits >> 6) & 63] : '=';
        *to++ = i + 2 < len ? digits[bits & 63] : '=';
    }
    *to = '\0';
    return out;
}

static int set_authorization(struct prefect *p, const struct prefect_settings *settings, struct err *err)
{
    const char *auth =
        settings->auth_string != NULL && settings->auth_string[0] != '\0' ? settings->auth_string : NULL;
    const char *key = settings->api_key != NULL && settings->api_key[0] != '\0' ? settings->api_key : NULL;
    if (auth == NULL && key != NULL && !is_header_value(key))
        return err_set(err, ERR_INVALID, "the Prefect API key holds a line break or control character");
    if (auth == NULL && key == NULL)
        return 0;
    char *credential = auth != NULL ? base64(auth) : check_strdup(key);
    char *value = check_printf("%s %s", auth != NULL ? "Basic" : "Bearer", credential);
    set_header(p, "Authorization", value);
    wipe_free(value);
    wipe_free(credential);
    return 0;
}

/* Blanks at both ends go, as the official client does; what a header can't carry is percent-encoded. */
static void set_worker_name(struct prefect *p, const char *name)
{
    if (name == NULL)
        return;
    const char *end = name + strlen(name);
    while (*name == ' ' || *name == '\t')
        name++;
    while (end > name && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (end == name)
        return;
    char *safe = check_alloc((size_t)(end - name) * 3 + 1);
    char *to = safe;
    for (; name < end; name++) {
        unsigned char c = (unsigned char)*name;
        if (c >= 0x20 && c < 0x7f)
            *to++ = *name;
        else
            to += snprintf(to, 4, "%%%02X", c);
    }
    *to = '\0';
    set_header(p, "X-Prefect-Worker-Name", safe);
    free(safe);
}

/* The official client ignores these in the custom headers too, save the last three: they are curl's to write.
 */
static bool is_protected_header(const char *name)
{
    static const char *const names[] = {"User-Agent",     "Prefect-Csrf-Token", "Prefect-Csrf-Client",
                                        "Content-Length", "Transfer-Encoding",  "Connection"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* p: NULL to look only. */
static int take_custom_headers(struct prefect *p, const char *text, struct err *err)
{
    static const char allowed[] = "allowed: a JSON object of texts, such as {\"X-Name\": \"value\"}";
    if (text == NULL || text[0] == '\0')
        return 0;
    struct json *root = NULL;
    struct err ignored;
    if (json_parse(text, strlen(text), &root, &ignored) != 0 || json_kind(root) != JSON_OBJECT) {
        json_free(root);
        return err_set(err, ERR_INVALID, "PREFECT_CLIENT_CUSTOM_HEADERS: the value is not a JSON object; %s",
                       allowed);
    }
    int result = 0;
    for (const struct json *item = json_first(root); item != NULL && result == 0; item = json_next(item)) {
        const char *name = json_key(item);
        const char *value = json_text(item, NULL);
        if (!is_header_name(name) || value == NULL || !is_header_value(value))
            result = err_set(err, ERR_INVALID,
                             "PREFECT_CLIENT_CUSTOM_HEADERS: \"%.80s\" is not a header with a text value; %s",
                             name, allowed);
        else if (p != NULL && !is_protected_header(name))
            set_header(p, name, value);
    }
    json_free(root);
    return result;
}

static int set_headers(struct prefect *p, const struct prefect_settings *settings, struct err *err)
{
    set_header(p, "User-Agent", CLAIMED_USER_AGENT);
    set_header(p, "X-PREFECT-API-VERSION", CLAIMED_API_VERSION);
    set_header(p, "X-Sluice-Version", SLUICE_VERSION);
    set_header(p, "Accept", "application/json");
    set_worker_name(p, settings->worker_name);
    if (set_authorization(p, settings, err) != 0)
        return -1;
    return take_custom_headers(p, settings->custom_headers_json, err);
}

int prefect_check_custom_headers(const char *json, struct err *err)
{
    return take_custom_headers(NULL, json, err);
}

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
                          .arg = settings->arg};
    p->worker_name = check_strdup(settings->worker_name != NULL ? settings->worker_name : "");
    list_init(&p->calls);
    prefect_lane_init(p);
    prefect_csrf_init(p, settings);
    if (copy_url(p, settings->api_url, err) != 0 || set_headers(p, settings, err) != 0) {
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
        wipe_free(p->headers[i]);
    free(p->headers);
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
    if (p->on_call_end != NULL)
        p->on_call_end(p->arg, reply->failure, call->started_mono_ms);
    call->ask.done(call->ask.arg, reply);
    p->delivering--;
    free_call(call);
}

void prefect_call_fail(struct prefect_call *call, const struct failure *failure)
{
    struct prefect_reply reply = {.failure = failure, .status = failure->status};
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
