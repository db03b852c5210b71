/*
 * fake_collector.h - an OpenTelemetry collector in the test's own event_base: takes spans as OTLP/HTTP JSON,
 * keeps them, and answers as it is told.
 *
 * What is posted has to keep the encoding's rules (ids in small hex digits, 64-bit numbers as texts, enums as
 * numbers, no key that the protocol doesn't know, no span id twice in a request); else the test stops.
 */
#ifndef SLUICE_TESTS_FAKE_COLLECTOR_H
#define SLUICE_TESTS_FAKE_COLLECTOR_H

#include "api/json.h"
#include "tests/fakes/fake_wire.h"

struct fake_collector;

struct fake_collector *fake_collector_new(struct event_base *base);
/* Accepts NULL. */
void fake_collector_free(struct fake_collector *c);
/* "http://127.0.0.1:PORT" */
const char *fake_collector_url(const struct fake_collector *c);
struct wire *fake_collector_wire(struct fake_collector *c);

/* What every request gets from now on; borrowed until the next. Status 0: none, it is held. At first: 200,
 * "{}". */
void fake_collector_answer(struct fake_collector *c, int status, const char *headers, const char *body);
/* Requests that wait for an answer they don't get. */
size_t fake_collector_held(const struct fake_collector *c);

size_t fake_collector_requests(const struct fake_collector *c);
/* Of the newest request; "" before there was one. */
const char *fake_collector_path(const struct fake_collector *c);
const char *fake_collector_head(const struct fake_collector *c); /* header lines */
const char *fake_collector_body(const struct fake_collector *c);

/* Spans of the requests that got a 2xx, in the order they came. */
size_t fake_collector_count(const struct fake_collector *c);
const struct json *fake_collector_span(const struct fake_collector *c, size_t index);
/* The attribute's text, its number as text, or the one text of its list; NULL if there is none. */
const char *fake_collector_attribute(const struct json *span, const char *key);

#endif
