#include "tests/fakes/fake_collector.h"

#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 100
#define SPANS_MAX 100000

/* Held. */
struct held {
    struct list link;
    struct fake_collector *collector;
};

struct fake_collector {
    struct wire *wire;
    char url[64];
    int status;
    const char *headers;
    const char *answer;
    struct list held;
    size_t held_count;
    size_t requests;
    char path[PATH_SIZE];
    char *head;
    char *body;
    struct json **spans; /* copies */
    size_t span_count;
};

/* ---- the rules ---- */

static bool is_digits(const char *text, const char *digits, size_t len)
{
    return text != NULL && strlen(text) == len && strspn(text, digits) == len;
}

static void check_id(const struct json *object, const char *key, size_t len)
{
    const char *text = json_get_text(object, key, NULL);
    CHECK(is_digits(text, "0123456789abcdef", len) && strspn(text, "0") < len);
}

static int64_t check_time(const struct json *span, const char *key)
{
    const char *text = json_get_text(span, key, NULL);
    CHECK(text != NULL && is_digits(text, "0123456789", strlen(text)));
    return strtoll(text, NULL, 10);
}

static void check_keys(const struct json *object, const char *const *known)
{
    for (const struct json *member = json_first(object); member != NULL; member = json_next(member)) {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], json_key(member)) != 0)
            i++;
        CHECK(known[i] != NULL);
    }
}

static void check_attributes(const struct json *list)
{
    static const char *const keys[] = {"key", "value", NULL};
    static const char *const values[] = {"stringValue", "intValue", "arrayValue", NULL};
    CHECK(json_kind(list) == JSON_ARRAY);
    for (const struct json *a = json_first(list); a != NULL; a = json_next(a)) {
        const struct json *value = json_get(a, "value");
        const struct json *number = json_get(value, "intValue");
        check_keys(a, keys);
        check_keys(value, values);
        CHECK(json_count(value) == 1 && json_get_text(a, "key", "")[0] != '\0');
        CHECK(number == NULL || json_kind(number) == JSON_STRING);
        for (const struct json *b = json_next(a); b != NULL; b = json_next(b))
            CHECK(strcmp(json_get_text(a, "key", ""), json_get_text(b, "key", "")) != 0);
    }
}

static void check_span(const struct json *span)
{
    static const char *const keys[] = {
        "traceId",           "spanId",          "parentSpanId", "flags",  "name", "kind",
        "startTimeUnixNano", "endTimeUnixNano", "attributes",   "status", NULL};
    check_keys(span, keys);
    check_id(span, "traceId", 32);
    check_id(span, "spanId", 16);
    if (json_get(span, "parentSpanId") != NULL)
        check_id(span, "parentSpanId", 16);
    CHECK(json_get_text(span, "name", "")[0] != '\0');
    CHECK(json_kind(json_get(span, "kind")) == JSON_NUMBER &&
          json_kind(json_get(span, "flags")) == JSON_NUMBER);
    CHECK(json_get_int(span, "kind", 0) >= 1 && json_get_int(span, "kind", 0) <= 5);
    CHECK(check_time(span, "startTimeUnixNano") <= check_time(span, "endTimeUnixNano"));
    check_attributes(json_get(span, "attributes"));
    const struct json *status = json_get(span, "status");
    CHECK(status == NULL || json_kind(json_get(status, "code")) == JSON_NUMBER);
}

static void check_ids_differ(const struct json *spans)
{
    for (const struct json *a = json_first(spans); a != NULL; a = json_next(a))
        for (const struct json *b = json_next(a); b != NULL; b = json_next(b))
            CHECK(strcmp(json_get_text(a, "spanId", ""), json_get_text(b, "spanId", "")) != 0);
}

/* ---- serving ---- */

static void keep_spans(struct fake_collector *c, const struct json *spans)
{
    for (const struct json *span = json_first(spans); span != NULL; span = json_next(span)) {
        CHECK(c->span_count < SPANS_MAX);
        c->spans[c->span_count++] = json_copy(span);
    }
}

static void take(struct fake_collector *c)
{
    static const char *const roots[] = {"resourceSpans", NULL};
    struct json *root = NULL;
    struct err err;
    CHECK(json_parse(c->body, strlen(c->body), &root, &err) == 0);
    check_keys(root, roots);
    const struct json *resource_spans = json_first(json_get(root, "resourceSpans"));
    const struct json *scope_spans = json_first(json_get(resource_spans, "scopeSpans"));
    const struct json *spans = json_get(scope_spans, "spans");
    check_attributes(json_get(json_get(resource_spans, "resource"), "attributes"));
    CHECK(json_count(spans) > 0);
    for (const struct json *span = json_first(spans); span != NULL; span = json_next(span))
        check_span(span);
    check_ids_differ(spans);
    if (c->status >= 200 && c->status < 300)
        keep_spans(c, spans);
    json_free(root);
}

static void on_held_gone(void *arg)
{
    struct held *held = arg;
    list_remove(&held->link);
    held->collector->held_count--;
    free(held); /* the exchange ends with the wire */
}

static void hold(struct fake_collector *c, struct wire_exchange *x)
{
    struct held *held = check_alloc(sizeof(*held));
    *held = (struct held){.collector = c};
    list_add_last(&c->held, &held->link);
    c->held_count++;
    wire_on_gone(x, on_held_gone, held);
}

static void on_request(void *arg, struct wire_exchange *x)
{
    struct fake_collector *c = arg;
    CHECK(strcmp(wire_method(x), "POST") == 0);
    CHECK(strcmp(wire_header(x, "Content-Type"), "application/json") == 0);
    c->requests++;
    snprintf(c->path, sizeof(c->path), "%s", wire_target(x));
    free(c->head);
    free(c->body);
    c->head = check_strdup(wire_head(x));
    c->body = check_strdup(wire_body(x));
    take(c);
    if (c->status == 0)
        hold(c, x);
    else
        wire_reply(x, c->status, c->headers, c->answer);
}

struct fake_collector *fake_collector_new(struct event_base *base)
{
    struct fake_collector *c = check_alloc(sizeof(*c));
    c->wire = wire_new_tcp(base, on_request, c);
    wire_listen(c->wire);
    snprintf(c->url, sizeof(c->url), "http://127.0.0.1:%d", wire_port(c->wire));
    c->spans = check_alloc(SPANS_MAX * sizeof(struct json *));
    list_init(&c->held);
    fake_collector_answer(c, 200, "", "{}");
    return c;
}

void fake_collector_free(struct fake_collector *c)
{
    if (c == NULL)
        return;
    wire_free(c->wire); /* who is held has gone then */
    for (size_t i = 0; i < c->span_count; i++)
        json_free(c->spans[i]);
    free(c->spans);
    free(c->head);
    free(c->body);
    free(c);
}

const char *fake_collector_url(const struct fake_collector *c)
{
    return c->url;
}

struct wire *fake_collector_wire(struct fake_collector *c)
{
    return c->wire;
}

void fake_collector_answer(struct fake_collector *c, int status, const char *headers, const char *body)
{
    c->status = status;
    c->headers = headers;
    c->answer = body;
}

size_t fake_collector_held(const struct fake_collector *c)
{
    return c->held_count;
}

/* ---- looking ---- */

size_t fake_collector_requests(const struct fake_collector *c)
{
    return c->requests;
}

const char *fake_collector_path(const struct fake_collector *c)
{
    return c->path;
}

const char *fake_collector_head(const struct fake_collector *c)
{
    return c->head == NULL ? "" : c->head;
}

const char *fake_collector_body(const struct fake_collector *c)
{
    return c->body == NULL ? "" : c->body;
}

size_t fake_collector_count(const struct fake_collector *c)
{
    return c->span_count;
}

const struct json *fake_collector_span(const struct fake_collector *c, size_t index)
{
    CHECK(index < c->span_count);
    return c->spans[index];
}

const char *fake_collector_attribute(const struct json *span, const char *key)
{
    const struct json *list = json_get(span, "attributes");
    for (const struct json *a = json_first(list); a != NULL; a = json_next(a)) {
        const struct json *value = json_get(a, "value");
        const struct json *items = json_get(json_get(value, "arrayValue"), "values");
        if (strcmp(json_get_text(a, "key", ""), key) != 0)
            continue;
        if (items != NULL)
            value = json_first(items);
        return json_get_text(value, "stringValue", json_get_text(value, "intValue", NULL));
    }
    return NULL;
}
