/*
 * engine_version.c - which API version is spoken, and when it must be asked anew.
 *
 * The lower of the engine's and ours. It is forgotten when a connection breaks, when an endless event stream
 * is over, and when an answer's Api-Version header differs from the one it was derived from: each time
 * another engine may have taken the place. Not here: asking, and the calls that wait for the answer
 * (engine.c).
 */
#include "api/engine_internal.h"

#include <stdio.h>
#include <string.h>

int engine_version_pin(struct engine *engine, const char *text, struct err *err)
{
    int minor = engine_read_api_minor(text);
    if (minor < ENGINE_OLDEST_MINOR || minor == 9999)
        return err_set(err, ERR_INVALID,
                       "Docker API version \"%.20s\" can't be used; 1.%d is the oldest, 1.%d the "
                       "newest that is known",
                       text, ENGINE_OLDEST_MINOR, ENGINE_NEWEST_MINOR);
    snprintf(engine->api_version, sizeof(engine->api_version), "1.%d", minor);
    engine->is_pinned = true;
    engine->is_version_known = true;
    return 0;
}

static void forget_version(struct engine *engine)
{
    if (!engine->is_pinned)
        engine->is_version_known = false;
}

/* Did the connection break, so that another engine may answer next time? */
static bool is_connection_lost(enum transport transport)
{
    switch (transport) {
    case TRANSPORT_NONE:
    case TRANSPORT_EAGAIN_UNIX:
    case TRANSPORT_EMFILE:
    case TRANSPORT_READ_TIMEOUT:
    case TRANSPORT_IDLE_TIMEOUT:
    case TRANSPORT_TOTAL_TIMEOUT:
    case TRANSPORT_BODY_TOO_LARGE:
    case TRANSPORT_BAD_ANSWER:
    case TRANSPORT_BREAKER_OPEN:
    case TRANSPORT_BUDGET_EMPTY:
    case TRANSPORT_CANCELLED:
        return false;
    case TRANSPORT_ENOENT_UNIX:
    case TRANSPORT_EACCES_UNIX:
    case TRANSPORT_ECONNREFUSED_UNIX:
    case TRANSPORT_ECONNREFUSED_TCP:
    case TRANSPORT_EHOSTUNREACH:
    case TRANSPORT_ENETUNREACH:
    case TRANSPORT_CONNECT_FAILED:
    case TRANSPORT_CONNECT_TIMEOUT:
    case TRANSPORT_DNS:
    case TRANSPORT_TLS_VERIFY:
    case TRANSPORT_TLS_CLIENT_CERT:
    case TRANSPORT_TLS_CERT_FILE:
    case TRANSPORT_TLS_VERSION:
    case TRANSPORT_TLS_HANDSHAKE_TIMEOUT:
    case TRANSPORT_SEND_FAILED:
    case TRANSPORT_NOTHING_ACCEPTED:
    case TRANSPORT_RESET_BEFORE_ANSWER:
    case TRANSPORT_CLOSED_BEFORE_ANSWER:
    case TRANSPORT_REUSED_CLOSED:
    case TRANSPORT_PARTIAL_HEADERS:
    case TRANSPORT_PARTIAL_BODY:
    case TRANSPORT_GOAWAY:
        return true;
    }
    UNREACHABLE();
}

/* Every answer of Podman's tells its version beside that of the API; so does none of another engine. */
static void note_podman(struct engine *engine, const struct http_reply *reply)
{
    if (http_reply_header(reply, "Api-Version") == NULL)
        return;
    const char *version = http_reply_header(reply, "Libpod-Api-Version");
    snprintf(engine->podman_version, sizeof(engine->podman_version), "%s", version == NULL ? "" : version);
}

/* What an ended call tells about the engine behind the socket. Calls sent under an older version tell nothing
 * new. */
void engine_version_note(const struct engine_call *call, const struct http_reply *reply)
{
    struct engine *engine = call->engine;
    note_podman(engine, reply);
    if (call->generation != engine->generation)
        return;
    const char *header = http_reply_header(reply, "Api-Version");
    bool is_other =
        header != NULL && engine->engine_version[0] != '\0' && strcmp(header, engine->engine_version) != 0;
    /* A stopping engine ends its event streams in good order. */
    bool is_stream_over =
        call->kind == ENGINE_ANSWER_EVENTS && call->is_endless && !call->stopped_by_listener;
    if (is_other || is_stream_over ||
        (reply->failure != NULL && is_connection_lost(reply->failure->transport)))
        forget_version(engine);
}

/* The answer to a ping: take its version over. */
void engine_version_take(struct engine *engine, const char *header)
{
    if (engine->is_pinned)
        return;
    int minor = engine_read_api_minor(header);
    CHECK(minor >= ENGINE_OLDEST_MINOR);
    snprintf(engine->engine_version, sizeof(engine->engine_version), "%s", header);
    snprintf(engine->api_version, sizeof(engine->api_version), "1.%d",
             minor < ENGINE_NEWEST_MINOR ? minor : ENGINE_NEWEST_MINOR);
    engine->generation++;
    engine->is_version_known = true;
}

/* "Docker/20.10.24 (linux)" -> "20.10.24" */
void engine_version_read_server(const char *header, char *text, size_t size)
{
    const char *slash = header == NULL ? NULL : strchr(header, '/');
    size_t len = slash == NULL ? 0 : strcspn(slash + 1, " ");
    engine_copy_text(text, size, slash == NULL ? "" : slash + 1, len);
}
