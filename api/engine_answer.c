/*
 * engine_answer.c - from an HTTP answer to an engine_reply or a failure.
 *
 * A failure's message is the engine's own sentence. A success answer that can't be read is a failure too
 * (TRANSPORT_BAD_ANSWER, sent): what it changed is then unknown; so is a refusal that is not the engine's
 * JSON, with its status. Statuses are passed on, not judged; the exceptions are those of engine.h: 304 for
 * start and stop, "already connected" for networks.
 */
#include "api/engine_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_success(int status)
{
    return status >= 200 && status <= 299;
}

/* Everything but the message. */
static struct failure failure_of(const struct engine_call *call, int status, enum transport transport)
{
    return (struct failure){.dependency = DEPENDENCY_ENGINE,
                            .stage = call->stage,
                            .status = status,
                            .transport = transport,
                            .sent = true,
                            .changes = call->changes,
                            .clock = CLOCK_KIND_NONE,
                            .retry_after_ms = -1};
}

void engine_answer_fail(const struct engine_call *call, struct failure *failure, int status,
                        enum transport transport, const char *message)
{
    *failure = failure_of(call, status, transport);
    engine_copy_text(failure->message, sizeof(failure->message), message, strlen(message));
}

void engine_answer_unsent(const struct engine_call *call, const struct failure *cause,
                          struct failure *failure)
{
    *failure = *cause;
    failure->stage = call->stage;
    failure->changes = call->changes;
    failure->sent = false;
}

/* A page instead of JSON is shown in part; JSON never is, since it may hold a container's environment. */
static void fail_bad_answer(const struct engine_call *call, const struct http_reply *http, const char *why,
                            struct failure *failure)
{
    *failure = failure_of(call, http->status, TRANSPORT_BAD_ANSWER);
    char excerpt[201] = "";
    size_t blanks = strspn(http->body, " \t\r\n");
    char first = http->body[blanks];
    if (first != '{' && first != '[')
        (void)engine_read_message(http->body + blanks, http->body_len - blanks, excerpt, sizeof(excerpt));
    snprintf(failure->message, sizeof(failure->message), "the engine's answer was not understood: %s%s%s",
             why, excerpt[0] != '\0' ? ": " : "", excerpt);
}

/* A pull's refusal is the registry's, whoever tells it; an import's is the engine's. */
static enum dependency who_refuses(const struct engine_call *call)
{
    return call->stage == STAGE_PULL ? DEPENDENCY_REGISTRY : DEPENDENCY_ENGINE;
}

/* Somebody said no: the engine, if it is its JSON; else something in front of it, whose word on what exists
 * counts for nothing. */
static void fail_refused(const struct engine_call *call, const struct http_reply *http,
                         struct failure *failure)
{
    *failure = failure_of(call, http->status, TRANSPORT_NONE);
    if (!engine_read_message(http->body, http->body_len, failure->message, sizeof(failure->message)))
        failure->transport = TRANSPORT_BAD_ANSWER;
    else if (http->status >= 400)
        failure->dependency = who_refuses(call);
    if (failure->message[0] == '\0')
        snprintf(failure->message, sizeof(failure->message), "the engine answered %d without a message",
                 http->status);
    const char *retry_after = http_reply_header(http, "Retry-After");
    if (retry_after != NULL)
        failure->retry_after_ms = http_retry_after_ms(retry_after, engine_wall_ms(call->engine));
}

/* Wordings of Docker and Podman for a container that is on the network already. */
static bool is_connected_already(const struct http_reply *http)
{
    if (http->status != 403 && http->status != 500)
        return false;
    char message[FAILURE_MESSAGE_SIZE];
    if (!engine_read_message(http->body, http->body_len, message, sizeof(message)))
        return false;
    return strcasestr(message, "already exists in network") != NULL ||
           strcasestr(message, "already connected") != NULL ||
           strcasestr(message, "already attached") != NULL;
}

static int answer_ping(const struct engine_call *call, const struct http_reply *http,
                       struct engine_reply *reply, struct failure *failure)
{
    const char *text = http_reply_header(http, "Api-Version");
    int minor = engine_read_api_minor(text);
    if (minor < 0) {
        fail_bad_answer(call, http, "no Api-Version header, so this may be no Docker Engine", failure);
        return -1;
    }
    if (minor < ENGINE_OLDEST_MINOR) {
        *failure = failure_of(call, 400, TRANSPORT_NONE);
        snprintf(failure->message, sizeof(failure->message),
                 "the engine speaks Docker API %.20s, the oldest that can be used is 1.%d (Docker 20.10)",
                 text, ENGINE_OLDEST_MINOR);
        return -1;
    }
    reply->status = http->status;
    return 0;
}

/* Calls whose success has nothing to tell; a page instead is somebody else's success. */
static int answer_nothing(const struct engine_call *call, const struct http_reply *http,
                          struct failure *failure)
{
    const char *body = http->body + strspn(http->body, " \t\r\n");
    if (body[0] != '<')
        return 0;
    fail_bad_answer(call, http, "a page", failure);
    return -1;
}

static int answer_pull(struct engine_call *call, const struct http_reply *http, struct failure *failure)
{
    (void)engine_lines_end(&call->lines, engine_pull_line, &call->pull);
    if (call->pull.error != NULL) {
        engine_answer_fail(call, failure, http->status, TRANSPORT_NONE, call->pull.error);
        failure->dependency = who_refuses(call);
        return -1;
    }
    if (http->failure != NULL || (call->pull.bad_lines == 0 && call->lines.too_long == 0))
        return 0;
    fail_bad_answer(call, http, "a line of progress is no JSON object", failure);
    return -1;
}

static int answer_stream(struct engine_call *call, const struct http_reply *http, struct failure *failure)
{
    const char *why = NULL;
    if (call->kind == ENGINE_ANSWER_EVENTS && call->good_lines == 0 &&
        (call->bad_lines > 0 || call->lines.too_long > 0))
        why = "no line of the event stream is an event";
    else if (call->stream_is_bad)
        why = "the log stream holds a frame that can't be one";
    else if (call->kind == ENGINE_ANSWER_LOGS && http->failure == NULL &&
             !engine_frames_is_complete(&call->frames))
        why = "the log stream ends inside a frame";
    if (why == NULL)
        return 0;
    fail_bad_answer(call, http, why, failure);
    return -1;
}

typedef int (*read_fn)(const char *body, size_t len, struct engine_parsed *out, struct err *err);

static int answer_json(const struct engine_call *call, const struct http_reply *http, read_fn read,
                       struct engine_parsed *parsed, struct engine_reply *reply, struct failure *failure)
{
    struct err err;
    if (read(http->body, http->body_len, parsed, &err) != 0) {
        if (err.kind == ERR_INVALID)
            engine_answer_fail(call, failure, http->status, TRANSPORT_BAD_ANSWER, err.msg);
        else
            fail_bad_answer(call, http, err.msg, failure);
        return -1;
    }
    reply->container_id = parsed->container_id;
    reply->warning = parsed->warning;
    reply->containers = parsed->containers;
    reply->count = parsed->count;
    reply->image_id = parsed->image_id;
    reply->repo_digests = parsed->repo_digests;
    reply->image_ids = parsed->image_ids;
    return 0;
}

static int answer_success(struct engine_call *call, const struct http_reply *http,
                          struct engine_parsed *parsed, struct engine_reply *reply, struct failure *failure)
{
    switch (call->kind) {
    case ENGINE_ANSWER_PING:
        return answer_ping(call, http, reply, failure);
    case ENGINE_ANSWER_IMAGE:
        return answer_json(call, http, engine_read_image, parsed, reply, failure);
    case ENGINE_ANSWER_IMAGES:
        return answer_json(call, http, engine_read_images, parsed, reply, failure);
    case ENGINE_ANSWER_PULL:
        return 0; /* its lines have been looked at */
    case ENGINE_ANSWER_CREATE:
        return answer_json(call, http, engine_read_create, parsed, reply, failure);
    case ENGINE_ANSWER_NETWORK:
    case ENGINE_ANSWER_NOTHING:
        return answer_nothing(call, http, failure);
    case ENGINE_ANSWER_INSPECT:
        return answer_json(call, http, engine_read_inspect, parsed, reply, failure);
    case ENGINE_ANSWER_LIST:
        return answer_json(call, http, engine_read_list, parsed, reply, failure);
    case ENGINE_ANSWER_WAIT:
        return answer_json(call, http, engine_read_wait, parsed, reply, failure);
    case ENGINE_ANSWER_EVENTS:
    case ENGINE_ANSWER_LOGS:
        return 0; /* their pieces have been looked at */
    }
    UNREACHABLE();
}

static int answer_any(struct engine_call *call, const struct http_reply *http, struct engine_parsed *parsed,
                      struct engine_reply *reply, struct failure *failure)
{
    /* What a stream has shown before its end counts more than how it ended. */
    if (call->kind == ENGINE_ANSWER_PULL && answer_pull(call, http, failure) != 0)
        return -1;
    bool is_stream = call->kind == ENGINE_ANSWER_EVENTS || call->kind == ENGINE_ANSWER_LOGS;
    if (is_stream && answer_stream(call, http, failure) != 0)
        return -1;
    if (call->stopped_by_listener)
        return 0;
    if (http->failure != NULL) {
        *failure = *http->failure;
        return -1;
    }
    if (is_success(http->status))
        return answer_success(call, http, parsed, reply, failure);
    if (call->kind == ENGINE_ANSWER_NETWORK && is_connected_already(http))
        return 0;
    if (call->allows_304 && http->status == 304) {
        reply->was_already = true;
        return 0;
    }
    fail_refused(call, http, failure);
    return -1;
}

void engine_answer(struct engine_call *call, const struct http_reply *http, struct engine_parsed *parsed,
                   struct failure *failure, struct engine_reply *reply)
{
    *reply = (struct engine_reply){.status = http->status};
    if (answer_any(call, http, parsed, reply, failure) != 0)
        *reply = (struct engine_reply){.status = failure->status, .failure = failure};
    reply->downloaded_bytes = engine_pull_bytes(&call->pull);
}
