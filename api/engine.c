/*
 * engine.c - life of the engine client and of its calls.
 *
 * A call waits on `waiting` until the API version is known, then is on `out` until its answer or its end.
 * The version is asked from GET /_ping when the first call needs it, and anew after a lost connection or
 * when an answer's Api-Version header says that another engine has taken the place. When the question fails,
 * every call that waited for it fails with the same reason, marked as never sent.
 *
 * An endless stream has no inactivity clock, but until the engine has accepted it that clock runs here, so
 * that a halted engine is noticed.
 *
 * A call is freed when its done has returned, or by engine_cancel; inside one of its stream callbacks freeing
 * waits until that callback has returned.
 */
#include "api/engine_internal.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

/* The question for the version always has an end, whatever the clocks of the call that needs it. */
#define PING_CLOCK_MS 60000

static void send_waiting(struct engine *engine);

int engine_new(struct http *http, struct timers *timers, const struct engine_settings *settings,
               struct engine **out, struct err *err)
{
    struct engine *engine = check_alloc(sizeof(*engine));
    *engine = (struct engine){.magic = ENGINE_MAGIC,
                              .http = http,
                              .timers = timers,
                              .on_call_end = settings->on_call_end,
                              .may_go = settings->may_go,
                              .arg = settings->arg};
    list_init(&engine->waiting);
    list_init(&engine->out);
    const char *pinned = settings->api_version;
    if (engine_target_parse(settings->host, settings->is_tls, &engine->target, err) != 0 ||
        (pinned != NULL && pinned[0] != '\0' && engine_version_pin(engine, pinned, err) != 0)) {
        engine_free(engine);
        return -1;
    }
    *out = engine;
    return 0;
}

static void free_call(struct engine_call *call)
{
    timer_cancel(&call->timer);
    engine_lines_done(&call->lines);
    engine_pull_done(&call->pull);
    free(call->path);
    free(call->body);
    secret_free(call->auth_header);
    call->magic = 0;
    free(call);
}

static void end_list(struct list *list)
{
    struct list *link;
    while ((link = list_take_first(list)) != NULL) {
        struct engine_call *call = LIST_ITEM(link, struct engine_call, link);
        CHECK(call->callback_depth == 0);
        if (call->http != NULL)
            http_cancel(call->http);
        free_call(call);
    }
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    end_list(&engine->waiting);
    end_list(&engine->out);
    engine_target_done(&engine->target);
    engine->magic = 0;
    free(engine);
}

const char *engine_pid_base(const struct engine *engine)
{
    return engine->target.pid_base;
}

const char *engine_host(const struct engine *engine)
{
    return engine->target.for_people;
}

const char *engine_api_version(const struct engine *engine)
{
    return engine->api_version;
}

const char *engine_podman_version(const struct engine *engine)
{
    return engine->podman_version;
}

int64_t engine_wall_ms(const struct engine *engine)
{
    return clock_wall_ms(timers_clock(engine->timers));
}

int64_t engine_now_ms(const struct engine *engine)
{
    int64_t mono_ms = clock_mono_ms(timers_clock(engine->timers));
    if (engine->date_ms == 0)
        return engine_wall_ms(engine);
    return engine->date_ms + (mono_ms - engine->date_mono_ms) + 999; /* a Date has whole seconds */
}

/* ---- the end of a call ---- */

static bool is_stream(enum engine_answer_kind kind)
{
    return kind == ENGINE_ANSWER_PULL || kind == ENGINE_ANSWER_EVENTS || kind == ENGINE_ANSWER_LOGS;
}

static void finish(struct engine_call *call, struct engine_reply *reply)
{
    call->http = NULL;
    call->is_finishing = true;
    timer_cancel(&call->timer);
    list_remove(&call->link);
    reply->took_ms = clock_mono_ms(timers_clock(call->engine->timers)) - call->started_ms;
    struct engine *engine = call->engine;
    if (engine->on_call_end != NULL)
        engine->on_call_end(engine->arg, &(struct call_end){.failure = reply->failure,
                                                            .began_ms = call->started_ms,
                                                            .took_ms = reply->took_ms,
                                                            .method = call->method,
                                                            .path = call->path,
                                                            .status = reply->status,
                                                            .is_stream = is_stream(call->kind)});
    call->done(call->arg, reply);
    free_call(call);
}

static void finish_failed(struct engine_call *call, const struct failure *failure)
{
    struct engine_reply reply = {.failure = failure, .status = failure->status};
    finish(call, &reply);
}

int64_t engine_heard_ms(const struct engine_call *call)
{
    return call->heard_ms > 0 ? call->heard_ms : call->started_ms;
}

void engine_cancel(struct engine_call *call)
{
    if (call == NULL)
        return;
    CHECK(call->magic == ENGINE_CALL_MAGIC);
    if (call->is_finishing || call->is_cancelled)
        return;
    call->is_cancelled = true;
    timer_cancel(&call->timer);
    list_remove(&call->link);
    if (call->http != NULL)
        http_cancel(call->http);
    call->http = NULL;
    if (call->callback_depth == 0)
        free_call(call);
}

/* After a stream callback: is the call still wanted? Frees it if not. */
static bool leave_callback(struct engine_call *call)
{
    call->callback_depth--;
    if (!call->is_cancelled)
        return true;
    free_call(call);
    return false;
}

/* ---- streams ---- */

static void on_headers(void *arg, int status)
{
    struct engine_call *call = MAGIC_CAST(struct engine_call, arg, ENGINE_CALL_MAGIC);
    timer_cancel(&call->timer);
    if (call->on_open == NULL || status < 200 || status > 299)
        return;
    call->callback_depth++;
    call->on_open(call->arg);
    (void)leave_callback(call);
}

static bool on_event_line(void *arg, const char *line, size_t len)
{
    struct engine_call *call = arg;
    struct json *root = NULL;
    struct engine_event event;
    struct err err;
    if (engine_read_event(line, len, &root, &event, &err) != 0) {
        call->bad_lines++; /* somebody else's container may have labels that can't be read */
        return true;
    }
    call->good_lines++;
    bool goes_on = call->on_event(call->arg, &event);
    json_free(root);
    call->stopped_by_listener = call->stopped_by_listener || !goes_on;
    return goes_on && !call->is_cancelled;
}

static void on_log_text(void *arg, int stream, const char *data, size_t len)
{
    struct engine_call *call = arg;
    if (!call->is_cancelled)
        call->on_output(call->arg, stream, data, len);
}

static bool on_frame(void *arg, int stream, const char *data, size_t len)
{
    struct engine_call *call = arg;
    engine_log_feed(call->log, stream, data, len, call->frames.left == 0, on_log_text, call);
    return !call->is_cancelled;
}

static bool feed_stream(struct engine_call *call, const char *data, size_t len)
{
    if (call->kind == ENGINE_ANSWER_PULL)
        return engine_lines_feed(&call->lines, data, len, engine_pull_line, &call->pull);
    if (call->kind == ENGINE_ANSWER_EVENTS)
        return engine_lines_feed(&call->lines, data, len, on_event_line, call);
    enum engine_frames_result result = engine_frames_feed(&call->frames, data, len, on_frame, call);
    call->stream_is_bad = result == ENGINE_FRAMES_BAD;
    return result == ENGINE_FRAMES_OK;
}

static bool on_chunk(void *arg, const char *data, size_t len)
{
    struct engine_call *call = MAGIC_CAST(struct engine_call, arg, ENGINE_CALL_MAGIC);
    call->callback_depth++;
    call->heard_ms = clock_mono_ms(timers_clock(call->engine->timers));
    bool goes_on = feed_stream(call, data, len);
    return leave_callback(call) && goes_on;
}

/* A last event line without its end of line. */
static bool end_event_lines(struct engine_call *call)
{
    call->callback_depth++;
    if (!call->stopped_by_listener)
        (void)engine_lines_end(&call->lines, on_event_line, call);
    return leave_callback(call);
}

/* ---- answers ---- */

static void on_ping_answer(struct engine_call *call, const struct http_reply *http,
                           struct engine_reply *reply)
{
    struct engine *engine = call->engine;
    char version[64];
    engine_version_read_server(http_reply_header(http, "Server"), version, sizeof(version));
    if (reply->failure == NULL) {
        engine_version_take(engine, http_reply_header(http, "Api-Version"));
        reply->version = version;
        reply->api_version = engine->api_version;
    }
    finish(call, reply);
    if (engine->is_version_known)
        send_waiting(engine);
}

static void note_date(struct engine *engine, const struct http_reply *http)
{
    int64_t date_ms;
    if (http->status == 0 || !http_read_date(http_reply_header(http, "Date"), &date_ms))
        return;
    engine->date_ms = date_ms;
    engine->date_mono_ms = clock_mono_ms(timers_clock(engine->timers));
}

static void on_http_done(void *arg, const struct http_reply *http)
{
    struct engine_call *call = MAGIC_CAST(struct engine_call, arg, ENGINE_CALL_MAGIC);
    struct engine_parsed parsed = {0};
    struct failure failure;
    struct engine_reply reply = {0};
    call->http = NULL;
    engine_version_note(call, http);
    note_date(call->engine, http);
    if (call->kind == ENGINE_ANSWER_EVENTS && !end_event_lines(call))
        return;
    engine_answer(call, http, &parsed, &failure, &reply);
    reply.connect_ms = http->connect_ms;
    reply.silence_ms = http->silence_ms;
    if (call->kind == ENGINE_ANSWER_PING)
        on_ping_answer(call, http, &reply);
    else
        finish(call, &reply);
    engine_parsed_done(&parsed);
}

/* ---- the beginning of a call ---- */

static void on_never_accepted(void *arg)
{
    struct engine_call *call = MAGIC_CAST(struct engine_call, arg, ENGINE_CALL_MAGIC);
    http_cancel(call->http);
    call->http = NULL;
    struct failure failure;
    engine_answer_fail(call, &failure, 0, TRANSPORT_READ_TIMEOUT,
                       "the engine has not accepted the stream in time");
    failure.clock = CLOCK_KIND_INACTIVITY;
    finish_failed(call, &failure);
}

static void on_waited_too_long(void *arg)
{
    struct engine_call *call = MAGIC_CAST(struct engine_call, arg, ENGINE_CALL_MAGIC);
    struct failure failure;
    engine_answer_fail(call, &failure, 0, TRANSPORT_TOTAL_TIMEOUT,
                       "the engine has not told its API version in time");
    failure.sent = false;
    failure.clock = CLOCK_KIND_TOTAL;
    finish_failed(call, &failure);
}

static struct http_clocks clocks_to_send(struct engine_call *call)
{
    struct http_clocks clocks = call->clocks;
    if (call->is_endless)
        clocks.inactivity_ms = clocks.total_ms = 0;
    if (clocks.total_ms > 0) {
        int64_t waited_ms = clock_mono_ms(timers_clock(call->engine->timers)) - call->started_ms;
        clocks.total_ms = clocks.total_ms > waited_ms ? clocks.total_ms - waited_ms : 1;
    }
    return clocks;
}

/* The header lines of a call; the last one is NULL. */
static void list_headers(const struct engine_call *call, const char *headers[static 3])
{
    size_t n = 0;
    if (call->body != NULL)
        headers[n++] = call->body_type;
    if (call->auth_header != NULL)
        headers[n++] = call->auth_header;
    headers[n] = NULL;
}

static int send_call(struct engine_call *call, struct err *err)
{
    struct engine *engine = call->engine;
    bool streams = is_stream(call->kind);
    const char *headers[3];
    list_headers(call, headers);
    char *AUTO_FREE url = call->is_unversioned
                              ? check_printf("%s%s", engine->target.url, call->path)
                              : check_printf("%s/v%s%s", engine->target.url, engine->api_version, call->path);
    bool is_empty_post = call->body == NULL && strcmp(call->method, "POST") == 0;
    struct http_request request = {
        .method = call->method,
        .url = url,
        .unix_socket = engine->target.unix_socket,
        .headers = headers,
        .body = is_empty_post ? "" : call->body,
        .body_len = call->body_len,
        .fresh_connection = call->is_fresh,
        .changes = call->changes,
        .dependency = DEPENDENCY_ENGINE,
        .stage = call->stage,
        .clocks = clocks_to_send(call),
        .on_chunk = streams ? on_chunk : NULL,
        .on_headers = streams ? on_headers : NULL,
        .done = on_http_done,
        .arg = call,
    };
    if (http_start(engine->http, &request, &call->http, err) != 0)
        return -1;
    timer_cancel(&call->timer);
    if (streams && call->is_endless && call->clocks.inactivity_ms > 0)
        timer_start(engine->timers, &call->timer, call->clocks.inactivity_ms, on_never_accepted, call);
    call->generation = engine->generation;
    list_remove(&call->link);
    list_add_last(&engine->out, &call->link);
    return 0;
}

/* For a call whose start has returned long ago: what goes wrong now is told through done. */
static void send_late(struct engine_call *call)
{
    struct err err;
    if (send_call(call, &err) == 0)
        return;
    struct failure failure;
    engine_answer_fail(call, &failure, 0, TRANSPORT_CONNECT_FAILED, err.msg);
    failure.sent = false;
    finish_failed(call, &failure);
}

/* Calls started by the callbacks in here come later in number, and are left alone. */
static struct engine_call *next_waiting(struct engine *engine, uint64_t last_number)
{
    if (list_is_empty(&engine->waiting))
        return NULL;
    struct engine_call *call = LIST_ITEM(engine->waiting.next, struct engine_call, link);
    return call->number <= last_number ? call : NULL;
}

static void send_waiting(struct engine *engine)
{
    uint64_t last_number = engine->last_number;
    struct engine_call *call;
    while ((call = next_waiting(engine, last_number)) != NULL)
        send_late(call);
}

static void fail_waiting(struct engine *engine, const struct failure *cause)
{
    uint64_t last_number = engine->last_number;
    struct engine_call *call;
    while ((call = next_waiting(engine, last_number)) != NULL) {
        struct failure failure;
        engine_answer_unsent(call, cause, &failure);
        finish_failed(call, &failure);
    }
}

static void on_version_asked(void *arg, const struct engine_reply *reply)
{
    struct engine *engine = MAGIC_CAST(struct engine, arg, ENGINE_MAGIC);
    engine->is_asking = false;
    if (reply->failure != NULL)
        fail_waiting(engine, reply->failure);
}

static int ask_version(struct engine *engine, const struct http_clocks *clocks, struct err *err)
{
    struct http_clocks c = *clocks;
    c.inactivity_ms = c.inactivity_ms > 0 ? c.inactivity_ms : PING_CLOCK_MS;
    c.total_ms = c.total_ms > 0 && c.total_ms < PING_CLOCK_MS ? c.total_ms : PING_CLOCK_MS;
    engine->is_asking = engine_ping(engine, &c, on_version_asked, engine, NULL, err) == 0;
    return engine->is_asking ? 0 : -1;
}

static int wait_for_version(struct engine_call *call, struct err *err)
{
    struct engine *engine = call->engine;
    if (!engine->is_asking && ask_version(engine, &call->clocks, err) != 0)
        return -1;
    list_add_last(&engine->waiting, &call->link);
    if (call->clocks.total_ms > 0 && !call->is_endless)
        timer_start(engine->timers, &call->timer, call->clocks.total_ms, on_waited_too_long, call);
    return 0;
}

struct engine_call *engine_call_new(struct engine *engine, enum engine_answer_kind kind, enum stage stage,
                                    const char *method, char *take_path)
{
    struct engine_call *call = check_alloc(sizeof(*call));
    *call = (struct engine_call){.magic = ENGINE_CALL_MAGIC,
                                 .engine = engine,
                                 .kind = kind,
                                 .stage = stage,
                                 .method = method,
                                 .path = take_path};
    list_init(&call->link);
    engine_lines_init(&call->lines, ENGINE_LINE_MAX_BYTES);
    return call;
}

/* Nobody may hear of the end before the start has returned. */
static void on_not_let(void *arg)
{
    struct engine_call *call = MAGIC_CAST(struct engine_call, arg, ENGINE_CALL_MAGIC);
    struct failure failure;
    engine_answer_fail(call, &failure, 0, TRANSPORT_BREAKER_OPEN, "breaker of engine");
    failure.sent = false;
    finish_failed(call, &failure);
}

/* Those that find out whether it is there go in any case. */
static bool may_go(const struct engine_call *call)
{
    const struct engine *engine = call->engine;
    return engine->may_go == NULL || call->kind == ENGINE_ANSWER_PING || call->kind == ENGINE_ANSWER_EVENTS ||
           engine->may_go(engine->arg);
}

int engine_call_start(struct engine_call *call, const struct http_clocks *clocks, engine_done_fn done,
                      void *arg, struct engine_call **out, struct err *err)
{
    struct engine *engine = call->engine;
    call->clocks = *clocks;
    call->done = done;
    call->arg = arg;
    call->number = ++engine->last_number;
    call->started_ms = clock_mono_ms(timers_clock(engine->timers));
    bool is_ready = call->is_unversioned || engine->is_version_known;
    if (!may_go(call)) {
        list_add_last(&engine->out, &call->link);
        timer_start(engine->timers, &call->timer, 0, on_not_let, call);
    } else if ((is_ready ? send_call(call, err) : wait_for_version(call, err)) != 0) {
        free_call(call);
        return -1;
    }
    if (out != NULL)
        *out = call;
    return 0;
}
