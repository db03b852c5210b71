/*
 * traces.h - what a launch went through as OpenTelemetry spans: one trace a launch, from the poll that
 * brought it to its report. docs/traces.md names spans and attributes.
 *
 * Never in the way of a launch. Ids and times come from the launch's row, so a restart goes on in the same
 * trace; of its own it keeps nothing but what waits for the collector. All functions do nothing when there
 * are no traces (`[traces]` names no collector).
 */
#ifndef SLUICE_TRACES_H
#define SLUICE_TRACES_H

#include "api/otlp.h"
#include "base/random.h"
#include "config.h"
#include "live.h"
#include "store/store.h"

struct event_base;
struct traces;

struct traces_settings {
    struct event_base *base;
    struct timers *timers;
    const struct random_source *random;
    const struct config *config; /* read now only */
    const char *instance;        /* service.instance.id */
};

/* traces_new - all borrowed. Errors: those of http_new(). */
int traces_new(const struct traces_settings *settings, struct traces **out, struct err *err) MUST_CHECK;
/* What still waits counts as lost, and is said in the log. Accepts NULL. */
void traces_free(struct traces *traces);

/* The runner's two hooks. traces_stepped - the launch, which was `before`, is as its row says now; its
 * updated_at_ms is still when `before`'s state was entered. */
void traces_stepped(struct traces *traces, struct live *live, const struct run *before);
/* traces_attempted - a call for this launch is over, and stands in `attempts` so. failure NULL: it went well.
 */
void traces_attempted(struct traces *traces, const struct live *live, enum stage stage,
                      const struct store_attempt *attempt, const struct failure *failure);
/* traces_late - a call whose clock of timeout_ms had run out turned out done after took_ms. */
void traces_late(struct traces *traces, const struct live *live, enum stage stage, int64_t took_ms,
                 int64_t timeout_ms);

/* traces_parent - what its flow is a part of, as a traceparent: for its container and for Prefect. "" without
 * traces. */
void traces_parent(const struct traces *traces, const struct launch *launch,
                   char text[static TRACE_PARENT_SIZE]);

/* All 0 without traces. */
struct otlp_counts traces_counts(const struct traces *traces);
/* Send what waits, at most for limit_ms; done comes once, later. */
void traces_flush(struct traces *traces, int64_t limit_ms, void (*done)(void *arg), void *arg);
/* For tests; NULL without traces. */
struct http *traces_http(struct traces *traces);

#endif
