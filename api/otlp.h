/*
 * otlp.h - spans for an OpenTelemetry collector: their JSON (otlp_json.c, pure), and sending it beside the
 * work and never in its way (otlp.c).
 *
 * Nothing here can fail or wait for its caller: spans go into a bounded queue, batches go out after batch_ms
 * or when a whole one is there, one request at a time. 429, 502, 503 and 504, and what never reached the
 * collector, are tried again 1, 2, 4, ... 60 s later (later still if the collector asks for it); a request
 * whose answer is lost four times; any other answer drops the batch. When the queue is full its oldest span
 * goes. All that is dropped is counted, what the collector rejects of a batch it takes (partial success)
 * included. Source: OTLP 1.5 (opentelemetry.io/docs/specs/otlp): OTLP/HTTP, JSON Protobuf encoding.
 */
#ifndef SLUICE_API_OTLP_H
#define SLUICE_API_OTLP_H

#include "api/http.h"
#include "base/buf.h"
#include "core/trace.h"

/* ---- JSON ---- */

/* The numbers are the protocol's. */
enum otlp_kind { OTLP_KIND_INTERNAL = 1, OTLP_KIND_CLIENT = 3, OTLP_KIND_CONSUMER = 5 };

struct otlp_attribute {
    const char *key;
    const char *text; /* NULL: the number */
    int64_t number;
    bool is_list; /* of this one text */
};

struct otlp_span {
    struct trace_id trace;
    uint64_t id;
    uint64_t parent;       /* 0: none */
    bool is_parent_remote; /* it came from another process */
    const char *name;
    enum otlp_kind kind;
    int64_t start_ms; /* wall */
    int64_t end_ms;   /* wall; one before the start, after a step of the clock, counts as the start */
    const struct otlp_attribute *attributes;
    size_t attribute_count;
    bool is_error;
    const char *message; /* with is_error; "" if none */
};

/* otlp_span_json - one span as an object; malloc'ed. Texts over 1 KiB are cut. */
char *otlp_span_json(const struct otlp_span *span);
/* otlp_head_json - all of a request up to its spans; malloc'ed. */
char *otlp_head_json(const struct otlp_attribute *resource, size_t count, const char *scope,
                     const char *version);
/* What closes a request after its spans. */
extern const char otlp_tail_json[];
/* otlp_rejected - how many spans the answer of a good request says were not taken; *message: what it says of
 * them, malloc'ed, NULL if nothing. An answer that is none says nothing. */
uint64_t otlp_rejected(const char *body, size_t len, char **message);

/* ---- sending ---- */

struct otlp;

struct otlp_settings {
    const char *url;            /* where spans are posted */
    const char *const *headers; /* further ones, "Name: value", NULL-terminated; secret; NULL: none */
    const char *head_json;      /* otlp_head_json() */
    int64_t timeout_ms;         /* of one request */
    int64_t batch_ms;
    size_t queue_max; /* spans */
    size_t batch_max; /* spans of one request */
};

/* otlp_new - http and timers are borrowed for its life, settings are copied. */
struct otlp *otlp_new(struct http *http, struct timers *timers, const struct otlp_settings *settings);
/* Drops what is queued. Accepts NULL. */
void otlp_free(struct otlp *otlp);
void otlp_add(struct otlp *otlp, const struct otlp_span *span);
/* otlp_flush - send what is queued, each batch once, and tell when it is over or limit_ms has passed. done:
 * called once, later, on the loop thread. For the end: what comes after it may not be sent any more. */
void otlp_flush(struct otlp *otlp, int64_t limit_ms, void (*done)(void *arg), void *arg);

struct otlp_counts {
    uint64_t sent;
    uint64_t dropped; /* rejected ones included */
    size_t queued;    /* waiting or on the way */
};
struct otlp_counts otlp_counts(const struct otlp *otlp);
/* Why spans were dropped last, for people; "" if none were. Without secrets; borrowed until the next turn. */
const char *otlp_trouble(const struct otlp *otlp);

#endif
