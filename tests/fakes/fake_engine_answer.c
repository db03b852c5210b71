/*
 * fake_engine_answer.c - answers of the fake engine, right ones and those that a fault has spoiled.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static char *usual_headers(const struct fake_call *call, const char *type)
{
    const struct fake_engine *e = call->engine;
    char *AUTO_FREE version =
        e->newest_api == NULL ? check_strdup("") : check_printf("Api-Version: %s\r\n", e->newest_api);
    const char *more = call->fault.headers != NULL ? call->fault.headers : "";
    char date[64];
    struct tm tm;
    time_t now = (time_t)(fake_engine_wall_ms(e) / 1000);
    CHECK(strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm)) > 0);
    char *AUTO_FREE own = e->podman_version == NULL
                              ? check_strdup("Server: Docker/20.10.24 (linux)\r\n")
                              : check_printf("Libpod-Api-Version: %s\r\nServer: Libpod/%s (linux)\r\n",
                                             e->podman_version, e->podman_version);
    return check_printf("%s%s%s%sDate: %s\r\n", version, more, type, own, date);
}

#define JSON_TYPE "Content-Type: application/json\r\n"

static void park(struct fake_call *call)
{
    call->state = CALL_PARKED;
    if (wire_is_gone(call->exchange)) {
        wire_drop(call->exchange);
        fake_engine_end_call(call);
    }
}

void fake_engine_drop(struct fake_call *call)
{
    wire_drop(call->exchange);
    fake_engine_end_call(call);
}

static void send_half(struct fake_call *call, int status, const char *body)
{
    char *AUTO_FREE headers = usual_headers(call, JSON_TYPE);
    char *AUTO_FREE head =
        check_printf("HTTP/1.1 %d Fake\r\n%sContent-Length: %zu\r\n\r\n", status, headers, strlen(body) + 2);
    bool whole_head = call->fault.kind != FAKE_FAULT_HALF_HEADERS;
    wire_raw(call->exchange, head, whole_head ? strlen(head) : strlen(head) / 2);
    if (whole_head)
        wire_raw(call->exchange, body, strlen(body) / 2);
}

/* Do as the fault says; false: it says nothing about answers. */
static bool answer_wrongly(struct fake_call *call, int status, const char *body)
{
    switch (call->fault.kind) {
    case FAKE_FAULT_NONE:
    case FAKE_FAULT_STATUS:
    case FAKE_FAULT_DROP_BEFORE:
    case FAKE_FAULT_HOLD:
        return false;
    case FAKE_FAULT_BODY: {
        char *AUTO_FREE headers = usual_headers(call, "");
        wire_reply(call->exchange, call->fault.status != 0 ? call->fault.status : status, headers,
                   call->fault.body != NULL ? call->fault.body : "");
        fake_engine_end_call(call);
        return true;
    }
    case FAKE_FAULT_DROP_AFTER:
        fake_engine_drop(call);
        return true;
    case FAKE_FAULT_STALL:
        park(call);
        return true;
    case FAKE_FAULT_HALF_HEADERS:
    case FAKE_FAULT_HALF_BODY:
        send_half(call, status, body);
        fake_engine_drop(call);
        return true;
    case FAKE_FAULT_STALL_BODY:
        send_half(call, status, body);
        park(call);
        return true;
    }
    UNREACHABLE();
}

void fake_engine_answer(struct fake_call *call, int status, const char *body)
{
    if (answer_wrongly(call, status, body))
        return;
    char *AUTO_FREE headers = usual_headers(call, JSON_TYPE);
    wire_reply(call->exchange, status, headers, body);
    fake_engine_end_call(call);
}

void fake_engine_answer_message(struct fake_call *call, int status, const char *fmt, ...)
{
    char *message = NULL;
    va_list ap;
    va_start(ap, fmt);
    CHECK(vasprintf(&message, fmt, ap) >= 0);
    va_end(ap);
    char *AUTO_FREE quoted = json_quote(message);
    char *AUTO_FREE body = check_printf("{\"message\":%s}\n", quoted);
    free(message);
    fake_engine_answer(call, status, body);
}

void fake_engine_answer_json(struct fake_call *call, int status, struct json *take_json)
{
    char *AUTO_FREE text = json_write(take_json);
    char *AUTO_FREE body = check_printf("%s\n", text);
    json_free(take_json);
    fake_engine_answer(call, status, body);
}

bool fake_engine_stream_begin(struct fake_call *call)
{
    call->state = CALL_STREAMING;
    bool is_cut_later = call->fault.kind == FAKE_FAULT_HALF_BODY || call->fault.kind == FAKE_FAULT_STALL_BODY;
    if (!is_cut_later && answer_wrongly(call, 200, "{}"))
        return false;
    char *AUTO_FREE headers = usual_headers(call, call->kind == FAKE_ENGINE_LOGS ? "" : JSON_TYPE);
    wire_begin(call->exchange, 200, headers);
    call->has_begun = true;
    return true;
}

bool fake_engine_stream_send(struct fake_call *call, const void *data, size_t len)
{
    if (call->is_mute || len == 0)
        return true;
    wire_chunk(call->exchange, data, len);
    call->is_mute = call->fault.kind == FAKE_FAULT_STALL_BODY;
    if (call->fault.kind != FAKE_FAULT_HALF_BODY)
        return true;
    fake_engine_drop(call);
    return false;
}

void fake_engine_stream_end(struct fake_call *call)
{
    if (call->is_mute) {
        park(call);
        return;
    }
    wire_end(call->exchange);
    fake_engine_end_call(call);
}
