/*
 * otlp_json.c - spans as OTLP's JSON: ids in hex, 64-bit numbers as texts, enums as numbers.
 *
 * Written piece by piece, not as a tree: a launch has some twenty spans of ten members and more each. All
 * that is written has an end, so the buffers never meet their limit.
 */
#include "api/otlp.h"

#include "api/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES 1024
#define SPAN_MAX_BYTES ((size_t)1024 * 1024)
/* Span flags: those of W3C, and that the next one is known. */
#define FLAG_SAMPLED 0x001
#define FLAG_HAS_IS_REMOTE 0x100
#define FLAG_IS_REMOTE 0x200
#define STATUS_ERROR 2

const char otlp_tail_json[] = "]}]}]}";

static void add(struct buf *b, const char *text)
{
    struct err err;
    CHECK(buf_add_str(b, text, &err) == 0);
}

static void add_quoted(struct buf *b, const char *text)
{
    char *cut = strlen(text) > TEXT_MAX_BYTES ? check_strndup(text, TEXT_MAX_BYTES) : NULL;
    char *quoted = json_quote(cut != NULL ? cut : text);
    add(b, quoted);
    free(quoted);
    free(cut);
}

static void add_attribute(struct buf *b, const struct otlp_attribute *a)
{
    struct err err;
    add(b, "{\"key\":");
    add_quoted(b, a->key);
    if (a->text == NULL) {
        CHECK(buf_printf(b, &err, ",\"value\":{\"intValue\":\"%" PRId64 "\"}}", a->number) == 0);
        return;
    }
    add(b, a->is_list ? ",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":"
                      : ",\"value\":{\"stringValue\":");
    add_quoted(b, a->text);
    add(b, a->is_list ? "}]}}}" : "}}");
}

static void add_attributes(struct buf *b, const struct otlp_attribute *attributes, size_t count)
{
    add(b, "\"attributes\":[");
    for (size_t i = 0; i < count; i++) {
        add(b, i > 0 ? "," : "");
        add_attribute(b, &attributes[i]);
    }
    add(b, "]");
}

/* As nanoseconds; what is before 1970 is a clock that was never set. */
static void add_time(struct buf *b, const char *key, int64_t wall_ms)
{
    struct err err;
    CHECK(buf_printf(b, &err, ",\"%s\":\"%" PRId64 "000000\"", key, wall_ms > 0 ? wall_ms : 0) == 0);
}

char *otlp_span_json(const struct otlp_span *span)
{
    struct buf b;
    struct err err;
    bool has_remote_parent = span->parent != 0 && span->is_parent_remote;
    unsigned flags = FLAG_SAMPLED | FLAG_HAS_IS_REMOTE | (has_remote_parent ? FLAG_IS_REMOTE : 0u);
    buf_init(&b, SPAN_MAX_BYTES);
    CHECK(buf_printf(&b, &err,
                     "{\"traceId\":\"%016" PRIx64 "%016" PRIx64 "\",\"spanId\":\"%016" PRIx64
                     "\",\"flags\":%u",
                     span->trace.high, span->trace.low, span->id, flags) == 0);
    if (span->parent != 0)
        CHECK(buf_printf(&b, &err, ",\"parentSpanId\":\"%016" PRIx64 "\"", span->parent) == 0);
    add(&b, ",\"name\":");
    add_quoted(&b, span->name);
    CHECK(buf_printf(&b, &err, ",\"kind\":%d", (int)span->kind) == 0);
    add_time(&b, "startTimeUnixNano", span->start_ms);
    add_time(&b, "endTimeUnixNano", span->end_ms > span->start_ms ? span->end_ms : span->start_ms);
    add(&b, ",");
    add_attributes(&b, span->attributes, span->attribute_count);
    if (span->is_error) {
        CHECK(buf_printf(&b, &err, ",\"status\":{\"code\":%d,\"message\":", STATUS_ERROR) == 0);
        add_quoted(&b, span->message);
        add(&b, "}");
    }
    add(&b, "}");
    return buf_take(&b);
}

char *otlp_head_json(const struct otlp_attribute *resource, size_t count, const char *scope,
                     const char *version)
{
    struct buf b;
    buf_init(&b, SPAN_MAX_BYTES);
    add(&b, "{\"resourceSpans\":[{\"resource\":{");
    add_attributes(&b, resource, count);
    add(&b, "},\"scopeSpans\":[{\"scope\":{\"name\":");
    add_quoted(&b, scope);
    add(&b, ",\"version\":");
    add_quoted(&b, version);
    add(&b, "},\"spans\":[");
    return buf_take(&b);
}

/* An int64 may come as a text or as a number. */
static int64_t int64_of(const struct json *value)
{
    const char *text = json_text(value, NULL);
    return text != NULL ? strtoll(text, NULL, 10) : json_int(value, 0);
}

uint64_t otlp_rejected(const char *body, size_t len, char **message)
{
    struct json *root = NULL;
    struct err ignored;
    *message = NULL;
    if (json_parse(body, len, &root, &ignored) != 0)
        return 0;
    const struct json *partial = json_get(root, "partialSuccess");
    int64_t rejected = int64_of(json_get(partial, "rejectedSpans"));
    const char *text = json_get_text(partial, "errorMessage", "");
    if (text[0] != '\0')
        *message = check_strdup(text);
    json_free(root);
    return rejected > 0 ? (uint64_t)rejected : 0;
}
